"""A contract that changed its columns or partitions: the table is built anew aside, then put in the old one's place.

The new table grows portion by portion, each portion one commit that carries its number, so that a migration which was
interrupted goes on where it stopped. Only when it is whole is the old folder moved away and the new one moved in; the
old one is removed last. Whoever calls must hold off the table's writers; readers of the name fail for the moment
between the two moves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake import Transaction as AppTransaction
from pyarrow import fs

from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from lake.commit import Transaction, as_partition, commit_files, create, write_files
from lake.files import File
from lake.lease import lease
from lake.location import count_rows, exists, filesystem_at, open_table, storage_options, table_filesystem
from lake.shape import file_schema

PORTION_ROWS = 1_000_000
_APP = "migrate"

Transform = Callable[[pa.Table], pa.Table]
Write = Callable[[Settings, pa.Table], list[File]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Piece:
    """Row groups of a file of the old table; ``partitions`` is what its path says."""

    path: str
    groups: tuple[int, ...]
    rows: int
    partitions: dict[str, str | None]


def needs_migration(settings: Settings, name: str) -> bool:
    """Whether the table lies otherwise than its contract says (columns by name, partitions), or is half migrated."""
    if _is_built(settings, name):
        return True
    if not exists(settings, name):
        return False
    table, contract = open_table(settings, name), load_contract(name)
    columns = {field.name for field in table.schema().fields}
    return columns != set(contract.column_names) or tuple(table.metadata().partition_columns) != contract.partitions


def migrate(
    settings: Settings,
    name: str,
    transform: Transform,
    *,
    source: str | None = None,
    transactions: Sequence[Transaction] | None = None,
    write: Write | None = None,
    progress: Progress | None = None,
) -> bool:
    """Bring table ``name`` into its contract's layout; returns whether there was anything to do.

    ``transform`` gets portions of about a million rows as the old table holds them (all its columns, partition columns
    too) and returns them in the contract's columns; it must give the same for the same rows. ``source`` names another
    table that the rows come from instead. ``write`` writes a portion's files where :func:`write_files` will not do.
    ``progress`` is told rows done and rows of all.

    The old table's transactions are kept, so that an append it has done is not done again; ``transactions`` takes
    their place (needed with ``source``, whose rows may be ahead of or behind the old table's).

    Run again after an interruption it goes on. Raises CairnError where another process migrates the table, or rows
    were written in its place between the two moves.
    """
    with lease(settings, f"{_APP}-{name}") as is_held:
        if not is_held:
            raise CairnError(f"table {name} is being migrated by another process: wait for it to end")
        if not needs_migration(settings, name):
            return False
        if not _is_built(settings, name):
            carried = _transactions(settings, name) if transactions is None else transactions
            _build(settings, name, source or name, transform, write or _writer_of(name), progress or _silent)
            _mark(aside(settings, name), name, carried)
            _note(settings, name, "built", {})
        _swap(settings, name)
        return True


def aside(settings: Settings, name: str) -> Settings:
    """Settings whose lake is the place where the new table is built."""
    return settings.model_copy(update={"lake_url": f"{settings.lake}/.migration-{load_contract(name).version}"})


def _silent(_done: int, _all: int) -> None:
    """Nobody asked for progress."""


def _writer_of(name: str) -> Write:
    return lambda settings, rows: write_files(settings, name, rows)


def _build(settings: Settings, name: str, source: str, transform: Transform, write: Write, progress: Progress) -> None:
    """Write the new table, from where an earlier try came to."""
    new = aside(settings, name)
    create(new, name)
    plan = _noted(settings, name, "plan")
    if plan is None:
        plan = {"source": source, "version": int(open_table(settings, source).version())}
        _note(settings, name, "plan", plan)
    table = open_table(settings, source, int(plan["version"]))
    schema = pa.schema(table.schema().to_arrow())
    filesystem = table_filesystem(settings, source)
    portions = _portions(table, filesystem)
    whole = sum(piece.rows for portion in portions for piece in portion)
    done = open_table(new, name).transaction_version(f"{_APP}:{name}")
    count = 0
    for number, portion in enumerate(portions):
        if done is None or number > done:
            rows = pa.concat_tables([_read(filesystem, piece, schema) for piece in portion])
            commit_files(new, name, write(new, transform(rows)), transaction=(_APP, number))
        count += sum(piece.rows for piece in portion)
        progress(count, whole)


def _portions(table: DeltaTable, filesystem: fs.FileSystem) -> list[list[_Piece]]:
    """The table's row groups, in portions of about ``PORTION_ROWS`` rows, the same at each call."""
    portions: list[list[_Piece]] = []
    room = 0
    columns = table.metadata().partition_columns
    for row in sorted(pa.table(table.get_add_actions(flatten=True)).to_pylist(), key=lambda one: str(one["path"])):
        values = {column: row[f"partition.{column}"] for column in columns}
        partitions = {column: None if value is None else str(value) for column, value in values.items()}
        with filesystem.open_input_file(unquote(row["path"])) as handle:
            footer = pq.ParquetFile(handle).metadata
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            if room <= 0:
                portions.append([])
                room = PORTION_ROWS
            room -= rows
            portions[-1].append(_Piece(row["path"], (group,), rows, partitions))
    return portions


def _read(filesystem: fs.FileSystem, piece: _Piece, schema: pa.Schema) -> pa.Table:
    """The rows of a piece in the old table's columns."""
    with filesystem.open_input_file(unquote(piece.path)) as handle:
        rows = pq.ParquetFile(handle).read_row_groups(list(piece.groups))
    columns = []
    for field in schema:
        if field.name in piece.partitions:
            value = as_partition(piece.partitions[field.name], _kind(field.type))
            columns.append(pa.repeat(pa.scalar(value, field.type), rows.num_rows))
        elif field.name in rows.column_names:
            columns.append(rows.column(field.name).cast(field.type))
        else:
            columns.append(pa.nulls(rows.num_rows, field.type))
    return pa.Table.from_arrays(columns, names=schema.names)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_date(kind):
        return "date"
    return "bigint" if pa.types.is_integer(kind) else "string"


def _transactions(settings: Settings, name: str) -> list[Transaction]:
    """Last version of each application id, as the table's log tells (deltalake answers for a known id only)."""
    table, filesystem = open_table(settings, name), table_filesystem(settings, name)
    found: dict[str, int] = {}
    first = 0
    if filesystem.get_file_info("_delta_log/_last_checkpoint").is_file:
        with filesystem.open_input_stream("_delta_log/_last_checkpoint") as stream:
            first = int(json.loads(stream.read())["version"]) + 1
        with filesystem.open_input_file(f"_delta_log/{first - 1:020d}.checkpoint.parquet") as handle:
            listed = pq.read_table(handle, columns=["txn"]).column("txn").to_pylist()
        found |= {one["appId"]: int(one["version"]) for one in listed if one and one["appId"]}
    for version in range(first, int(table.version()) + 1):
        with filesystem.open_input_stream(f"_delta_log/{version:020d}.json") as stream:
            lines = [json.loads(line) for line in stream.read().decode().splitlines()]
        found |= {line["txn"]["appId"]: int(line["txn"]["version"]) for line in lines if "txn" in line}
    return [(app.removesuffix(f":{name}"), version) for app, version in found.items()]


def _mark(settings: Settings, name: str, transactions: Sequence[Transaction]) -> None:
    """Note transactions as done, without a row."""
    if not transactions:
        return
    apps = [AppTransaction(f"{app}:{name}", version) for app, version in transactions]
    open_table(settings, name).create_write_transaction(
        [], "append", file_schema(name), None, commit_properties=CommitProperties(app_transactions=apps)
    )


def _note(settings: Settings, name: str, what: str, value: dict[str, str | int]) -> None:
    new = aside(settings, name)
    filesystem = filesystem_at(settings, new.lake)
    with filesystem.open_output_stream(f"{name}.{what}.json") as stream:
        stream.write(json.dumps(value).encode())


def _noted(settings: Settings, name: str, what: str) -> dict[str, str | int] | None:
    filesystem = filesystem_at(settings, aside(settings, name).lake)
    if not filesystem.get_file_info(f"{name}.{what}.json").is_file:
        return None
    with filesystem.open_input_stream(f"{name}.{what}.json") as stream:
        noted: dict[str, str | int] = json.loads(stream.read())
    return noted


def _is_built(settings: Settings, name: str) -> bool:
    return _noted(settings, name, "built") is not None


def _swap(settings: Settings, name: str) -> None:
    """The old folder away, the new one in, the old one gone; each step is seen from what lies where."""
    contract, filesystem = load_contract(name), filesystem_at(settings, settings.lake)
    place = f"{contract.layer}/{contract.table}"
    new, old = f".migration-{contract.version}/{place}", f"{place}.before-{contract.version}"
    if _is_there(filesystem, new):
        if not _is_there(filesystem, old):
            _move(settings, filesystem, place, old)
        elif exists(settings, name):  # made anew, empty, by somebody who found nothing there
            if count_rows(settings, name):
                raise CairnError(
                    f"table {name} was written to while it was being migrated: move {place} of the lake away, then "
                    "run the same command again"
                )
            filesystem.delete_dir(place)
        _move(settings, filesystem, new, place)
    if _is_there(filesystem, old):
        filesystem.delete_dir(old)
    root = filesystem_at(settings, aside(settings, name).lake)
    for what in ("plan", "built"):
        if root.get_file_info(f"{name}.{what}.json").is_file:
            root.delete_file(f"{name}.{what}.json")


def _is_there(filesystem: fs.FileSystem, path: str) -> bool:
    return bool(filesystem.get_file_info(path).type == fs.FileType.Directory)


def _move(settings: Settings, filesystem: fs.FileSystem, source: str, target: str) -> None:
    """Rename a folder; on an object store, which cannot, copy and then delete."""
    if storage_options(settings) is None:
        filesystem.move(source, target)
        return
    fs.copy_files(source, target, source_filesystem=filesystem, destination_filesystem=filesystem)
    filesystem.delete_dir(source)
