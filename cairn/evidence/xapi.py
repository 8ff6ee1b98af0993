"""xAPI 1.0.3 and 2.0 (IEEE 9274.1.1): one statement to one canonical record.

Checked is what mastery needs: who, what, on which item, when, how well. The whole specification is not.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from cairn.evidence.activity import (
    EXTENSION,
    MOST_COMPETENCIES,
    Arrival,
    Reader,
    Refusal,
    class_claim,
    count,
    kept_extensions,
    mapping,
    new_record,
    number,
    school_claim,
    school_of_refused,
    without_person,
)
from cairn.evidence.outcome import outcome
from cairn.evidence.times import duration_ms, instant_text, parse_instant
from cairn.keys import event_id

UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
SCHOOL, CLASS, HINTS = EXTENSION + "school", EXTENSION + "class", EXTENSION + "hints"
ATTEMPT_NUMBER, COMPETENCIES = EXTENSION + "attempt-number", EXTENSION + "competencies"
CMI5_SESSION = "https://w3id.org/xapi/cmi5/context/extensions/sessionid"
# What may change between two sendings of the same statement without making it another one (xAPI 1.0.3, part two,
# 2.3.1): set by the receiving system, or descriptions of verb and activity.
NOT_CONTENT = frozenset(("stored", "authority", "version", "attachments"))
MOST_GROUPS = 8


def claimed_school(statement: object, arrival: Arrival) -> str:
    """The school to book a refused statement under; never raises."""
    claim = None
    if isinstance(statement, dict) and isinstance(context := statement.get("context"), dict):
        extensions = context.get("extensions")
        claim = extensions.get(SCHOOL) if isinstance(extensions, dict) else None
    return school_of_refused(claim, arrival)


def statement_id(statement: Mapping[str, Any]) -> str | None:
    """The statement's own id in lower case, None where it has none. Raises Refusal where it is not a UUID."""
    given = statement.get("id")
    if given is None:
        return None
    text = given.lower() if isinstance(given, str) else ""
    if not UUID_TEXT.fullmatch(text):
        raise Refusal("id_invalid", "id must be a UUID such as 00000000-0000-4000-8000-000000000000, or absent")
    return text


def read_statement(statement: object, arrival: Arrival, reader: Reader) -> dict[str, Any]:
    """The canonical record of a statement; an id is assigned (UUIDv4) where it has none.

    Raises Refusal with reason and detail where it cannot become evidence.
    """
    if not isinstance(statement, dict):
        raise Refusal("not_a_statement", "a statement must be a JSON object")
    own_id = statement_id(statement) or str(uuid.uuid4())
    kind, value = learner(mapping(statement.get("actor"), "actor"))
    identifiers = (value.lower().removeprefix("mailto:"),)
    given_time = statement.get("timestamp")
    worked_at = arrival.instant if given_time is None else _instant(given_time)
    result = mapping(statement.get("result"), "result")
    length = _duration(result.get("duration"))
    context = mapping(statement.get("context"), "context")
    context_extensions = mapping(context.get("extensions"), "context.extensions")
    result_extensions = mapping(result.get("extensions"), "result.extensions")

    record = new_record(
        arrival,
        event_id(arrival.source_id, own_id),
        reader.keys.content_hash(
            canonical_form(statement, None if given_time is None else instant_text(worked_at), length)
        ),
        own_id,
        worked_at,
        reader.keys.subject_key(kind, value),
    )
    record["org_id"] = school_claim(context_extensions.get(SCHOOL), arrival)
    record["class_id"] = class_claim(context_extensions.get(CLASS))
    record["duration_ms"] = length
    _fill_result(record, result)
    _fill_object(record, statement, reader, identifiers)
    record["hints"] = count(result_extensions.get(HINTS), "hints", 0)
    record["attempt_number"] = count(
        result_extensions.get(ATTEMPT_NUMBER, context_extensions.get(ATTEMPT_NUMBER)), "attempt-number", 1
    )
    record["competency_ids"] = _competencies(context, context_extensions, reader)
    session = context_extensions.get(CMI5_SESSION) or context.get("registration")
    if isinstance(session, str):
        record["session_id"] = reader.keys.opaque("session", session)
    if context_extensions or result_extensions:
        record["extensions"] = kept_extensions(reader, (context_extensions, result_extensions), identifiers)
    return record


def learner(actor: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and value of the actor's one identifier, as ``DistrictKeys.subject_key`` takes them.

    Raises Refusal where there is none or more than one.
    """
    if not actor:
        raise Refusal("field_missing", "actor is required")
    found = [name for name in ("mbox", "mbox_sha1sum", "openid", "account") if actor.get(name) is not None]
    if not found:
        raise Refusal("actor_without_identifier", "actor needs one of mbox, mbox_sha1sum, openid, account")
    if len(found) > 1:
        raise Refusal("actor_ambiguous", f"actor has {' and '.join(found)}: send exactly one")
    name = found[0]
    if name == "account":
        account = mapping(actor["account"], "actor.account")
        home, value = account.get("homePage"), account.get("name")
        if not isinstance(home, str) or not isinstance(value, str) or not home or not value.strip():
            raise Refusal("field_missing", "actor.account needs homePage and name")
        return f"account:{home}", value
    value = actor[name]
    if not isinstance(value, str) or not value.strip() or (name == "mbox" and "@" not in value):
        raise Refusal("field_invalid", f"actor.{name} has not the form of the standard")
    return name, value


def canonical_form(statement: Mapping[str, Any], event_time: str | None, length: int | None) -> bytes:
    """The bytes that two sendings of the same content share.

    Keys sorted; what a receiving system adds and descriptions left out; time in UTC; duration in hundredths of a
    second (``PT120S`` is ``PT2M``); scores as floats.
    """
    content = {key: value for key, value in statement.items() if key not in NOT_CONTENT}
    content.pop("id", None)
    if event_time is not None:
        content["timestamp"] = event_time
    for name in ("verb", "object"):
        part = content.get(name)
        if isinstance(part, dict) and ("display" in part or "definition" in part):
            content[name] = {key: value for key, value in part.items() if key not in ("display", "definition")}
    result = content.get("result")
    if isinstance(result, dict) and ("duration" in result or "score" in result):
        result = dict(result)
        content["result"] = result
        if length is not None:
            result["duration"] = length // 10
        score = result.get("score")
        if isinstance(score, dict):
            result["score"] = {key: float(value) if type(value) is int else value for key, value in score.items()}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _instant(value: object) -> datetime:
    try:
        return parse_instant(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise Refusal("timestamp_invalid", "timestamp must be RFC 3339 with a zone, such as ...T08:00:00Z") from None


def _duration(value: object) -> int | None:
    if value is None:
        return None
    try:
        return duration_ms(value if isinstance(value, str) else "")
    except ValueError:
        raise Refusal("duration_invalid", "result.duration must be ISO 8601 and under ten years, as PT1M30S") from None


def _fill_result(record: dict[str, Any], result: Mapping[str, Any]) -> None:
    success = result.get("success")
    if success is not None and not isinstance(success, bool):
        raise Refusal("field_invalid", "result.success must be true or false")
    record["success"] = success
    if result.get("score") is None:
        return
    score = mapping(result["score"], "result.score")
    raw = number(score.get("raw"), "result.score.raw")
    low = number(score.get("min"), "result.score.min")
    high = number(score.get("max"), "result.score.max")
    scaled = number(score.get("scaled"), "result.score.scaled")
    if scaled is not None and not -1.0 <= scaled <= 1.0:
        raise Refusal("score_out_of_range", "result.score.scaled must lie between -1 and 1")
    if low is not None and high is not None and low > high:
        raise Refusal("score_out_of_range", "result.score.min must not be above result.score.max")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        raise Refusal("score_out_of_range", "result.score.raw must lie between result.score.min and max")
    record["score_raw"], record["score_min"], record["score_max"] = raw, low, high
    record["success"], record["score_scaled"] = outcome(success, scaled, raw, low, high)


def _fill_object(
    record: dict[str, Any], statement: Mapping[str, Any], reader: Reader, identifiers: tuple[str, ...]
) -> None:
    """Kind of evidence from the verb, item from the object, and the two IRIs that may lie in ``raw``."""
    verb_id = mapping(statement.get("verb"), "verb").get("id")
    if not isinstance(verb_id, str):
        raise Refusal("field_missing", "verb.id is required")
    verb = reader.vocabulary.verbs.get(verb_id)
    if verb is None:
        raise Refusal("unknown_verb", "the verb is not in the district's verbs.yaml: add it there and replay")
    thing = mapping(statement.get("object"), "object")
    if not thing:
        raise Refusal("field_missing", "object is required")
    object_type = thing.get("objectType", "Activity")
    record["raw"] = raw = {"verb": verb_id}
    has_result = record["success"] is not None or record["score_scaled"] is not None
    kind = verb.activity_type
    if kind == "void":
        target = thing.get("id")
        text = target.lower() if isinstance(target, str) and object_type == "StatementRef" else ""
        if not UUID_TEXT.fullmatch(text):
            raise Refusal("void_without_target", "a voiding statement needs object.objectType StatementRef and its id")
        record["voids_statement_id"] = text
    elif object_type in ("Activity", "GroupActivity"):  # the second is Open edX's, for a problem of several questions
        iri = thing.get("id")
        if not isinstance(iri, str) or ":" not in iri:
            raise Refusal("field_missing", "object.id must be an IRI")
        record["item_id"] = without_person(reader, iri, identifiers)
        activity_type = mapping(thing.get("definition"), "object.definition").get("type")
        if not isinstance(activity_type, str):
            activity_type = None
        kind = reader.vocabulary.of_xapi(verb, has_result, object_type, activity_type)
        if (shown := without_person(reader, activity_type, identifiers)) is not None:
            raw["activity_type"] = shown
    elif object_type not in ("Agent", "Group", "StatementRef", "SubStatement"):
        raise Refusal("field_invalid", "object.objectType must be Activity, Agent, Group, StatementRef or SubStatement")
    else:
        # What is done to a person or to another statement is no work on an item.
        kind = "engagement"
    record["activity_type"] = kind


def _competencies(context: Mapping[str, Any], extensions: Mapping[str, Any], reader: Reader) -> list[str]:
    """Competencies the source names: its extension, and context activities of an objective's type; in order, once."""
    named: dict[str, None] = {}
    given = extensions.get(COMPETENCIES)
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list):
        named.update((value, None) for value in given if isinstance(value, str) and 0 < len(value) <= 255)
    activities = context.get("contextActivities")
    if isinstance(activities, dict):
        objectives = reader.vocabulary.objective_types
        for group in list(activities.values())[:MOST_GROUPS]:
            for activity in group if isinstance(group, list) else [group]:
                definition = activity.get("definition") if isinstance(activity, dict) else None
                if isinstance(definition, dict) and definition.get("type") in objectives:
                    iri = activity.get("id")
                    if isinstance(iri, str) and len(iri) <= 255:
                        named[iri] = None
    return list(named)[:MOST_COMPETENCIES]
