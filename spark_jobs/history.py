"""Two-time tables: apply what arrived to what is known, so that nothing known before is lost.

A row is true in the world by its ``valid_*`` columns, and known here from ``recorded_from`` until ``recorded_to``
(empty while current). Applying a snapshot closes the versions that changed or ended and appends new ones; rows that
say the same change nothing, so that the same file twice is one file. Written in one Delta commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.contracts import Contract, load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.tables import arrow_schema, table_uri
from spark_jobs import lake

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

RECORDED = ("recorded_from", "recorded_to")
# What an incoming line means: a row, an id to end, or an id whose row was refused and which stays as it is.
ROW, END, KEEP = "row", "end", "keep"
# Tables applied side by side: two cores, and half of a small write is waiting for the log.
PARALLEL_TABLES = 4


@dataclass(frozen=True)
class Change:
    """What applying a snapshot did, in rows (keys)."""

    added: int = 0
    changed: int = 0
    ended: int = 0

    def __add__(self, other: Change) -> Change:
        """Both together."""
        return Change(self.added + other.added, self.changed + other.changed, self.ended + other.ended)


@dataclass(frozen=True)
class Snapshot:
    """What arrived for one table.

    ``rows``: dicts in the contract's columns without the recorded times, one a key. ``is_bulk``: keys it does not
    name have ended, within ``scope`` (column -> value) where given. ``ended_ids``: named as ended; ``kept_ids``: to
    be left as they are (their row was refused); both are values of the first key column. ``reopen``: columns that an
    ended row keeps living with, in a version of its own (an enrolment that ended is still true for its days).
    """

    table: str
    rows: Sequence[Mapping[str, Any]]
    is_bulk: bool = False
    ended_ids: Collection[str] = ()
    kept_ids: Collection[str] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    reopen: Mapping[str, Any] = field(default_factory=dict)


def apply_all(
    spark: SparkSession, settings: Settings, snapshots: Iterable[Snapshot], recorded_at: datetime | None = None
) -> dict[str, Change]:
    """Apply several tables' snapshots side by side, all recorded at one instant; table -> what changed."""
    instant = recorded_at or datetime.now(UTC)
    wanted = list(snapshots)
    with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
        changes = list(pool.map(lambda snapshot: apply(spark, settings, snapshot, instant), wanted))
    return {snapshot.table: change for snapshot, change in zip(wanted, changes, strict=True)}


def apply(spark: SparkSession, settings: Settings, snapshot: Snapshot, recorded_at: datetime | None = None) -> Change:
    """Apply one snapshot; ``recorded_at`` (UTC) is when it became known, now where None.

    Raises CairnError where the table already knows something from that instant or later: history is not rewritten.
    """
    instant = recorded_at or datetime.now(UTC)
    contract = load_contract(snapshot.table)
    if _is_new(settings, contract):
        if snapshot.rows:
            _append(_incoming(spark, contract, snapshot, instant).where(f"_op = '{ROW}'"), settings, contract)
        return Change(added=len(snapshot.rows))
    if not (snapshot.rows or snapshot.ended_ids or snapshot.is_bulk):
        return Change()
    changes = _changes(spark, settings, contract, snapshot, instant).persist()
    try:
        counts, newest = _count(changes)
        if newest is not None and newest >= instant:
            raise CairnError(
                f"{snapshot.table} was already recorded at {newest.isoformat()}, not before this load's "
                f"{instant.isoformat()}: load later versions only"
            )
        if counts.changed or counts.ended:
            _merge(spark, settings, contract, snapshot, changes, instant)
        elif counts.added:
            _append(_opened(changes, contract, snapshot, instant), settings, contract)
        return counts
    finally:
        changes.unpersist()


def _is_new(settings: Settings, contract: Contract) -> bool:
    """Whether the table is not there yet; only asked of folders, an object store takes the longer way."""
    uri = table_uri(settings, contract.name)
    return "://" not in uri and not (Path(uri) / "_delta_log").is_dir()


def _payload(contract: Contract) -> list[str]:
    return [name for name in contract.column_names if name not in RECORDED]


def _keys(contract: Contract) -> list[str]:
    return [name for name in contract.keys if name not in RECORDED]


def _incoming(spark: SparkSession, contract: Contract, snapshot: Snapshot, instant: datetime) -> DataFrame:
    """What arrived as a frame: the contract's columns and ``_op``; ids without a row have only their key."""
    import pyarrow as pa

    first_key = _keys(contract)[0]
    named = {row[first_key] for row in snapshot.rows}
    lines: list[dict[str, Any]] = [{**row, "recorded_from": instant, "_op": ROW} for row in snapshot.rows]
    for op, ids in ((END, set(snapshot.ended_ids)), (KEEP, set(snapshot.kept_ids) - set(snapshot.ended_ids))):
        lines += [{first_key: value, "_op": op} for value in sorted(ids - named)]
    fields = [item.with_nullable(True) for item in arrow_schema(contract)]
    schema = pa.schema([*fields, pa.field("_op", pa.string())])
    frame: DataFrame = spark.createDataFrame(pa.Table.from_pylist(lines, schema=schema)).coalesce(1)
    return frame


def _changes(
    spark: SparkSession, settings: Settings, contract: Contract, snapshot: Snapshot, instant: datetime
) -> DataFrame:
    """Keys that are added, changed or ended: ``op``, ``new`` (what arrived) and ``old`` (the current version)."""
    from pyspark.sql import functions as F

    keys, payload = _keys(contract), _payload(contract)
    current = lake.known_at(lake.read(spark, settings, contract.name)).coalesce(1).alias("old")
    incoming = _incoming(spark, contract, snapshot, instant).alias("new")
    # Ids to end or keep have only the first key column, which is the whole key of every table that uses them.
    condition = _all(F.col(f"new.{key}") == F.col(f"old.{key}") for key in keys)
    is_open = F.lit(True)
    for column, value in snapshot.reopen.items():
        if column == "status":
            is_open = F.col("old.status") != F.lit(value)
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
    if snapshot.reopen:
        ended = changes.where("op = 'ended'").select("old.*")
        for column, value in snapshot.reopen.items():
            fixed = F.lit(value).cast(_type(contract, column))
            # A day of ending never moves one that is already earlier.
            ended = ended.withColumn(column, F.least(F.col(column), fixed) if column == "valid_to_date" else fixed)
        opened = opened.unionByName(ended.withColumn("recorded_from", F.lit(instant)))
    return opened


def _type(contract: Contract, column: str) -> str:
    return next(item.type for item in contract.columns if item.name == column)


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
    same = " AND ".join(f"t.`{key}` = s.`{key}`" for key in (*_keys(contract), "recorded_from"))
    (
        DeltaTable.forPath(spark, table_uri(settings, contract.name))
        .alias("t")
        .merge(source, same)
        .whenMatchedUpdate(set={"recorded_to": "s.recorded_to"})
        .whenNotMatchedInsertAll()
        .execute()
    )


def _append(frame: DataFrame, settings: Settings, contract: Contract) -> None:
    """Append in the contract's columns; makes the table where it is new, in the same commit."""
    ready = lake.conform(frame, contract.name).coalesce(1)
    ready.write.format("delta").mode("append").save(table_uri(settings, contract.name))
