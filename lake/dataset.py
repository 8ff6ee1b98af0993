"""Reading tables in Arrow: columns and partitions first, filters pushed to the files, a version where one is named.

The dataset is made from the log's list of files and the contract's schema, not from Delta's own statistics: those that
deltalake's SQL engine writes are of a type (string_view) that Arrow cannot compare with text, and every filter on text
failed after such a write. Files carry the same statistics in their footers, where Arrow looks; see ``dataset_of`` for
those whose footers say string_view, too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from cairn.contracts import Contract, load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from lake.commit import as_partition
from lake.files import NULL_PARTITION, File, PartitionValue, is_written_here
from lake.location import exists, open_table, table_filesystem
from lake.shape import file_schema, read_schema


class _Every:
    """Says on purpose that all partitions of a big table are wanted."""


EVERY = _Every()
# Which partitions: column to the values wanted, or EVERY.
Partitions = Mapping[str, Collection[PartitionValue]] | _Every


@dataclass(frozen=True)
class Added:
    """Files that came to a table between two versions; ``is_append_only`` is False where rows also went."""

    files: list[str]
    is_append_only: bool


def current_version(settings: Settings, name: str) -> int:
    """The table's newest version; -1 where it was not created yet."""
    return int(open_table(settings, name).version()) if exists(settings, name) else -1


def table_files(
    settings: Settings,
    name: str,
    partitions: Partitions = EVERY,
    version: int | None = None,
    *,
    holding: tuple[str, str] | None = None,
) -> list[File]:
    """The files of a table, of some partitions where named; empty where it was not created yet.

    ``holding`` (a column, a text): only files of which the log does not say that no row has it there.
    """
    if not exists(settings, name):
        return []
    return _files_of(open_table(settings, name, version), name, partitions, holding)


def _files_of(
    table: DeltaTable, name: str, partitions: Partitions, holding: tuple[str, str] | None = None
) -> list[File]:
    """As :func:`table_files`, of a table that is open."""
    contract = load_contract(name)
    found = _listed(table, contract, holding)
    if isinstance(partitions, _Every):
        return found
    kinds = {column.name: column.type for column in contract.columns}
    wanted = {column: set(values) for column, values in partitions.items()}
    return [
        file
        for file in found
        if all(as_partition(file.partitions[column], kinds[column]) in values for column, values in wanted.items())
    ]


def by_partition(files: Sequence[File]) -> dict[tuple[str | None, ...], list[File]]:
    """The files of each partition, by its values as texts."""
    groups: dict[tuple[str | None, ...], list[File]] = {}
    for file in files:
        groups.setdefault(tuple(file.partitions.values()), []).append(file)
    return groups


def by_number(files: Sequence[File], column: str) -> dict[int, list[File]]:
    """The files of each value of a partition column of numbers, as buckets are."""
    groups: dict[int, list[File]] = {}
    for file in files:
        groups.setdefault(int(file.partitions[column] or 0), []).append(file)
    return groups


def partition_values(settings: Settings, name: str, column: str) -> list[PartitionValue]:
    """The values of a partition column that the table has rows of, lowest first (null first of all); reads no row."""
    kinds = {one.name: one.type for one in load_contract(name).columns}
    texts = {file.partitions[column] for file in table_files(settings, name)}
    return sorted((as_partition(text, kinds[column]) for text in texts), key=lambda value: (value is not None, value))


def partitions_of(name: str, files: Sequence[File]) -> dict[str, list[PartitionValue]]:
    """The partitions that some files lie in, as readers and :func:`lake.delete_rows` take them."""
    kinds = {column.name: column.type for column in load_contract(name).columns}
    return {
        column: [
            as_partition(text, kinds[column]) for text in sorted({file.partitions[column] for file in files}, key=str)
        ]
        for column in load_contract(name).partitions
    }


def _listed(table: DeltaTable, contract: Contract, holding: tuple[str, str] | None = None) -> list[File]:
    """The files in the log; without statistics, since a file that stays in the log keeps its own there."""
    laid_by = tuple(table.metadata().partition_columns)
    if laid_by != contract.partitions:
        here, wanted = (", ".join(columns) or "nothing" for columns in (laid_by, contract.partitions))
        raise CairnError(
            f"table {contract.name} is partitioned by {here}, its contract says {wanted}: "
            "bring it into the new layout with 'cairn lake tend'"
        )
    actions = pa.table(table.get_add_actions(flatten=True))
    if holding is not None and f"min.{holding[0]}" in actions.column_names:
        low, high = (pc.cast(actions[f"{end}.{holding[0]}"], pa.string()) for end in ("min", "max"))
        is_within = pc.and_(pc.less_equal(low, holding[1]), pc.greater_equal(high, holding[1]))
        actions = actions.filter(pc.fill_null(is_within, True))
    own = ["path", "size_bytes", "num_records", "modification_time"]
    rows = actions.select([*own, *(f"partition.{column}" for column in contract.partitions)]).to_pylist()
    files = []
    for row in rows:
        values = {column: row[f"partition.{column}"] for column in contract.partitions}
        texts = {column: None if value is None else str(value) for column, value in values.items()}
        written_ms = int(row["modification_time"])
        files.append(File(row["path"], int(row["size_bytes"]), int(row["num_records"] or 0), texts, "", written_ms))
    return files


def file_at(settings: Settings, name: str, path: str) -> File:
    """A file of a table by its path, also where a later version holds its rows in another file."""
    filesystem = table_filesystem(settings, name)
    with pq.ParquetFile(filesystem.open_input_file(unquote(path))) as parquet:
        rows = parquet.metadata.num_rows
    parts = dict(part.split("=", 1) for part in unquote(path).split("/")[:-1])
    texts = {column: None if text == NULL_PARTITION else text for column, text in parts.items()}
    return File(path, filesystem.get_file_info(unquote(path)).size, rows, texts, "", 0)


def dataset(
    settings: Settings,
    name: str,
    partitions: Partitions | None = None,
    version: int | None = None,
    dictionaries: Sequence[str] = (),
) -> ds.Dataset:
    """The table as an Arrow dataset: scanned by column, filtered by file. It must be there.

    A table whose contract asks for a partition filter is read with ``partitions`` only (``EVERY`` says that all are
    wanted). ``dictionaries`` names text columns to be read as codes.
    """
    contract = load_contract(name)
    if partitions is None and contract.needs_partition_filter:
        raise CairnError(
            f"{name} is read by its partitions ({', '.join(contract.partitions)}): name those you want, or lake.EVERY"
        )
    files = _files_of(open_table(settings, name, version), name, EVERY if partitions is None else partitions)
    return dataset_of(settings, name, files, dictionaries)


def dataset_of(settings: Settings, name: str, files: Sequence[File], dictionaries: Sequence[str] = ()) -> ds.Dataset:
    """Some files of a table as an Arrow dataset."""
    contract = load_contract(name)
    schema, filesystem = read_schema(name, contract.column_names, dictionaries), table_filesystem(settings, name)
    parquet = ds.ParquetFileFormat(
        read_options=ds.ParquetReadOptions(dictionary_columns=list(dictionaries)) if dictionaries else None
    )
    # deltalake's SQL engine notes its texts as string_view, which Arrow can read and not compare: read as codes and
    # brought back to text, they can be. Files of other writers may be of that kind; ours are not.
    texts = [column.name for column in contract.columns if column.type == "string" and not column.is_partition]
    foreign = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(dictionary_columns=texts))
    kinds = {column.name: column.type for column in contract.columns}
    expressions: dict[tuple[str | None, ...], Any] = {}
    fragments = []
    for file in files:
        values = tuple(file.partitions.get(column) for column in contract.partitions)
        if values not in expressions:
            expressions[values] = _expression(contract.partitions, values, kinds, schema)
        form = parquet if is_written_here(file.path) else foreign
        fragments.append(
            form.make_fragment(unquote(file.path), filesystem=filesystem, partition_expression=expressions[values])
        )
    return ds.FileSystemDataset(fragments, schema, parquet, filesystem)


def _expression(
    columns: Sequence[str], texts: Sequence[str | None], kinds: Mapping[str, str], schema: pa.Schema
) -> Any:
    whole = None
    for column, text in zip(columns, texts, strict=True):
        value = as_partition(text, kinds[column])
        field = pc.field(column)
        one = field.is_null() if value is None else field == pa.scalar(value, schema.field(column).type)
        whole = one if whole is None else whole & one
    return pc.scalar(True) if whole is None else whole


def read(
    settings: Settings,
    name: str,
    columns: Sequence[str] | None = None,
    filters: Any = None,
    partitions: Partitions | None = None,
    version: int | None = None,
) -> pa.Table:
    """The table as Arrow, in the contract's columns; empty where it was not created yet.

    ``filters`` is a pyarrow expression, pushed down to the files; ``partitions`` as :func:`dataset` takes them.
    """
    contract = load_contract(name)
    wanted = list(columns or contract.column_names)
    if not exists(settings, name):
        schema = file_schema(name)
        return pa.schema([schema.field(column) for column in wanted]).empty_table()
    return dataset(settings, name, partitions, version).to_table(columns=wanted, filter=filters)


def read_files(
    settings: Settings,
    name: str,
    files: Sequence[File],
    columns: Sequence[str],
    filters: Any = None,
    dictionaries: Sequence[str] = (),
) -> pa.Table:
    """Some files of a table as one Arrow table: what a Spark task reads of its bucket."""
    return dataset_of(settings, name, files, dictionaries).to_table(columns=list(columns), filter=filters)


def files_added(settings: Settings, name: str, after: int, upto: int) -> Added | None:
    """What came to a table after one version and up to another, as its log tells; None where the log is gone.

    Commits that only moved rows into other files (compaction) are passed over: a file that came and was compacted
    within the span is named as it was written, and is still there (``vacuum`` keeps what the log still tells of).
    """
    filesystem = table_filesystem(settings, name)
    paths: list[str] = []
    is_append_only = True
    for version in range(after + 1, upto + 1):
        try:
            with filesystem.open_input_stream(f"_delta_log/{version:020d}.json") as stream:
                lines = stream.read().decode().splitlines()
        except FileNotFoundError:
            return None
        for line in lines:
            action = json.loads(line)
            if action.get("add", {}).get("dataChange"):
                paths.append(action["add"]["path"])
            if action.get("remove", {}).get("dataChange"):
                is_append_only = False
    return Added(paths, is_append_only)
