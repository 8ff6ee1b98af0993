"""The night's mastery update on real Delta tables: any nights the same tables, late events, voids, held schools."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cairn.settings import Settings
from tests.spark_jobs import mastery_lake as small

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

FIRST, SECOND, THIRD = date(2026, 10, 13), date(2026, 10, 14), date(2026, 10, 15)
GOLD = (
    "gold.attempt_day",
    "gold.mastery_state",
    "gold.mastery_decision",
    "gold.mastery_model",
    "silver.evidence",
    "ops.night",
)


def run(spark: SparkSession, settings: Settings, night: date, held: tuple[str, ...] = ()) -> dict[str, Any]:
    from spark_jobs import mastery

    return mastery.update(spark, settings, night, held)


def everything(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    return {name: small.rows(settings, name) for name in GOLD}


def school_events(seed: int) -> list[dict[str, Any]]:
    """Events of four pupils over two weeks, with hints, rapid guesses and retries."""
    chance = random.Random(seed)
    found = []
    for number in range(160):
        day = FIRST - timedelta(days=chance.randrange(14))
        found.append(
            small.event(
                f"e{number:04d}",
                f"s-p{chance.randrange(4)}",
                f"i{chance.randrange(8)}",
                small.minutes(day, chance.randrange(300)),
                chance.random() < 0.75,
                hints=chance.choice([None, 0, 0, 2]),
                duration_ms=chance.choice([300, 20_000, 40_000]),
                class_id=chance.choice(["class-1", "class-2"]),
            )
        )
    return found


ITEMS = {f"i{n}": f"c{n % 2}" for n in range(8)}


def test_any_nights_give_the_same_tables_and_a_night_again_changes_nothing(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    events = school_events(4)
    random.Random(1).shuffle(events)
    pupils = [f"p{n}" for n in range(4)]
    other = settings.model_copy(update={"home": tmp_path / "other"})
    for home in (settings, other):
        small.seed(home, pupils, ITEMS)
    small.write(other, "silver.learner_activity", events)
    at_once = run(spark, other, SECOND)
    small.write(settings, "silver.learner_activity", events[:90])
    run(spark, settings, FIRST)
    small.write(settings, "silver.learner_activity", events[90:])
    later = run(spark, settings, SECOND)
    assert 0 < later["pairs"] <= at_once["pairs"]
    assert small.states(settings) == small.states(other)
    assert small.days(settings) == small.days(other)
    assert small.standing(settings) == small.standing(other)
    before = everything(settings)
    again = run(spark, settings, SECOND)
    assert (again["pairs"], again["decisions_changed"]) == (0, 0)
    assert everything(settings) == before
    assert run(spark, settings, FIRST)["superseded_by"] == "2026-10-14"
    assert everything(settings) == before


@dataclass
class Story:
    """A pupil who masters c0 by four right answers on four days, and another who is not touched."""

    spark: SparkSession
    settings: Settings

    def tell(self) -> None:
        small.seed(self.settings, ["p1", "p2"], ITEMS)
        rows = []
        for pupil in ("p1", "p2"):
            for n in range(4):
                at = small.minutes(FIRST - timedelta(days=8 - 2 * n), 0)
                rows.append(small.event(f"{pupil}-{n}", f"s-{pupil}", f"i{2 * n}", at, True))
        small.write(self.settings, "silver.learner_activity", rows)

    def state(self, pupil: str) -> dict[str, Any]:
        [row] = [row for row in small.states(self.settings) if row["student_key"] == pupil]
        return dict(row)


def test_late_work_and_a_void_change_what_they_should(spark: SparkSession, settings: Settings) -> None:
    story = Story(spark, settings)
    story.tell()
    run(spark, settings, FIRST)
    assert story.state("p1")["state"] == "mastered"
    untouched = story.state("p2")
    # Wrong answers between the second and the third right one arrive late: mastery was not reached after all.
    late = [
        small.event(f"late-{n}", "s-p1", f"j{n}", small.minutes(FIRST - timedelta(days=5), n), False) for n in range(3)
    ]
    small.write(settings, "silver.item_alignment", [small.alignment(f"j{n}", "c0") for n in range(3)])
    small.write(settings, "silver.learner_activity", late)
    result = run(spark, settings, SECOND)
    assert result["pairs"] == 1
    assert story.state("p1")["state"] == "developing"
    assert story.state("p2") == untouched
    ledger = [row for row in small.rows(settings, "gold.mastery_decision") if row["data_date"] == SECOND]
    assert {row["student_key"] for row in ledger} == {"p1"}
    assert [row["to_state"] for row in ledger if row["is_retraction"]] == ["mastered"]
    night = [row for row in small.rows(settings, "gold.attempt_day") if row["data_date"] == SECOND]
    assert [row["work_date"] for row in night] == [FIRST - timedelta(days=5)], "one stretch changed, one was written"
    # The late answers are voided: everything is as it was, the same decision stands again, the stretch is empty.
    voids = [
        small.event(
            f"void-{n}",
            "s-p1",
            None,
            small.minutes(SECOND, n - 600),
            None,
            activity_type="void",
            voids_statement_id=f"st-late-{n}",
        )
        for n in range(3)
    ]
    small.write(settings, "silver.learner_activity", voids)
    run(spark, settings, SECOND)
    assert story.state("p1")["state"] == "mastered"
    assert len(small.standing(settings)) == 4
    assert len([row for row in small.days(settings) if row["student_key"] == "p1"]) == 4


def test_links_alignments_held_schools_and_time(spark: SparkSession, settings: Settings) -> None:
    story = Story(spark, settings)
    story.tell()
    people = [
        {"student_key": "p2", "role": "student", "school_id": "red", "is_enabled": True, "status": "active"},
        {"student_key": "p1", "role": "student", "school_id": "green", "is_enabled": True, "status": "active"},
    ]
    small.write(settings, "silver.person", [{**row, "recorded_from": small.LONG_AGO} for row in people])
    unlinked = [
        small.event(f"n{n}", "s-p3", f"i{2 * n}", small.minutes(FIRST - timedelta(days=4 - n), 0), True)
        for n in range(4)
    ]
    small.write(settings, "silver.learner_activity", unlinked)
    assert run(spark, settings, FIRST, ("red",))["pairs"] == 1
    assert [row["student_key"] for row in small.states(settings)] == ["p1"]
    # The school is released, the link arrives, and so does the source's own naming of a competency.
    small.write(settings, "silver.identity_link", [small.link("s-p3", "p3")])
    named = small.event(
        "named", "s-p1", "elsewhere", small.minutes(FIRST, 5), True, competency_ids=["c1", "not-of-this-district"]
    )
    small.write(settings, "silver.learner_activity", [named])
    assert run(spark, settings, SECOND)["pairs"] == 3
    states = {(r["student_key"], r["competency_id"]): r["state"] for r in small.states(settings)}
    assert states == {
        ("p1", "c0"): "mastered",
        ("p1", "c1"): "not_enough_evidence",
        ("p2", "c0"): "mastered",
        ("p3", "c0"): "mastered",
    }
    # Sixty days without evidence change mastered to review due, by time alone.
    far = SECOND + timedelta(days=90)
    assert run(spark, settings, far)["pairs"] == 3
    assert story.state("p2")["state"] == "review_due"
    due = [row for row in small.rows(settings, "gold.mastery_decision") if row["to_state"] == "review_due"]
    assert {row["data_date"] for row in due} == {far}
