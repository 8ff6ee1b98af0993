"""Limits for rapid guesses of items' own: fitted with the model, frozen with it, and counted by from then on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import lake
from cairn.mastery.config import load_config
from cairn.mastery.share.model import is_shipped
from cairn.settings import Settings
from spark_jobs import gold_migration, mastery, mastery_model
from spark_jobs.evaluate_lake import limits_in_use
from spark_jobs.gold_migration import ITEMS
from tests.spark_jobs import mastery_lake as small
from tests.spark_jobs.test_mastery_reasons_and_refits import PUPILS, START, asks_for, without_model

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

# What p00 took at i1, where others take a minute: an answer by the district's 2.5 seconds, not by the item's own six.
QUICK_MS = 4_000
LONG_MS = 60_000


def work(settings: Settings, day: int) -> None:
    rows = [
        small.event(
            f"{pupil}-{day}-{n}",
            f"s-{pupil}",
            f"i{n}",
            small.minutes(START + timedelta(days=day), n),
            (n + ord(pupil[2]) + day) % 3 > 0,
            duration_ms=20_000 if n != 1 else QUICK_MS if pupil == PUPILS[0] else LONG_MS,
        )
        for pupil in PUPILS
        for n in range(8)
    ]
    small.write(settings, "silver.learner_activity", rows)


def counted(settings: Settings) -> int:
    """Counted attempts of p00 on the competency of i1."""
    [row] = [row for row in small.states(settings) if (row["student_key"], row["competency_id"]) == (PUPILS[0], "c1")]
    return int(row["counted_attempts"])


def test_limits_come_with_the_model_and_stay_with_it(spark: SparkSession, settings: Settings) -> None:
    without_model(settings)
    asks_for(settings, 100_000, 20)
    work(settings, 0)
    assert is_shipped(mastery.update(spark, settings, START)["model_version"])
    assert counted(settings) == 5, "i0 shows both; the shipped model knows no items"
    asks_for(settings, 400, 20)
    for day in (1, 2):
        work(settings, day)
    own = mastery.update(spark, settings, START + timedelta(days=2))["model_version"]
    assert not is_shipped(own)
    limits = {row["item_id"]: row["rapid_guess_ms"] for row in small.rows(settings, ITEMS)}
    assert limits["i2"] == 2_000
    assert 5_500 <= limits["i1"] <= 6_000
    assert mastery_model.item_limits(settings) == (own, limits)
    assert counted(settings) == 12, "of 15 answers the three at i1 were guesses: all is restated by the new limits"
    found = limits_in_use(settings, load_config(settings).evidence)
    assert sorted(found.limit_ms.tolist()) == sorted(limits.values())


def test_items_from_before_there_were_limits_are_brought_over(settings: Settings) -> None:
    old = pa.table({"model_version": ["v"], "item_id": ["i"], "difficulty_logit": [0.5], "responses": [30]})
    write_deltalake(lake.table_uri(settings, ITEMS), old)
    assert lake.needs_migration(settings, ITEMS)
    gold_migration._migrate_model(settings)
    assert not lake.needs_migration(settings, ITEMS)
    [row] = small.rows(settings, ITEMS)
    assert (row["item_id"], row["difficulty_logit"], row["rapid_guess_ms"]) == ("i", 0.5, None)
