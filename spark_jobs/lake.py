"""Lake tables in Spark: read, append and create by contract, never by hand-written columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.contracts import Contract, load_contract
from cairn.settings import Settings
from cairn.tables import arrow_schema, table_uri

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def exists(spark: SparkSession, settings: Settings, name: str) -> bool:
    """Whether table ``layer.table`` has been created."""
    from delta.tables import DeltaTable

    return bool(DeltaTable.isDeltaTable(spark, table_uri(settings, name)))


def ensure(spark: SparkSession, settings: Settings, name: str) -> str:
    """Create the table, empty, where it is missing; returns its location."""
    uri = table_uri(settings, name)
    if "://" not in uri and (Path(uri) / "_delta_log").is_dir():
        return uri
    if not exists(spark, settings, name):
        contract = load_contract(name)
        empty = spark.createDataFrame([], nullable_ddl(contract))
        writer = empty.write.format("delta").mode("ignore")
        if contract.partitions:
            writer = writer.partitionBy(*contract.partitions)
        writer.save(uri)
    return uri


def nullable_ddl(contract: Contract) -> str:
    """The contract's columns for files: required columns are checked by gates, not by the writer."""
    return ", ".join(f"`{column.name}` {column.type}" for column in contract.columns)


def conform(frame: DataFrame, name: str) -> DataFrame:
    """Exactly the contract's columns, in order and cast; columns the frame lacks become null."""
    from pyspark.sql import functions as F

    present = set(frame.columns)
    columns = [
        (F.col(c.name) if c.name in present else F.lit(None)).cast(c.type).alias(c.name)
        for c in load_contract(name).columns
    ]
    return frame.select(*columns)


def read(spark: SparkSession, settings: Settings, name: str) -> DataFrame:
    """The whole table in the contract's columns; empty where it was not created yet."""
    return spark.read.format("delta").load(ensure(spark, settings, name)).select(*load_contract(name).column_names)


def known_at(frame: DataFrame, instant: datetime | None = None) -> DataFrame:
    """Rows of a two-time table as they were known at ``instant`` (UTC); as they are known now where None."""
    from pyspark.sql import functions as F

    if instant is None:
        return frame.where(F.col("recorded_to").isNull())
    moment = F.lit(instant)
    return frame.where(
        (F.col("recorded_from") <= moment) & (F.col("recorded_to").isNull() | (F.col("recorded_to") > moment))
    )


def append(
    frame: DataFrame,
    settings: Settings,
    name: str,
    transaction: tuple[str, int] | None = None,
    *,
    files: int | None = 1,
) -> None:
    """Append the frame in the contract's columns.

    ``transaction`` (application id, version) makes the append happen once however often it is tried
    (Delta's txnAppId and txnVersion). ``files`` is how many files to write; None leaves the partitioning alone.
    """
    ready = conform(frame, name)
    if files:
        ready = ready.coalesce(files)
    uri = ensure(frame.sparkSession, settings, name)
    writer = ready.write.format("delta").mode("append")
    if transaction:
        writer = writer.option("txnAppId", f"{transaction[0]}:{name}").option("txnVersion", transaction[1])
    writer.save(uri)


def append_small(frame: DataFrame, settings: Settings, name: str, transaction: tuple[str, int]) -> None:
    """Append a frame of few rows without a Spark write: collected as Arrow, committed in a tenth of the time."""
    ensure(frame.sparkSession, settings, name)
    append_arrow(settings, name, conform(frame, name).toArrow(), transaction)


def append_rows(settings: Settings, name: str, rows: Sequence[Mapping[str, Any]], transaction: tuple[str, int]) -> None:
    """Append rows (dicts in the contract's columns) once, as :func:`append_arrow` does."""
    import pyarrow as pa

    if rows:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(load_contract(name)))
        append_arrow(settings, name, table, transaction)


def append_arrow(settings: Settings, name: str, table: pa.Table, transaction: tuple[str, int]) -> None:
    """Append an Arrow table once, however often it is tried: the counterpart of :func:`append` without Spark.

    ``transaction`` is (application id, version); a version not above the last one written under the id is skipped.
    Only one writer at a time may use an application id (intake holds a lease).
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

    contract = load_contract(name)
    uri = table_uri(settings, name)
    app_id, version = f"{transaction[0]}:{name}", transaction[1]
    is_there = DeltaTable.is_deltatable(uri)
    target: DeltaTable | str = DeltaTable(uri) if is_there else uri
    if isinstance(target, DeltaTable):
        last = target.transaction_version(app_id)
        if last is not None and last >= version:
            return
    elif "://" not in uri:
        Path(uri).mkdir(parents=True, exist_ok=True)
    write_deltalake(
        target,
        table.cast(arrow_schema(contract)),
        mode="append",
        partition_by=list(contract.partitions) or None,
        commit_properties=CommitProperties(app_transactions=[Transaction(app_id, version)]),
    )


def replace(frame: DataFrame, settings: Settings, name: str) -> None:
    """Replace the table's rows in one commit (small derived tables)."""
    uri = ensure(frame.sparkSession, settings, name)
    conform(frame, name).coalesce(1).write.format("delta").mode("overwrite").save(uri)
