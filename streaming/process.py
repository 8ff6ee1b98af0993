"""A request's bytes to Kafka messages and an answer: every statement becomes one activity record or one refusal.

The books: a receipt counts the statements of a request per claimed school before any judgement; the records and
refusals of the same request add up to it. All of them are in one transaction (see ``streaming.producer``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import orjson

from cairn.evidence import caliper, xapi
from cairn.evidence.activity import UNKNOWN_SCHOOL, Arrival, Reader, Refusal
from cairn.evidence.excerpt import excerpt
from cairn.evidence.meaning import Vocabulary
from cairn.evidence.xapi_rules import Judging
from cairn.keys import DistrictKeys, partition_of
from cairn.settings import REPOSITORY, Settings
from streaming import json_body
from streaming.attachments import check_attachments
from streaming.multipart import Part
from streaming.seals import SealStore
from streaming.sources import Source
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED
from streaming.transactions import Message

MOST_STATEMENTS = 5_000
ACTIVITY_SCHEMA = REPOSITORY / "schemas" / "events" / ACTIVITY / "schema.json"
# How a sealed original is to be read again; TOTAL is a statement that others of its request named as their parent.
XAPI, TOTAL, CALIPER, ELEMENT = "xapi", "total", "caliper", "element"
Read = Callable[[object, Arrival, Reader], dict[str, Any]]


@dataclass(frozen=True)
class Terms:
    """How the statements of an xAPI request are judged.

    ``is_whole``: one refused statement refuses all (strict mode). ``parts``: the attachments that came, by their sums;
    None where they are not looked at, as in a replay. ``is_conflict`` (event_id, content_hash): whether another
    statement of the id was taken before. ``ids_from``: UUID of the refusal that is replayed, of which the id of a
    statement without one is made, so that it is the same however often the replay is done. ``is_total``: the one
    statement is the total of questions that came beside it.
    """

    judging: Judging = Judging.PARTIAL
    is_whole: bool = False
    parts: Mapping[str, Part] | None = None
    is_conflict: Callable[[str, str], bool] | None = None
    ids_from: uuid.UUID | None = None
    is_total: bool = False


ANY_TERMS = Terms()
KEY_REPEATED = ("key_repeated", "an object has the same key twice: send each once")
# What only the sender can mend: judged again, with less at hand than the request had (its parts, its address, its other
# statements, the keys that a parser drops), it would be taken as it is. It is not sealed and not replayed.
MENDED_BY_SENDER = frozenset(
    (
        *("key_repeated", "attachment_invalid", "signature_invalid", "multipart_invalid"),
        *("id_mismatch", "id_repeated", "id_conflict", "batch_refused"),
    )
)
NOT_KEPT = "; it is not kept for replay: send it again mended"


@dataclass(frozen=True)
class Rejection:
    """One refused statement, as the sender is told of it."""

    index: int
    statement_id: str | None
    reason: str
    detail: str
    path: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Form in the gateway's answer."""
        told = {"index": self.index, "id": self.statement_id, "reason": self.reason}
        return {**told, "path": self.path, "detail": self.detail}


@dataclass
class Outcome:
    """What a request became: messages to commit together, ids that were accepted, refusals."""

    messages: list[Message] = field(default_factory=list)
    accepted_ids: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    # (event_id, content_hash) of each record, for the gateway's memory of what came before
    marks: list[tuple[str, str]] = field(default_factory=list)
    statements: int = 0

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Statement id and record of each statement that was accepted."""
        values = (message.value for message in self.messages if message.topic == ACTIVITY)
        return zip(self.accepted_ids, values, strict=True)


@dataclass
class _Book:
    """What is known of a request while it is read."""

    arrival: Arrival
    endpoint: str
    receipt_id: str
    outcome: Outcome
    per_school: dict[str, int]
    refused: list[tuple[Rejection, str, str, bytes, bool]]  # told, school, kind, original, whether it is sealed


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

    def xapi(
        self,
        body: bytes,
        source: Source,
        endpoint: str,
        put_id: str | None = None,
        terms: Terms = ANY_TERMS,
        received: datetime | None = None,
    ) -> Outcome:
        """A statement or an array of them; ``put_id`` is the ``statementId`` of a PUT, ``received`` when it came."""
        book = self._open(source, endpoint, received)
        document = self._parse(body, book, XAPI)
        if document is None:
            return self._close(book)
        statements = document.value
        if not isinstance(statements, list) or put_id is not None:
            statements = [statements]
        if len(statements) > MOST_STATEMENTS:
            return self._refuse_whole(book, XAPI, body, "too_many_statements", _too_many(len(statements)))
        if put_id is not None and isinstance(statements[0], dict):
            given = statements[0].setdefault("id", put_id)
            if not isinstance(given, str) or given.lower() != put_id.lower():
                detail = "the id in the body is not the statementId in the address: send the same, or none in the body"
                return self._refuse_whole(book, XAPI, body, "id_mismatch", detail)
        if terms.ids_from is not None:
            for index, statement in enumerate(statements):
                if isinstance(statement, dict):
                    statement.setdefault("id", str(uuid.uuid5(terms.ids_from, str(index))))
        used: set[str] = set()
        parents = xapi.own_work(statements[0]) if terms.is_total else xapi.parents_of(statements)

        def kind_of(statement: object) -> str:
            return TOTAL if parents and not xapi.own_work(statement).isdisjoint(parents) else XAPI

        def read(statement: object, arrival: Arrival, reader: Reader) -> dict[str, Any]:
            record = xapi.read_statement(statement, arrival, reader, terms.judging, parents)
            if terms.parts is not None and isinstance(statement, dict) and xapi.has_attachments(statement):
                used.update(check_attachments(statement, terms.parts))
            if terms.is_conflict is not None and terms.is_conflict(record["event_id"], record["content_hash"]):
                raise Refusal("id_conflict", "another statement of this id was taken before: send it under a new id")
            return record

        self._read_all(book, statements, read, xapi.claimed_school, kind_of, document.doubled, terms.is_whole)
        if terms.parts and not book.refused and len(used) < len(terms.parts):
            fresh = self._open(source, endpoint)
            detail = "a part belongs to no attachment of a statement: send only those that do"
            return self._refuse_whole(fresh, XAPI, body, "multipart_invalid", detail)
        return self._close(book)

    def caliper(self, body: bytes, source: Source, endpoint: str, received: datetime | None = None) -> Outcome:
        """A Caliper envelope; each element of its ``data`` is one statement."""
        book = self._open(source, endpoint, received)
        document = self._parse(body, book, CALIPER)
        if document is None:
            return self._close(book)
        if document.doubled:
            return self._refuse_whole(book, CALIPER, body, *KEY_REPEATED)
        try:
            elements = caliper.open_envelope(document.value)
        except Refusal as refusal:
            return self._refuse_whole(book, CALIPER, body, refusal.reason, refusal.detail)
        if len(elements) > MOST_STATEMENTS:
            return self._refuse_whole(book, CALIPER, body, "too_many_statements", _too_many(len(elements)))
        self._read_all(book, elements, caliper.read_element, caliper.claimed_school, _as_element)
        return self._close(book)

    def again(self, kind: str, original: bytes, source: Source, endpoint: str, refusal: Mapping[str, Any]) -> Outcome:
        """A refused original once more, as a request of its own that came when the refused one did.

        ``refusal``: its record on the topic of refusals. Done twice, it gives the same events.
        """
        received = datetime.fromisoformat(refusal["received_at"])
        if kind in (XAPI, TOTAL):
            terms = Terms(ids_from=uuid.UUID(refusal["rejected_id"]), is_total=kind == TOTAL)
            return self.xapi(original, source, endpoint, terms=terms, received=received)
        if kind == CALIPER:
            return self.caliper(original, source, endpoint, received)
        book = self._open(source, endpoint, received)
        document = self._parse(original, book, ELEMENT)
        if document is not None:
            self._read_all(book, [document.value], caliper.read_element, caliper.claimed_school, _as_element)
        return self._close(book)

    def mapped(self, records: list[dict[str, Any]], source: Source, endpoint: str) -> Outcome:
        """Unmapped records of one source as what their verbs mean by now, where they mean more than engagement."""
        book = self._open(source, endpoint)
        for record in records:
            if (meant := xapi.mapped(record, self._reader.vocabulary, book.arrival)) is not None:
                self._take(book, meant)
        return self._close(book)

    def released(self, records: list[dict[str, Any]], source_id: str, endpoint: str, received: datetime) -> Outcome:
        """Records of one source and day that intake had set aside, as they are, under a receipt of when they came."""
        book = self._open(Source(source_id), endpoint, received)
        for record in records:
            self._take(book, record)
        return self._close(book)

    def refuse_body(self, source: Source, endpoint: str, reason: str, detail: str) -> Outcome:
        """A request whose body was not taken in at all: one refused statement, without an original."""
        book = self._open(source, endpoint)
        return self._refuse_whole(book, XAPI, b"", reason, detail)

    def _open(self, source: Source, endpoint: str, received: datetime | None = None) -> _Book:
        arrival = Arrival(source.source_id, source.schools, received or datetime.now(UTC), self._zone)
        return _Book(arrival, endpoint, str(uuid.uuid4()), Outcome(), {}, [])

    def _parse(self, body: bytes, book: _Book, kind: str) -> json_body.Parsed | None:
        """The body's JSON; None where it is not JSON, which is then booked as one refused statement."""
        try:
            return json_body.parse(body)
        except Refusal as refusal:
            self._refuse(book, 0, None, _school_of_token(book), refusal, kind, body)
            return None

    def _refuse_whole(self, book: _Book, kind: str, body: bytes, reason: str, detail: str) -> Outcome:
        self._refuse(book, 0, None, _school_of_token(book), Refusal(reason, detail), kind, body)
        return self._close(book)

    def _read_all(
        self,
        book: _Book,
        statements: list[Any],
        read: Read,
        claimed: Callable[[object, Arrival], str],
        kind_of: Callable[[object], str],
        doubled: frozenset[int] = frozenset(),
        is_whole: bool = False,
    ) -> None:
        """Judge each statement; in whole requests (``is_whole``) an id once, and all refused where one is.

        What a whole request has without an id of its own is not sealed: replayed, and sent again by its sender who was
        told that nothing was taken, it would be counted twice.
        """
        arrival = book.arrival
        reader, is_valid = self._reader, self._contract.is_valid
        taken: list[tuple[int, dict[str, Any]]] = []
        ids: set[str] = set()
        for index, statement in enumerate(statements):
            try:
                if index in doubled:
                    raise Refusal(*KEY_REPEATED)
                record = read(statement, arrival, reader)
                if not is_valid(record):
                    raise Refusal("record_invalid", self._breach(record))
                if is_whole:
                    if record["source_statement_id"] in ids:
                        raise Refusal("id_repeated", "another statement of this request has the same id", "id")
                    ids.add(record["source_statement_id"])
            except Refusal as refusal:
                school, own_id, original = claimed(statement, arrival), _shown_id(statement), orjson.dumps(statement)
                is_sealed = own_id is not None or not is_whole
                self._refuse(book, index, own_id, school, refusal, kind_of(statement), original, is_sealed)
                continue
            taken.append((index, record))
        if is_whole and book.refused:
            self._refuse_good(book, [(index, statements[index]) for index, _ in taken], claimed, kind_of)
            return
        for _, record in taken:
            self._take(book, record)

    def _take(self, book: _Book, record: dict[str, Any]) -> None:
        outcome, per_school = book.outcome, book.per_school
        school = record["org_id"] or UNKNOWN_SCHOOL
        per_school[school] = per_school.get(school, 0) + 1
        subject = record["subject_key"]
        value = orjson.dumps(record)
        outcome.messages.append(Message(ACTIVITY, partition_of(subject, self._partitions), subject.encode(), value))
        outcome.accepted_ids.append(record["source_statement_id"])
        outcome.marks.append((record["event_id"], record["content_hash"]))

    def _refuse_good(
        self,
        book: _Book,
        good: list[tuple[int, Any]],
        claimed: Callable[[object, Arrival], str],
        kind_of: Callable[[object], str],
    ) -> None:
        """Refuse what is well but came with something bad: the sender repairs that and sends all again."""
        bad = ", ".join(str(told.index) for told, *_ in book.refused[:5])
        refusal = Refusal(
            "batch_refused", f"nothing is wrong here, but with statement {bad}: mend that, send all again"
        )
        for index, statement in good:
            school, own_id = claimed(statement, book.arrival), _shown_id(statement)
            self._refuse(book, index, own_id, school, refusal, kind_of(statement), orjson.dumps(statement))
        book.refused.sort(key=lambda one: one[0].index)

    def _breach(self, record: dict[str, Any]) -> str:
        error = next(self._contract.iter_errors(record), None)
        path = ".".join(str(part) for part in error.instance_path) if error else ""
        return f"the record breaks learner.activity.v1 at {path or 'its root'}: check that field of the statement"

    def _refuse(
        self,
        book: _Book,
        index: int,
        own_id: str | None,
        school: str,
        refusal: Refusal,
        kind: str,
        original: bytes,
        is_sealed: bool = True,
    ) -> None:
        is_sealed = is_sealed and refusal.reason not in MENDED_BY_SENDER
        # A good one of a refused batch is told already to come again with all; a body not taken in has no original.
        more = "" if is_sealed or not original or refusal.reason == "batch_refused" else NOT_KEPT
        told = Rejection(index, own_id, refusal.reason, refusal.detail + more, refusal.path)
        book.per_school[school] = book.per_school.get(school, 0) + 1
        book.refused.append((told, school, kind, original, is_sealed and bool(original)))

    def _close(self, book: _Book) -> Outcome:
        """Seal what was refused, then add refusals and the receipt."""
        outcome = book.outcome
        outcome.rejections = [told for told, *_ in book.refused]
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
        sealed = iter(self._seals.append([(kind, body) for _, _, kind, body, is_sealed in book.refused if is_sealed]))
        for told, school, _, body, is_sealed in book.refused:
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
                "excerpt": excerpt(body),
                "payload_sha256": self.keys.payload_hash(body),
                "seal_ref": next(sealed) if is_sealed else None,
            }
            yield Message(REJECTED, 0, None, orjson.dumps(record))


def _school_of_token(book: _Book) -> str:
    return book.arrival.only_school or UNKNOWN_SCHOOL


def _shown_id(statement: object) -> str | None:
    """The statement's own id where it has the form of one: anything else may be a name."""
    own_id = statement.get("id") if isinstance(statement, dict) else None
    return own_id if isinstance(own_id, str) and caliper.EVENT_ID.fullmatch(own_id) else None


def _as_element(_element: object) -> str:
    return ELEMENT


def _too_many(found: int) -> str:
    return f"{found} statements in one request, at most {MOST_STATEMENTS} are taken: send smaller batches"
