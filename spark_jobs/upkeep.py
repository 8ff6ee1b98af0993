"""Upkeep of the lake: many small files of a stream become few."""

from __future__ import annotations

import lake
from cairn.settings import Settings

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


def compact_intake(settings: Settings) -> dict[str, int]:
    """Compact every table that intake writes; returns files removed by table."""
    return {name: lake.compact(settings, name) for name in INTAKE_TABLES}
