"""Turns lines into bytes: xAPI statements and Caliper envelopes, by template, a file an arrival date and source.

Values that go into the templates are identifiers, numbers and times made here, so nothing needs escaping.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.dates import midnight_us, utc_offset_hours
from simulator.faults import CONFLICT, MALFORMED, MALFORMED_KINDS, VOID, Lines
from simulator.pupil_work import ATTEMPT, COMPLETION, OPENING, Work
from simulator.world import SOURCES, Source, World

HOME_PAGE = "https://id.cedar.example"
EXTENSIONS = "https://cairn.example/xapi/extensions"
XAPI_ACTOR = (
    '"actor":{"objectType":"Agent","name":"%(name)s","account":{"homePage":"' + HOME_PAGE + '","name":"%(user)s"}},'
)
XAPI_CONTEXT_HEAD = '"context":{"registration":"%(session)s",'
# Only what is done to an activity has a platform.
XAPI_PLATFORM = '"platform":"%(platform)s",'
XAPI_CONTEXT_TAIL = (
    '"extensions":{"'
    + EXTENSIONS
    + '/school":"%(school)s","'
    + EXTENSIONS
    + '/class":"%(classroom)s"}},"timestamp":"%(time)s"}'
)
XAPI_CONTEXT = XAPI_CONTEXT_HEAD + XAPI_PLATFORM + XAPI_CONTEXT_TAIL
XAPI_ATTEMPT = (
    '{"id":"%(id)s",' + XAPI_ACTOR + '"verb":{"id":"%(verb)s","display":{"en-US":"answered"}},'
    '"object":{"objectType":"Activity","id":"%(item)s","definition":'
    '{"type":"http://adlnet.gov/expapi/activities/cmi.interaction"}},'
    '"result":{"score":{"scaled":%(score)s,"raw":%(score)s,"min":0,"max":1},%(success)s"completion":true,'
    '"duration":"PT%(seconds)sS","extensions":{"'
    + EXTENSIONS
    + '/hints":%(hints)d,"'
    + EXTENSIONS
    + '/attempt-number":%(attempt)d}},'
    + XAPI_CONTEXT
)
XAPI_OPENING = (
    '{"id":"%(id)s",' + XAPI_ACTOR + '"verb":{"id":"%(verb)s","display":{"en-US":"initialized"}},'
    '"object":{"objectType":"Activity","id":"https://%(source)s.example/activities/%(subject)s",'
    '"definition":{"type":"http://adlnet.gov/expapi/activities/course"}},' + XAPI_CONTEXT
)
XAPI_COMPLETION = (
    '{"id":"%(id)s",' + XAPI_ACTOR + '"verb":{"id":"%(verb)s","display":{"en-US":"completed"}},'
    '"object":{"objectType":"Activity","id":"https://%(source)s.example/activities/%(subject)s/session",'
    '"definition":{"type":"http://adlnet.gov/expapi/activities/lesson"}},'
    '"result":{"completion":true,"duration":"PT%(seconds)sS"},' + XAPI_CONTEXT
)
XAPI_VOID = (
    '{"id":"%(id)s",' + XAPI_ACTOR + '"verb":{"id":"http://adlnet.gov/expapi/verbs/voided","display":'
    '{"en-US":"voided"}},"object":{"objectType":"StatementRef","id":"%(voids)s"},'
    + XAPI_CONTEXT_HEAD
    + XAPI_CONTEXT_TAIL
)
# By kind of event: attempt, opening, completion.
XAPI_VERBS = tuple(f"http://adlnet.gov/expapi/verbs/{verb}" for verb in ("answered", "initialized", "completed"))
XAPI_LINES = {ATTEMPT: XAPI_ATTEMPT, OPENING: XAPI_OPENING, COMPLETION: XAPI_COMPLETION}

CALIPER_PERSON = '{"id":"' + HOME_PAGE + '/users/%(user)s","type":"Person"}'
CALIPER_HEAD = (
    '{"sensor":"https://%(source)s.example/sensors/1","sendTime":"%(sent)s",'
    '"dataVersion":"http://purl.imsglobal.org/ctx/caliper/v1p2","data":[{'
    '"@context":"http://purl.imsglobal.org/ctx/caliper/v1p2","id":"urn:uuid:%(id)s",'
)
CALIPER_TAIL = (
    '"eventTime":"%(time)s","edApp":{"id":"https://%(source)s.example","type":"SoftwareApplication"},'
    '"group":{"id":"https://%(source)s.example/sections/%(classroom)s","type":"CourseSection","extensions":'
    '{"https://cairn.example/class":"%(classroom)s","https://cairn.example/school":"%(school)s"}},'
    '"session":{"id":"urn:uuid:%(session)s","type":"Session"}}]}'
)
CALIPER_ATTEMPT = (
    CALIPER_HEAD + '"type":"GradeEvent","profile":"GradingProfile",'
    '"actor":{"id":"https://%(source)s.example/autograder","type":"SoftwareApplication"},"action":"%(verb)s",'
    '"object":{"id":"urn:uuid:%(id)s#attempt","type":"Attempt","assignee":' + CALIPER_PERSON + ","
    '"assignable":{"id":"%(item)s","type":"AssessmentItem","maxScore":1.0},"count":%(attempt)d,'
    '"duration":"PT%(seconds)sS","extensions":{"https://cairn.example/hints":%(hints)d}},'
    '"generated":{"id":"urn:uuid:%(id)s#score","type":"Score","attempt":"urn:uuid:%(id)s#attempt","maxScore":1.0,'
    '"scoreGiven":%(score)s,"scoredBy":"https://%(source)s.example/autograder"},' + CALIPER_TAIL
)
CALIPER_OPENING = (
    CALIPER_HEAD + '"type":"NavigationEvent","profile":"ReadingProfile","actor":' + CALIPER_PERSON + ","
    '"action":"%(verb)s","object":{"id":"https://%(source)s.example/activities/%(subject)s",'
    '"type":"DigitalResource"},' + CALIPER_TAIL
)
CALIPER_COMPLETION = (
    CALIPER_HEAD + '"type":"AssignableEvent","profile":"AssignableProfile","actor":' + CALIPER_PERSON + ","
    '"action":"%(verb)s","object":{"id":"https://%(source)s.example/activities/%(subject)s/session",'
    '"type":"AssignableDigitalResource"},"generated":{"id":"urn:uuid:%(id)s#attempt","type":"Attempt",'
    '"assignee":' + CALIPER_PERSON + ","
    '"assignable":"https://%(source)s.example/activities/%(subject)s/session","count":1,'
    '"duration":"PT%(seconds)sS"},' + CALIPER_TAIL
)
CALIPER_VERBS = ("Graded", "NavigatedTo", "Submitted")
CALIPER_LINES = {ATTEMPT: CALIPER_ATTEMPT, OPENING: CALIPER_OPENING, COMPLETION: CALIPER_COMPLETION}
SUBJECT_PATHS = ("math", "reading")


def _times(world: World, work: Work, events: NDArray[np.int64], is_local: bool) -> list[str]:
    """ISO 8601 to the millisecond: in UTC with Z, or in the district's time with its offset."""
    instants = work.event_us[events].astype("datetime64[us]").astype("datetime64[ms]")
    if not is_local:
        return [text + "Z" for text in np.datetime_as_string(instants).tolist()]
    hours = np.array([utc_offset_hours(day) for day in world.dates.days])[work.day[events]]
    local = np.datetime_as_string(instants + hours.astype("timedelta64[h]")).tolist()
    return [f"{text}-{-h:02d}:00" for text, h in zip(local, hours.tolist(), strict=True)]


def _spoil(text: str, kind: str, values: dict[str, Any], is_xapi: bool) -> str:
    """One malformed line: still one line, and refused by any gateway worth its name."""
    if kind == "broken_json":
        return text[: int(len(text) * 0.6)]
    if kind == "bad_timestamp":
        return text.replace(f'"{values["time"]}"', '"2026-13-45T99:99:00Z"')
    if kind == "bad_verb":
        return text.replace(f'"{values["verb"]}"', '"pondered at length"')
    if kind == "bad_score":
        score = values["score"]
        return text.replace(f'"scaled":{score}', '"scaled":7.5').replace(f'"scoreGiven":{score}', '"scoreGiven":"full"')
    if is_xapi:
        return text.replace(XAPI_ACTOR % values, "")
    start = text.index('"actor":')
    return text[:start] + text[text.index('"action":') :]


def _scored(score: float) -> dict[str, str]:
    """A score as it is sent; what is neither right nor wrong names no success."""
    said = {0.0: '"success":false,', 1.0: '"success":true,'}
    return {"score": f"{score:g}", "success": said.get(score, "")}


def _line(source: Source, fault: int, kind: int, values: dict[str, Any]) -> str:
    is_xapi = source.format == "xapi"
    if fault == VOID:
        return XAPI_VOID % values
    if fault == CONFLICT:
        values |= _scored(1.0 if values["score"] == "0" else 0.0)
    text = (XAPI_LINES if is_xapi else CALIPER_LINES)[kind] % values
    return _spoil(text, MALFORMED_KINDS[fault - MALFORMED], values, is_xapi) if fault >= MALFORMED else text


def render(world: World, work: Work, lines: Lines, chosen: NDArray[np.int64], sessions: list[str]) -> list[str]:
    """The lines at positions ``chosen`` (all of one source), in that order."""
    events = lines.event[chosen]
    if not len(events):
        return []
    source = SOURCES[int(work.source[events[0]])]
    students = world.students
    verbs = XAPI_VERBS if source.format == "xapi" else CALIPER_VERBS
    times = _times(world, work, events, is_local=source.source_id == "lumenread")
    sent = [text + "Z" for text in np.datetime_as_string(_arrival(world, lines, chosen)).tolist()]
    columns = [
        work.pupil,
        work.school,
        work.classroom,
        work.item,
        work.score,
        work.attempt,
        work.hints,
        work.duration_ms,
        work.session,
        work.subject,
        work.kind,
    ]
    voided_ids = _ids_by_event(lines, events[lines.fault[chosen] == VOID])
    out = []
    for position, event, when, sent_at, row in zip(
        chosen.tolist(),
        events.tolist(),
        times,
        sent,
        zip(*(c[events].tolist() for c in columns), strict=True),
        strict=True,
    ):
        pupil, school, classroom, item, score, attempt, hints, duration, session, subject, kind = row
        values = {
            "id": lines.id[position],
            "name": f"{students.given[pupil]} {students.family[pupil]}",
            "user": students.username[pupil],
            "verb": verbs[kind],
            "item": world.items.ids[item],
            **_scored(float(score)),
            "seconds": f"{duration / 1000:g}",
            "hints": hints,
            "attempt": attempt,
            "session": sessions[session],
            "platform": source.platform,
            "source": source.source_id,
            "school": world.school_ids[school],
            "classroom": world.classes.id[classroom],
            "time": when,
            "sent": sent_at,
            "subject": SUBJECT_PATHS[subject],
            "voids": voided_ids.get(event, ""),
        }
        out.append(_line(source, int(lines.fault[position]), kind, values))
    return out


def _arrival(world: World, lines: Lines, chosen: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """UTC instants (milliseconds) at which lines are sent."""
    day = lines.arrival_day[chosen]
    unique, inverse = np.unique(day, return_inverse=True)
    midnights = np.array([midnight_us(np.datetime64(int(d), "D").astype(object)) for d in unique])
    return (midnights[inverse] + lines.arrival_us[chosen]).astype("datetime64[us]").astype("datetime64[ms]")


def _ids_by_event(lines: Lines, events: NDArray[np.int64]) -> dict[int, str]:
    """Statement ids of the originals of these events."""
    if not len(events):
        return {}
    found = np.flatnonzero(np.isin(lines.event, events) & (lines.fault != VOID))
    return {int(lines.event[i]): lines.id[i] for i in found.tolist()}


def write_activity(
    world: World,
    work: Work,
    lines: Lines,
    sessions: list[str],
    out: Path,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """``activity/<arrival date>/<source>.jsonl.gz``; gzip carries no time, so the same seed gives the same bytes."""
    source = work.source[lines.event]
    group = lines.arrival_day * 10 + source
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        text = "\n".join(render(world, work, lines, np.arange(start, end), sessions)) + "\n"
        day = str(np.datetime64(int(lines.arrival_day[start]), "D"))
        path = out / "activity" / day / f"{SOURCES[int(source[start])].source_id}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), compresslevel=4, mtime=0))
        if on_progress:
            on_progress("files of activity", number + 1, len(starts))
