"""A small batch against many accepted events: ``python -m benchmarks.intake_keys [--keys 1000000 20000000 100000000]``.

For each number of keys a lake is made whose key table lies as intake lays it: each bucket a large run and a few small
ones, and recent files not filed yet. Then batches of 500 new events are written to each lake in turn, ten of them
repeated from before, so that what else the machine does falls on all alike. Prints one JSON object: for each size the
seconds of a batch (median, and the first of a process that has read nothing yet), those of the look-up alone, and
``growth``, the last size's batch over the first's. The tables go when it ends (about 110 bytes a key meanwhile).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from benchmarks.intake import event
from benchmarks.key_table import make_keys
from cairn.evidence.clock import ClockRule
from cairn.settings import Settings
from cairn.topics import ACTIVITY
from spark_jobs import intake
from spark_jobs.intake_batch import Batch, write_batch
from spark_jobs.key_index import KeyIndex
from spark_jobs.session import start_session
from spark_jobs.xxhash import xxhash64

BATCH_EVENTS = 500
REPEATED = 10
ROUNDS = 9


def batch_of(spark: SparkSession, numbers: range) -> DataFrame:
    """Records of the activity topic, as Kafka's source gives them."""
    now = datetime.now(UTC)
    rows = []
    for number in [*numbers[REPEATED:], *range(REPEATED)]:
        value = event(number)
        rows.append((ACTIVITY, number % 4, number, now, value["subject_key"].encode(), json.dumps(value).encode()))
    columns = "topic string, partition int, offset long, timestamp timestamp, key binary, value binary"
    return spark.createDataFrame(rows, columns)


class Lake:
    """One size: its home, its index, and what batches took."""

    def __init__(self, root: Path, keys: int) -> None:
        self.settings = Settings(home=root / str(keys))
        self.keys = keys
        self.index = KeyIndex(self.settings)
        self.batches: list[float] = []
        self.lookups: list[float] = []
        self.duplicates = 0
        started = time.monotonic()
        make_keys(self.settings, keys)
        self.made_in = time.monotonic() - started

    def take_in(self, spark: SparkSession, number: int) -> None:
        """One batch, timed; and the look-up of as many other new events, timed alone."""
        numbers = range(number * BATCH_EVENTS, (number + 1) * BATCH_EVENTS)
        frame = batch_of(spark, numbers)
        started = time.monotonic()
        result = write_batch(
            frame, Batch(self.settings, "benchmark", number, {}, self.index, ClockRule.load(self.settings))
        )
        self.batches.append(time.monotonic() - started)
        self.duplicates += result.fates.get("duplicate", 0)
        ids = pa.array([event(number + 10**9)["event_id"] for number in numbers])
        started = time.monotonic()
        self.index.accepted(xxhash64(ids))
        self.lookups.append(time.monotonic() - started)

    def result(self) -> dict[str, float]:
        """Seconds, rounded."""
        folder = self.settings.home / "lake" / "silver" / "activity_key"
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        return {
            "keys": self.keys,
            "batch_seconds": round(statistics.median(self.batches[1:]), 3),
            "least_batch_seconds": round(min(self.batches), 3),
            "first_batch_seconds": round(self.batches[0], 3),
            "lookup_seconds": round(statistics.median(self.lookups), 3),
            "row_groups_a_batch": round(self.index.probe.row_groups_read / (2 * len(self.batches))),
            "duplicates_found": self.duplicates,
            "bytes_a_key": round(size / self.keys),
            "made_in_seconds": round(self.made_in, 1),
        }


def measure(sizes: list[int]) -> dict[str, object]:
    """The object that is printed."""
    root = Path(tempfile.mkdtemp(prefix="cairn-bench-keys-"))
    try:
        settings = Settings(home=root)
        spark = start_session(intake.intake_settings(settings), "benchmark-intake-keys")
        warm = Lake(root, BATCH_EVENTS)
        for number in range(3):
            warm.take_in(spark, number)
        lakes = [Lake(root, keys) for keys in sizes]
        for number in range(ROUNDS):
            for one in lakes:
                one.take_in(spark, number)
        spark.stop()
        results = [one.result() for one in lakes]
    finally:
        shutil.rmtree(root, ignore_errors=True)
    growth = results[-1]["batch_seconds"] / results[0]["batch_seconds"]
    return {"sizes": results, "growth": round(growth, 2)}


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake_keys")
    parser.add_argument("--keys", type=int, nargs="+", default=[1_000_000, 20_000_000, 100_000_000])
    print(json.dumps(measure(parser.parse_args().keys)))


if __name__ == "__main__":
    main()
