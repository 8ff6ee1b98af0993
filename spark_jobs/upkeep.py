"""Upkeep of the lake: many small files of a stream become few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairn.settings import Settings
from cairn.tables import table_uri
from spark_jobs import lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Files from this size on are left alone, so that compaction never rewrites what it has compacted.
SMALL_FILE_BYTES = 32 * 1024 * 1024
TARGET_FILE_BYTES = 128 * 1024 * 1024

INTAKE_TABLES = (
    "bronze.activity",
    "bronze.receipts",
    "bronze.rejected",
    "silver.learner_activity",
    "silver.activity_key",
    "silver.activity_quarantine",
    "ops.intake_ledger",
    "ops.intake_batch",
)


def compact_intake(spark: SparkSession, settings: Settings) -> None:
    """Compact every table that intake writes."""
    for name in INTAKE_TABLES:
        compact(spark, settings, name)


def compact(spark: SparkSession, settings: Settings, name: str) -> None:
    """Merge the table's small files (Delta's OPTIMIZE; readers and appends go on meanwhile)."""
    spark.conf.set("spark.databricks.delta.optimize.minFileSize", str(SMALL_FILE_BYTES))
    spark.conf.set("spark.databricks.delta.optimize.maxFileSize", str(TARGET_FILE_BYTES))
    lake.ensure(spark, settings, name)
    spark.sql(f"OPTIMIZE delta.`{table_uri(settings, name)}`")
