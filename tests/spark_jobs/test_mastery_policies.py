"""A subject's policy becomes stricter from a date on: nothing from before it changes, and nights say why."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import lake
from cairn.errors import CairnError
from cairn.mastery.config import load_config
from cairn.settings import Settings
from gates.run import run_gate
from spark_jobs import mastery, night_record
from spark_jobs.mastery_explain import explain_pair
from tests.spark_jobs import mastery_lake as small
from tests.spark_jobs.policy_files import EXAMPLE, STRICTER, listed, save

pytestmark = pytest.mark.spark

START = date(2026, 10, 5)
# The policy of mathematics asks for more from here on.
FROM = START + timedelta(days=10)
MIDNIGHT = datetime(FROM.year, FROM.month, FROM.day, tzinfo=small.ZONE)
FILE = listed({"id": "math", "subject": "Mathematics", "effective_from": FROM, **STRICTER})
ITEMS = {f"{subject}{n}": subject for subject in ("ela", "math") for n in range(6)}
# Pupil, days of work, right answers on each day, of both subjects alike.
BEFORE = [("rests", 0, 2), ("rests", 1, 2), ("goes-on", 0, 2), ("goes-on", 1, 2)]
AFTER = [("goes-on", 10, 1), ("goes-on", 11, 1), ("begins", 10, 2), ("begins", 11, 2), ("begins", 12, 2)]


def lake_of(settings: Settings) -> None:
    """Links, competencies with their subjects, items and the model."""
    small.write(
        settings, "silver.identity_link", [small.link(f"s-{one}", one) for one in ("rests", "goes-on", "begins")]
    )
    known = [("ela", "ELA"), ("math", "mathematics")]
    small.write(settings, "silver.competency", [small.competency(name) | {"subject": of} for name, of in known])
    small.write(settings, "silver.item_alignment", [small.alignment(item, name) for item, name in ITEMS.items()])
    small.write(settings, "gold.mastery_model", small.share_model_rows())


def work(settings: Settings, done: list[tuple[str, int, int]]) -> None:
    """Right answers to items that the pupil has not seen yet, as far as there are any."""
    rows = []
    for pupil, day, right in done:
        seen = sum(count for one, before, count in BEFORE + AFTER if one == pupil and before < day)
        for name in ("ela", "math"):
            for n in range(right):
                at = small.minutes(START + timedelta(days=day), 10 * n + (0 if name == "ela" else 5))
                item = f"{name}{(seen + n) % 6}"
                rows.append(small.event(f"{pupil}-{day}-{name}-{n}", f"s-{pupil}", item, at, True))
    small.write(settings, "silver.learner_activity", rows)


def night(spark: SparkSession, settings: Settings, day: int) -> list[dict[str, Any]]:
    """Rows that the night of a day adds to the ledger."""
    last = night_record.newest(settings)
    mastery.update(spark, settings, START + timedelta(days=day))
    rows = small.rows(settings, "gold.mastery_decision")
    return [row for row in rows if row["night"] > (last.night if last else 0)]


def told(rows: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {(row["student_key"], row["competency_id"], row["to_state"], row["reason"]) for row in rows}


def test_a_stricter_policy_from_a_date_on(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    lake_of(settings)
    save(settings, EXAMPLE)
    work(settings, BEFORE)
    night(spark, settings, 1)
    as_it_was, stood = small.standing(settings), small.states(settings)
    assert {(row["student_key"], row["state"]) for row in stood} == {("rests", "mastered"), ("goes-on", "mastered")}
    save(settings, FILE)
    first, math = (one.version for one in load_config(settings).policies)
    assert night(spark, settings, 5) == [], "what is to come restates nothing"
    assert small.standing(settings) == as_it_was
    of_math = [row for row in small.states(settings) if row["competency_id"] == "math"]
    assert {row["next_transition_at"] for row in of_math} == {MIDNIGHT}
    assert {row["policy_version"] for row in of_math} == {first}
    work(settings, [one for one in AFTER if one[1] == 10])
    # As it begins, those who are under its bar fall due; whoever works goes by it.
    found = night(spark, settings, 10)
    due = {(pupil, "math", "review_due", "policy") for pupil in ("rests", "goes-on")}
    begun = {("begins", name, "not_enough_evidence", "work") for name in ("ela", "math")}
    assert told(found) == due | begun
    assert {row["decided_at"] for row in found if row["to_state"] == "review_due"} == {MIDNIGHT}
    assert {row["policy_version"] for row in found if row["competency_id"] == "math"} == {math}
    assert {row["policy_version"] for row in found if row["competency_id"] == "ela"} == {first}
    work(settings, [one for one in AFTER if one[1] > 10])
    assert told(night(spark, settings, 12)) == {
        ("begins", "ela", "mastered", "work"),
        ("begins", "math", "mastered", "work"),
        ("goes-on", "math", "mastered", "work"),
    }
    states = {(row["student_key"], row["competency_id"]): row for row in small.states(settings)}
    assert states["begins", "ela"]["state_since_at"] == small.minutes(START + timedelta(days=11), 10)
    assert states["begins", "math"]["state_since_at"] > small.minutes(START + timedelta(days=12), 0), "six answers"
    assert states["goes-on", "ela"]["policy_version"] == first, "of the day on which she was called so"
    assert [row for row in small.standing(settings) if row["decided_at"] < MIDNIGHT] == as_it_was
    gate = run_gate("silver_to_mastery", settings, START + timedelta(days=12))
    assert [row["rule_id"] for row in gate.results if not row["is_passed"]] == []
    shown = explain_pair(settings, "rests", "math")
    assert (shown["state"], shown["decisions"][-1]["policy"], shown["decisions"][-1]["reason"]) == (
        "review_due",
        math,
        "policy",
    )
    assert "by now under 95 of 100" in shown["why"]
    # Another home that sees all of it at once says the same.
    other = Settings(home=tmp_path / "other")
    lake_of(other)
    save(other, FILE)
    work(other, BEFORE + AFTER)
    night(spark, other, 12)
    assert small.standing(other) == small.standing(settings)
    assert small.states(other) == small.states(settings)


def test_a_policy_changed_afterwards_restates_and_says_so(spark: SparkSession, settings: Settings) -> None:
    lake_of(settings)
    save(settings, EXAMPLE)
    work(settings, BEFORE)
    night(spark, settings, 1)
    save(settings, EXAMPLE | STRICTER)
    work(settings, [("begins", 10, 2)])
    found = night(spark, settings, 10)
    assert {row["reason"] for row in found if row["student_key"] == "begins"} == {"work"}
    restated = [row for row in found if row["student_key"] != "begins"]
    assert {row["reason"] for row in restated} == {"policy"}
    assert {row["is_retraction"] for row in restated} == {True, False}
    assert "mastered" not in {row["state"] for row in small.states(settings)}


def test_a_competency_of_another_subject_goes_by_its_policy(spark: SparkSession, settings: Settings) -> None:
    lake_of(settings)
    save(settings, listed({"id": "math", "subject": "mathematics", **STRICTER}))
    work(settings, BEFORE)
    night(spark, settings, 1)
    assert {row["competency_id"] for row in small.states(settings) if row["state"] == "mastered"} == {"ela"}
    moved = small.competency("math") | {"subject": "ela", "recorded_from": small.minutes(START, 0)}
    was = small.competency("math") | {"subject": "mathematics", "recorded_to": small.minutes(START, 0)}
    rest = [small.competency(name) | {"subject": of} for name, of in (("ela", "ELA"), ("other", "mathematics"))]
    lake.overwrite(
        settings,
        "silver.competency",
        pa.Table.from_pylist([moved, was, *rest], lake.file_schema("silver.competency")),
    )
    found = night(spark, settings, 2)
    assert {row["reason"] for row in found} == {"policy"}
    assert {row["state"] for row in small.states(settings)} == {"mastered"}


def test_a_subject_that_no_competency_has_stops_the_night(spark: SparkSession, settings: Settings) -> None:
    lake_of(settings)
    save(settings, listed({"id": "music", "subject": "music", **STRICTER}))
    with pytest.raises(CairnError, match=r"policy.yaml: versions.1.subject: no competency is of 'music'.*: ela, math"):
        mastery.update(spark, settings, START)
    assert night_record.newest(settings) is None
