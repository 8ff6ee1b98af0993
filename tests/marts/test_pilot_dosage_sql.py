"""Dosage from the event stream: the models' SQL on random events against the rule as a person would write it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.marts.pilot_sql import PLAN_TABLES, query

STARTS, ENDS, DATA_DATE = date(2026, 9, 1), date(2026, 9, 20), date(2026, 9, 15)
ALIGNMENTS = (
    "create table stg_item_alignment (item_id varchar, competency_id varchar, valid_from_date date, valid_to_date date)"
)
EVENTS = (
    "create table silver_learner_activity (event_id varchar, source_id varchar, source_statement_id varchar,"
    " subject_key varchar, event_time timestamptz, work_date date, activity_type varchar, item_id varchar,"
    " competency_ids varchar[], duration_ms bigint, voids_statement_id varchar)"
)
DAYS = {"CAIRN_DATA_DATE": DATA_DATE.isoformat(), "CAIRN_DOSAGE_SINCE": STARTS.isoformat()}
NAMES = ("stg_pilot_plan", "stg_pilot_event", "int_pilot_start", "int_pilot_dosage")
MODELS = {name: query(name, DAYS) for name in NAMES}
# i1 shows k1 up to the tenth, k2 from then on; i2 shows k2 for ever.
ALIGNED = [("i1", "k1", None, date(2026, 9, 10)), ("i1", "k2", date(2026, 9, 10), None), ("i2", "k2", None, None)]
# The key "moved" was p1's up to noon of the eighth and p2's from then on; p3 is nobody's pupil in the pilot.
CHANGED = datetime(2026, 9, 8, 12, tzinfo=UTC)
LINKS = [
    ("a", "p1", datetime(2026, 8, 1, tzinfo=UTC), None),
    ("moved", "p1", datetime(2026, 8, 1, tzinfo=UTC), CHANGED),
    ("moved", "p2", CHANGED, None),
    ("c", "p3", datetime(2026, 8, 1, tzinfo=UTC), None),
]
PUPILS = ("p1", "p2")


@dataclass(frozen=True)
class Event:
    """One event; ``statement`` is voided where it is in the voids of the same source."""

    source: str
    subject: str
    at: datetime
    kind: str
    item: str | None
    named: tuple[str, ...] | None
    duration_ms: int | None


@dataclass(frozen=True)
class Rule:
    """A plan's dosage rule."""

    sources: tuple[str, ...]
    kinds: tuple[str, ...]
    competencies: tuple[str, ...] | None
    counts: str

    def as_plan(self) -> dict[str, object]:
        said: dict[str, object] = {"sources": self.sources, "activity_types": self.kinds, "counts": self.counts}
        said |= {"competencies": self.competencies} if self.competencies else {}
        return said | ({"minutes_per_event_max": 3} if self.counts == "minutes" else {"minutes_each": 2.5})


EVENT = st.builds(
    Event,
    st.sampled_from(["app", "book", "other"]),
    st.sampled_from(["a", "moved", "c", "stranger"]),
    st.builds(
        lambda day, hour: datetime(2026, 8, 29, 1, tzinfo=UTC) + timedelta(days=day, hours=hour),
        st.integers(0, 26),
        st.integers(0, 21),
    ),
    st.sampled_from(["attempt", "engagement", "grade"]),
    st.sampled_from([None, "i1", "i2", "i9"]),
    st.sampled_from([None, (), ("k1",), ("k2", "k3")]),
    st.sampled_from([None, 0, 30_000, 90_500, 4_000_000]),
)
RULE = st.builds(
    Rule,
    st.sampled_from([("app",), ("app", "book")]),
    st.sampled_from([("attempt",), ("attempt", "engagement")]),
    st.sampled_from([None, ("k1",), ("k1", "k3")]),
    st.sampled_from(["minutes", "attempts", "days"]),
)


def by_hand(events: list[Event], voided: set[int], rule: Rule) -> dict[str, tuple[float, date | None, int, int]]:
    """Minutes, the first day that counts, events and events without a time by pupil."""
    counted: dict[str, list[Event]] = {}
    for number, one in enumerate(events):
        day = one.at.date()
        if number in voided or one.source not in rule.sources or one.kind not in rule.kinds:
            continue
        if not STARTS <= day <= min(ENDS, DATA_DATE):
            continue
        if rule.competencies:
            shown = set(one.named or ())
            for item, competency, first, last in ALIGNED:
                if item == one.item and (first or day) <= day <= (last or day):
                    shown.add(competency)
            if not shown & set(rule.competencies):
                continue
        for subject, pupil, since, until in LINKS:
            if subject == one.subject and since <= one.at and (until is None or one.at < until) and pupil in PUPILS:
                counted.setdefault(pupil, []).append(one)
    found = {}
    for pupil, work in counted.items():
        minutes = {
            "minutes": sum(min((one.duration_ms or 0) / 60_000, 3.0) for one in work),
            "attempts": 2.5 * len(work),
            "days": 2.5 * len({one.at.date() for one in work}),
        }[rule.counts]
        days = [one.at.date() for one in work if rule.counts != "minutes" or (one.duration_ms or 0) > 0]
        told = min(days) if days else None
        found[pupil] = (minutes, told, len(work), sum(one.duration_ms is None for one in work))
    return found


def _listed(named: tuple[str, ...] | None) -> list[str] | None:
    return None if named is None else list(named)


def _void(event: str, source: str, taken_back: str) -> list[object]:
    return [event, source, f"{event}-statement", "a", DATA_DATE, DATA_DATE, "void", *[None] * 3, taken_back]


def by_models(events: list[Event], voided: set[int], rule: Rule) -> duckdb.DuckDBPyConnection:
    """The models as tables over these events."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(PLAN_TABLES)
    window = {"from_date": "2026-08-20", "to_date": "2026-08-25"}
    plan = {
        "analysis": {"assignment": {}, "baseline": window, "outcome": window},
        "implementation": {"starts_on": STARTS.isoformat(), "ends_on": ENDS.isoformat(), "dosage": rule.as_plan()},
    }
    old = json.loads(json.dumps(plan))
    del old["implementation"]["dosage"]
    for pilot, text in (("x", json.dumps(plan)), ("old", json.dumps(old))):
        connection.execute("insert into gold_pilot_plan values (?, 'h', 'A', now(), ?)", [pilot, text])
    connection.execute(EVENTS)
    rows: list[list[object]] = [
        [
            *(f"e{n}", one.source, f"st{n}", one.subject, one.at, one.at.date(), one.kind, one.item),
            *(_listed(one.named), one.duration_ms, None),
        ]
        for n, one in enumerate(events)
    ]
    rows += [_void(f"v{n}", events[n].source, f"st{n}") for n in sorted(voided)]
    # Taking back what another source sent takes nothing back.
    rows.append(_void("v-other", "stranger", "st0"))
    connection.executemany(f"insert into silver_learner_activity values ({', '.join('?' * 11)})", rows)
    connection.execute(ALIGNMENTS)
    connection.executemany("insert into stg_item_alignment values (?, ?, ?, ?)", ALIGNED)
    connection.execute(
        "create table stg_subject_link (subject_key varchar, student_key varchar, valid_from timestamptz,"
        " valid_to timestamptz)"
    )
    connection.executemany("insert into stg_subject_link values (?, ?, ?, ?)", LINKS)
    connection.execute(
        "create table int_pilot_pupil as select pilot.pilot_id, 's' as school_id, pupil.student_key"
        " from (values ('x'), ('old')) as pilot (pilot_id) cross join (values ('p1'), ('p2')) as pupil (student_key)"
    )
    connection.execute(
        "create table stg_pilot_arm as select pilot_id, plan_hash, 's' as school_id, 'treatment' as arm, 1 as wave"
        " from gold_pilot_plan"
    )
    for name, text in MODELS.items():
        connection.execute(f"create table {name} as {text}")
    return connection


@settings(max_examples=20, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=25), st.sets(st.integers(0, 24), max_size=3), RULE)
def test_minutes_are_those_of_the_rule(events: list[Event], voided: set[int], rule: Rule) -> None:
    voided = {number for number in voided if number < len(events)}
    with by_models(events, voided, rule) as connection:
        rows = connection.execute("select * from int_pilot_dosage").fetchall()
    assert {pilot for pilot, *_ in rows} <= {"x"}, "a plan without a rule has nothing of the stream"
    assert {pupil: numbers for _, pupil, *numbers in rows} == {
        pupil: [pytest.approx(minutes), *others] for pupil, (minutes, *others) in by_hand(events, voided, rule).items()
    }


def test_without_a_rule_no_event_is_read() -> None:
    """The day that no plan set lies after every event, so files are left out by their own statistics."""
    assert "cast('9999-12-31' as date)" in query("stg_pilot_event")
