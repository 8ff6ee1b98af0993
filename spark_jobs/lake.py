"""Lake tables in Spark: read and create by contract, never by hand-written columns."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.contracts import Contract, load_contract
from cairn.settings import Settings
from cairn.tables import table_uri

if TYPE_CHECKING:
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
    """The whole table, as its newest version stands, in the contract's columns; empty where it was not created yet.

    On this machine Delta's log is read from Rust and Spark gets the files it names: a session that has just started
    needs ten seconds to read and filter the same log by itself, whatever the size of the table.
    """
    from deltalake import DeltaTable

    uri, contract = table_uri(settings, name), load_contract(name)
    if "://" in uri:
        return spark.read.format("delta").load(ensure(spark, settings, name)).select(*contract.column_names)
    schema = nullable_ddl(contract)
    files = DeltaTable(uri).file_uris() if DeltaTable.is_deltatable(uri) else []
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).option("basePath", uri).parquet(*files).select(*contract.column_names)


def known_at(frame: DataFrame, instant: datetime | None = None) -> DataFrame:
    """Rows of a two-time table as they were known at ``instant`` (UTC); as they are known now where None."""
    from pyspark.sql import functions as F

    if instant is None:
        return frame.where(F.col("recorded_to").isNull())
    moment = F.lit(instant)
    return frame.where(
        (F.col("recorded_from") <= moment) & (F.col("recorded_to").isNull() | (F.col("recorded_to") > moment))
    )
