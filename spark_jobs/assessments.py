"""Assessment results into history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cairn.settings import Settings
from spark_jobs.history import Change, Snapshot, apply

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def load_results(
    spark: SparkSession | None,
    settings: Settings,
    rows: Sequence[Mapping[str, Any]],
    recorded_at: datetime | None = None,
) -> Change:
    """Add and correct results, one a result_id; a file never ends results it does not name."""
    return apply(spark, settings, Snapshot("silver.assessment_result", rows), recorded_at)
