"""One data file of a table, written where it will stay: by a Spark task for its bucket, or by a driver for few rows.

A file that was written and not committed is not part of the table: what a failed or doubled task leaves is taken by
``lake.vacuum``. Statistics are made here, from the file's own footer, so that every reader can skip what it need not
read, and none meets the text statistics of deltalake's SQL engine, which Arrow cannot compare (string_view).
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cairn.contracts import load_contract
from cairn.settings import Settings
from lake.location import table_filesystem
from lake.shape import file_schema

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
PartitionValue = str | int | date | None
ROW_GROUP_ROWS = 128 * 1024
LONG_TEXT = 64


@dataclass(frozen=True)
class File:
    """A file that can be committed: path below the table, size in bytes, rows, partition values as text, statistics."""

    path: str
    size: int
    rows: int
    partitions: Mapping[str, str | None]
    stats: str
    written_ms: int


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
    *,
    row_group_rows: int = ROW_GROUP_ROWS,
    plain: Sequence[str] = (),
) -> File:
    """Write the rows (the contract's columns; partition columns may be missing) as one file, not yet committed.

    ``rows`` may come in portions, of which one at a time is held (each begins a row group of its own). ``plain``
    names columns whose values hardly repeat (ids, hashes): a dictionary would cost time and save nothing.
    """
    contract = load_contract(name)
    texts = {column: partition_text((partitions or {})[column]) for column in contract.partitions}
    schema = pa.schema([field for field in file_schema(name) if field.name not in texts])
    portions = (rows,) if isinstance(rows, pa.Table) else rows
    path = f"{partition_path(texts)}part-{uuid.uuid4().hex}.parquet"
    filesystem = table_filesystem(settings, name)
    if "://" not in settings.lake:
        filesystem.create_dir(path.rpartition("/")[0] or ".", recursive=True)
    with filesystem.open_output_stream(path) as stream:
        with pq.ParquetWriter(
            stream,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[field.name for field in schema if field.name not in plain],
            write_statistics=True,
        ) as writer:
            for portion in portions:
                columns = [_column(portion, field) for field in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=row_group_rows)
        footer = writer.writer.metadata
        size = stream.tell()
    return File(path, size, footer.num_rows, texts, _statistics(footer, schema), int(time.time() * 1000))


def _column(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in rows.column_names:
        return pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
    column = rows.column(field.name)
    return column if column.type == field.type else column.cast(field.type)


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
    return json.dumps({"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})


def _json_value(value: Any, *, is_upper: bool) -> Any:
    """A statistic as Delta writes it; None where it has no use there (long texts, NaN)."""
    if isinstance(value, datetime):
        instant = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        # Delta's timestamps have milliseconds: an upper one is rounded up, or a reader would skip what it must read.
        whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
        if is_upper and whole != instant:
            whole += timedelta(milliseconds=1)
        return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    is_useless = (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and len(value) > LONG_TEXT)
    return None if is_useless or isinstance(value, bytes) else value
