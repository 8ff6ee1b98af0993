"""The canonical record ``learner.activity.v1``: what every sender's statement becomes, or why it was refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from cairn.evidence.meaning import Vocabulary
from cairn.evidence.times import instant_text
from cairn.keys import DistrictKeys

SCHEMA_VERSION = "1.0.0"
UNKNOWN_SCHOOL = "unknown"
EXTENSION = "https://cairn.example/xapi/extensions/"

# Every reason for which a statement can be refused, and what it means.
REASONS: Mapping[str, str] = {
    "malformed_json": "the body is not JSON; the whole request counts as one refused statement",
    "body_too_large": "the body, as sent or unpacked, is over the limit; it counts as one refused statement",
    "body_unreadable": "the body is not the gzip stream it says it is; it counts as one refused statement",
    "too_many_statements": "the request holds more statements than the gateway takes at once",
    "not_a_statement": "the element is not a JSON object",
    "envelope_invalid": "the Caliper envelope lacks sensor, sendTime, dataVersion or data, or has more than these",
    "version_unsupported": "the Caliper envelope's dataVersion is no version that is read here",
    "field_missing": "a field that the standard requires is not there",
    "field_invalid": "a field has a type or form that the standard does not allow",
    "field_null": "a field is null, which the standard allows inside extensions only",
    "field_unknown": "a field is not one of the standard's, or not in its case, or not allowed there",
    "value_unknown": "a value is not one of those that the standard lists, in its case",
    "iri_invalid": "an identifier is no IRI (or URI, or mailto IRI) with its scheme",
    "language_invalid": "a language is no language tag as RFC 5646 has them",
    "actor_without_identifier": "an agent or group has no mbox, mbox_sha1sum, openid or account",
    "actor_ambiguous": "an agent or group has more than one identifier",
    "unknown_verb": "the Caliper action is none of the standard's",
    "timestamp_invalid": "the time is not RFC 3339 with a zone",
    "score_out_of_range": "a score lies outside its range",
    "duration_invalid": "the duration is not ISO 8601",
    "id_invalid": "an id is not a UUID",
    "id_repeated": "two statements of one request have the same id (strict mode)",
    "id_conflict": "another statement of this id was taken before (strict mode)",
    "batch_refused": "nothing is wrong with it, but another statement of its request was refused (strict mode)",
    "key_repeated": "an object has the same key twice",
    "nested_too_deep": "objects or lists lie too deep within each other",
    "attachment_invalid": "an attachment and what is said of it do not agree, or its data are not there",
    "signature_invalid": "the signature is malformed, not by RSA and SHA-2, or of another statement",
    "multipart_invalid": "the body is not multipart/mixed as it says; it counts as one refused statement",
    "id_mismatch": "the id in the address is not the one in the statement",
    "void_without_target": "a voiding statement does not name the statement that it voids",
    "school_invalid": "the claimed school or class is not a sourcedId",
    "school_out_of_scope": "the claimed school is outside the token's scope",
    "learner_unknown": "a score says of nobody that it is theirs: its attempt names no assignee",
    "record_invalid": "the record made of the statement breaks the contract learner.activity.v1",
}

# A OneRoster sourcedId as schools and classes use it; no blank and no @, so that no mail address passes.
SAFE_ID = re.compile(r"[A-Za-z0-9_.:{}\-]{1,128}", re.ASCII)
SAFE_WORD = re.compile(r"[A-Za-z0-9_.:%+\-]{1,64}", re.ASCII)
LONGEST_IRI = 2_048
# In lower case, anywhere in an IRI.
MAIL_ADDRESS = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
MOST_COMPETENCIES = 50


class Refusal(Exception):
    """A statement that cannot become evidence: machine-readable ``reason``, ``path`` to the place, what to do.

    Neither path nor what is said holds a value, nor a key that the standard does not know.
    """

    def __init__(self, reason: str, said: str, path: str = "") -> None:
        super().__init__(reason, said, path)
        self.reason = reason
        self.said = said
        self.path = path

    def __str__(self) -> str:
        """Reason and detail."""
        return f"{self.reason}: {self.detail}"

    @property
    def detail(self) -> str:
        """What is wrong and what to do, with its place."""
        return f"{self.path}: {self.said}" if self.path else self.said

    def within(self, step: str) -> Refusal:
        """The same, seen from one step further out: a key, or a place in a list such as ``[2]``."""
        self.path = f"{step}.{self.path}" if self.path and self.path[0] != "[" else step + self.path
        return self


@dataclass(frozen=True)
class Arrival:
    """Where and when a request came in: its source, the schools its token may speak for (none: all), the instant.

    ``zone`` is the district's: the day of receipt and the day of work are days there.
    """

    source_id: str
    schools: frozenset[str]
    instant: datetime
    zone: ZoneInfo

    @cached_property
    def received_at(self) -> str:
        """Canonical text of the instant."""
        return instant_text(self.instant)

    @cached_property
    def received_date(self) -> str:
        """The district's day of the instant, ``YYYY-MM-DD``."""
        return self.instant.astimezone(self.zone).date().isoformat()

    @cached_property
    def only_school(self) -> str | None:
        """The school of a token that has exactly one; it is the claim where the statement makes none."""
        return next(iter(self.schools)) if len(self.schools) == 1 else None


@dataclass(frozen=True)
class Reader:
    """What reading a statement needs besides the statement: the district's keys and its vocabulary."""

    keys: DistrictKeys
    vocabulary: Vocabulary


def school_claim(value: object, arrival: Arrival) -> str | None:
    """The school a statement speaks for; None where neither statement nor token says.

    Raises Refusal where the claim is not a sourcedId or lies outside the token's scope.
    """
    if value is None:
        return arrival.only_school
    if not isinstance(value, str) or not SAFE_ID.fullmatch(value):
        raise Refusal("school_invalid", "the school extension must be a OneRoster sourcedId of at most 128 characters")
    if arrival.schools and value not in arrival.schools:
        raise Refusal("school_out_of_scope", "this token may not speak for the claimed school: ask for a wider scope")
    return value


def school_of_refused(value: object, arrival: Arrival) -> str:
    """The school to book a refused statement under: the claim if it can be read, else the token's, else unknown."""
    if isinstance(value, str) and SAFE_ID.fullmatch(value):
        return value
    return arrival.only_school or UNKNOWN_SCHOOL


def class_claim(value: object) -> str | None:
    """The class a statement names. Raises Refusal where it is not a sourcedId."""
    if value is None:
        return None
    if not isinstance(value, str) or not SAFE_ID.fullmatch(value):
        raise Refusal("school_invalid", "the class extension must be a OneRoster sourcedId of at most 128 characters")
    return value


def number(value: object, field: str) -> float | None:
    """A JSON number as float, None where absent. Raises Refusal for anything else (true and false are no numbers)."""
    if value is None:
        return None
    if type(value) is float:
        return value
    if type(value) is int and abs(value) < 1 << 53:
        return float(value)
    raise Refusal("field_invalid", f"{field} must be a number")


def count(value: object, field: str, least: int) -> int | None:
    """A whole number of at least ``least``, None where absent. Raises Refusal for anything else."""
    found = number(value, field)
    if found is None:
        return None
    if not found.is_integer() or not least <= found < 1 << 31:
        raise Refusal("field_invalid", f"{field} must be a whole number of at least {least}")
    return int(found)


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """A JSON object, empty where absent or null. Raises Refusal for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal("field_invalid", f"{field} must be an object")
    return value


def without_person(reader: Reader, iri: str | None, identifiers: Iterable[str]) -> str | None:
    """An item's or a verb's IRI with nobody in it: one that holds an identifier becomes a keyed hash.

    An identifier of the learner counts where it stands alone (between characters that are neither letters nor digits),
    so that item ``algebra-1`` keeps its name although a learner is called ``alg``; a mail address whoever's it is; both
    also where they are percent-encoded. None where there is no usable IRI.
    """
    if iri is None or not 0 < len(iri) <= LONGEST_IRI:
        return None
    lowered = unquote(iri).lower() if "%" in iri else iri.lower()
    if "@" in lowered and MAIL_ADDRESS.search(lowered):
        return f"urn:cairn:item:{reader.keys.opaque('item', iri)}"
    for identifier in identifiers:
        at = lowered.find(identifier) if len(identifier) > 1 else -1
        while at >= 0:
            before, after = lowered[at - 1 : at], lowered[at + len(identifier) : at + len(identifier) + 1]
            if not before.isalnum() and not after.isalnum():
                return f"urn:cairn:item:{reader.keys.opaque('item', iri)}"
            at = lowered.find(identifier, at + 1)
    return iri


def kept_extensions(
    reader: Reader, given: Iterable[Mapping[str, Any]], identifiers: Iterable[str]
) -> dict[str, str] | None:
    """The allow-listed extensions as text: numbers, true or false, single words. None where there is none."""
    allowed = reader.vocabulary.extensions
    kept: dict[str, str] = {}
    for extensions in given:
        for key in extensions.keys() & allowed:
            text = _plain(extensions[key])
            if text is not None and text.lower() not in identifiers:
                kept[key] = text
    return kept or None


def _plain(value: object) -> str | None:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and SAFE_WORD.fullmatch(value):
        return value
    return None


def new_record(
    arrival: Arrival, event_id: str, content_hash: str, statement_id: str, worked_at: datetime, subject_key: str
) -> dict[str, Any]:
    """A record with what every kind of evidence has; the rest is filled in by the reader of the standard."""
    return {
        "event_id": event_id,
        "content_hash": content_hash,
        "schema_version": SCHEMA_VERSION,
        "source_id": arrival.source_id,
        "source_statement_id": statement_id,
        "received_at": arrival.received_at,
        "received_date": arrival.received_date,
        "event_time": instant_text(worked_at),
        "work_date": worked_at.astimezone(arrival.zone).date().isoformat(),
        "subject_key": subject_key,
        "org_id": None,
        "class_id": None,
        "activity_type": "engagement",
        "item_id": None,
        "competency_ids": [],
        "success": None,
        "score_raw": None,
        "score_min": None,
        "score_max": None,
        "score_scaled": None,
        "attempt_number": None,
        "hints": None,
        "duration_ms": None,
        "session_id": None,
        "voids_statement_id": None,
        "extensions": None,
        "raw": {},
    }
