"""Caliper 1.1 and 1.2: one element of an envelope's ``data`` to one canonical record.

Every element of ``data`` is one statement. Events become evidence by type and action (``verbs.yaml``); the learner of
a GradeEvent is the attempt's assignee, not the grader. Entities (descriptions of things, without an action) are
accepted too, as engagement of the entity itself: such a subject is never linked to a pupil, so it counts in the books
and nowhere else. An item answered is one attempt: where the event itself carries no score it is engagement, and the
GradeEvent on its Attempt is the attempt, dated by when the work ended.
"""

from __future__ import annotations

import re
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
    scaled_score,
    school_claim,
    school_of_refused,
    without_person,
)
from cairn.evidence.times import duration_ms, instant_text, parse_instant
from cairn.keys import event_id

EVENT_ID = re.compile(r"(?:urn:uuid:)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
ENVELOPE_FIELDS = frozenset(("sensor", "sendTime", "dataVersion", "data"))
PLACE = "https://cairn.example/"
# Things that are people, or say something about people: never an item.
NOT_ITEMS = frozenset(("Person", "Membership", "Session", "LtiSession", "Group", "Agent"))
# Entities to which the standard gives no id.
WITHOUT_ID = frozenset(("SystemIdentifier", "TextPositionSelector"))
MOST_METRICS = 20


def open_envelope(body: object) -> list[Any]:
    """The elements of an envelope's ``data``.

    Raises Refusal where the envelope itself is not one; its ``data`` can then not be trusted either.
    """
    if not isinstance(body, dict):
        raise Refusal("envelope_invalid", "a Caliper envelope must be a JSON object")
    missing = sorted(ENVELOPE_FIELDS - body.keys())
    if missing:
        raise Refusal("envelope_invalid", f"the envelope lacks {', '.join(missing)}")
    if len(body) > len(ENVELOPE_FIELDS):
        raise Refusal("envelope_invalid", "the envelope may hold sensor, sendTime, dataVersion and data only")
    if not isinstance(body["sensor"], str) or not isinstance(body["dataVersion"], str):
        raise Refusal("envelope_invalid", "sensor and dataVersion must be strings")
    _instant(body["sendTime"], "sendTime")
    data = body["data"]
    return data if isinstance(data, list) else [data]


def _extensions(element: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The extensions of the event's group and of the event: where school and class are claimed."""
    group = element.get("group")
    holders = (group if isinstance(group, dict) else {}, element)
    return [found for holder in holders if isinstance(found := holder.get("extensions"), dict)]


def _place(element: Mapping[str, Any], name: str) -> object:
    return next((found[PLACE + name] for found in _extensions(element) if found.get(PLACE + name) is not None), None)


def _hints(event: Mapping[str, Any], attempt: Mapping[str, Any]) -> object:
    """Hints asked for, as an extension of the attempt or of the event."""
    of_attempt = attempt.get("extensions")
    holders = [of_attempt] if isinstance(of_attempt, dict) else []
    for found in (*holders, *_extensions(event)):
        for name in (PLACE + "hints", EXTENSION + "hints"):
            if found.get(name) is not None:
                return found[name]
    return None


def claimed_school(element: object, arrival: Arrival) -> str:
    """The school to book a refused element under; never raises."""
    return school_of_refused(_place(element, "school") if isinstance(element, dict) else None, arrival)


def iri_of(value: object) -> str | None:
    """The id of an entity, given whole or thinned to its IRI; None where there is none."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def read_element(element: object, arrival: Arrival, reader: Reader) -> dict[str, Any]:
    """The canonical record of an event or entity. Raises Refusal where it cannot become one."""
    if not isinstance(element, dict):
        raise Refusal("not_a_statement", "an element of data must be a JSON object")
    needed = ("type",) if element.get("type") in WITHOUT_ID else ("id", "type")
    for field in needed:
        if not isinstance(element.get(field), str) or not element[field]:
            raise Refusal("field_missing", f"{field} is required and must be a string")
    if "action" in element or str(element["type"]).endswith("Event"):
        return _read_event(element, arrival, reader)
    return _read_entity(element, arrival, reader)


def _read_entity(element: dict[str, Any], arrival: Arrival, reader: Reader) -> dict[str, Any]:
    content = reader.keys.content_hash(orjson.dumps(element, option=orjson.OPT_SORT_KEYS))
    # The id of an entity names the thing, which may be a person and is described again whenever it changes.
    name = iri_of(element) or f"urn:cairn:entity:{content}"
    own_id = f"entity:{reader.keys.opaque('entity', name + content)}"
    subject = reader.keys.subject_key("caliper", name)
    record = new_record(arrival, event_id(arrival.source_id, own_id), content, own_id, arrival.instant, subject)
    record["org_id"] = school_claim(_place(element, "school"), arrival)
    record["extensions"] = {"caliper_kind": "entity"}
    record["raw"] = _raw(element)
    return record


def _read_event(event: dict[str, Any], arrival: Arrival, reader: Reader) -> dict[str, Any]:
    for field in ("actor", "action", "object", "eventTime"):
        if event.get(field) is None:
            raise Refusal("field_missing", f"{field} is required")
    action, kind_of_event = event["action"], event["type"]
    if not isinstance(action, str) or not WORD.fullmatch(action) or not WORD.fullmatch(kind_of_event):
        raise Refusal("field_invalid", "type and action must be single words of the standard")
    if action not in reader.vocabulary.caliper_vocabulary:
        raise Refusal("unknown_verb", "the action is not in the district's verbs.yaml: add it there and replay")
    worked_at = _instant(event["eventTime"], "eventTime")
    attempt, generated = _attempt(event), event.get("generated")
    learner = iri_of(event["actor"])
    if kind_of_event == "GradeEvent" and (assignee := iri_of(attempt.get("assignee"))) is not None:
        learner = assignee
        if attempt.get("endedAtTime") is not None:
            worked_at = _instant(attempt["endedAtTime"], "object.endedAtTime")
    if learner is None:
        raise Refusal("actor_without_identifier", "actor must be an IRI or an entity with an id")
    own_id = _own_id(event["id"], reader)
    content = {key: value for key, value in event.items() if value is not None and key != "id"}
    content["eventTime"] = instant_text(_instant(event["eventTime"], "eventTime"))
    record = new_record(
        arrival,
        event_id(arrival.source_id, own_id),
        reader.keys.content_hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)),
        own_id,
        worked_at,
        reader.keys.subject_key("caliper", learner),
    )
    identifiers = (learner.lower(), learner.lower().rstrip("/").rsplit("/", 1)[-1])
    record["org_id"] = school_claim(_place(event, "school"), arrival)
    record["class_id"] = class_claim(_place(event, "class"))
    _fill_score(record, generated)
    _fill_item(record, event, attempt, reader, identifiers)
    record["attempt_number"] = count(attempt.get("count"), "attempt.count", 0) or None
    record["duration_ms"] = _length(attempt) if attempt else None
    record["hints"] = count(_hints(event, attempt), "hints", 0)
    if (session := iri_of(event.get("session")) or iri_of(event.get("federatedSession"))) is not None:
        record["session_id"] = reader.keys.opaque("session", session)
    kept = kept_extensions(reader, _extensions(event), identifiers) or {}
    record["extensions"] = (kept | _metrics(generated)) or None
    record["raw"] = _raw(event)
    return record


def _own_id(given: str, reader: Reader) -> str:
    """The event's id as a UUID in lower case; one of another form might name somebody and becomes a keyed hash."""
    if EVENT_ID.fullmatch(given):
        return given.lower().removeprefix("urn:uuid:")
    return f"hash:{reader.keys.opaque('statement', given)}"


def _attempt(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Attempt that an event is about: its object, or that of what it generated; empty where there is none."""
    thing, generated = event.get("object"), event.get("generated")
    if isinstance(thing, dict) and thing.get("type") == "Attempt":
        return thing
    if isinstance(generated, dict):
        if generated.get("type") == "Attempt":
            return generated
        if isinstance(generated.get("attempt"), dict):
            return mapping(generated["attempt"], "generated.attempt")
    return {}


def _fill_score(record: dict[str, Any], generated: object) -> None:
    """Score (given by a grader) or Result; a score outside its own range is kept raw and never scaled."""
    if not isinstance(generated, dict):
        return
    if generated.get("type") == "Score":
        names = ("scoreGiven", "maxScore")
    elif generated.get("type") == "Result":
        names = ("resultScore", "maxResultScore")
    else:
        return
    raw = number(generated.get(names[0]), f"generated.{names[0]}")
    highest = number(generated.get(names[1]), f"generated.{names[1]}")
    record["score_raw"], record["score_max"] = raw, highest
    record["score_scaled"] = scaled_score(raw, None, highest)
    # Full marks are right and none are wrong; what lies between is left to the district's evidence rule.
    if record["score_scaled"] in (0.0, 1.0):
        record["success"] = record["score_scaled"] == 1.0


def _fill_item(
    record: dict[str, Any],
    event: Mapping[str, Any],
    attempt: Mapping[str, Any],
    reader: Reader,
    identifiers: tuple[str, ...],
) -> None:
    """Kind of evidence, item worked on and the competencies that the source names for it."""
    thing = event["object"]
    is_grade = event["type"] == "GradeEvent"
    worked_on = attempt.get("assignable") if attempt and (is_grade or thing is attempt) else thing
    item_type = worked_on.get("type") if isinstance(worked_on, dict) else None
    kind = reader.vocabulary.caliper_actions.get((event["type"], event["action"]), "engagement")
    if kind == "grade" and item_type in ("AssessmentItem", "Question"):
        kind = "attempt"
    elif kind == "grade" and item_type == "Assessment":
        kind = "assessment"
    if kind == "attempt" and record["success"] is None and record["score_raw"] is None:
        kind = "engagement"
    record["activity_type"] = kind
    if item_type not in NOT_ITEMS:
        record["item_id"] = without_person(reader, iri_of(worked_on), identifiers)
    objectives = worked_on.get("learningObjectives") if isinstance(worked_on, dict) else None
    if isinstance(objectives, list):
        named = dict.fromkeys(iri for value in objectives if (iri := iri_of(value)) and len(iri) <= 255)
        record["competency_ids"] = list(named)[:MOST_COMPETENCIES]


def _length(attempt: Mapping[str, Any]) -> int | None:
    """Milliseconds an attempt took: as said, else from start to end; None where neither is there."""
    if attempt.get("duration") is not None:
        try:
            return duration_ms(attempt["duration"] if isinstance(attempt["duration"], str) else "")
        except ValueError:
            raise Refusal("duration_invalid", "attempt.duration must be ISO 8601, such as PT1M30S") from None
    if attempt.get("startedAtTime") is None or attempt.get("endedAtTime") is None:
        return None
    begun = _instant(attempt["startedAtTime"], "attempt.startedAtTime")
    ended = _instant(attempt["endedAtTime"], "attempt.endedAtTime")
    return round((ended - begun).total_seconds() * 1000) if ended >= begun else None


def _metrics(generated: object) -> dict[str, str]:
    """ToolUse's aggregate measures, such as ``metric:MinutesOnTask``."""
    if not isinstance(generated, dict) or generated.get("type") != "AggregateMeasureCollection":
        return {}
    items = generated.get("items")
    found: dict[str, str] = {}
    for item in (items if isinstance(items, list) else [])[:MOST_METRICS]:
        name = item.get("metric") if isinstance(item, dict) else None
        if isinstance(name, str) and WORD.fullmatch(name):
            value = number(item.get("metricValue"), "metricValue")
            if value is not None:
                found[f"metric:{name}"] = repr(value)
    return found


def _raw(element: Mapping[str, Any]) -> dict[str, str]:
    """The three words of an element that are safe to keep."""
    return {
        name: value
        for name in ("type", "action", "profile")
        if isinstance(value := element.get(name), str) and WORD.fullmatch(value)
    }


def _instant(value: object, field: str) -> datetime:
    try:
        return parse_instant(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise Refusal("timestamp_invalid", f"{field} must be RFC 3339 with a zone, such as ...T08:00:00.000Z") from None
