"""Competencies of one framework and their edges into history."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cairn.settings import Settings
from spark_jobs.history import Change, Snapshot, apply_all

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def load_framework(
    spark: SparkSession | None,
    settings: Settings,
    framework_id: str,
    competencies: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    kept_competencies: Collection[str] = (),
    kept_edges: Collection[str] = (),
    recorded_at: datetime | None = None,
) -> Change:
    """Write a framework whole: what it no longer names has ended, other frameworks are left alone."""
    scope = {"framework_id": framework_id}
    snapshots = [
        Snapshot("silver.competency", competencies, is_bulk=True, kept_ids=kept_competencies, scope=scope),
        Snapshot("silver.competency_edge", edges, is_bulk=True, kept_ids=kept_edges, scope=scope),
    ]
    changes = apply_all(spark, settings, snapshots, recorded_at)
    return sum(changes.values(), Change())
