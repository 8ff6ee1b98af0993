"""Applying a snapshot with Spark: for tables too large to compare in one process. One join, one Delta commit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cairn.contracts import Contract, load_contract
from cairn.settings import Settings
from cairn.tables import table_uri
from spark_jobs import lake
from spark_jobs.history_model import (
    END,
    KEEP,
    ROW,
    Change,
    Snapshot,
    keys_of,
    nullable_schema,
    payload_of,
    refuse_older,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def apply_spark(spark: SparkSession, settings: Settings, snapshot: Snapshot, instant: datetime) -> Change:
    """Apply one snapshot, known from ``instant``. Raises CairnError where the table knows something as new."""
    contract = load_contract(snapshot.table)
    lake.ensure(spark, settings, contract.name)
    changes = _changes(spark, settings, contract, snapshot, instant).persist()
    try:
        counts, newest = _count(changes)
        refuse_older(contract.name, newest, instant)
        if counts.changed or counts.ended:
            _merge(spark, settings, contract, snapshot, changes, instant)
        elif counts.added:
            _append(_opened(changes, contract, snapshot, instant), settings, contract)
        return counts
    finally:
        changes.unpersist()


def _incoming(spark: SparkSession, contract: Contract, snapshot: Snapshot, instant: datetime) -> DataFrame:
    """What arrived as a frame: the contract's columns and ``_op``; ids without a row have only their key."""
    import pyarrow as pa

    first_key = keys_of(contract)[0]
    named = {row[first_key] for row in snapshot.rows}
    lines: list[dict[str, Any]] = [{**row, "recorded_from": instant, "_op": ROW} for row in snapshot.rows]
    for op, ids in ((END, set(snapshot.ended_ids)), (KEEP, set(snapshot.kept_ids) - set(snapshot.ended_ids))):
        lines += [{first_key: value, "_op": op} for value in sorted(ids - named)]
    schema = nullable_schema(contract).append(pa.field("_op", pa.string()))
    frame: DataFrame = spark.createDataFrame(pa.Table.from_pylist(lines, schema=schema)).coalesce(1)
    return frame


def _changes(
    spark: SparkSession, settings: Settings, contract: Contract, snapshot: Snapshot, instant: datetime
) -> DataFrame:
    """Keys that are added, changed or ended: ``op``, ``new`` (what arrived) and ``old`` (the current version)."""
    from pyspark.sql import functions as F

    keys, payload = keys_of(contract), payload_of(contract)
    current = lake.known_at(lake.read(spark, settings, contract.name)).coalesce(1).alias("old")
    incoming = _incoming(spark, contract, snapshot, instant).alias("new")
    # Ids to end or keep have only the first key column, which is the whole key of every table that uses them.
    condition = _all(F.col(f"new.{key}") == F.col(f"old.{key}") for key in keys)
    is_open = F.lit(True)
    if snapshot.ends_on:
        is_open = F.col("old.valid_to_date").isNull() | (F.col("old.valid_to_date") > F.lit(snapshot.ends_on))
    in_scope = F.lit(snapshot.is_bulk)
    for column, value in snapshot.scope.items():
        in_scope = in_scope & (F.col(f"old.{column}") == F.lit(value))
    is_same = F.struct(*[f"new.{name}" for name in payload]).eqNullSafe(F.struct(*[f"old.{name}" for name in payload]))
    op = (
        F.when((F.col("new._op") == ROW) & F.col("old.recorded_from").isNull(), "added")
        .when(F.col("old.recorded_from").isNull(), None)
        .when(F.col("new._op") == KEEP, None)
        .when((F.col("new._op") == ROW) & ~is_same, "changed")
        .when(F.col("new._op") == ROW, None)
        .when(((F.col("new._op") == END) | in_scope) & is_open, "ended")
    )
    return (
        incoming.join(current, condition, "full_outer")
        .select(
            op.alias("op"),
            F.struct(*[f"new.{name}" for name in contract.column_names]).alias("new"),
            F.struct(*[f"old.{name}" for name in contract.column_names]).alias("old"),
        )
        .where("op IS NOT NULL")
    )


def _all(conditions: Iterable[Column]) -> Column:
    """All of the conditions."""
    found = list(conditions)
    both = found[0]
    for condition in found[1:]:
        both = both & condition
    return both


def _count(changes: DataFrame) -> tuple[Change, datetime | None]:
    """How many of each, and the newest instant from which a row that would close is known."""
    from pyspark.sql import functions as F

    newest = F.unix_micros(F.max("old.recorded_from")).alias("newest")
    rows = changes.groupBy("op").agg(F.count("*").alias("n"), newest).collect()
    counts = {row["op"]: int(row["n"]) for row in rows}
    micros = [row["newest"] for row in rows if row["newest"] is not None]
    latest = datetime.fromtimestamp(max(micros) / 1_000_000, UTC) if micros else None
    return Change(counts.get("added", 0), counts.get("changed", 0), counts.get("ended", 0)), latest


def _opened(changes: DataFrame, contract: Contract, snapshot: Snapshot, instant: datetime) -> DataFrame:
    """New versions: what was added or changed, and what ended and keeps living with other columns."""
    from pyspark.sql import functions as F

    opened = changes.where("op IN ('added', 'changed')").select("new.*")
    if snapshot.ends_on:
        last = F.lit(snapshot.ends_on)
        ended = (
            changes.where("op = 'ended'")
            .select("old.*")
            .where(F.col("valid_from_date").isNull() | (F.col("valid_from_date") <= last))
            .withColumns({"valid_to_date": last, "recorded_from": F.lit(instant)})
        )
        opened = opened.unionByName(ended)
    return opened


def _merge(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    snapshot: Snapshot,
    changes: DataFrame,
    instant: datetime,
) -> None:
    """Close old versions and append new ones in one commit."""
    from delta.tables import DeltaTable
    from pyspark.sql import functions as F

    closed = changes.where("op IN ('changed', 'ended')").select("old.*").withColumn("recorded_to", F.lit(instant))
    opened = _opened(changes, contract, snapshot, instant)
    source = lake.conform(closed.unionByName(opened), contract.name).coalesce(1).alias("s")
    same = " AND ".join(f"t.`{key}` = s.`{key}`" for key in (*keys_of(contract), "recorded_from"))
    (
        DeltaTable.forPath(spark, table_uri(settings, contract.name))
        .alias("t")
        .merge(source, same)
        .whenMatchedUpdate(set={"recorded_to": "s.recorded_to"})
        .whenNotMatchedInsertAll()
        .execute()
    )


def _append(frame: DataFrame, settings: Settings, contract: Contract) -> None:
    """Append in the contract's columns."""
    ready = lake.conform(frame, contract.name).coalesce(1)
    ready.write.format("delta").mode("append").save(table_uri(settings, contract.name))
