"""The lake on an S3-like store: every way of writing and reading, writers that race, Spark by s3a."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from infra import jars

NAME = "bronze.receipts"
MONDAY, TUESDAY = date(2026, 10, 12), date(2026, 10, 13)
Apart = Callable[..., "subprocess.Popen[str]"]


def rows(day: date, *ids: str) -> pa.Table:
    """Receipts of a day, one an id, whose source is the id's first letter."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    found: list[dict[str, Any]] = [
        {"receipt_id": one, "source_id": one[0], "received_at": at, "received_date": day, "statements_received": 1}
        for one in ids
    ]
    return pa.Table.from_pylist(found, lake.file_schema(NAME))


def ids(settings: Settings, filters: Any = None, version: int | None = None) -> list[str]:
    """The receipts that the table holds, sorted."""
    found = lake.read(settings, NAME, ["receipt_id"], filters, lake.EVERY, version)
    newest = lake.read_newest(settings, NAME, filters)
    if version is None and newest is not None:
        assert sorted(newest.column("receipt_id").to_pylist()) == sorted(found.column("receipt_id").to_pylist())
    return sorted(found.column("receipt_id").to_pylist())


def test_each_way_of_writing_is_read_back(store_settings: Settings) -> None:
    """Create, append, once, replace a partition, delete, compact, restore; filters on text hold after each."""
    settings = store_settings
    assert not lake.exists(settings, NAME)
    assert ids(settings) == []
    lake.create(settings, NAME)
    lake.create(settings, NAME)
    start = lake.current_version(settings, NAME)
    lake.append(settings, NAME, rows(MONDAY, "a1", "b1"))
    assert lake.append_once(settings, NAME, rows(TUESDAY, "a2"), ("night", 1))
    assert not lake.append_once(settings, NAME, rows(TUESDAY, "a2"), ("night", 1))
    assert ids(settings, pc.field("source_id") == "a") == ["a1", "a2"]
    added = lake.files_added(settings, NAME, start, lake.current_version(settings, NAME))
    assert added is not None and added.is_append_only and len(added.files) == 2

    lake.replace_partitions(settings, NAME, rows(MONDAY, "a3", "c3"), [("received_date", "=", MONDAY)])
    before = lake.current_version(settings, NAME)
    assert ids(settings, pc.field("source_id") != "b") == ["a2", "a3", "c3"]
    assert lake.delete_rows(settings, NAME, pc.field("source_id") == "c") == 1
    lake.append(settings, NAME, rows(MONDAY, "d4"))
    assert lake.compact(settings, NAME) == 2
    assert ids(settings, pc.field("source_id") >= "a") == ["a2", "a3", "d4"]
    assert lake.count_rows(settings, NAME) == 3
    assert ids(settings, version=before) == ["a2", "a3", "c3"]
    after_last = lake.files_added(settings, NAME, before, lake.current_version(settings, NAME))
    assert after_last is not None and not after_last.is_append_only
    lake.restore(settings, NAME, before)
    assert ids(settings) == ["a2", "a3", "c3"]


def test_duckdb_reads_through_arrow_without_an_extension(store_settings: Settings) -> None:
    lake.append(store_settings, NAME, rows(MONDAY, "a1", "b1"))
    receipts = lake.dataset(store_settings, NAME, lake.EVERY)
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    connection.register("receipts", receipts)
    assert connection.sql("select receipt_id from receipts where source_id = 'b'").fetchall() == [("b1",)]


def test_a_store_that_refuses_is_an_error_and_not_an_empty_lake(store_settings: Settings) -> None:
    lake.append(store_settings, NAME, rows(MONDAY, "a1"))
    refused = store_settings.model_copy(update={"object_store_key_id": "wrong"})
    nowhere = store_settings.model_copy(update={"lake_url": "s3://missing/lake"})
    for settings in (refused, nowhere):
        with pytest.raises(CairnError, match=r"does not let us read s3://.*check lake_url") as told:
            lake.read(settings, NAME, partitions=lake.EVERY)
        assert "\n" not in str(told.value) and "wrong" not in str(told.value)


RACE = """
import sys
from datetime import date
import lake
from cairn.settings import Settings
from tests.lake.test_object_store import NAME, MONDAY, rows
settings, number, count = Settings(), sys.argv[1], int(sys.argv[2])
lake.exists(settings, NAME)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(count):
    lake.append(settings, NAME, rows(MONDAY, f"{number}-{turn}"))
print(lake.append_once(settings, NAME, rows(MONDAY, "once"), ("night", 7)))
"""


def start_together(processes: list[subprocess.Popen[str]]) -> None:
    """Wait until each process says that it is ready, then let all go."""
    for process in processes:
        assert process.stdin is not None and process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", line + (process.stderr.read() if process.stderr and not line else "")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_writers_at_once_lose_nothing_and_double_nothing(store_settings: Settings, run_apart: Apart) -> None:
    """Four processes append three times each, and all try one transaction: 12 rows and one, each commit a version."""
    processes = [run_apart(store_settings, RACE, str(number), "3") for number in range(4)]
    start_together(processes)
    said = [process.communicate(timeout=120) for process in processes]
    assert sorted(out.strip() for out, _ in said) == ["False", "False", "False", "True"], said
    assert ids(store_settings) == sorted([f"{n}-{turn}" for n in range(4) for turn in range(3)] + ["once"])
    # One version makes the table, each append is one: none was written over.
    assert lake.current_version(store_settings, NAME) == 13


SPARK = """
import json, os
import pyarrow as pa
import lake
from cairn.settings import Settings
from lake import spark as lake_spark
from spark_jobs.session import start_session
from tests.lake.test_object_store import NAME, MONDAY, TUESDAY, rows
settings = Settings()
spark = start_session(settings, "s3", is_brief=True)
print("ready", flush=True)
input()
read = lake_spark.read(spark, settings, NAME)
found = sorted(row.receipt_id for row in read.where("source_id = 'a'").collect())

def work(batches):
    # In a Python worker: its settings come by the environment, as on another machine.
    for batch in batches:
        own = Settings()
        file = lake.write_file(own, NAME, rows(TUESDAY, "w1"), {"received_date": TUESDAY})
        yield pa.RecordBatch.from_pydict({"file": [json.dumps(vars(file))]})

files = [lake.File(**json.loads(row.file)) for row in spark.range(1).mapInArrow(work, "file string").collect()]
lake.commit_files(settings, NAME, files)
again = sorted(row.receipt_id for row in lake_spark.read(spark, settings, NAME).collect())
print(json.dumps({"found": found, "again": again}), flush=True)
spark.stop()
"""


@pytest.mark.spark
def test_spark_reads_by_s3a_and_its_workers_write(store_settings: Settings, run_apart: Apart) -> None:
    """A session of its own with the jars of S3; the secret stands in no command line and in no output."""
    jars.ensure(store_settings, lambda _: None)
    lake.append(store_settings, NAME, rows(MONDAY, "a1", "b1"))
    process = run_apart(store_settings, SPARK)
    assert process.stdin is not None and process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate(timeout=60)
    children = psutil.Process(process.pid).children(recursive=True)
    # A script that has ended between has no command line any more.
    lines = [" ".join(child.cmdline()) for child in children if child.status() != psutil.STATUS_ZOMBIE]
    secret = store_settings.object_store_secret.get_secret_value()
    assert any("SparkSubmit" in line for line in lines) and not any(secret in line for line in lines)
    out, err = process.communicate("\n", timeout=200)
    assert process.returncode == 0, err[-2000:]
    assert json.loads(out) == {"found": ["a1"], "again": ["a1", "b1", "w1"]}
    assert secret not in out + err
