"""Item alignments into history, and the items in evidence that nothing aligns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cairn.settings import Settings
from spark_jobs import lake
from spark_jobs.history import Change, Snapshot, apply

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def load_alignments(
    spark: SparkSession, settings: Settings, rows: Sequence[Mapping[str, Any]], recorded_at: datetime | None = None
) -> Change:
    """Add and change alignments; those not named stay (an alignment ends by its valid_to_date)."""
    return apply(spark, settings, Snapshot("silver.item_alignment", rows), recorded_at)


def count_unaligned(spark: SparkSession, settings: Settings) -> int:
    """Items that sources have sent evidence of and no current alignment names."""
    if not lake.exists(spark, settings, "silver.learner_activity"):
        return 0
    seen = lake.read(spark, settings, "silver.learner_activity").where("item_id IS NOT NULL").select("item_id")
    aligned = lake.known_at(lake.read(spark, settings, "silver.item_alignment")).select("item_id")
    return int(seen.distinct().join(aligned, "item_id", "left_anti").count())
