"""Upkeep: many small files become few, sorted where the contract says how; files that nobody needs any more go."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from deltalake import DeltaTable

from cairn.contracts import load_contract
from cairn.settings import Settings
from lake.commit import as_partition, commit_files
from lake.dataset import EVERY, Partitions, by_partition, dataset_of, table_files
from lake.files import File, write_file
from lake.location import exists, open_table

TARGET_FILE_BYTES = 128 * 1024 * 1024
Merge = Callable[[pa.Table], pa.Table]


def compact(
    settings: Settings,
    name: str,
    partitions: Partitions = EVERY,
    *,
    minimum_files: int = 2,
    target_bytes: int = TARGET_FILE_BYTES,
) -> int:
    """Merge small files within each partition; returns how many files went.

    Files that have reached the target size are left alone; a partition with fewer than ``minimum_files`` small ones is
    too. One merged file's rows are held in memory at a time. Rows are put in the order of the contract's ``sorted_by``.
    Readers and appends go on meanwhile; the files replaced stay until :func:`vacuum`.
    """
    if not exists(settings, name):
        return 0
    contract = load_contract(name)
    kinds = {column.name: column.type for column in contract.columns}
    base = open_table(settings, name)
    small = [file for file in table_files(settings, name, partitions, base.version()) if file.size < target_bytes]
    gone = 0
    for files in by_partition(small).values():
        for group in _groups(files, target_bytes):
            if len(group) < minimum_files:
                continue
            rows = dataset_of(settings, name, group).to_table()
            if contract.sorted_by:
                rows = rows.sort_by([(column, "ascending") for column in contract.sorted_by])
            values = {column: as_partition(text, kinds[column]) for column, text in group[0].partitions.items()}
            written = [write_file(settings, name, rows, values)]
            commit_files(settings, name, written, removed=group, base=base, is_data_change=False)
            base = open_table(settings, name)
            gone += len(group)
    return gone


def _groups(files: list[File], target_bytes: int) -> list[list[File]]:
    """Files, oldest first, in groups of about the target size."""
    groups: list[list[File]] = [[]]
    size = 0
    for file in sorted(files, key=lambda one: (one.written_ms, one.path)):
        if size + file.size > target_bytes and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.size
    return groups


def vacuum(settings: Settings, name: str, *, keep_versions: list[int] | None = None) -> int:
    """Delete files that no version within the contract's retention needs, and orphans of failed tasks.

    ``keep_versions`` are versions that releases still read. Returns how many files went.
    """
    if not exists(settings, name):
        return 0
    table: DeltaTable = open_table(settings, name)
    hours = max(1, load_contract(name).file_retention_days * 24)
    gone = table.vacuum(
        retention_hours=hours,
        dry_run=False,
        enforce_retention_duration=False,
        full=True,
        keep_versions=keep_versions or None,
    )
    return len(gone)
