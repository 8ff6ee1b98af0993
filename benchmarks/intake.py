"""Intake beside a plain read, in one run: ``python -m benchmarks.intake [events] [--standing-keys N]``.

Starts a broker, produces synthetic events straight to the topic, then reads the same records (1) from Kafka through
``from_json`` to noop, which is the least that any lake writer must do, (2) from Kafka to noop unparsed, and (3) through
intake into bronze, silver and the books. Prints events a second and the ratio of (3) to (1); the goal is a half.
With standing keys so many events were accepted before: what a new one is compared with is what ages. Each round goes on
from a checkpoint that has taken in a batch, as a district's does every day: a lost one is looked into once, and told by
itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import lake
from benchmarks.key_table import make_keys
from cairn.settings import Settings
from cairn.topics import ACTIVITY, RECEIPTS
from infra.broker import start_broker
from spark_jobs import intake, key_index
from spark_jobs.intake_batch import BatchResult
from spark_jobs.intake_parse import parse, value_ddl
from spark_jobs.session import start_session
from streaming.topics import ensure_topics

RECEIVED_AT = datetime(2026, 10, 14, 15, tzinfo=UTC)
ROUNDS = 3
# What the checkpoint has taken in before anything is measured.
FIRST_EVENTS = 500


def event(number: int) -> dict[str, Any]:
    """One synthetic event of about a kilobyte."""
    at = (RECEIVED_AT - timedelta(seconds=number % 36_000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "event_id": str(uuid.UUID(int=zlib.crc32(b"%d" % number) << 96 | number)),
        "content_hash": f"{number:064x}",
        "schema_version": "1.0.0",
        "source_id": f"app-{number % 4}",
        "source_statement_id": str(uuid.UUID(int=number)),
        "received_at": RECEIVED_AT.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "event_time": at,
        "subject_key": f"s1_{number % 1500:032x}",
        "org_id": f"school-{number % 24}",
        "class_id": f"class-{number % 300}",
        "activity_type": "attempt",
        "item_id": f"https://items.example/fractions/{number % 2000}",
        "competency_ids": [f"competency-{number % 400}"],
        "success": number % 3 > 0,
        "score_raw": 1.0,
        "score_scaled": 1.0,
        "attempt_number": 1,
        "duration_ms": 12_000,
        "session_id": f"{number % 9000:032x}",
        "extensions": {},
        "raw": {"verb": "http://adlnet.gov/expapi/verbs/answered", "result": {"success": True, "score": {"raw": 1.0}}},
    }


def produce(bootstrap: str, numbers: range) -> None:
    """Events with one receipt for all of them, straight to the topics."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=50, batch_size=256_000)
    schools: dict[str, int] = {}
    for number in numbers:
        value = event(number)
        schools[value["org_id"]] = schools.get(value["org_id"], 0) + 1
        key = value["subject_key"].encode()
        producer.send(ACTIVITY, key=key, value=json.dumps(value).encode(), partition=zlib.crc32(key) % 4)
    receipt = {"receipt_id": str(uuid.uuid4()), "source_id": "app-0", "endpoint": "/xapi/statements"}
    receipt |= {"received_at": RECEIVED_AT.isoformat(), "statements": schools}  # type: ignore[dict-item]
    producer.send(RECEIPTS, value=json.dumps(receipt).encode())
    producer.close()


def read_all(spark: SparkSession, settings: Settings, shape: Callable[[DataFrame], DataFrame]) -> float:
    """Seconds to read every record of the activity topic to noop."""
    frame = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap)
        .option("subscribe", ACTIVITY)
        .option("kafka.isolation.level", "read_committed")
        .load()
    )
    started = time.perf_counter()
    shape(frame).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def parsed(frame: DataFrame) -> DataFrame:
    """The records through ``from_json`` under the contract's schema."""
    return frame.select(
        "partition", "offset", F.from_json(F.col("value").cast("string"), value_ddl()).alias("v")
    ).select("partition", "offset", "v.*")


def begin(spark: SparkSession, settings: Settings, standing_keys: int) -> Path:
    """A first batch of few events in a new checkpoint, then so many keys more; returns where all of it is kept.

    The keys come second: a new checkpoint takes the rows of batches that it does not know for torn, and removes them.
    """
    produce(settings.kafka_bootstrap, range(FIRST_EVENTS))
    started = time.perf_counter()
    intake.run_once(settings, spark)
    print(f"first batch, the checkpoint new      seconds {time.perf_counter() - started:>10.2f}")
    if standing_keys:
        make_keys(settings, standing_keys)
    kept = settings.home / "kept"
    for folder in (settings.home / "lake", settings.checkpoints_dir):
        shutil.copytree(folder, kept / folder.name, copy_function=shutil.copy2)
    return kept


def take_in(spark: SparkSession, settings: Settings, kept: Path) -> tuple[float, list[BatchResult]]:
    """Seconds of one intake of all that came after the first batch, from where that left the lake; and its batches."""
    for folder in (settings.home / "lake", settings.checkpoints_dir):
        shutil.rmtree(folder)
        # Files of the lake are never changed: links to them are as good as copies.
        shutil.copytree(kept / folder.name, folder, copy_function=os.link if folder.name == "lake" else shutil.copy2)
    batches: list[BatchResult] = []
    started = time.perf_counter()
    intake.run_once(settings, spark, on_batch=batches.append)
    return time.perf_counter() - started, batches


def small_batches(spark: SparkSession, settings: Settings, first: int) -> list[float]:
    """Seconds of each of a few batches of 500 events on the lake that is there."""
    taken: list[float] = []
    for start in range(first, first + 2_500, 500):
        produce(settings.kafka_bootstrap, range(start, start + 500))
        intake.run_once(settings, spark, on_batch=lambda done: taken.append(done.seconds))
    return taken


def main() -> None:
    """Produce, read three ways, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake")
    parser.add_argument("events", type=int, nargs="?", default=200_000)
    parser.add_argument("--standing-keys", type=int, default=0)
    asked = parser.parse_args()
    events: int = asked.events
    home = Path(tempfile.mkdtemp(prefix="cairn-bench-"))
    running = start_broker(home, Settings().cache_dir)
    try:
        settings = Settings(home=home, kafka_bootstrap=running.bootstrap)
        ensure_topics(settings)
        spark = start_session(intake.intake_settings(settings), "benchmark-intake")
        kept = begin(spark, settings, asked.standing_keys)
        produce(settings.kafka_bootstrap, range(FIRST_EVENTS, events))
        ways: dict[str, list[float]] = {"noop": [], "parsed": [], "as_intake": [], "intake": []}
        for _ in range(ROUNDS):
            ways["noop"].append(read_all(spark, settings, lambda frame: frame.select("key", "value")))
            ways["parsed"].append(read_all(spark, settings, parsed))
            ways["as_intake"].append(read_all(spark, settings, parse))
            seconds, batches = take_in(spark, settings, kept)
            accepted = sum(batch.fates.get("accepted", 0) for batch in batches)
            if accepted != events - FIRST_EVENTS:
                raise SystemExit(
                    f"{events - FIRST_EVENTS} events were sent and {accepted} accepted: nothing was measured"
                )
            standing = sum(file.rows for file in lake.table_files(settings, key_index.TABLE))
            if standing < events + 0.99 * asked.standing_keys:
                raise SystemExit(f"only {standing:,} keys stand after the round: nothing was measured")
            ways["intake"].append(seconds)
        best = {name: events / min(seconds) for name, seconds in ways.items()}
        overhead = small_batches(spark, settings, events)
        print(f"events                                   {events:>10,}")
        print(f"events accepted before                   {asked.standing_keys:>10,}")
        print(f"Kafka to noop, unparsed          events/s {best['noop']:>10,.0f}")
        print(f"Kafka through from_json to noop  events/s {best['parsed']:>10,.0f}")
        print(f"  as intake reads them           events/s {best['as_intake']:>10,.0f}")
        print(f"Kafka to bronze, silver, books   events/s {best['intake']:>10,.0f}")
        print(f"ratio to from_json to noop (goal 0.5)     {best['intake'] / best['parsed']:>10.2f}")
        print(f"batch of 500 events, warm         seconds {min(overhead):>10.2f} (goal 4)")
        spark.stop()
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
