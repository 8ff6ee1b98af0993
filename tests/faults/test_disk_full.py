"""No room left in the middle of a night: nothing of it is published, and the same command goes on when there is room.

The operating system refuses: Spark's Python workers, which write the files, may write none of more than so many bytes
(RLIMIT_FSIZE), so that writes of big files fail half-way and small ones succeed, as on a disk that is nearly full.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import lake
from cairn.settings import REPOSITORY, Settings
from spark_jobs import mastery, night_record
from tests.spark_jobs import mastery_lake as small

pytestmark = [pytest.mark.spark, pytest.mark.long_fault]

Apart = Callable[..., "subprocess.Popen[str]"]
FIRST = date(2026, 10, 13)
LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
"""
NIGHT = """
import sys
from datetime import date
from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs import mastery
from spark_jobs.session import start_session
from spark_jobs.spark_errors import spark_errors
settings = Settings()
try:
    with spark_errors(settings):
        spark = start_session(settings, "full", is_brief=True)
        print(mastery.update(spark, settings, date.fromisoformat(sys.argv[1]))["pairs"], flush=True)
except CairnError as error:
    print(error, flush=True)
"""


def events(day: date, per_pupil: int) -> list[dict[str, object]]:
    return [
        small.event(f"{day}-{pupil}-{n}", f"s-p{pupil}", f"i{n % 40}", small.minutes(day, n), n % 3 > 0)
        for pupil in range(8)
        for n in range(per_pupil)
    ]


def current(settings: Settings) -> dict[str, list[dict[str, object]]]:
    return {"states": small.states(settings), "days": small.days(settings), "decisions": small.standing(settings)}


def run(run_apart: Apart, settings: Settings, night: date) -> str:
    process = run_apart(settings, NIGHT, night.isoformat())
    out, err = process.communicate(timeout=280)
    assert out, err[-3000:]
    return out.strip()


def test_a_full_disk_publishes_nothing_and_the_same_command_goes_on(
    spark: SparkSession, settings: Settings, tmp_path: Path, run_apart: Apart
) -> None:
    items = {f"i{n}": f"c{n}" for n in range(40)}
    whole = settings.model_copy(update={"home": tmp_path / "whole"})
    for one in (settings, whole):
        small.seed(one, [f"p{n}" for n in range(8)], items)
        small.write(one, "gold.mastery_model", small.share_model_rows())
        small.write(one, "silver.learner_activity", events(FIRST, 40))
    assert mastery.update(spark, settings, FIRST)["pairs"] == 320
    before, at = current(settings), night_record.newest(settings)
    assert at is not None
    second = FIRST + timedelta(days=1)
    for one in (settings, whole):
        small.write(one, "silver.learner_activity", events(second, 40))
    # Room for each file of evidence and for none of states: the night dies with one table committed.
    sizes = {
        name: [file.size for file in lake.table_files(settings, name, lake.EVERY)]
        for name in (night_record.EVIDENCE, night_record.STATE)
    }
    room = (max(sizes[night_record.EVIDENCE]) + min(sizes[night_record.STATE])) // 2
    for size, table in ((2_000, night_record.EVIDENCE), (room, night_record.STATE)):
        site = tmp_path / f"site-{size}"
        site.mkdir()
        (site / "sitecustomize.py").write_text(LIMIT.format(size=size))
        full = settings.model_copy(update={"spark_python_path": f"{site}:{REPOSITORY}"})
        said = run(run_apart, full, second)
        assert said.startswith(f"{lake.WRITE_FAILED} {table} ("), said
        assert "make room where the lake lies" in said and len(said.splitlines()) == 1
        now = night_record.newest(settings)
        assert now == at, "the night is not on record, so readers see the one before"
        version = now.versions[night_record.STATE]
        assert lake.read(settings, night_record.STATE, partitions=lake.EVERY, version=version).num_rows == 320
    mastery.update(spark, settings, second)
    mastery.update(spark, whole, second)
    assert current(settings) == current(whole) != before
