"""Gold of an earlier Cairn, whose states told no items and days: the next night gives them the columns and goes on."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import write_deltalake

import lake
from cairn.settings import Settings
from spark_jobs import gold_migration, mastery, night_record
from spark_jobs.night_record import NIGHT, STATE
from tests.spark_jobs import mastery_lake as small

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

START = date(2026, 9, 28)


def work(settings: Settings, day: int) -> None:
    rows = [
        small.event(f"e-{day}-{n}", "s-p0", f"i{n}", small.minutes(START + timedelta(days=day), n), True)
        for n in range(3)
    ]
    small.write(settings, "silver.learner_activity", rows)


@pytest.fixture
def narrow(spark: SparkSession, settings: Settings) -> Settings:
    """A home after its first night, its states as they lay before they had these columns."""
    small.seed(settings, ["p0"], {f"i{n}": "c0" for n in range(3)})
    work(settings, 0)
    mastery.update(spark, settings, START)
    table = lake.open_table(settings, STATE)
    folder = Path(table.table_uri.removeprefix("file://"))
    rows = lake.read(settings, STATE, partitions=lake.EVERY).drop_columns(["counted_items", "counted_days"])
    shutil.rmtree(folder)
    for part in (rows.slice(0, 0), rows):
        write_deltalake(str(folder), part, mode="append", partition_by=["pupil_bucket"])
    assert lake.current_version(settings, STATE) == (night_record.newest(settings) or pytest.fail()).versions[STATE]
    return settings


def kinds(settings: Settings) -> list[str]:
    return [row["kind"] for row in sorted(small.rows(settings, NIGHT), key=lambda row: row["night"])]


def test_the_next_night_widens_the_states_and_restates_them(spark: SparkSession, narrow: Settings) -> None:
    work(narrow, 1)
    mastery.update(spark, narrow, START + timedelta(days=1))
    assert kinds(narrow)[:4] == ["night", "widening", "migration", "night"]
    [state] = small.states(narrow)
    assert (state["state"], state["counted_days"], len(state["counted_items"])) == ("mastered", 2, 3)
    assert not lake.needs_migration(narrow, STATE)


def test_interrupted_after_the_table_was_changed_it_goes_on(spark: SparkSession, narrow: Settings) -> None:
    last = night_record.newest(narrow)
    assert last is not None
    gold_migration._recorded(narrow, last, gold_migration.WIDENING, last.versions[STATE])
    lake.migrate(narrow, STATE, gold_migration._without_items)
    work(narrow, 1)
    mastery.update(spark, narrow, START + timedelta(days=1))
    assert kinds(narrow)[:4] == ["night", "widening", "migration", "night"]
    assert [state["state"] for state in small.states(narrow)] == ["mastered"]
