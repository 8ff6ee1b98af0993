"""xAPI 1.0.3 and 2.0 (IEEE 9274.1.1): one statement to one canonical record.

The whole specification is checked first (``xapi_rules``); what is read here afterwards is valid.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from cairn.evidence.activity import (
    EXTENSION,
    MOST_COMPETENCIES,
    Arrival,
    Reader,
    Refusal,
    class_claim,
    kept_extensions,
    new_record,
    school_claim,
    school_of_refused,
    without_person,
)
from cairn.evidence.meaning import Vocabulary
from cairn.evidence.outcome import by_mastery_score, outcome
from cairn.evidence.times import duration_ms, instant_text, parse_instant
from cairn.evidence.xapi_rules import Judging, check_statement
from cairn.keys import DistrictKeys, event_id

SCHOOL, CLASS, HINTS = EXTENSION + "school", EXTENSION + "class", EXTENSION + "hints"
ATTEMPT_NUMBER, COMPETENCIES = EXTENSION + "attempt-number", EXTENSION + "competencies"
CMI5_SESSION = "https://w3id.org/xapi/cmi5/context/extensions/sessionid"
CMI5_MASTERY_SCORE = "https://w3id.org/xapi/cmi5/context/extensions/masteryscore"
# What Open edX calls a problem of several questions; any activity that answers of its request name as their parent.
QUESTIONS = "GroupActivity"
# What may change between two sendings of the same statement without making it another one (xAPI 1.0.3, part two,
# 2.3.1): set by the receiving system, or descriptions of verb and activity.
NOT_CONTENT = frozenset(("id", "stored", "authority", "version", "attachments"))
# Extension by which a record says what kind of engagement it is, where that is more than engagement.
KIND, UNMAPPED, MAPPED = "xapi_kind", "unmapped", "mapped"
# Part of a statement (see ``cairn.keys.event_id``) that its record is once its verb has been mapped.
MAPPED_PART = 1
NOTHING: Mapping[str, Any] = {}
# A district's pupils and a day's sessions, so that each is hashed once; in memory only.
SESSIONS_REMEMBERED, SUBJECTS_REMEMBERED = 16_384, 65_536
# Kind and value of the learner's identifier, registration ("" for none), verb, activity.
Work = tuple[str, str, str, str, str]


def claimed_school(statement: object, arrival: Arrival) -> str:
    """The school to book a refused statement under; never raises."""
    claim = None
    if isinstance(statement, dict) and isinstance(context := statement.get("context"), dict):
        extensions = context.get("extensions")
        claim = extensions.get(SCHOOL) if isinstance(extensions, dict) else None
    return school_of_refused(claim, arrival)


def parents_of(statements: Sequence[object]) -> frozenset[Work]:
    """What statements of one request name as the parent of theirs, as the work of the same learner on it.

    A submission of several questions comes as one statement a question and one for all: that one is their total. In a
    batch of many learners' statements it is theirs alone whose questions came. Never raises: what is no statement
    names nothing.
    """
    if len(statements) < 2:
        return frozenset()
    # What is no statement's object is nobody's total: most requests have no such parent, and are done here.
    objects: set[str] = set()
    for statement in statements:
        try:
            objects.add(statement["object"]["id"])  # type: ignore[index]
        except (KeyError, TypeError, IndexError):
            continue
    found: set[Work] = set()
    for statement in statements:
        try:
            context = statement["context"]["contextActivities"]["parent"]  # type: ignore[index]
            found.update(
                _work(statement, one["id"])  # type: ignore[arg-type]
                for one in (context if type(context) is list else (context,))
                if one["id"] in objects
            )
        except (AttributeError, KeyError, TypeError, IndexError):
            continue
    return frozenset(found)


def _work(statement: Mapping[str, Any], activity: str) -> Work:
    """A statement's learner, registration and verb, on an activity."""
    registration = statement.get("context", NOTHING).get("registration", "")
    return (*subject(statement["actor"], ""), registration.lower(), statement["verb"]["id"], activity)


def own_work(statement: object) -> frozenset[Work]:
    """What a statement is about, as :func:`parents_of` gives it where others name it as their parent; else nothing."""
    try:
        return frozenset((_work(statement, statement["object"]["id"]),))  # type: ignore[arg-type, index]
    except (AttributeError, KeyError, TypeError):
        return frozenset()


def read_statement(
    statement: object,
    arrival: Arrival,
    reader: Reader,
    judging: Judging = Judging.PARTIAL,
    parents: frozenset[Work] = frozenset(),
) -> dict[str, Any]:
    """The canonical record of a statement; an id is assigned (UUIDv4) where it has none.

    ``parents``: see :func:`parents_of`; such a statement is the total of its questions. Raises Refusal with reason,
    path and what to do where the statement breaks the specification, or where its source may not speak for the school
    that it names.
    """
    check_statement(statement, judging)
    assert isinstance(statement, dict)
    given_id = statement.get("id")
    own_id = given_id.lower() if given_id else str(uuid.uuid4())
    kind, value = subject(statement["actor"], own_id)
    identifiers = (value.lower().removeprefix("mailto:"),)
    given_time = statement.get("timestamp")
    worked_at = arrival.instant if given_time is None else parse_instant(given_time)
    result, context = statement.get("result", NOTHING), statement.get("context", NOTHING)
    length = _length(result.get("duration"))
    context_extensions, result_extensions = context.get("extensions", NOTHING), result.get("extensions", NOTHING)

    record = new_record(
        arrival,
        event_id(arrival.source_id, own_id),
        reader.keys.content_hash(
            canonical_form(statement, None if given_time is None else instant_text(worked_at), length)
        ),
        own_id,
        worked_at,
        _subject_key(reader.keys, kind, value),
    )
    record["org_id"] = school_claim(context_extensions.get(SCHOOL), arrival)
    record["class_id"] = class_claim(context_extensions.get(CLASS))
    record["duration_ms"] = length
    _fill_result(record, result)
    if (mastery_score := context_extensions.get(CMI5_MASTERY_SCORE)) is not None:
        record["success"] = by_mastery_score(record["success"], record["score_scaled"], mastery_score)
    if context_extensions or result_extensions:
        record["extensions"] = kept_extensions(reader, (context_extensions, result_extensions), identifiers)
    _fill_object(record, statement, reader, identifiers, parents)
    record["hints"] = _count(result_extensions.get(HINTS), 0)
    record["attempt_number"] = _count(result_extensions.get(ATTEMPT_NUMBER, context_extensions.get(ATTEMPT_NUMBER)), 1)
    record["competency_ids"] = _competencies(context, context_extensions, reader)
    session = context_extensions.get(CMI5_SESSION) or context.get("registration")
    if isinstance(session, str):
        record["session_id"] = _session_id(reader.keys, session)
    return record


@lru_cache(SESSIONS_REMEMBERED)
def _session_id(keys: DistrictKeys, session: str) -> str:
    """The keyed hash of a session, remembered: dozens of statements have the same."""
    return keys.opaque("session", session)


@lru_cache(SUBJECTS_REMEMBERED)
def _subject_key(keys: DistrictKeys, kind: str, value: str) -> str:
    """The subject key of an identifier, remembered: a pupil sends dozens of statements a day."""
    return keys.subject_key(kind, value)


def subject(actor: Mapping[str, Any], own_id: str) -> tuple[str, str]:
    """Kind and value of a valid actor's identifier, as ``DistrictKeys.subject_key`` takes them.

    A group is never a pupil: its kind begins with ``group:``, so that no link leads to it, and one without an
    identifier is the group of its statement.
    """
    group = "group:" if actor.get("objectType") == "Group" else ""
    if (account := actor.get("account")) is not None:
        return f"{group}account:{account['homePage']}", account["name"]
    for name in ("mbox", "mbox_sha1sum", "openid"):
        if (value := actor.get(name)) is not None:
            return f"{group}{name}", value
    return f"{group}statement", own_id


def canonical_form(statement: Mapping[str, Any], event_time: str | None, length: int | None) -> bytes:
    """The bytes that two sendings of the same content share.

    Keys sorted; what a receiving system adds and descriptions left out; time in UTC; duration in hundredths of a
    second (``PT120S`` is ``PT2M``); scores as floats; activities of the context as lists of ids. Raises Refusal where
    extensions lie too deep within each other to be written again.
    """
    content = {key: value for key, value in statement.items() if key not in NOT_CONTENT}
    if event_time is not None:
        content["timestamp"] = event_time
    for name in ("verb", "object"):
        part = content[name]
        if "display" in part or "definition" in part:
            content[name] = part = {**part}
            part.pop("display", None)
            part.pop("definition", None)
    result = content.get("result")
    if result is not None and ("duration" in result or "score" in result):
        content["result"] = result = {**result}
        if length is not None:
            result["duration"] = length // 10
        if "score" in result:
            result["score"] = {name: float(value) for name, value in result["score"].items()}
    context = content.get("context")
    if context is not None and "contextActivities" in context:
        content["context"] = {
            **context,
            "contextActivities": {
                name: [one["id"] for one in group] if type(group) is list else [group["id"]]
                for name, group in context["contextActivities"].items()
            },
        }
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise Refusal("nested_too_deep", "objects or lists lie too deep within each other: at most 200") from None


def has_attachments(statement: Mapping[str, Any]) -> bool:
    """Whether a valid statement, or the one within it, has attachments."""
    return "attachments" in statement or "attachments" in statement["object"]


def comparable(statement: Mapping[str, Any]) -> bytes:
    """:func:`canonical_form` of a valid statement that is not read any further."""
    given_time = statement.get("timestamp")
    event_time = None if given_time is None else instant_text(parse_instant(given_time))
    return canonical_form(statement, event_time, _length(statement.get("result", NOTHING).get("duration")))


def _length(duration: str | None) -> int | None:
    """Milliseconds; None where none is told, or where it is longer than any work that can be."""
    if duration is None:
        return None
    try:
        return duration_ms(duration)
    except ValueError:
        return None


def _count(value: object, least: int) -> int | None:
    """A whole number of at least ``least``; None for anything else, since no extension's value is refused (4.1)."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and least <= value < 1 << 31 else None


def _fill_result(record: dict[str, Any], result: Mapping[str, Any]) -> None:
    record["success"] = success = result.get("success")
    if (score := result.get("score")) is None:
        return
    raw, low, high = _float(score.get("raw")), _float(score.get("min")), _float(score.get("max"))
    scaled = _float(score.get("scaled"))
    record["score_raw"], record["score_min"], record["score_max"] = raw, low, high
    record["success"], record["score_scaled"] = outcome(success, scaled, raw, low, high)


def _float(value: int | float | None) -> float | None:
    return None if value is None else float(value)


def _fill_object(
    record: dict[str, Any],
    statement: Mapping[str, Any],
    reader: Reader,
    identifiers: tuple[str, ...],
    parents: frozenset[Work],
) -> None:
    """Kind of evidence from the verb, item from the object, and the two IRIs that may lie in ``raw``.

    A verb that ``verbs.yaml`` does not have is engagement of the kind ``unmapped`` until it is mapped. What a group
    did is nobody's own work, and what is done to a person or to another statement is no work on an item: engagement.
    """
    verb_id = statement["verb"]["id"]
    verb = reader.vocabulary.verbs.get(verb_id)
    thing = statement["object"]
    object_type = thing.get("objectType", "Activity")
    # A verb that is mapped is the district's own word; any other may be anything that an app makes.
    shown_verb = verb_id if verb is not None else without_person(reader, verb_id, identifiers)
    record["raw"] = raw = {"verb": shown_verb} if shown_verb is not None else {}
    kind = "engagement"
    if verb is None:
        record["extensions"] = {**(record["extensions"] or {}), KIND: UNMAPPED}
    if verb is not None and verb.activity_type == "void":
        kind = "void"
        if object_type != "StatementRef":
            raise Refusal("void_without_target", "a voiding statement's object is a StatementRef with its id", "object")
        record["voids_statement_id"] = thing["id"].lower()
    elif object_type in ("Activity", QUESTIONS):
        record["item_id"] = without_person(reader, thing["id"], identifiers)
        activity_type = thing.get("definition", NOTHING).get("type")
        if (shown := without_person(reader, activity_type, identifiers)) is not None:
            raw["activity_type"] = shown
        if parents and _work(statement, thing["id"]) in parents:
            object_type = QUESTIONS
        if object_type != "Activity":
            raw["object_type"] = object_type
        if statement["actor"].get("objectType") == "Group":
            raw["actor_type"] = "Group"
        elif verb is not None:
            kind = reader.vocabulary.of_xapi(verb, _has_result(record), object_type, activity_type)
    record["activity_type"] = kind


def _has_result(record: Mapping[str, Any]) -> bool:
    return record["success"] is not None or record["score_scaled"] is not None


def mapped(record: Mapping[str, Any], vocabulary: Vocabulary, arrival: Arrival) -> dict[str, Any] | None:
    """An unmapped record as what its verb means by now; None where the verb still means no work on an item.

    It is another part of the same statement, so that what was taken stays as it is, a void of the statement takes back
    both, and mapping it again changes nothing. It has no duration: the engagement beside it has.
    """
    raw = record["raw"] or {}
    verb = vocabulary.verbs.get(raw.get("verb", ""))
    if verb is None or record["item_id"] is None or "actor_type" in raw:
        return None
    kind = vocabulary.of_xapi(verb, _has_result(record), raw.get("object_type", "Activity"), raw.get("activity_type"))
    if kind in ("engagement", "void"):
        return None
    return {
        **record,
        "event_id": event_id(record["source_id"], record["source_statement_id"], MAPPED_PART),
        "received_at": arrival.received_at,
        "received_date": arrival.received_date,
        "activity_type": kind,
        "duration_ms": None,
        "extensions": {**record["extensions"], KIND: MAPPED},
    }


def _competencies(context: Mapping[str, Any], extensions: Mapping[str, Any], reader: Reader) -> list[str]:
    """Competencies the source names: its extension, and context activities of an objective's type; in order, once."""
    named: dict[str, None] = {}
    given = extensions.get(COMPETENCIES)
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list):
        named.update((value, None) for value in given if isinstance(value, str) and 0 < len(value) <= 255)
    if (activities := context.get("contextActivities")) is not None:
        objectives = reader.vocabulary.objective_types
        for group in activities.values():
            for activity in group if type(group) is list else (group,):
                is_objective = activity.get("definition", NOTHING).get("type") in objectives
                if is_objective and len(activity["id"]) <= 255:
                    named[activity["id"]] = None
    return list(named)[:MOST_COMPETENCIES]
