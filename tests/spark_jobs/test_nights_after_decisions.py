"""What is decided by hand about who is who, and what the next night makes of it: real vault, commands and nights."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

import lake
from cairn.keys import DistrictKeys
from cairn.settings import Settings
from loading import link_student, merge_students, register_people, rotate_key, split_students
from spark_jobs import mastery
from tests.spark_jobs import mastery_lake as small

FIRST = datetime(2026, 10, 1, 15, tzinfo=UTC)
ACCOUNT, OPENID = "account:https://id.cedar.example", "https://openid.example/ann"
ANN = {"sourced_id": "u1", "username": "ann1", "school_id": "s1"}
AGAIN = {"sourced_id": "u2", "username": "ann2", "school_id": "s1"}


def answers(subject: str, name: str, last_day: int, how_many: int) -> list[dict[str, Any]]:
    """Right answers on items of c1, one a day until the last."""
    days = [FIRST + timedelta(days=last_day - n) for n in range(how_many)]
    return [small.event(f"{name}-{n}", subject, f"i{n}", at, True) for n, at in enumerate(days)]


def standing(settings: Settings) -> dict[str, tuple[str, int]]:
    """State and attempts of each pupil on c1."""
    return {row["student_key"]: (row["state"], row["attempts"]) for row in small.states(settings)}


def decisions(settings: Settings) -> list[tuple[str, str, date]]:
    rows = lake.read(settings, "gold.mastery_decision", partitions=lake.EVERY).to_pylist()
    return sorted((row["student_key"], row["to_state"], row["data_date"]) for row in rows if not row["is_retraction"])


@pytest.mark.spark
def test_work_of_somebody_unknown_waits_and_each_decision_is_restated_by_the_next_night(
    spark: SparkSession, settings: Settings
) -> None:
    settings = settings.model_copy(update={"pupil_buckets": 2})
    keys = register_people(settings, [ANN, AGAIN])
    kept, gone = keys["u1"], keys["u2"]
    district = DistrictKeys.load(settings)
    unknown = district.subject_key("openid", OPENID)
    small.write(settings, "silver.competency", [small.competency("c1")])
    small.write(settings, "silver.item_alignment", [small.alignment(f"i{n}", "c1") for n in range(6)])
    small.write(settings, "gold.mastery_model", small.share_model_rows())
    events = answers(unknown, "waiting", 0, 5) + answers(district.subject_key(ACCOUNT, "ann2"), "second", 0, 2)
    small.write(settings, "silver.learner_activity", events)

    def night(day: int) -> dict[str, tuple[str, int]]:
        mastery.update(spark, settings, date(2026, 10, 1) + timedelta(days=day))
        return standing(settings)

    before = night(0)
    assert set(before) == {gone}
    assert lake.read(settings, "silver.evidence_waiting", ["waits_for"], partitions=lake.EVERY).num_rows == 5

    link_student(settings, "ann1", "openid", OPENID, by="tester", reason="help desk 118")
    linked = night(1)
    assert linked == {gone: before[gone], kept: ("mastered", 5)}
    # Work of the first day, decided about on the night that came to know whose it was.
    assert (kept, "mastered", date(2026, 10, 2)) in decisions(settings)

    merge_students(settings, "ann1", "ann2", by="tester", reason="registered twice")
    assert night(2) == {kept: ("mastered", 7)}
    split_students(settings, gone, by="tester", reason="two pupils")
    assert night(3) == linked

    rotate_key(settings)
    renewed = DistrictKeys.load(settings).subject_key("openid", OPENID)
    assert renewed != unknown
    small.write(settings, "silver.learner_activity", answers(renewed, "renewed", 1, 1))
    assert night(4) == {gone: linked[gone], kept: ("mastered", 6)}
