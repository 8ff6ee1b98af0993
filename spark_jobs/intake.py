"""Intake: Kafka to bronze, silver and the books, exactly once in effect (Structured Streaming, ``foreachBatch``)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc
from kafka.errors import KafkaError
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

import lake
from cairn.errors import CairnError
from cairn.evidence.clock import ClockRule
from cairn.kafka_access import java_options
from cairn.settings import Settings
from cairn.topics import ALL, Offsets
from spark_jobs import intake_migration, intake_state, upkeep
from spark_jobs.intake_batch import Batch, BatchResult, write_batch
from spark_jobs.key_index import KeyIndex
from spark_jobs.session import start_session
from streaming.topics import end_offsets

# A batch of this size is parsed within the heap of a small driver and written in a few seconds.
MAX_OFFSETS_PER_BATCH = 100_000
# A batch's counts are written a little before its own row.
SLACK_MS = 600_000

OnBatch = Callable[[BatchResult], None]


class RunResult(TypedDict):
    """What a run took in: batches, activity records in them, seconds."""

    batches: int
    events: int
    seconds: float


def intake_settings(settings: Settings) -> Settings:
    """The settings of intake's own Spark driver: two cores and a small heap leave room for the night."""
    changes = {"spark_master": "local[2]"} if settings.spark_master.startswith("local") else {}
    return settings.model_copy(update=changes)


def present_end(settings: Settings) -> Offsets:
    """Next offset of each partition of the three topics, committed transactions only.

    Raises CairnError where the broker or a topic is not there.
    """
    address = broker(settings)
    try:
        ends = end_offsets(settings)
    except KafkaError as error:
        raise CairnError(f"no broker answers at {address} ({type(error).__name__}): start it with 'cairn up'") from None
    missing = [topic for topic in ALL if not ends.get(topic)]
    if missing:
        raise CairnError(f"no topic {', '.join(missing)} at {address}: 'cairn up' makes them")
    return ends


def broker(settings: Settings) -> str:
    """Address of the broker. Raises CairnError where there is none."""
    try:
        return settings.address("broker")
    except LookupError as error:
        raise CairnError(str(error)) from None


def source(spark: SparkSession, settings: Settings, start: str) -> DataFrame:
    """The stream of the three topics, committed records only.

    Lost data stops it rather than pass unseen, until somebody has accepted the loss.
    """
    is_accepted = intake_state.loss_path(settings).exists()
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", broker(settings))
        .options(**{f"kafka.{name}": value for name, value in java_options(settings).items()})
        .option("subscribe", ",".join(ALL))
        .option("kafka.isolation.level", "read_committed")
        .option("startingOffsets", start)
        .option("failOnDataLoss", "false" if is_accepted else "true")
        .option("maxOffsetsPerTrigger", MAX_OFFSETS_PER_BATCH)
        .load()
    )


def _silent(_line: str) -> None:
    """Nobody asked to be told."""


def prepare(settings: Settings, on_migrated: intake_migration.Report) -> None:
    """What must be so before anything is taken in: tables in their contracts' layout, and there. Lease held."""
    intake_migration.migrate_intake(settings, on_migrated)
    for name in (*intake_state.WRITTEN_TABLES, "ops.intake_batch"):
        lake.create(settings, name)


def start_query(spark: SparkSession, settings: Settings, on_batch: OnBatch, keys: KeyIndex) -> StreamingQuery:
    """Start the query that takes in all that the topics hold now, then ends; call with the lease held.

    ``keys`` remembers what it has read: hand over the same one each time.
    """
    partitions = {topic: sorted(int(number) for number in ends) for topic, ends in present_end(settings).items()}
    checkpoint, start = intake_state.open_checkpoint(settings)
    stream = source(spark, settings, intake_state.starting_offsets(start, partitions))
    return (
        stream.writeStream.foreachBatch(_writer(settings, checkpoint, on_batch, keys))
        .option("checkpointLocation", str(checkpoint))
        .queryName("intake")
        .trigger(availableNow=True)
        .start()
    )


def _writer(
    settings: Settings, checkpoint: Path, on_batch: OnBatch, keys: KeyIndex
) -> Callable[[DataFrame, int], None]:
    clock = ClockRule.load(settings)

    def write(frame: DataFrame, batch_id: int) -> None:
        ends = intake_state.offsets_of(checkpoint, batch_id)
        on_batch(write_batch(frame, Batch(settings, checkpoint.name, batch_id, ends, keys, clock)))
        intake_state.loss_path(settings).unlink(missing_ok=True)
        upkeep.after_batch(settings, batch_id)

    return write


def run_once(
    settings: Settings,
    spark: SparkSession | None = None,
    on_batch: OnBatch | None = None,
    report: intake_migration.Report = _silent,
) -> RunResult:
    """Take in all that the topics hold now; ``report`` is told of a migration that comes first.

    Where the intake service (or anybody) holds the lease, waits until it has passed the topics' present end instead
    and counts what it wrote meanwhile. Raises CairnError where the broker is not there or intake fails.
    """
    started = time.monotonic()
    done: list[BatchResult] = []

    def note(result: BatchResult) -> None:
        done.append(result)
        if on_batch is not None:
            on_batch(result)

    with intake_state.lease(settings) as is_held:
        if is_held:
            prepare(settings, report)
            session = spark or start_session(intake_settings(settings), "cairn-intake")
            _finish(start_query(session, settings, note, KeyIndex(settings)))
            batches, events = len(done), sum(result.events for result in done)
        else:
            since = lake.current_version(settings, "ops.intake_batch")
            intake_state.wait_until_passed(settings, present_end(settings))
            batches, events = _written_since(settings, since)
    return {"batches": batches, "events": events, "seconds": round(time.monotonic() - started, 2)}


def _finish(query: StreamingQuery) -> None:
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        raise CairnError(f"intake stopped: {one_line(error)}") from error
    finally:
        query.stop()


def one_line(error: BaseException) -> str:
    """What went wrong in one line: the last error that a stack of them names, without the stacks."""
    lines = [line.strip() for line in str(error).splitlines()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*: ", line)]
    return " ".join((named or lines)[-1 if named else 0].split())[:300]


def _written_since(settings: Settings, version: int) -> tuple[int, int]:
    """Batches that came to the lake after a version of ops.intake_batch, and activity records in them."""
    identity = ["intake_app_id", "batch_id"]
    rows = intake_state.newest_batches(settings)
    if version >= 0:
        before = lake.read(settings, "ops.intake_batch", identity, partitions=lake.EVERY, version=version)
        rows = rows.join(before, identity, join_type="left anti")
    if rows.num_rows == 0:
        return 0, 0
    since = int(pc.min(rows.column("written_at")).as_py().timestamp() * 1000) - SLACK_MS
    files = [file for file in lake.table_files(settings, "ops.intake_ledger") if file.written_ms >= since]
    counted = lake.read_files(
        settings, "ops.intake_ledger", files, [*identity, "records"], pc.field("fate") != "rejected"
    )
    events = counted.join(rows.select(identity), identity, join_type="left semi").column("records")
    return rows.num_rows, int(pc.sum(events.cast(pa.int64())).as_py() or 0)
