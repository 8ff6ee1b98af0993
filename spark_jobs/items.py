"""Item alignments into history, and the items in evidence that nothing aligns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import lake
from cairn.settings import Settings
from spark_jobs.history import Change, Snapshot, apply

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def load_alignments(
    spark: SparkSession | None,
    settings: Settings,
    rows: Sequence[Mapping[str, Any]],
    recorded_at: datetime | None = None,
) -> Change:
    """Add and change alignments; those not named stay (an alignment ends by its valid_to_date)."""
    return apply(spark, settings, Snapshot("silver.item_alignment", rows), recorded_at)


def count_unaligned(settings: Settings) -> int:
    """Items that sources have sent evidence of and no current alignment names; one column is read, in batches."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if not lake.exists(settings, "silver.learner_activity"):
        return 0
    current = ds.field("recorded_to").is_null()
    aligned = lake.read(settings, "silver.item_alignment", ["item_id"], current).column("item_id")
    activity = lake.dataset(settings, "silver.learner_activity")
    seen: set[str] = set()
    for batch in activity.to_batches(columns=["item_id"]):
        seen.update(item for item in pc.unique(batch.column("item_id")).to_pylist() if item)
    return len(seen.difference(aligned.to_pylist()))
