"""One micro-batch into the lake: parse once, judge, write each table once, and the batch's own row last.

Every append carries the batch as a Delta transaction (application id and version), so that a batch which was
interrupted anywhere can be run again from the top: what is written already is skipped, what is not is written, and the
verdicts come out the same.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cairn.settings import Settings
from spark_jobs import intake_dedupe, lake
from spark_jobs.intake_parse import ACTIVITY_TOPIC, RECEIPTS_TOPIC, REJECTED_TOPIC, UNKNOWN, parse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Offsets = dict[str, dict[str, int]]

_WRITERS = ThreadPoolExecutor(max_workers=3, thread_name_prefix="intake-write")


@dataclass(frozen=True)
class Batch:
    """Identity of a micro-batch: the checkpoint's application id, its number, its end offsets."""

    settings: Settings
    app_id: str
    batch_id: int
    end_offsets: Offsets

    @property
    def transaction(self) -> tuple[str, int]:
        """Delta's txnAppId and txnVersion of the batch."""
        return self.app_id, self.batch_id


@dataclass(frozen=True)
class BatchResult:
    """What a batch held: records of all topics, and how many statements met which fate."""

    batch_id: int
    records: int
    fates: dict[str, int]
    seconds: float

    def line(self) -> str:
        """One line for the log."""
        fates = " ".join(f"{fate}={count}" for fate, count in sorted(self.fates.items()))
        return f"batch {self.batch_id} records={self.records} {fates} seconds={self.seconds:.1f}"


def write_batch(records: DataFrame, batch: Batch) -> BatchResult:
    """Write one micro-batch (Kafka's columns) to bronze, silver and ops."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    started = time.monotonic()
    stamped = parse(records, batch.settings.timezone).select(
        "*",
        F.lit(batch.app_id).alias("intake_app_id"),
        F.lit(batch.batch_id).cast("bigint").alias("batch_id"),
        F.lit(_today(batch.settings)).alias("ingest_date"),
    )
    parsed = stamped.persist(StorageLevel.MEMORY_AND_DISK)
    keys = lake.read(records.sparkSession, batch.settings, "silver.activity_key")
    repeated = intake_dedupe.exceptions(parsed, keys, batch.app_id, batch.batch_id).persist()
    try:
        judged = _judge(parsed, repeated)
        counts = _count(judged)
        fates = _totals(counts)
        has_repeats = bool(fates.get("duplicate") or fates.get("conflict"))
        _write_tables(judged if has_repeats else _judge(parsed, None), batch, counts, fates)
        total = sum(row["records"] for row in counts)
        _write_books(batch, counts, total)
    finally:
        repeated.unpersist()
        parsed.unpersist()
    return BatchResult(batch.batch_id, total, fates, time.monotonic() - started)


def _today(settings: Settings) -> date:
    return datetime.now(settings.zone).date()


def _judge(parsed: DataFrame, repeated: DataFrame | None) -> DataFrame:
    """The parsed records with ``fate``; null for a sound receipt, which is not a statement."""
    from pyspark.sql import functions as F

    topic = F.col("kafka_topic")
    if repeated is None:
        joined = parsed.withColumn("event_fate", F.lit("accepted"))
    else:
        joined = parsed.join(F.broadcast(repeated), on=["kafka_partition", "kafka_offset"], how="left")
    fate = (
        F.when(F.col("problem").isNotNull(), "quarantined")
        .when(topic == RECEIPTS_TOPIC, F.lit(None))
        .when(topic == REJECTED_TOPIC, "rejected")
        .otherwise(F.coalesce("event_fate", F.lit("accepted")))
    )
    return joined.withColumn("fate", fate).drop("event_fate")


def _count(judged: DataFrame) -> list[dict[str, Any]]:
    """Records per topic, receipt date, source, school and fate; this pass also fills the cache."""
    from pyspark.sql import functions as F

    grouped = judged.groupBy("kafka_topic", "received_date", "scope_source", "scope_org", "fate")
    return [row.asDict() for row in grouped.agg(F.count(F.lit(1)).alias("records")).collect()]


def _totals(counts: list[dict[str, Any]]) -> dict[str, int]:
    fates: dict[str, int] = {}
    for row in counts:
        if row["fate"]:
            fates[row["fate"]] = fates.get(row["fate"], 0) + int(row["records"])
    return fates


def _write_tables(judged: DataFrame, batch: Batch, counts: list[dict[str, Any]], fates: dict[str, int]) -> None:
    """Bronze and silver, in parallel; tables that the batch does not touch cost nothing."""
    from pyspark.sql import functions as F

    topics = {row["kafka_topic"] for row in counts}
    fate = F.col("fate")
    # Parquet files of about 100 MB at most: the biggest batch fits one.
    large: list[tuple[str, bool, DataFrame]] = [
        ("bronze.activity", ACTIVITY_TOPIC in topics, judged.where(F.col("kafka_topic") == ACTIVITY_TOPIC)),
        ("silver.learner_activity", "accepted" in fates, judged.where(fate == "accepted")),
        ("silver.activity_key", "accepted" in fates, judged.where(fate == "accepted")),
    ]
    set_aside = "conflict" in fates or "quarantined" in fates
    small: list[tuple[str, bool, DataFrame]] = [
        ("bronze.receipts", RECEIPTS_TOPIC in topics, _receipts(judged)),
        ("bronze.rejected", "rejected" in fates, _rejected(judged)),
        ("silver.activity_quarantine", set_aside, _quarantine(judged)),
    ]
    jobs = [
        partial(lake.append, frame, batch.settings, name, batch.transaction)
        for name, has_rows, frame in large
        if has_rows
    ]
    jobs += [
        partial(lake.append_small, frame, batch.settings, name, batch.transaction)
        for name, has_rows, frame in small
        if has_rows
    ]
    for running in [_WRITERS.submit(job) for job in jobs]:
        running.result()


def _receipts(judged: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    sound = judged.where((F.col("kafka_topic") == RECEIPTS_TOPIC) & F.col("problem").isNull())
    return sound.drop("org_id").select(
        *[c for c in sound.columns if c != "org_id"], F.explode("statements").alias("org_id", "statements_received")
    )


def _rejected(judged: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return judged.where(F.col("fate") == "rejected").withColumns(
        {"org_id": F.col("scope_org"), "statement_index": F.coalesce("statement_index", F.lit(0))}
    )


def _quarantine(judged: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    conflict_detail = "an event with this id was accepted with other content; give changed work a new id"
    return judged.where(F.col("fate").isin("conflict", "quarantined")).withColumns(
        {
            "source_id": F.col("scope_source"),
            "org_id": F.col("scope_org"),
            "reason": F.coalesce("problem.reason", F.lit("content_conflict")),
            "detail": F.coalesce("problem.detail", F.lit(conflict_detail)),
        }
    )


def _write_books(batch: Batch, counts: list[dict[str, Any]], total: int) -> None:
    """The ledger's counts, then the row that says the batch is in the lake."""
    identity = {"intake_app_id": batch.app_id, "batch_id": batch.batch_id}
    merged: dict[tuple[Any, ...], int] = {}
    for row in counts:
        if row["fate"]:
            key = (row["received_date"], row["scope_source"] or UNKNOWN, row["scope_org"] or UNKNOWN, row["fate"])
            merged[key] = merged.get(key, 0) + int(row["records"])
    names = ("received_date", "source_id", "org_id", "fate")
    ledger = [identity | dict(zip(names, key, strict=True)) | {"records": count} for key, count in merged.items()]
    lake.append_rows(batch.settings, "ops.intake_ledger", ledger, batch.transaction)
    written = identity | {
        "end_offsets": json.dumps(batch.end_offsets, sort_keys=True),
        "records": total,
        "written_at": datetime.now(UTC),
    }
    lake.append_rows(batch.settings, "ops.intake_batch", [written], batch.transaction)
