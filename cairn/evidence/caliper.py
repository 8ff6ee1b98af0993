"""Caliper 1.1 and 1.2: one element of an envelope's ``data`` to one canonical record.

Every element of ``data`` is one statement, held to the standard's model first (``caliper_model``). Events become
evidence by type, action and object (``verbs.yaml``). A score belongs to the assignee of the attempt that was scored:
where that is not said it belongs to nobody, never to the actor, who graded. Entities (descriptions of things, without
an action) are accepted too, as engagement of the entity itself: such a subject is never linked to a pupil, so it counts
in the books and nowhere else. An item answered is one attempt: where the event itself carries no score it is
engagement, and the GradeEvent on its Attempt is the attempt, dated by when the work ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
from cairn.evidence.caliper_model import models
from cairn.evidence.formats import UUID_TEXT
from cairn.evidence.outcome import is_out_of_range, outcome
from cairn.evidence.times import duration_ms, instant_text, parse_instant
from cairn.keys import event_id

EVENT_ID = re.compile("(?:urn:uuid:)?" + UUID_TEXT.pattern, re.ASCII)
WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
SCHOOL, CLASS = "https://cairn.example/school", "https://cairn.example/class"
HINTS = ("https://cairn.example/hints", EXTENSION + "hints")
# Things that are people, or say something about people: never an item.
NOT_ITEMS = frozenset(("Person", "Membership", "Session", "LtiSession", "Group", "Agent"))
# Given and highest score by the type of what an event generated. A Score is what a grader gave, a Result what it came
# to in the end, and not the same; 1.1 has further names for the latter.
SCORES = {
    "Score": (("scoreGiven",), ("maxScore",)),
    "Result": (("resultScore", "totalScore", "normalScore"), ("maxResultScore",)),
}
MOST_METRICS = 20
# Minutes measured over more than a day are a running total, which would count again with every event.
LONGEST_MEASURE_MS = 86_400_000


def open_envelope(body: object) -> list[Any]:
    """The elements of an envelope's ``data``, each with the envelope's context where it names none of its own.

    Raises Refusal where the envelope itself is not one; its ``data`` can then not be trusted either.
    """
    model = models()
    if not isinstance(body, dict):
        raise Refusal("envelope_invalid", "a Caliper envelope must be a JSON object")
    missing = sorted(name for name in model.envelope if body.get(name) is None)
    if missing:
        raise Refusal("envelope_invalid", f"the envelope lacks {', '.join(missing)}")
    if len(body) > len(model.envelope):
        raise Refusal("envelope_invalid", "the envelope may hold sensor, sendTime, dataVersion and data only")
    version, data = body["dataVersion"], body["data"]
    if not isinstance(body["sensor"], str) or not isinstance(version, str):
        raise Refusal("envelope_invalid", "sensor and dataVersion must be strings")
    try:
        form = model.of_context(version)
    except Refusal:
        raise Refusal("version_unsupported", "must be the IRI of Caliper's context", "dataVersion") from None
    try:
        form.check_time(body["sendTime"])
    except Refusal as refusal:
        raise refusal.within("sendTime") from None
    if not isinstance(data, list):
        raise Refusal("envelope_invalid", "data must be an array of events and entities")
    for element in data:
        if isinstance(element, dict):
            element.setdefault("@context", version)
    return data


def _extensions(element: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The extensions of the event's group and of the event: where school and class are claimed."""
    group = element.get("group")
    holders = (group if isinstance(group, dict) else {}, element)
    return [found for holder in holders if isinstance(found := holder.get("extensions"), dict)]


def _said(holders: Iterable[Mapping[str, Any]], *names: str) -> object:
    """What the first holder that says it says under one of the names."""
    for holder in holders:
        for name in names:
            if (value := holder.get(name)) is not None:
                return value
    return None


def claimed_school(element: object, arrival: Arrival) -> str:
    """The school to book a refused element under; never raises."""
    return school_of_refused(_said(_extensions(element), SCHOOL) if isinstance(element, dict) else None, arrival)


def iri_of(value: object) -> str | None:
    """The id of an entity, given whole or thinned to its IRI; None where there is none."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def read_element(element: object, arrival: Arrival, reader: Reader) -> dict[str, Any]:
    """The canonical record of an event or entity. Raises Refusal where it cannot become one."""
    if not isinstance(element, dict):
        raise Refusal("not_a_statement", "an element of data must be a JSON object")
    # A refused element that is read again without its envelope has the envelope's context in it.
    model = models().of_context(element.get("@context"))
    model.check(element)
    if model.is_event(element):
        return _read_event(element, arrival, reader)
    return _read_entity(element, arrival, reader)


def _read_entity(element: dict[str, Any], arrival: Arrival, reader: Reader) -> dict[str, Any]:
    content = reader.keys.content_hash(orjson.dumps(element, option=orjson.OPT_SORT_KEYS))
    # The id of an entity names the thing, which may be a person and is described again whenever it changes.
    name = iri_of(element) or f"urn:cairn:entity:{content}"
    own_id = f"entity:{reader.keys.opaque('entity', name + content)}"
    subject = reader.keys.subject_key("caliper", name)
    record = new_record(arrival, event_id(arrival.source_id, own_id), content, own_id, arrival.instant, subject)
    record["org_id"] = school_claim(_said(_extensions(element), SCHOOL), arrival)
    record["extensions"] = {"caliper_kind": "entity" if "type" in element else "endpoint_configuration"}
    record["raw"] = _raw(element)
    return record


def _read_event(event: dict[str, Any], arrival: Arrival, reader: Reader) -> dict[str, Any]:
    attempt, generated = _attempt(event), event.get("generated")
    sent_at = worked_at = _instant(event["eventTime"], "eventTime")
    scored_as = SCORES.get(str(generated.get("type"))) if isinstance(generated, dict) else None
    learner = iri_of(event["actor"])
    if event["action"] == "Graded" or scored_as is not None:
        assignee = iri_of(attempt.get("assignee"))
        if assignee is None and scored_as is not None:
            raise Refusal("learner_unknown", "the score names no learner: send the attempt whole, with its assignee")
        if assignee is not None:
            learner = assignee
            if attempt.get("endedAtTime") is not None:
                worked_at = _instant(attempt["endedAtTime"], "attempt.endedAtTime")
    if learner is None:
        raise Refusal("actor_without_identifier", "actor must be an IRI or an entity with an id")
    own_id = _own_id(event["id"], reader)
    content = {key: value for key, value in event.items() if value is not None and key != "id"}
    content["eventTime"] = instant_text(sent_at)
    record = new_record(
        arrival,
        event_id(arrival.source_id, own_id),
        reader.keys.content_hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)),
        own_id,
        worked_at,
        reader.keys.subject_key("caliper", learner),
    )
    identifiers = (learner.lower(), learner.lower().rstrip("/").rsplit("/", 1)[-1])
    extensions = _extensions(event)
    record["org_id"] = school_claim(_said(extensions, SCHOOL), arrival)
    record["class_id"] = class_claim(_said(extensions, CLASS))
    kept = kept_extensions(reader, extensions, identifiers) or {}
    if isinstance(generated, dict) and scored_as is not None:
        kept |= _fill_score(record, generated, scored_as)
    _fill_item(record, event, attempt, reader, identifiers)
    record["attempt_number"] = count(attempt.get("count"), "attempt.count", 0) or None
    measured, minutes_ms = _metrics(generated)
    record["duration_ms"] = _length(attempt) if attempt else minutes_ms
    of_attempt = mapping(attempt.get("extensions"), "attempt.extensions")
    record["hints"] = count(_said((of_attempt, *extensions), *HINTS), "hints", 0)
    if (session := iri_of(event.get("session")) or iri_of(event.get("federatedSession"))) is not None:
        record["session_id"] = reader.keys.opaque("session", session)
    record["extensions"] = (kept | measured) or None
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


def _fill_score(
    record: dict[str, Any], generated: Mapping[str, Any], names: tuple[tuple[str, ...], tuple[str, ...]]
) -> dict[str, str]:
    """Score and outcome. Returns what is to be kept beside them: the kind of score, and a range that it lies out of."""
    given, possible = (
        next((number(generated[name], f"generated.{name}") for name in each if generated.get(name) is not None), None)
        for each in names
    )
    record["score_raw"], record["score_max"] = given, possible
    record["success"], record["score_scaled"] = outcome(None, None, given, None, possible)
    # Full marks are right and none are wrong; what lies between is left to the district's evidence rule.
    if record["score_scaled"] in (0.0, 1.0):
        record["success"] = record["score_scaled"] == 1.0
    kept = {"caliper_score": str(generated["type"])}
    if is_out_of_range(given, None, possible):
        # Extra credit or a mistake: nobody can tell, so no share of the possible may be made of it later either.
        record["score_max"] = record["score_scaled"] = None
        kept |= {"score_range": "outside"}
    return kept


def _fill_item(
    record: dict[str, Any],
    event: Mapping[str, Any],
    attempt: Mapping[str, Any],
    reader: Reader,
    identifiers: tuple[str, ...],
) -> None:
    """Kind of evidence, item worked on and the competencies that the source names for it."""
    thing = event["object"]
    worked_on = attempt.get("assignable") if attempt and (event["action"] == "Graded" or thing is attempt) else thing
    item_type = worked_on.get("type") if isinstance(worked_on, dict) else None
    has_outcome = record["success"] is not None or record["score_raw"] is not None
    record["activity_type"] = reader.vocabulary.of_caliper(event["type"], event["action"], item_type, has_outcome)
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
    return _window_ms(attempt, "attempt")


def _window_ms(part: Mapping[str, Any], where: str) -> int | None:
    """Milliseconds from start to end; None where one of them is not there, or they lie the wrong way round."""
    if part.get("startedAtTime") is None or part.get("endedAtTime") is None:
        return None
    begun = _instant(part["startedAtTime"], f"{where}.startedAtTime")
    ended = _instant(part["endedAtTime"], f"{where}.endedAtTime")
    return round((ended - begun).total_seconds() * 1000) if ended >= begun else None


def _metrics(generated: object) -> tuple[dict[str, str], int | None]:
    """ToolUse's aggregate measures, such as ``metric:MinutesOnTask``, and the time on task where it is of one day."""
    if not isinstance(generated, dict) or generated.get("type") != "AggregateMeasureCollection":
        return {}, None
    items = generated.get("items")
    found: dict[str, str] = {}
    minutes_ms: int | None = None
    for item in (items if isinstance(items, list) else [])[:MOST_METRICS]:
        name = item.get("metric") if isinstance(item, dict) else None
        if isinstance(name, str) and WORD.fullmatch(name):
            value = number(item.get("metricValue"), "metricValue")
            if value is None:
                continue
            found[f"metric:{name}"] = repr(value)
            window = _window_ms(item, "generated.items")
            if name == "MinutesOnTask" and window is not None and 0 <= value * 60_000 <= window <= LONGEST_MEASURE_MS:
                minutes_ms = round(value * 60_000)
    return found, minutes_ms


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
