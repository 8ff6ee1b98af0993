"""The tables in Spark, by contract: for what is joined and aggregated in Spark itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cairn.contracts import Contract, load_contract
from cairn.settings import Settings
from lake.dataset import EVERY, Partitions, table_files
from lake.location import join, table_uri


def nullable_ddl(contract: Contract) -> str:
    """The contract's columns for files: required columns are checked by gates, not by the writer."""
    return ", ".join(f"`{column.name}` {column.type}" for column in contract.columns)


def read(
    spark: SparkSession, settings: Settings, name: str, partitions: Partitions = EVERY, version: int | None = None
) -> DataFrame:
    """The table in the contract's columns; empty where it was not created yet.

    The log is read from Rust and Spark gets the files it names: a session that has just started needs ten seconds to
    read and filter the same log by itself, whatever the size of the table.
    """
    paths = [file.path for file in table_files(settings, name, partitions, version)]
    return read_paths(spark, settings, name, paths)


def read_paths(spark: SparkSession, settings: Settings, name: str, paths: Sequence[str]) -> DataFrame:
    """Some files of a table (paths below it) as a frame."""
    contract, uri = load_contract(name), spark_uri(table_uri(settings, name))
    schema = nullable_ddl(contract)
    if not paths:
        return spark.createDataFrame([], schema)
    files = [join(uri, path) for path in paths]
    return spark.read.schema(schema).option("basePath", uri).parquet(*files).select(*contract.column_names)


def spark_uri(uri: str) -> str:
    """An address as Hadoop's file systems name it."""
    return uri.replace("s3://", "s3a://", 1)


def known_at(frame: DataFrame, instant: datetime | None = None) -> DataFrame:
    """Rows of a two-time table as they were known at ``instant`` (UTC); as they are known now where None."""
    if instant is None:
        return frame.where(F.col("recorded_to").isNull())
    moment = F.lit(instant)
    return frame.where(
        (F.col("recorded_from") <= moment) & (F.col("recorded_to").isNull() | (F.col("recorded_to") > moment))
    )
