"""xAPI and Caliper into records: what counts as the same, what is refused and why, and that no person is left in."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.evidence import caliper, xapi
from cairn.evidence.activity import EXTENSION, REASONS, Arrival, Reader, Refusal, without_person
from cairn.evidence.caliper_model import models
from cairn.evidence.meaning import Vocabulary
from cairn.evidence.times import duration_ms, instant_text, microseconds, parse_instant
from cairn.keys import DistrictKeys
from cairn.settings import REPOSITORY, Settings

SCHEMA = json.loads((REPOSITORY / "schemas/events/learner.activity.v1/schema.json").read_text())
CONTRACT = jsonschema_rs.validator_for(SCHEMA)
ZONE = ZoneInfo("America/Chicago")
ARRIVAL = Arrival("tilewise", frozenset(), datetime(2026, 10, 14, 3, 0, tzinfo=UTC), ZONE)
# For hypothesis, which wants no fixture that is made anew: keys of no district.
models()  # read once here: hypothesis measures time, and the first call would pay for it
FIXED = Reader(DistrictKeys(1, b"a" * 32, b"b" * 32, b"c" * 32), Vocabulary.load(Settings()))
ANSWERED: dict[str, Any] = {
    "id": "7b0f3d1e-7a55-4b7e-9a53-3a8f2b6f1c22",
    "actor": {"name": "Ada Quill", "account": {"homePage": "https://id.cedar.example", "name": "aquill9"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/answered", "display": {"en": "answered"}},
    "object": {"id": "https://items.tilewise.example/fractions/17", "definition": {"type": "http://x.example/q"}},
    "result": {
        "score": {"raw": 3, "min": 0, "max": 4},
        "success": True,
        "duration": "PT120S",
        "response": "Ada Quill says 4",
        "extensions": {EXTENSION + "hints": 1, EXTENSION + "attempt-number": 2},
    },
    "context": {
        "registration": "11111111-2222-4333-8444-555555555555",
        "extensions": {EXTENSION + "school": "sch-01", EXTENSION + "class": "cls-01"},
    },
    "timestamp": "2026-10-14T02:59:00.25-00:30",
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    home = Settings(home=tmp_path_factory.mktemp("keys"))
    return Reader(DistrictKeys.load(home), Vocabulary.load(home))


def changed(path: str, value: object) -> dict[str, Any]:
    """ANSWERED with one field set, or taken out where ``value`` is ``...``."""
    statement = copy.deepcopy(ANSWERED)
    *way, last = path.split(".")
    at = statement
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return statement


def test_an_answer_becomes_an_attempt_without_the_person(reader: Reader) -> None:
    record = xapi.read_statement(ANSWERED, ARRIVAL, reader)
    CONTRACT.validate(record)
    expected = {
        "activity_type": "attempt",
        "event_time": "2026-10-14T03:29:00.250000Z",
        "work_date": "2026-10-13",
        "received_date": "2026-10-13",
        "org_id": "sch-01",
        "class_id": "cls-01",
        "success": True,
        "score_scaled": 0.75,
        "attempt_number": 2,
        "hints": 1,
        "duration_ms": 120_000,
        "item_id": "https://items.tilewise.example/fractions/17",
    }
    assert {name: record[name] for name in expected} == expected
    text = json.dumps(record)
    assert "aquill9" not in text
    assert "Quill" not in text
    assert ANSWERED["context"]["registration"] not in text


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("actor", ..., "field_missing"),
        ("actor", {"name": "x"}, "actor_without_identifier"),
        ("actor.mbox", "mailto:a@b.example", "actor_ambiguous"),
        ("actor.account", {"homePage": "https://id.cedar.example"}, "field_missing"),
        ("verb.id", "pondered", "iri_invalid"),
        ("verb", ..., "field_missing"),
        ("object", ..., "field_missing"),
        ("object.id", "no iri", "iri_invalid"),
        ("timestamp", "2026-10-14T03:00:00", "timestamp_invalid"),
        ("timestamp", "2026-13-45T99:99:00Z", "timestamp_invalid"),
        ("timestamp", 5, "timestamp_invalid"),
        ("result.score.raw", 7, "score_out_of_range"),
        ("result.score.scaled", 1.5, "score_out_of_range"),
        ("result.score.raw", "3", "field_invalid"),
        ("result.success", "true", "field_invalid"),
        ("result.duration", "2 minutes", "duration_invalid"),
        ("result.duration", "P", "duration_invalid"),
        ("id", "17", "id_invalid"),
        ("verb.id", "http://adlnet.gov/expapi/verbs/voided", "void_without_target"),
        (f"context.extensions.{EXTENSION}school", "somebody@example.org", "school_invalid"),
    ],
)
def test_what_cannot_be_evidence_is_refused_with_a_reason(
    reader: Reader, path: str, value: object, reason: str
) -> None:
    if EXTENSION in path:
        statement = copy.deepcopy(ANSWERED)
        statement["context"]["extensions"][EXTENSION + "school"] = value
    else:
        statement = changed(path, value)
    with pytest.raises(Refusal) as refused:
        xapi.read_statement(statement, ARRIVAL, reader)
    assert refused.value.reason == reason
    assert reason in REASONS
    if isinstance(value, str) and len(value) > 4 and value not in ("true",):
        assert value not in refused.value.detail


def test_a_token_speaks_for_its_schools_only(reader: Reader) -> None:
    scoped = Arrival("tilewise", frozenset({"sch-02"}), ARRIVAL.instant, ZONE)
    with pytest.raises(Refusal, match="school_out_of_scope"):
        xapi.read_statement(ANSWERED, scoped, reader)
    unclaimed = changed("context", ...)
    assert xapi.read_statement(unclaimed, scoped, reader)["org_id"] == "sch-02"
    assert xapi.read_statement(unclaimed, ARRIVAL, reader)["org_id"] is None
    assert xapi.claimed_school(ANSWERED, scoped) == "sch-01"
    assert xapi.claimed_school({"context": 5}, ARRIVAL) == "unknown"


def test_an_id_is_assigned_where_there_is_none(reader: Reader) -> None:
    one, other = (xapi.read_statement(changed("id", ...), ARRIVAL, reader) for _ in range(2))
    assert one["event_id"] != other["event_id"]
    assert one["content_hash"] == other["content_hash"]


def test_a_voiding_statement_names_what_it_voids(reader: Reader) -> None:
    void = changed("object", {"objectType": "StatementRef", "id": ANSWERED["id"].upper()})
    void["verb"] = {"id": "http://adlnet.gov/expapi/verbs/voided"}
    record = xapi.read_statement(void, ARRIVAL, reader)
    CONTRACT.validate(record)
    assert (record["activity_type"], record["voids_statement_id"]) == ("void", ANSWERED["id"])


SAME = [
    ("result.duration", "PT2M"),
    ("result.score.raw", 3.0),
    ("timestamp", "2026-10-14T03:29:00.250Z"),
    ("timestamp", "2026-10-14t04:29:00.250000+01:00"),
    ("stored", "2026-10-14T05:00:00Z"),
    ("authority", {"mbox": "mailto:lrs@example.org"}),
    ("version", "1.0.3"),
    ("verb.display", {"en": "responded to"}),
    ("object.definition", ...),
]
OTHER = [
    ("result.duration", "PT121S"),
    ("result.success", False),
    ("result.score.raw", 2),
    ("timestamp", "2026-10-14T03:29:01.250Z"),
    ("actor.account.name", "bquill9"),
    ("object.id", "https://items.tilewise.example/fractions/18"),
]


@pytest.mark.parametrize(("path", "value"), SAME)
def test_same_content_has_the_same_hash(reader: Reader, path: str, value: object) -> None:
    before, after = (xapi.read_statement(each, ARRIVAL, reader) for each in (ANSWERED, changed(path, value)))
    assert before["content_hash"] == after["content_hash"]


@pytest.mark.parametrize(("path", "value"), OTHER)
def test_other_content_has_another_hash(reader: Reader, path: str, value: object) -> None:
    before, after = (xapi.read_statement(each, ARRIVAL, reader) for each in (ANSWERED, changed(path, value)))
    assert before["event_id"] == after["event_id"]
    assert before["content_hash"] != after["content_hash"]


@given(st.permutations(sorted(ANSWERED)))
def test_the_order_of_keys_is_no_content(order: list[str]) -> None:
    shuffled = {key: ANSWERED[key] for key in order}
    assert xapi.canonical_form(shuffled, "t", 5) == xapi.canonical_form(ANSWERED, "t", 5)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_its_length(hours: int, minutes: int, seconds: int) -> None:
    total = (hours * 60 + minutes) * 60 + seconds
    assert duration_ms(f"PT{hours}H{minutes}M{seconds}S") == duration_ms(f"PT{total}S") == total * 1000


@given(
    st.datetimes(datetime(1991, 1, 1), datetime(2098, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_is_the_same_in_every_zone(naive: datetime, minutes: int) -> None:
    instant = naive.replace(tzinfo=UTC)
    offset = timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    shifted = (naive + offset).isoformat(timespec="microseconds")
    text = f"{shifted}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert parse_instant(text) == instant
    assert parse_instant(instant_text(instant)) == instant
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds(instant)) == instant


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
        _json := lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=12), each, max_size=4),
        max_leaves=12,
    )
)
def test_nothing_that_is_json_breaks_the_readers(value: object) -> None:
    reader = FIXED
    for read in (xapi.read_statement, caliper.read_element):
        with pytest.raises(Refusal):
            read(value, ARRIVAL, reader)


@given(
    st.sampled_from(["actor", "verb", "object", "result", "context", "timestamp", "id"]),
    st.one_of(
        st.none(),
        st.integers(-(2**63), 2**63 - 1),
        st.text(max_size=5),
        st.lists(st.integers(-5, 5), max_size=2),
        st.dictionaries(
            st.sampled_from(["id", "account", "mbox", "score", "extensions", "contextActivities"]),
            st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.lists(st.none(), max_size=2)),
        ),
    ),
)
def test_a_spoilt_part_is_a_refusal_or_a_record_that_keeps_the_contract(name: str, value: object) -> None:
    reader = FIXED
    try:
        record = xapi.read_statement({**ANSWERED, name: value}, ARRIVAL, reader)
    except Refusal as refused:
        assert refused.reason in REASONS
    else:
        CONTRACT.validate(record)


def test_an_item_that_names_the_learner_becomes_a_hash(reader: Reader) -> None:
    plain = "https://x.example/items/algebra-1"
    assert without_person(reader, plain, ("alg",)) == plain
    assert (
        without_person(reader, "https://x.example/@teams/100%25/items", ("alg",))
        == "https://x.example/@teams/100%25/items"
    )
    told = ("aquill9", "adelheid.quill@example.org")
    for page in (
        "aquill9/page",
        "adelheid.quill%40example.org",
        "AQUILL9",
        "?of=somebody.else@example.org",
        "%61quill9",
    ):
        hidden = without_person(reader, f"https://x.example/users/{page}", told)
        assert hidden is not None
        assert hidden.startswith("urn:cairn:item:"), page


GRADED: dict[str, Any] = {
    "id": "urn:uuid:12C05C4E-253f-4073-9f29-5786f3ff3f36",
    "type": "GradeEvent",
    "actor": {"id": "https://quillboard.example/autograder", "type": "SoftwareApplication"},
    "action": "Graded",
    "object": {
        "id": "urn:uuid:12c05c4e-253f-4073-9f29-5786f3ff3f36#attempt",
        "type": "Attempt",
        "assignee": {"id": "https://id.cedar.example/users/aquill9", "type": "Person"},
        "assignable": {"id": "https://items.example/7", "type": "AssessmentItem", "learningObjectives": ["c-1"]},
        "count": 1,
        "startedAtTime": "2026-10-13T10:15:02.000Z",
        "endedAtTime": "2026-10-13T10:15:12.000Z",
        "extensions": {"https://cairn.example/hints": 2},
    },
    "generated": {"id": "urn:x:score", "type": "Score", "scoreGiven": 1, "maxScore": 1.0},
    "eventTime": "2026-10-13T10:57:06.000Z",
    "group": {
        "id": "https://quillboard.example/sections/cls-01",
        "type": "CourseSection",
        "extensions": {"https://cairn.example/school": "sch-01", "https://cairn.example/class": "cls-01"},
    },
}


def test_a_graded_item_is_the_assignees_attempt_when_the_work_ended(reader: Reader) -> None:
    record = caliper.read_element(GRADED, ARRIVAL, reader)
    CONTRACT.validate(record)
    expected = {
        "activity_type": "attempt",
        "subject_key": reader.keys.subject_key("caliper", "https://id.cedar.example/users/aquill9"),
        "event_time": "2026-10-13T10:15:12.000000Z",
        "source_statement_id": "12c05c4e-253f-4073-9f29-5786f3ff3f36",
        "item_id": "https://items.example/7",
        "competency_ids": ["c-1"],
        "success": True,
        "score_scaled": 1.0,
        "attempt_number": 1,
        "hints": 2,
        "duration_ms": 10_000,
        "org_id": "sch-01",
        "class_id": "cls-01",
    }
    assert {name: record[name] for name in expected} == expected
    assert "aquill9" not in json.dumps(record)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("actor", None, "field_missing"),
        ("object", None, "field_missing"),
        ("action", "Pondered", "unknown_verb"),
        ("eventTime", "yesterday", "timestamp_invalid"),
        ("generated", {"type": "Score", "scoreGiven": "full", "maxScore": 1.0}, "field_invalid"),
        ("id", None, "field_missing"),
    ],
)
def test_a_caliper_event_without_what_it_needs_is_refused(
    reader: Reader, field: str, value: object, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        caliper.read_element({**GRADED, field: value}, ARRIVAL, reader)


@pytest.mark.parametrize(
    "score", [{"maxScore": 0.0}, {"scoreGiven": 5, "maxScore": 1}, {"scoreGiven": -5, "maxScore": 10}]
)
def test_odd_scores_of_vendors_are_kept_and_not_scaled(reader: Reader, score: dict[str, Any]) -> None:
    record = caliper.read_element(
        {**GRADED, "generated": {"id": "urn:x:score", "type": "Score", **score}}, ARRIVAL, reader
    )
    assert record["score_scaled"] is None
    assert record["success"] is None


def test_real_statements_of_open_edx_are_read(reader: Reader, shared_fixture: Callable[[str], Path]) -> None:
    """All but those of work that is worth nothing: a score of 0 in a range from 0 to 0 says nothing of a pupil."""
    refused = set()
    for path in sorted(shared_fixture("fixtures/xapi/openedx").glob("*.json")):
        found = json.loads(path.read_text())
        for statement in found if isinstance(found, list) else [found]:
            try:
                CONTRACT.validate(xapi.read_statement(statement, ARRIVAL, reader))
            except Refusal as refusal:
                assert (refusal.reason, refusal.path) == ("score_out_of_range", "result.score.min")
                refused.add(path.stem)
    assert refused == {
        "edx.grades.problem.submitted.weighted_possible_0",
        "edx.grades.subsection.grade_calculated.weighted_possible_0",
        "problem_check(server).max_grade_0",
    }
