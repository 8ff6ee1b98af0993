"""One data file of a table, written where it will stay: by a Spark task for its bucket, or by a driver for few rows.

A file that was written and not committed is not part of the table: what a failed or doubled task leaves is taken by
``lake.vacuum``. Statistics are made here, from the file's own footer, so that every reader can skip what it need not
read, and none meets the text statistics of deltalake's SQL engine, which Arrow cannot compare (string_view).
"""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from lake.location import table_filesystem
from lake.shape import file_schema, read_schema

# How the error begins, by which it is known again in the text of a Spark task that died of it.
WRITE_FAILED = "cannot write a file of table"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
PartitionValue = str | int | date | None
LONG_TEXT = 64
LAST_CHARACTER = "\U0010ffff"
_OWN_NAME = re.compile(r"(^|/)part-[0-9a-f]{32}\.parquet$")


class WriteError(CairnError):
    """A file could not be written whole: no room, or no right to."""


@dataclass(frozen=True)
class File:
    """A file that can be committed: path below the table, size in bytes, rows, partition values as text, statistics."""

    path: str
    size: int
    rows: int
    partitions: Mapping[str, str | None]
    stats: str
    written_ms: int


@dataclass(frozen=True)
class Layout:
    """How rows lie in a file; it changes what reading costs, never what is read.

    row_group_rows: fewer, and a reader of some rows skips more; each group costs a reader of all rows about a tenth of
    a millisecond a column. plain: columns whose values hardly repeat (ids, hashes), for which a dictionary would cost
    time and save nothing. compression: zstd is the smaller, lz4 the faster to read.
    """

    row_group_rows: int = 128 * 1024
    plain: tuple[str, ...] = ()
    compression: Literal["zstd", "lz4"] = "zstd"


DEFAULT_LAYOUT = Layout()


def is_written_here(path: str) -> bool:
    """Whether this module wrote the file, as its name tells."""
    return _OWN_NAME.search(path) is not None


def partition_text(value: PartitionValue) -> str | None:
    """A partition value as Delta's log holds it."""
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)


def partition_path(partitions: Mapping[str, str | None]) -> str:
    """The folder of partition values, as every reader of Hive's layout expects it."""
    return "".join(f"{name}={NULL_PARTITION if text is None else text}/" for name, text in partitions.items())


def write_file(
    settings: Settings,
    name: str,
    rows: pa.Table | Iterable[pa.Table],
    partitions: Mapping[str, PartitionValue] | None = None,
    layout: Layout = DEFAULT_LAYOUT,
) -> File:
    """Write the rows (the contract's columns; partition columns may be missing) as one file, not yet committed.

    ``rows`` may come in portions, of which one at a time is held (each begins a row group of its own).
    """
    contract = load_contract(name)
    texts = {column: partition_text((partitions or {})[column]) for column in contract.partitions}
    portions = iter((rows,) if isinstance(rows, pa.Table) else rows)
    first = _shaped(next(portions, file_schema(name).empty_table()), name, texts)
    schema = first.schema
    path = f"{partition_path(texts)}part-{uuid.uuid4().hex}.parquet"
    filesystem = table_filesystem(settings, name)
    if "://" not in settings.lake:
        filesystem.create_dir(path.rpartition("/")[0] or ".", recursive=True)
    try:
        with filesystem.open_output_stream(path) as stream:
            with pq.ParquetWriter(
                stream,
                schema,
                compression=layout.compression,
                compression_level=1 if layout.compression == "zstd" else None,
                use_dictionary=[field.name for field in schema if field.name not in layout.plain],
                write_statistics=True,
                store_schema=False,  # text written from codes is text to every reader
            ) as writer:
                writer.write_table(first, row_group_size=layout.row_group_rows)
                for portion in portions:
                    writer.write_table(_shaped(portion, name, texts).cast(schema), row_group_size=layout.row_group_rows)
            footer = writer.writer.metadata
            size = stream.tell()
    except OSError as error:
        with suppress(OSError):  # a half of a file would take what little room there is
            filesystem.delete_file(path)
        said = str(error).splitlines()[0][:200]
        raise WriteError(
            f"{WRITE_FAILED} {name} ({said}): make room where the lake lies ({settings.lake}), then run it again"
        ) from error
    return File(path, size, footer.num_rows, texts, _statistics(footer, schema), int(time.time() * 1000))


def _shaped(rows: pa.Table, name: str, partitions: Mapping[str, str | None]) -> pa.Table:
    """The columns that a file holds: the contract's without those of the partition."""
    return pa.table({f.name: _column(rows, f) for f in file_schema(name) if f.name not in partitions})


def _column(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """The column as the contract types it; text may stay as codes, which a file holds in any case."""
    if field.name not in rows.column_names:
        return pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
    column = rows.column(field.name)
    is_coded_text = pa.types.is_dictionary(column.type) and column.type.value_type == field.type
    return column if column.type == field.type or is_coded_text else column.cast(field.type)


def read_rows(
    settings: Settings,
    name: str,
    file: File,
    places: npt.NDArray[np.int64],
    columns: Sequence[str],
    dictionaries: Sequence[str] = (),
) -> pa.Table:
    """Some rows of one file by their places in it, ascending; only the row groups that hold them are read.

    ``dictionaries`` names columns of text that are read as codes.
    """
    with _opened(table_filesystem(settings, name), file, dictionaries) as parquet:
        sizes = np.array([parquet.metadata.row_group(g).num_rows for g in range(parquet.metadata.num_row_groups)])
        ends = np.cumsum(sizes)
        groups, starts = np.unique(np.searchsorted(ends, places, side="right"), return_index=True)
        # One at a time: rows taken of many groups at once would first be copied together, all of them.
        parts = [
            parquet.read_row_group(group, columns=list(columns)).take(pa.array(some - (ends - sizes)[group]))
            for group, some in zip(groups.tolist(), np.split(places, starts[1:])[: groups.size], strict=True)
        ]
        return pa.concat_tables(parts or [read_schema(name, columns, dictionaries).empty_table()])


def _opened(filesystem: fs.FileSystem, file: File, dictionaries: Sequence[str]) -> pq.ParquetFile:
    """The file, to be closed by the caller; text columns of ``dictionaries`` that it has are read as codes."""
    stream = filesystem.open_input_file(unquote(file.path))
    footer = pq.ParquetFile(stream).metadata
    coded = [name for name in dictionaries if name in footer.schema.names]
    return pq.ParquetFile(stream, metadata=footer, read_dictionary=coded)


def read_named(
    settings: Settings,
    name: str,
    files: Sequence[File],
    column: str,
    values: pa.Array,
    columns: Sequence[str],
    dictionaries: Sequence[str] = (),
) -> pa.Table:
    """Rows of some files whose text ``column`` is one of the values; only row groups that may hold one are read.

    For files sorted by the column. A condition for Arrow's scanner would say the same and read everything: it does
    not look at statistics for a list of values.
    """
    wanted = sorted(pc.unique(values).drop_null().to_pylist())
    shape = read_schema(name, columns, dictionaries)
    parts = [shape.empty_table()]
    filesystem = table_filesystem(settings, name)
    for file in files if wanted else ():
        with _opened(filesystem, file, dictionaries) as parquet:
            groups = _groups_that_may_hold(parquet.metadata, column, wanted)
            if groups:
                rows = parquet.read_row_groups(groups, columns=list(dict.fromkeys([*columns, column])))
                rows = rows.filter(pc.is_in(rows[column], value_set=pa.array(wanted)))
                for one in shape:
                    if one.name not in rows.schema.names:  # the contract got it later than the file
                        rows = rows.append_column(one, pa.nulls(rows.num_rows, one.type))
                parts.append(rows.select(list(columns)).cast(shape))
    return pa.concat_tables(parts).unify_dictionaries()


def read_portions(
    settings: Settings, name: str, file: File, columns: Sequence[str], dictionaries: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """One file, a row group at a time, in the order of its rows: for a reader that stops when it has enough."""
    with _opened(table_filesystem(settings, name), file, dictionaries) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            yield parquet.read_row_group(group, columns=list(columns))


def _groups_that_may_hold(footer: pq.FileMetaData, column: str, wanted: Sequence[str]) -> list[int]:
    """Row groups whose range of the column holds one of the values (ascending)."""
    place = footer.schema.names.index(column)
    found = []
    for group in range(footer.num_row_groups):
        ends = footer.row_group(group).column(place).statistics
        if ends is None or not ends.has_min_max or bisect_left(wanted, ends.min) < bisect_right(wanted, ends.max):
            found.append(group)
    return found


def _statistics(footer: pq.FileMetaData, schema: pa.Schema) -> str:
    """Delta's statistics (numRecords, minValues, maxValues, nullCount) from a file's footer, for scalar columns."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    places = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    for field in schema:
        if field.name not in places or pa.types.is_nested(field.type):
            continue
        found = [footer.row_group(g).column(places[field.name]).statistics for g in range(footer.num_row_groups)]
        if any(one is None for one in found):
            continue
        nulls[field.name] = sum(one.null_count or 0 for one in found)
        ends = [(one.min, one.max) for one in found if one.has_min_max]
        if ends and not pa.types.is_boolean(field.type):
            low[field.name] = _json_value(min(one[0] for one in ends), is_upper=False)
            high[field.name] = _json_value(max(one[1] for one in ends), is_upper=True)
    low = {key: value for key, value in low.items() if value is not None and high[key] is not None}
    high = {key: high[key] for key in low}
    told = {"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}
    # Not as escapes: readers in Rust take the two halves of a character beyond 16 bits for something else.
    return json.dumps(told, ensure_ascii=False, allow_nan=False)


def _json_value(value: Any, *, is_upper: bool) -> Any:
    """A statistic as Delta writes it; None where it has no use there (long texts, numbers that JSON has not)."""
    if isinstance(value, datetime):
        instant = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        # Delta's timestamps have milliseconds: an upper one is rounded up, or a reader would skip what it must read.
        whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
        if is_upper and whole != instant:
            whole += timedelta(milliseconds=1)
        return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and len(value) > LONG_TEXT:
        # The beginning only: it comes before the text, and with the last of all characters behind it after the text.
        return value[:LONG_TEXT] + (LAST_CHARACTER if is_upper else "")
    is_no_number = isinstance(value, float) and not math.isfinite(value)
    return None if is_no_number or isinstance(value, bytes) else value
