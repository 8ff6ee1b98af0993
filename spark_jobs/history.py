"""Two-time tables: apply what arrived to what is known, so that nothing known before is lost.

A row is true in the world by its ``valid_*`` columns, and known here from ``recorded_from`` until ``recorded_to``
(empty while current). Applying a snapshot closes the versions that changed or ended and appends new ones; rows that
say the same change nothing, so that the same file twice is one file. Written in one Delta commit.

Two engines, one result (tests hold them together): a table of a district's roster is compared in this process in
a fraction of a second, where Spark needs some 5 s of two cores a table; beyond SMALL_ROWS Spark does it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from cairn.settings import Settings
from spark_jobs.history_model import Change, Snapshot
from spark_jobs.history_small import apply_small

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Change", "Snapshot", "apply", "apply_all"]

# Rows of the table and of the snapshot together, past versions too; some 2 kB each in memory.
SMALL_ROWS = 1_000_000
Engine = Literal["auto", "small", "spark"]


def apply_all(
    spark: SparkSession | None,
    settings: Settings,
    snapshots: Iterable[Snapshot],
    recorded_at: datetime | None = None,
) -> dict[str, Change]:
    """Apply several tables' snapshots, all recorded at one instant; table -> what changed."""
    instant = recorded_at or datetime.now(UTC)
    return {snapshot.table: apply(spark, settings, snapshot, instant) for snapshot in snapshots}


def apply(
    spark: SparkSession | None,
    settings: Settings,
    snapshot: Snapshot,
    recorded_at: datetime | None = None,
    engine: Engine = "auto",
) -> Change:
    """Apply one snapshot; ``recorded_at`` (UTC) is when it became known, now where None.

    ``spark`` is started only where it is needed and None was given. Raises CairnError where the table already knows
    something of a key from that instant or later: history is not rewritten.
    """
    instant = recorded_at or datetime.now(UTC)
    if not (snapshot.rows or snapshot.ended_ids or snapshot.is_bulk):
        return Change()
    return apply_small(settings, snapshot, instant)
