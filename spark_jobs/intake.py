"""Intake: Kafka to bronze, silver and the books, exactly once in effect (Structured Streaming, ``foreachBatch``)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs import intake_state, upkeep
from spark_jobs.intake_batch import Batch, BatchResult, write_batch
from spark_jobs.intake_parse import TOPICS
from spark_jobs.intake_state import Offsets

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

# A batch of this size is parsed within the heap of a small driver and written in a few seconds.
MAX_OFFSETS_PER_BATCH = 100_000
TRIGGER_SECONDS = 5
UPKEEP_EVERY_BATCHES = 50

OnBatch = Callable[[BatchResult], None]


def intake_settings(settings: Settings) -> Settings:
    """The settings of intake's own Spark driver: two cores and a small heap leave room for the night."""
    changes = {"spark_master": "local[2]"} if settings.spark_master.startswith("local") else {}
    return settings.model_copy(update=changes)


def topic_partitions(settings: Settings) -> dict[str, list[int]]:
    """Partitions of the three topics. Raises CairnError where the broker or a topic is not there."""
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError

    address = _broker(settings)
    try:
        consumer = KafkaConsumer(bootstrap_servers=address)
    except KafkaError as error:
        raise CairnError(f"no broker answers at {address} ({type(error).__name__}): start it with 'cairn up'") from None
    try:
        found = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in TOPICS}
    except KafkaError as error:
        raise CairnError(f"broker at {address}: {type(error).__name__}: see 'cairn logs broker'") from None
    finally:
        consumer.close()
    missing = [topic for topic, numbers in found.items() if not numbers]
    if missing:
        raise CairnError(f"no topic {', '.join(missing)} at {address}: 'cairn up' makes them")
    return found


def present_end(settings: Settings) -> Offsets:
    """Next offset of each partition of the three topics, committed transactions only."""
    from kafka import KafkaConsumer, TopicPartition

    partitions = topic_partitions(settings)
    consumer = KafkaConsumer(bootstrap_servers=_broker(settings), isolation_level="read_committed")
    try:
        every = [TopicPartition(topic, number) for topic, numbers in partitions.items() for number in numbers]
        ends: Offsets = {topic: {} for topic in partitions}
        for partition, offset in consumer.end_offsets(every).items():
            ends[partition.topic][str(partition.partition)] = int(offset)
    finally:
        consumer.close()
    return ends


def _broker(settings: Settings) -> str:
    try:
        return settings.address("broker")
    except LookupError as error:
        raise CairnError(str(error)) from None


def source(spark: SparkSession, settings: Settings, start: str) -> DataFrame:
    """The stream of the three topics, committed records only; lost data stops it rather than pass unseen."""
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", _broker(settings))
        .option("subscribe", ",".join(TOPICS))
        .option("kafka.isolation.level", "read_committed")
        .option("startingOffsets", start)
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", MAX_OFFSETS_PER_BATCH)
        .load()
    )


def start_query(
    spark: SparkSession, settings: Settings, on_batch: OnBatch, *, once: bool, trigger_seconds: int = TRIGGER_SECONDS
) -> StreamingQuery:
    """Start the streaming query; call with the lease held."""
    partitions = topic_partitions(settings)
    for name in (*intake_state.WRITTEN_TABLES, "ops.intake_batch"):
        lake.create(settings, name)
    checkpoint, start = intake_state.open_checkpoint(settings)
    stream = source(spark, settings, intake_state.starting_offsets(start, partitions))
    trigger: dict[str, Any] = {"availableNow": True} if once else {"processingTime": f"{trigger_seconds} seconds"}
    return (
        stream.writeStream.foreachBatch(_writer(settings, checkpoint, on_batch))
        .option("checkpointLocation", str(checkpoint))
        .queryName("intake")
        .trigger(**trigger)
        .start()
    )


def _writer(settings: Settings, checkpoint: Path, on_batch: OnBatch) -> Callable[[DataFrame, int], None]:
    def write(frame: DataFrame, batch_id: int) -> None:
        ends = intake_state.offsets_of(checkpoint, batch_id)
        on_batch(write_batch(frame, Batch(settings, checkpoint.name, batch_id, ends)))
        if batch_id % UPKEEP_EVERY_BATCHES == UPKEEP_EVERY_BATCHES - 1:
            upkeep.compact_intake(settings)

    return write


def run_once(settings: Settings, spark: SparkSession | None = None, on_batch: OnBatch | None = None) -> dict[str, Any]:
    """Take in all that the topics hold now; returns ``batches``, ``events`` (activity records) and ``seconds``.

    Where the intake service (or anybody) holds the lease, waits until it has passed the topics' present end instead
    and counts what it wrote meanwhile. Raises CairnError where the broker is not there or intake fails.
    """
    from spark_jobs.session import start_session

    started = time.monotonic()
    with intake_state.lease(settings) as is_held:
        before = _written(settings)
        if is_held:
            session = spark or start_session(intake_settings(settings), "cairn-intake")
            query = start_query(session, settings, on_batch or (lambda _result: None), once=True)
            _finish(query)
        else:
            intake_state.wait_until_passed(settings, present_end(settings))
    batches, events = _written(settings)
    return {
        "batches": batches - before[0],
        "events": events - before[1],
        "seconds": round(time.monotonic() - started, 2),
    }


def _finish(query: StreamingQuery) -> None:
    from pyspark.errors import StreamingQueryException

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


def _written(settings: Settings) -> tuple[int, int]:
    """Batches in the lake, and activity records in them."""
    import pyarrow.compute as pc

    batches = lake.read(settings, "ops.intake_batch", ["batch_id"]).num_rows
    rows = lake.read(settings, "ops.intake_ledger", ["records"], pc.field("fate") != "rejected")
    return batches, int(pc.sum(rows.column("records")).as_py() or 0)
