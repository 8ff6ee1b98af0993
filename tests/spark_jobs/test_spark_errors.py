"""A Spark that dies says which setting mends it, in one line, and leaves the process able to start another."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cairn.settings import Settings
from spark_jobs.spark_errors import SparkFailedError, spark_errors

Apart = Callable[..., "subprocess.Popen[str]"]

# 40 rows of 16 MB through one session of the smallest heap; then, in the same process, a session that works.
FILLS_THE_HEAP = """
import sys
from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs.session import start_session
from spark_jobs.spark_errors import spark_errors, stop_session
settings = Settings()
try:
    with spark_errors(settings):
        spark = start_session(settings, "heap", is_brief=True)
        spark.range(0, 40, 1, 1).selectExpr("repeat(uuid(), 450000) as text").collect()
except CairnError as error:
    print(error, flush=True)
    if "spark" in globals():
        stop_session(spark)
again = start_session(settings, "again", is_brief=True)
print(again.range(5).count(), flush=True)
again.stop()
"""


def own(tmp_path: Path, memory: str) -> Settings:
    """Settings of a Spark with so much heap, and no limit that would stop a result before the heap does."""
    return Settings(home=tmp_path / "home", spark_driver_memory=memory, spark_driver_max_result_size="0")


@pytest.mark.spark
def test_a_full_heap_names_its_setting(tmp_path: Path, run_apart: Apart) -> None:
    process = run_apart(own(tmp_path, "480m"), FILLS_THE_HEAP)
    out, err = process.communicate(timeout=280)
    wanted = "Spark ran out of heap: raise CAIRN_SPARK_DRIVER_MEMORY (spark_driver_memory in cairn.toml), now 480m"
    assert out.splitlines() == [wanted, "5"], err[-2000:]
    assert process.returncode == 0


@pytest.mark.spark
def test_a_heap_too_small_to_start_names_its_setting(tmp_path: Path, run_apart: Apart) -> None:
    process = run_apart(own(tmp_path, "300m"), FILLS_THE_HEAP)
    out, err = process.communicate(timeout=120)
    assert out.startswith("Spark's heap is too small to start: raise CAIRN_SPARK_DRIVER_MEMORY"), err[-2000:]


@pytest.mark.spark
def test_a_job_that_collects_too_much_names_its_setting(spark: SparkSession, settings: Settings) -> None:
    """The suite's own limit of 32 MB, which finds what collects rows that grow with pupils."""
    rows = spark.range(0, 2_000_000, 1, 4).select(F.expr("uuid()").alias("text"))
    with (
        pytest.raises(SparkFailedError, match="raise CAIRN_SPARK_DRIVER_MAX_RESULT_SIZE") as told,
        spark_errors(settings),
    ):
        rows.collect()
    assert "\n" not in str(told.value)
    assert spark.range(3).count() == 3


@pytest.mark.spark
def test_what_is_no_matter_of_settings_passes_unchanged(spark: SparkSession, settings: Settings) -> None:
    with pytest.raises(PySparkException, match="no_such_column"), spark_errors(settings):
        spark.range(1).select("no_such_column").collect()
