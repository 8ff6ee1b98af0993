"""States and decisions as a pure function: any arrival, any split into nights, the same standing decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.mastery.config import load_config
from cairn.mastery.share.model import ShareModel
from cairn.mastery.states import COLUMNS, Night, Restated, advance, restate
from cairn.settings import Settings
from tests.cairn.mastery.rich_model import TWO_GROUPS, rich_model

START = datetime(2026, 9, 1, 15, tzinfo=UTC)
CONFIG = load_config(Settings())
MODEL = rich_model()
TYPES = {
    "event_time": pa.timestamp("us", tz="UTC"),
    "work_date": pa.date32(),
    "success": pa.bool_(),
    "hints": pa.int32(),
    "duration_ms": pa.int64(),
    "score_share": pa.float64(),
}
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in COLUMNS])

STANDING_SCHEMA = restate(SCHEMA.empty_table(), Night(CONFIG, MODEL, 0, date(2026, 10, 14))).mastery_state.schema


def row(number: int, hour: int, item: int, right: bool | None, **more: Any) -> dict[str, Any]:
    at = START + timedelta(hours=hour)
    return {
        "student_key": "pupil",
        "competency_id": "c1",
        "event_id": f"e{number:03d}",
        "event_time": at,
        "activity_type": "attempt",
        "item_id": f"item-{item}",
        "success": right,
        "duration_ms": 20_000,
        "work_date": at.date(),
        **more,
    }


def night(as_of: datetime, model: ShareModel = MODEL) -> Night:
    return Night(CONFIG, model, int(as_of.timestamp() * 1_000_000), date(2026, 10, 14))


def rows_of(raw: list[Any]) -> list[dict[str, Any]]:
    """Rows of what the strategy gives; item 0 is not named."""
    return [
        row(
            i,
            hour,
            item,
            right,
            student_key=pupil,
            competency_id=name,
            hints=hints,
            duration_ms=duration,
            activity_type=kind,
            **({} if item else {"item_id": None}),
        )
        for i, (pupil, name, hour, item, right, hints, duration, kind) in enumerate(raw)
    ]


def tables(rows: list[dict[str, Any]], as_of: datetime) -> dict[str, list[dict[str, Any]]]:
    return as_rows(restate(pa.Table.from_pylist(rows, schema=SCHEMA), night(as_of)))


def as_rows(found: Restated) -> dict[str, list[dict[str, Any]]]:
    return {name: getattr(found, name).to_pylist() for name in ("attempt_day", "mastery_state", "mastery_decision")}


events = st.lists(
    st.tuples(
        st.sampled_from(["p1", "p2"]),
        st.sampled_from(["c1", "c2", "c3"]),
        # Some days have much work: totals, and items that are not named, are told by the day.
        st.one_of(st.integers(0, 24 * 150), st.integers(0, 60)),
        st.integers(0, 6),
        st.booleans(),
        st.sampled_from([None, 0, 2]),
        st.sampled_from([200, 20_000]),
        st.sampled_from(["attempt", "attempt", "assessment", "completion"]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(events, st.randoms(), st.integers(1, 4))
def test_any_arrival_over_any_nights_gives_the_same(raw: list[Any], random: Any, nights: int) -> None:
    """Nights see growing parts of the events, in any order; what stands after the last equals one night with all."""
    rows = rows_of(raw)
    end = START + timedelta(days=200)
    expected = tables(rows, end)
    shuffled = list(rows)
    random.shuffle(shuffled)
    standing: dict[str, dict[str, Any]] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    for number in range(1, nights + 1):
        arrived = shuffled[: len(rows) * number // nights]
        as_of = end if number == nights else START + timedelta(days=200 * number / nights)
        found = tables(arrived, as_of)
        now = {decision["decision_id"]: decision for decision in found["mastery_decision"]}
        # The ledger: retract what no longer follows, add what is new.
        standing = {**{k: v for k, v in standing.items() if k in now}, **now}
    assert found["mastery_state"] == expected["mastery_state"]
    assert found["attempt_day"] == expected["attempt_day"]
    assert sorted(standing) == sorted(d["decision_id"] for d in expected["mastery_decision"])


def test_a_pupil_who_shows_it_has_mastered_it_and_each_change_has_its_evidence() -> None:
    found = tables([row(i, 30 * i, i, True) for i in range(6)], START + timedelta(days=10))
    [state] = found["mastery_state"]
    assert state["state"] == "mastered"
    assert state["counted_attempts"] == state["counted_credit"] == 6
    assert state["next_transition_at"] > START + timedelta(hours=150, days=1)
    changes = [(d["from_state"], d["to_state"], d["counted_attempts"]) for d in found["mastery_decision"]]
    assert changes == [("not_started", "not_enough_evidence", 1), ("not_enough_evidence", "mastered", 4)]


@settings(max_examples=150, deadline=None)
@given(events, st.integers(0, 3), st.sampled_from([MODEL, rich_model(TWO_GROUPS)]))
def test_nights_that_go_on_give_what_one_rebuild_gives(raw: list[Any], spare: int, model: ShareModel) -> None:
    """Each local day is a night of its own: the state and days are those of the oracle, the decisions add up."""
    rows = rows_of(raw)
    end = max(r["event_time"] for r in rows) + timedelta(days=1 + 40 * spare)
    expected = as_rows(restate(pa.Table.from_pylist(rows, schema=SCHEMA), night(end, model)))
    standing: dict[int, dict[str, Any]] = {}
    days: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    for day in [*sorted({r["work_date"] for r in rows}), None]:
        tonight = [r for r in rows if r["work_date"] == day]
        as_of = end if day is None else datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
        stood = pa.Table.from_pylist([standing[key] for key in sorted(standing)], schema=STANDING_SCHEMA)
        found = as_rows(advance(pa.Table.from_pylist(tonight, schema=SCHEMA), stood, stood, night(as_of, model)))
        standing |= {state["pair_key"]: state for state in found["mastery_state"]}
        days += found["attempt_day"]
        decisions += found["mastery_decision"]
    assert_same(list(standing.values()), expected["mastery_state"], "pair_key")
    assert_same(days, expected["attempt_day"], "pair_key", "work_date")
    assert_same(decisions, expected["mastery_decision"], "decision_id")


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]], *key: str) -> None:
    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda one: tuple(str(one[name]) for name in key))

    assert len(found) == len(expected)
    for one, other in zip(ordered(found), ordered(expected), strict=True):
        floats = {name for name, value in other.items() if isinstance(value, float)}
        assert {k: v for k, v in one.items() if k not in floats} == {k: v for k, v in other.items() if k not in floats}
        assert {k: one[k] for k in floats} == pytest.approx({k: other[k] for k in floats}, abs=1e-9)


def test_work_after_the_instant_waits_and_work_without_outcome_is_none() -> None:
    rows = [row(0, 0, 0, True), row(1, 300, 1, True), row(2, 5, 2, None)]
    [state] = tables(rows, START + timedelta(days=2))["mastery_state"]
    assert state["attempts"] == 1


def test_only_practice_is_not_started() -> None:
    rows = [row(0, 0, 0, True, activity_type="completion"), row(1, 1, 1, True, duration_ms=100)]
    found = tables(rows, START + timedelta(days=2))
    [state] = found["mastery_state"]
    assert state["state"] == "not_started"
    assert state["attempts"] == 2
    assert state["counted_attempts"] == 0
    assert found["mastery_decision"] == []
    assert state["pupil_counted"] == 0


def test_a_day_belongs_to_the_class_most_often_named() -> None:
    classes = ["b", "a", None, "a", "b"]
    found = tables([row(i, i, i, True, class_id=name) for i, name in enumerate(classes)], START + timedelta(days=2))
    [day] = found["attempt_day"]
    assert day["class_id"] == "a", "the first by order where two are named as often"
    assert day["attempts"] == 5


def test_nothing_in_nothing_out() -> None:
    assert all(rows == [] for rows in tables([], START).values())
