"""What a night writes, on real Delta tables without Spark: differences appended, the same when run again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

import lake
from cairn.errors import CairnError
from cairn.mastery.config import load_config
from cairn.mastery.ledger import ready_to_learn
from cairn.mastery.models import table_from
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from spark_jobs import mastery_tables
from spark_jobs.mastery_explain import explain_pair
from tests.spark_jobs import mastery_lake as small

FIRST, SECOND, THIRD = date(2026, 10, 13), date(2026, 10, 14), date(2026, 10, 15)


def compute(settings: Settings, night: date, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Restated tables of the events, whose subject_key is the pupil and item_id ``competency/item``."""
    types = {field.name: field.type for field in lake.file_schema("silver.learner_activity")}
    rows = [{**e, "student_key": e["subject_key"], "competency_id": str(e["item_id"]).split("/")[0]} for e in events]
    table = pa.Table.from_pylist(rows, pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS]))
    config = load_config(settings)
    as_of = datetime(2026, 11, 1, tzinfo=UTC)
    return restate(table, Night(config, table_from([], config.fit.default), int(as_of.timestamp()) * 1_000_000, night))


def pairs(*keys: tuple[str, str]) -> Any:
    columns = {"student_key": [k[0] for k in keys], "competency_id": [k[1] for k in keys]}
    return pa.table(columns).append_column("evidence_hash", pa.array([1] * len(keys), pa.int64()))


def right(number: int, pupil: str = "p1", success: bool = True, days: int = 0) -> dict[str, Any]:
    at = small.minutes(FIRST - timedelta(days=20 - 2 * number - days), 0)
    return small.event(f"{pupil}-{number}-{success}", pupil, f"c0/{number}", at, success)


def everything(settings: Settings) -> dict[str, Any]:
    names = ("attempt_day", "mastery_segment", "mastery_decision", "mastery_state")
    return {name: small.rows(settings, f"gold.{name}") for name in names}


def test_nights_append_differences_and_again_changes_nothing(settings: Settings) -> None:
    both = pairs(("p1", "c0"), ("p2", "c0"))
    events = [right(n, pupil) for n in range(4) for pupil in ("p1", "p2")]
    assert mastery_tables.newest_night(settings) is None
    assert mastery_tables.write(settings, FIRST, compute(settings, FIRST, events), both) == 4
    first = everything(settings)
    assert mastery_tables.newest_night(settings) == FIRST
    assert mastery_tables.write(settings, FIRST, compute(settings, FIRST, events), both) == 4
    assert everything(settings) == first
    # A late wrong answer of one pupil: one stretch, the decision it overturns and what comes instead.
    mine = [right(n) for n in range(4)] + [right(1, success=False, days=1)]
    one = pairs(("p1", "c0"))
    mastery_tables.write(settings, SECOND, compute(settings, SECOND, mine), one)
    second = everything(settings)
    night = [row for row in second["mastery_segment"] if row["data_date"] == SECOND]
    assert [row["work_date"] for row in night] == [FIRST - timedelta(days=17)]
    ledger = [row for row in second["mastery_decision"] if row["data_date"] == SECOND]
    assert sum(row["is_retraction"] for row in ledger) == 1
    assert {row["student_key"] for row in ledger} == {"p1"}
    assert [r for r in second["mastery_state"] if r["student_key"] == "p2"] == [
        r for r in first["mastery_state"] if r["student_key"] == "p2"
    ]
    mastery_tables.write(settings, SECOND, compute(settings, SECOND, mine), one)
    assert everything(settings) == second


def test_what_is_taken_back_leaves_an_empty_stretch_and_no_state(settings: Settings) -> None:
    one = pairs(("p1", "c0"))
    mastery_tables.write(settings, FIRST, compute(settings, FIRST, [right(n) for n in range(4)]), one)
    decided = small.standing(settings)
    mastery_tables.write(settings, SECOND, compute(settings, SECOND, []), one)
    assert small.rows(settings, "gold.mastery_state") == []
    assert small.rows(settings, "gold.attempt_day") == []
    assert small.standing(settings) == []
    emptied = [row for row in small.rows(settings, "gold.mastery_segment") if row["data_date"] == SECOND]
    assert len(emptied) == 4
    assert {(row["counted_attempts"], row["m00"], row["m01"]) for row in emptied} == {(0, 1.0, 0.0)}
    # It comes back: the same decisions, under the same ids, stand again.
    mastery_tables.write(settings, THIRD, compute(settings, THIRD, [right(n) for n in range(4)]), one)
    assert small.standing(settings) == decided


def test_explain_goes_from_the_state_to_the_events(settings: Settings) -> None:
    events = [right(n) for n in range(4)]
    small.write(settings, "silver.learner_activity", events)
    small.write(settings, "silver.competency", [small.competency("c0")])
    mastery_tables.write(settings, SECOND, compute(settings, SECOND, events), pairs(("p1", "c0")))
    found = explain_pair(settings, "p1", "C0")
    assert found["state"] == "mastered"
    assert [(d["from"], d["to"]) for d in found["decisions"]] == [
        ("not_started", "not_enough_evidence"),
        ("not_enough_evidence", "mastered"),
    ]
    assert [event["event_id"] for event in found["decisions"][1]["evidence"]] == [e["event_id"] for e in events]
    assert explain_pair(settings, "p1", "c0", FIRST)["state"] == "not_started"
    with pytest.raises(CairnError, match="no evidence of this pupil"):
        explain_pair(settings, "nobody", "c0")
    with pytest.raises(CairnError, match="0 competencies have the id or code"):
        explain_pair(settings, "p1", "c7")


def test_ready_when_all_prerequisites_are_mastered() -> None:
    since = datetime(2026, 10, 1, tzinfo=UTC)
    rows = [
        ("p1", "a", "mastered", since),
        ("p1", "b", "mastered", since + timedelta(days=3)),
        ("p2", "a", "mastered", since),
        ("p2", "b", "review_due", since),
        ("p3", "a", "mastered", since),
        ("p3", "b", "mastered", since),
        ("p3", "c", "review_due", since),
    ]
    columns = ("student_key", "competency_id", "state", "state_since_at")
    states = pa.table({name: [row[i] for row in rows] for i, name in enumerate(columns)})
    edges = pa.table({"from_competency_id": ["a", "b", "x"], "to_competency_id": ["c", "c", "d"]})
    expected = {"student_key": "p1", "competency_id": "c", "prerequisites": 2, "data_date": FIRST}
    assert ready_to_learn(states, edges, FIRST) == [{**expected, "ready_since_at": since + timedelta(days=3)}]
    assert ready_to_learn(states.slice(0, 0), edges, FIRST) == []
