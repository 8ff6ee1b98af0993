"""Bytes that must be gone: files that a table no longer has, at once, and what its log says of their contents.

``lake.vacuum`` keeps replaced files for readers of older versions; an erasure may not. Files that are being written by
somebody else are no part of the log yet and are left alone.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyarrow import fs

from cairn.contracts import all_contracts
from cairn.settings import Settings
from lake.location import exists, open_table, table_filesystem
from lake.upkeep import vacuum

_LOG = "_delta_log"


def expunge(settings: Settings, name: str, words: Collection[str]) -> int:
    """Delete every file that is no part of the table now, and take the words out of the table's log.

    Older versions cannot be read any more. Returns how many files went. The log's statistics of files that went may
    name their lowest and highest texts: the words among them are overwritten, a checkpoint that has them is made anew.
    On a store that keeps versions of objects, those are the store's to delete.
    """
    if not exists(settings, name):
        return 0
    table: DeltaTable = open_table(settings, name)
    # Not "full": that would take the file that intake has written and not committed yet.
    gone = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=False)
    orphans = vacuum(settings, name)
    filesystem = table_filesystem(settings, name)
    entries = [one for one in filesystem.get_file_info(fs.FileSelector(_LOG)) if one.type == fs.FileType.File]
    told = [one.path for one in entries if _says(filesystem, one.path, words)]
    checkpoints = [path for path in told if path.endswith(".parquet")]
    if checkpoints:
        table.create_checkpoint()
        newest = f"{table.version():020d}.checkpoint.parquet"
        for path in checkpoints:
            if not path.endswith(newest):
                filesystem.delete_file(path)
    for path in told:
        if path.endswith(".json"):
            _overwrite(filesystem, path, words)
    return len(gone) + orphans


def tables_that_say(settings: Settings, words: Collection[str]) -> dict[str, int]:
    """Tables of which some file, of whatever version, has one of the words in it: how many files do, by table."""
    found = {}
    for name in (contract.name for contract in all_contracts() if exists(settings, contract.name)):
        filesystem = table_filesystem(settings, name)
        selector = fs.FileSelector(".", recursive=True)
        paths = [one.path for one in filesystem.get_file_info(selector) if one.type == fs.FileType.File]
        count = sum(_says(filesystem, path, words) for path in paths)
        if count:
            found[name] = count
    return found


def _says(filesystem: fs.FileSystem, path: str, words: Collection[str]) -> bool:
    """Whether a file of a table, or of its log, has one of the words among its values."""
    if not path.endswith(".parquet"):
        with filesystem.open_input_stream(path) as stream:
            return _is_in(stream.read(), words)
    with filesystem.open_input_file(path) as handle:
        parquet = pq.ParquetFile(handle)
        texts = [field.name for field in parquet.schema_arrow if not pa.types.is_primitive(field.type)]
        # Texts lie compressed: one row group at a time is read and looked through as Arrow holds it.
        return any(
            buffer is not None and _is_in(buffer, words)
            for group in range(parquet.num_row_groups)
            for column in parquet.read_row_group(group, columns=texts).columns
            for chunk in column.chunks
            for buffer in chunk.buffers()
        )


def _is_in(content: bytes | pa.Buffer, words: Collection[str]) -> bool:
    held = content if isinstance(content, bytes) else content.to_pybytes()
    return any(word.encode() in held for word in words)


def _overwrite(filesystem: fs.FileSystem, path: str, words: Collection[str]) -> None:
    """Put x in place of each character of the words: the file keeps its length and its form."""
    with filesystem.open_input_stream(path) as stream:
        content = stream.read()
    for word in words:
        content = content.replace(word.encode(), b"x" * len(word.encode()))
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)
