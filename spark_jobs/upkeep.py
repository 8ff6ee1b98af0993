"""Upkeep of what intake writes: many small files of a stream become few, the keys are filed, dead files go."""

from __future__ import annotations

from contextlib import AbstractContextManager

import lake
from cairn.contracts import load_contract
from cairn.settings import Settings
from spark_jobs import key_index

# The key table is not among them: it is filed by hash, see key_index.
INTAKE_TABLES = (
    "bronze.activity",
    "bronze.receipts",
    "bronze.rejected",
    "silver.learner_activity",
    "silver.activity_quarantine",
    "ops.intake_ledger",
    "ops.intake_batch",
)
# A partition is compacted when so many small files lie in it: below that, a file is rewritten for little.
MOST_SMALL_FILES = 32
CHECK_EVERY_BATCHES = 8
# Files that filing and merging of keys replaced are as large as the keys: they are looked for every day or so.
VACUUM_EVERY_BATCHES = 1_000
# No new piece of work is begun after so many seconds: the next batch waits meanwhile.
MOST_SECONDS = 5.0


def after_batch(settings: Settings, batch_id: int) -> None:
    """What is due after a batch, by rule and in bounded pieces. Call with intake's lease held.

    Nothing where ``cairn lake tend`` is at it: it does the same.
    """
    with tending(settings) as is_free:
        if not is_free:
            return
        key_index.tend(settings, MOST_SECONDS)
        if batch_id % CHECK_EVERY_BATCHES == CHECK_EVERY_BATCHES - 1:
            compact_intake(settings, MOST_SMALL_FILES)
        if batch_id % VACUUM_EVERY_BATCHES == VACUUM_EVERY_BATCHES - 1:
            lake.vacuum(settings, key_index.TABLE)


def tending(settings: Settings, wait_seconds: float = 0.0) -> AbstractContextManager[lake.Lease | None]:
    """One at a time rewrites files of intake's tables: two would be told that the other changed them."""
    return lake.lease(settings, "tend", wait_seconds=wait_seconds)


def compact_intake(settings: Settings, minimum_files: int = 2) -> dict[str, int]:
    """Compact partitions with so many small files; returns files removed by table."""
    return {name: lake.compact(settings, name, minimum_files=minimum_files) for name in INTAKE_TABLES}


def small_files(settings: Settings) -> dict[str, int]:
    """Files of each table of intake's that compaction or filing would take up."""
    counts = {}
    for name in INTAKE_TABLES:
        by_partition: dict[tuple[str | None, ...], int] = {}
        for file in lake.table_files(settings, name):
            if file.size < lake.TARGET_FILE_BYTES:
                place = tuple(file.partitions[column] for column in load_contract(name).partitions)
                by_partition[place] = by_partition.get(place, 0) + 1
        counts[name] = sum(count for count in by_partition.values() if count > 1)
    return counts | {key_index.TABLE: len(key_index.levels(settings)[0])}
