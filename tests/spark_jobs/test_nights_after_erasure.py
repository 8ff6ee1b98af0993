"""Nights go on after somebody was erased: what stands of the others is what a lake without that person would say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

import lake
from cairn.settings import Settings
from spark_jobs import lake_erasure, mastery, night_record
from tests.spark_jobs import mastery_lake as small

PUPILS = ("p-gone", "p-stays", "p-other")
ITEMS = {"i1": "c1", "i2": "c1", "i3": "c2"}
FIRST = datetime(2026, 10, 1, 15, tzinfo=UTC)


def work(day: int, pupils: tuple[str, ...]) -> list[dict[str, Any]]:
    """A day's answers of some pupils."""
    at = FIRST + timedelta(days=day)
    return [
        small.event(f"{pupil}-{day}-{item}", f"s-{pupil}", item, at + timedelta(minutes=n), success=(n + day) % 3 > 0)
        for pupil in pupils
        for n, item in enumerate(ITEMS)
    ]


def gold(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """What stands, without which night wrote it and when."""
    without = ("night", "recorded_at", "data_date", "is_base", "pupil_bucket", "decision_id")
    last = night_record.newest(settings)
    assert last is not None
    found = {}
    for name in (night_record.STATE, night_record.EVIDENCE):
        table = lake.read(settings, name, partitions=lake.EVERY, version=last.versions[name])
        rows = [row for row in small.plain(table, without) if row["student_key"] != "p-gone"]
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in rows:
            newest[row["student_key"], row["competency_id"], row.get("event_id")] = row
        found[name] = [newest[key] for key in sorted(newest, key=str)]
    return found


def night(spark: SparkSession, settings: Settings, day: int) -> None:
    mastery.update(spark, settings, date(2026, 10, 1) + timedelta(days=day))


@pytest.mark.spark
@pytest.mark.parametrize("has_news", [False, True], ids=["right after a night", "with news since the night"])
def test_the_night_after_an_erasure_ends_where_a_lake_without_the_person_does(
    spark: SparkSession, settings: Settings, has_news: bool
) -> None:
    without = settings.model_copy(update={"home": settings.home.with_name("without")})
    for one, pupils in ((settings, PUPILS), (without, PUPILS[1:])):
        one_settings = one.model_copy(update={"pupil_buckets": 2})
        small.seed(one_settings, PUPILS[1:] if one is without else PUPILS, ITEMS)
        small.write(one_settings, "silver.learner_activity", work(0, pupils))
        night(spark, one_settings, 0)
    mine = settings.model_copy(update={"pupil_buckets": 2})
    if has_news:
        small.write(mine, "silver.learner_activity", work(1, PUPILS))
        small.write(mine, "silver.identity_link", [small.link("s-late", "p-other")])
    who = lake_erasure.subject(mine, ["p-gone"], ["s-p-gone"], [])
    removed = lake_erasure.erase(mine, who, "e_1", datetime.now(UTC))
    assert removed["silver.learner_activity"] == len(ITEMS) * (2 if has_news else 1)
    record = night_record.newest(mine)
    assert record is not None
    assert (record.kind, record.evidence_counts) == ("erasure", {"c1": 4, "c2": 2})
    if not has_news:
        small.write(mine, "silver.learner_activity", work(1, PUPILS[1:]))
    else:
        small.write(without, "silver.identity_link", [small.link("s-late", "p-other")])
    small.write(without, "silver.learner_activity", work(1, PUPILS[1:]))
    for one in (mine, without):
        night(spark, one, 1)
    assert gold(mine) == gold(without)
    assert lake.tables_that_say(mine, who.words) == {}
    newest = night_record.newest(mine)
    assert newest is not None and newest.evidence_counts == {"c1": 8, "c2": 4}
