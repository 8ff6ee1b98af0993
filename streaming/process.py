"""A request's bytes to Kafka messages and an answer: every statement becomes one activity record or one refusal.

The books: a receipt counts the statements of a request per claimed school before any judgement; the records and
refusals of the same request add up to it. All of them are in one transaction (see ``streaming.producer``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import orjson

from cairn.evidence import caliper, xapi
from cairn.evidence.activity import UNKNOWN_SCHOOL, Arrival, Reader, Refusal
from cairn.evidence.meaning import Vocabulary
from cairn.keys import DistrictKeys, partition_of
from cairn.settings import REPOSITORY, Settings
from streaming.producer import Message
from streaming.seals import SealStore
from streaming.sources import Source
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED

MOST_STATEMENTS = 5_000
ACTIVITY_SCHEMA = REPOSITORY / "schemas" / "events" / ACTIVITY / "schema.json"
# How a sealed original is to be read again.
XAPI, CALIPER, ELEMENT = "xapi", "caliper", "element"


@dataclass(frozen=True)
class Rejection:
    """One refused statement, as the sender is told of it."""

    index: int
    statement_id: str | None
    reason: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Form in the gateway's answer."""
        return {"index": self.index, "id": self.statement_id, "reason": self.reason, "detail": self.detail}


@dataclass
class Outcome:
    """What a request became: messages to commit together, ids that were accepted, refusals."""

    messages: list[Message] = field(default_factory=list)
    accepted_ids: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    # (event_id, content_hash) of each record, for the gateway's memory of what came before
    marks: list[tuple[str, str]] = field(default_factory=list)
    statements: int = 0


@dataclass
class _Book:
    """What is known of a request while it is read."""

    arrival: Arrival
    endpoint: str
    receipt_id: str
    outcome: Outcome
    per_school: dict[str, int]
    refused: list[tuple[Rejection, str, str, bytes]]  # told, school, kind, original


class Processor:
    """Reads requests for one district: its keys, vocabulary, zone and seals."""

    def __init__(self, settings: Settings, seals: SealStore | None = None) -> None:
        self._reader = Reader(DistrictKeys.load(settings), Vocabulary.load(settings))
        self._zone = settings.zone
        self._partitions = settings.activity_partitions
        self._seals = seals or SealStore(settings)
        self._contract = jsonschema_rs.validator_for(orjson.loads(ACTIVITY_SCHEMA.read_bytes()))

    @property
    def keys(self) -> DistrictKeys:
        """The district's keys."""
        return self._reader.keys

    def xapi(self, body: bytes, source: Source, endpoint: str, put_id: str | None = None) -> Outcome:
        """A statement or an array of them; ``put_id`` is the ``statementId`` of a PUT."""
        book = self._open(source, endpoint)
        statements: Any = self._parse(body, book, XAPI)
        if statements is None:
            return self._close(book)
        if not isinstance(statements, list) or put_id is not None:
            statements = [statements]
        if len(statements) > MOST_STATEMENTS:
            return self._refuse_whole(book, XAPI, body, "too_many_statements", _too_many(len(statements)))
        if put_id is not None and isinstance(statements[0], dict):
            given = statements[0].setdefault("id", put_id)
            if not isinstance(given, str) or given.lower() != put_id.lower():
                detail = "the id in the body is not the statementId in the address: send the same, or none in the body"
                return self._refuse_whole(book, XAPI, body, "id_mismatch", detail)
        return self._read_all(book, statements, xapi.read_statement, xapi.claimed_school, XAPI)

    def caliper(self, body: bytes, source: Source, endpoint: str) -> Outcome:
        """A Caliper envelope; each element of its ``data`` is one statement."""
        book = self._open(source, endpoint)
        envelope = self._parse(body, book, CALIPER)
        if envelope is None:
            return self._close(book)
        try:
            elements = caliper.open_envelope(envelope)
        except Refusal as refusal:
            return self._refuse_whole(book, CALIPER, body, refusal.reason, refusal.detail)
        if len(elements) > MOST_STATEMENTS:
            return self._refuse_whole(book, CALIPER, body, "too_many_statements", _too_many(len(elements)))
        return self._read_all(book, elements, caliper.read_element, caliper.claimed_school, ELEMENT)

    def again(self, kind: str, original: bytes, source: Source, endpoint: str) -> Outcome:
        """A refused original once more, as a request of its own."""
        if kind != ELEMENT:
            return (self.xapi if kind == XAPI else self.caliper)(original, source, endpoint)
        book = self._open(source, endpoint)
        element = self._parse(original, book, ELEMENT)
        return self._read_all(book, [element], caliper.read_element, caliper.claimed_school, ELEMENT)

    def refuse_body(self, source: Source, endpoint: str, reason: str, detail: str) -> Outcome:
        """A request whose body was not taken in at all: one refused statement, without an original."""
        book = self._open(source, endpoint)
        return self._refuse_whole(book, XAPI, b"", reason, detail)

    def _open(self, source: Source, endpoint: str) -> _Book:
        arrival = Arrival(source.source_id, source.schools, datetime.now(UTC), self._zone)
        return _Book(arrival, endpoint, str(uuid.uuid4()), Outcome(), {}, [])

    def _parse(self, body: bytes, book: _Book, kind: str) -> Any:
        """The body's JSON; None where it is not JSON, which is then booked as one refused statement."""
        try:
            return orjson.loads(body) if body.strip() != b"null" else {}
        except orjson.JSONDecodeError as error:
            detail = f"not JSON from line {error.lineno}, column {error.colno}: send the whole document again"
            self._refuse(book, 0, None, _school_of_token(book), Refusal("malformed_json", detail), kind, body)
            return None

    def _refuse_whole(self, book: _Book, kind: str, body: bytes, reason: str, detail: str) -> Outcome:
        self._refuse(book, 0, None, _school_of_token(book), Refusal(reason, detail), kind, body)
        return self._close(book)

    def _read_all(
        self,
        book: _Book,
        statements: list[Any],
        read: Callable[[object, Arrival, Reader], dict[str, Any]],
        claimed: Callable[[object, Arrival], str],
        kind: str,
    ) -> Outcome:
        outcome, arrival, per_school = book.outcome, book.arrival, book.per_school
        reader, is_valid, partitions = self._reader, self._contract.is_valid, self._partitions
        for index, statement in enumerate(statements):
            try:
                record = read(statement, arrival, reader)
                if not is_valid(record):
                    raise Refusal("record_invalid", self._breach(record))
            except Refusal as refusal:
                own_id = statement.get("id") if isinstance(statement, dict) else None
                shown = own_id if isinstance(own_id, str) and caliper.EVENT_ID.fullmatch(own_id) else None
                school = claimed(statement, arrival)
                self._refuse(book, index, shown, school, refusal, kind, orjson.dumps(statement))
                continue
            school = record["org_id"] or UNKNOWN_SCHOOL
            per_school[school] = per_school.get(school, 0) + 1
            subject = record["subject_key"]
            value = orjson.dumps(record)
            outcome.messages.append(Message(ACTIVITY, partition_of(subject, partitions), subject.encode(), value))
            outcome.accepted_ids.append(record["source_statement_id"])
            outcome.marks.append((record["event_id"], record["content_hash"]))
        return self._close(book)

    def _breach(self, record: dict[str, Any]) -> str:
        error = next(self._contract.iter_errors(record), None)
        path = ".".join(str(part) for part in error.instance_path) if error else ""
        return f"the record breaks learner.activity.v1 at {path or 'its root'}: check that field of the statement"

    def _refuse(
        self, book: _Book, index: int, own_id: str | None, school: str, refusal: Refusal, kind: str, original: bytes
    ) -> None:
        told = Rejection(index, own_id, refusal.reason, refusal.detail)
        book.per_school[school] = book.per_school.get(school, 0) + 1
        book.refused.append((told, school, kind, original))

    def _close(self, book: _Book) -> Outcome:
        """Seal what was refused, then add refusals and the receipt."""
        outcome = book.outcome
        outcome.rejections = [told for told, _, _, _ in book.refused]
        outcome.statements = sum(book.per_school.values())
        outcome.messages.extend(self._rejected_messages(book))
        if book.per_school:
            receipt = {
                "receipt_id": book.receipt_id,
                "source_id": book.arrival.source_id,
                "endpoint": book.endpoint,
                "received_at": book.arrival.received_at,
                "received_date": book.arrival.received_date,
                "statements": book.per_school,
            }
            outcome.messages.append(Message(RECEIPTS, 0, None, orjson.dumps(receipt)))
        return outcome

    def _rejected_messages(self, book: _Book) -> Iterator[Message]:
        sealed = iter(self._seals.append([(kind, body) for _, _, kind, body in book.refused if body]))
        for told, school, _, body in book.refused:
            record = {
                "rejected_id": str(uuid.uuid4()),
                "receipt_id": book.receipt_id,
                "org_id": school,
                "source_id": book.arrival.source_id,
                "received_at": book.arrival.received_at,
                "received_date": book.arrival.received_date,
                "statement_index": told.index,
                "reason": told.reason,
                "detail": told.detail,
                "payload_sha256": self.keys.payload_hash(body),
                "seal_ref": next(sealed) if body else None,
            }
            yield Message(REJECTED, 0, None, orjson.dumps(record))


def _school_of_token(book: _Book) -> str:
    return book.arrival.only_school or UNKNOWN_SCHOOL


def _too_many(found: int) -> str:
    return f"{found} statements in one request, at most {MOST_STATEMENTS} are taken: send smaller batches"
