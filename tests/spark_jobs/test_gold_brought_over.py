"""Gold of an earlier Cairn, in which P(known) decided: the next night brings it over and fills it from the evidence."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import lake
from cairn.settings import Settings
from spark_jobs import gold_migration, mastery, night_record
from spark_jobs.gold_migration import MODEL
from spark_jobs.night_record import DAY, DECISION, NIGHT, STATE
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


def lies_as(settings: Settings, name: str, rows: pa.Table, parts: list[str]) -> None:
    """Put the table's rows in the place of the table, as an earlier Cairn wrote them; its version stays."""
    folder = Path(lake.open_table(settings, name).table_uri.removeprefix("file://"))
    version = lake.current_version(settings, name)
    shutil.rmtree(folder)
    for number in range(version + 1):
        part = rows if number == version else rows.slice(0, 0)
        write_deltalake(str(folder), part, mode="append", partition_by=parts)
    assert lake.current_version(settings, name) == version


@pytest.fixture
def earlier(spark: SparkSession, settings: Settings) -> Settings:
    """A home after its first night, its gold as it lay when P(known) decided."""
    small.seed(settings, ["p0"], {f"i{n}": "c0" for n in range(3)})
    work(settings, 0)
    mastery.update(spark, settings, START)
    for name in (STATE, DECISION):
        rows = lake.read(settings, name, partitions=lake.EVERY)
        known = pa.array([0.5] * rows.num_rows, pa.float64())
        rows = rows.drop_columns([one for one in ("pupil_key",) if one in rows.column_names])
        lies_as(settings, name, rows.append_column("p_known", known), ["pupil_bucket"])
    old = pa.table({"model_version": ["bkt-1"], "competency_id": ["c0"], "prior": [0.3], "is_active": [True]})
    lies_as(settings, MODEL, old, [])
    return settings


def kinds(settings: Settings) -> list[str]:
    return [row["kind"] for row in sorted(small.rows(settings, NIGHT), key=lambda row: row["night"])]


def test_the_next_night_brings_gold_over_and_rebuilds_it(spark: SparkSession, earlier: Settings) -> None:
    work(earlier, 1)
    done = mastery.update(spark, earlier, START + timedelta(days=1))
    assert kinds(earlier)[:4] == ["night", "widening", "migration", "night"]
    [state] = small.states(earlier)
    assert (state["state"], state["counted_days"], state["pupil_counted"]) == ("mastered", 2, 6)
    assert not any(lake.needs_migration(earlier, name) for name in (STATE, DAY, DECISION, MODEL))
    assert done["model_version"].startswith("share-"), "the old parameters decide nothing"
    # What was decided before stays in the ledger, taken back where it no longer follows.
    assert any(row["is_retraction"] and row["reason"] == "rebuild" for row in small.rows(earlier, DECISION))


def test_interrupted_after_a_table_was_changed_it_goes_on(spark: SparkSession, earlier: Settings) -> None:
    last = night_record.newest(earlier)
    assert last is not None
    gold_migration._recorded(earlier, last, gold_migration.WIDENING, last.versions)
    lake.migrate(earlier, STATE, gold_migration._nothing_of(STATE))
    work(earlier, 1)
    mastery.update(spark, earlier, START + timedelta(days=1))
    assert kinds(earlier)[:4] == ["night", "widening", "migration", "night"]
    assert [state["state"] for state in small.states(earlier)] == ["mastered"]
