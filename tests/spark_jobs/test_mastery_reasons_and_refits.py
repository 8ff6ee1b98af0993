"""Why a night records a decision, and when parameters are fitted anew: by rule, and used only once promoted."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession

from cairn.settings import Settings
from spark_jobs import mastery
from tests.spark_jobs import mastery_lake as small

pytestmark = pytest.mark.spark

START = date(2026, 9, 28)


def test_each_decision_says_why_it_was_recorded(spark: SparkSession, settings: Settings) -> None:
    small.seed(settings, ["p0", "p1"], {f"i{n}": "c0" for n in range(8)})
    model = small.default_model()
    small.write(settings, "gold.mastery_model", [model])

    def night(day: int, *work: tuple[str, int]) -> set[tuple[str, str]]:
        before = len(small.rows(settings, "gold.mastery_decision"))
        rows = [
            small.event(
                f"{pupil}-{day}-{at}-{n}",
                f"s-{pupil}",
                f"i{n}",
                small.minutes(START + timedelta(days=at), 9 * n),
                True,
            )
            for pupil, at in work
            for n in range(8)
        ]
        small.write(settings, "silver.learner_activity", rows)
        mastery.update(spark, settings, START + timedelta(days=day))
        ledger = sorted(small.rows(settings, "gold.mastery_decision"), key=lambda row: row["night"])
        return {(row["student_key"], row["reason"]) for row in ledger[before:]}

    assert night(0, ("p0", 0)) == {("p0", "work")}
    assert night(3, ("p1", 2), ("p1", 3)) == {("p1", "work")}
    assert night(4, ("p0", -2)) == {("p0", "late")}
    assert night(120) == {("p0", "time"), ("p1", "time")}, "a review falls due by time alone"
    changed = {**model, "model_version": "other", "learn": 0.01, "guess": 0.35, "is_active": False}
    small.write(settings, "gold.mastery_model", [changed])
    assert night(121) == set(), "a challenger changes nothing"
    mastery.use_versions(settings, {"*": "other"})
    assert {reason for _, reason in night(122)} == {"model"}


def test_parameters_are_fitted_anew_by_rule_and_wait(spark: SparkSession, settings: Settings) -> None:
    chance = random.Random(2)
    pupils = [f"p{n:02d}" for n in range(30)]
    small.seed(settings, pupils, {f"i{n}": "c0" for n in range(8)})

    def night(day: int, attempts: int) -> str:
        first = START + timedelta(days=day)
        rows = [
            small.event(f"{pupil}-{day}-{n}", f"s-{pupil}", f"i{n}", small.minutes(first, n), chance.random() < 0.7)
            for pupil in pupils
            for n in range(attempts)
        ]
        small.write(settings, "silver.learner_activity", rows)
        return mastery.update(spark, settings, START + timedelta(days=day))["challenger"]

    assert night(0, 8) == ""
    in_use = {row["model_version"] for row in small.rows(settings, "gold.mastery_model") if row["is_active"]}
    assert night(1, 4) == "", "neither a week nor twice the evidence"
    doubled = night(2, 8)
    assert doubled.startswith("bkt-") and night(3, 1) == ""
    weekly = night(9, 1)
    assert weekly.startswith("bkt-")
    rows = small.rows(settings, "gold.mastery_model")
    assert {row["model_version"] for row in rows if row["is_active"]} == in_use
    assert {doubled, weekly} <= {row["model_version"] for row in rows if not row["is_active"]}
