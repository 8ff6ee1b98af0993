"""Upkeep of the lake: many small files of a stream become few."""

from __future__ import annotations

from cairn.settings import Settings
from cairn.tables import exists, table_uri

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


def compact_intake(settings: Settings) -> dict[str, int]:
    """Compact every table that intake writes; returns files removed by table."""
    return {name: compact(settings, name) for name in INTAKE_TABLES}


def compact(settings: Settings, name: str) -> int:
    """Merge the table's small files, partition by partition; readers and appends go on meanwhile.

    Files that have reached the target size are left alone. The files replaced stay until VACUUM, so a reader of an
    older version is not disturbed.
    """
    from deltalake import DeltaTable

    if not exists(settings, name):
        return 0
    done = DeltaTable(table_uri(settings, name)).optimize.compact(target_size=TARGET_FILE_BYTES, max_concurrent_tasks=1)
    return int(done["numFilesRemoved"])
