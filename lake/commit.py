"""Changes of tables, each one commit: create, append (once), replace partitions, overwrite, restore.

An append is safe for several writers at once. With a transaction (application id and version) it happens once however
often it is tried: the version is kept in the same commit, and a second writer that races under the same id is refused
by the log, looks again, and finds it done.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable
from deltalake import Transaction as AppTransaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from cairn.contracts import FILE_RETENTION_DAYS, load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from lake.files import File, PartitionValue, partition_text, write_file
from lake.location import create_at, exists, make_folder, open_table, table_uri
from lake.shape import arrow_schema, conform, file_schema

Transaction = tuple[str, int]
COMMIT_TRIES = 12
# The log keeps single commits for so long: what a night asks for (files added since its last cut) is told by them.
LOG_DAYS = 90


def create(settings: Settings, name: str) -> None:
    """Create the table, empty, where it is missing."""
    if exists(settings, name):
        return
    uri, contract = table_uri(settings, name), load_contract(name)
    make_folder(uri)
    # Where the contract asks for less than is usual, nobody asks the log what came when: it stays short.
    days = LOG_DAYS if contract.file_retention_days >= FILE_RETENTION_DAYS else contract.file_retention_days
    options = {
        "delta.checkpointInterval": "20",
        "delta.logRetentionDuration": f"interval {days} days",
        "delta.deletedFileRetentionDuration": f"interval {days} days",
    }
    create_at(settings, uri, file_schema(name), contract.partitions, options)


def append(settings: Settings, name: str, rows: pa.Table | Iterable[Mapping[str, Any]]) -> int:
    """Append rows (an Arrow table, or dicts in the contract's columns, absent ones null); returns how many.

    Raises pyarrow.ArrowInvalid where a value does not fit the contract.
    """
    if not isinstance(rows, pa.Table):
        rows = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(load_contract(name)))
    if rows.num_rows:
        commit_files(settings, name, write_files(settings, name, rows))
    return int(rows.num_rows)


def append_once(settings: Settings, name: str, rows: pa.Table, transaction: Transaction) -> bool:
    """Append an Arrow table once; returns whether this call did it.

    ``transaction`` is (application id, version), kept in the commit as Delta's txnAppId and txnVersion; a version not
    above the last one under the id is skipped.
    """
    create(settings, name)
    if rows.num_rows == 0 or _is_done(open_table(settings, name), name, transaction):
        return False
    return commit_files(settings, name, write_files(settings, name, rows), transaction=transaction) is not None


def append_rows(settings: Settings, name: str, rows: Sequence[Mapping[str, Any]], transaction: Transaction) -> bool:
    """Append rows (dicts in the contract's columns, absent ones null) once, as :func:`append_once` does."""
    table = pa.Table.from_pylist([dict(row) for row in rows], file_schema(name))
    return append_once(settings, name, table, transaction)


def write_files(settings: Settings, name: str, rows: pa.Table) -> list[File]:
    """The rows as files, one a combination of partition values, not yet committed."""
    columns = load_contract(name).partitions
    rows = conform(rows, name)
    if not columns:
        return [write_file(settings, name, rows)]
    return [write_file(settings, name, part, values) for values, part in split(rows, columns)]


def split(rows: pa.Table, columns: Sequence[str]) -> list[tuple[dict[str, PartitionValue], pa.Table]]:
    """The rows of each combination of the columns' values."""
    if len(columns) == 1 and (only := pc.unique(rows.column(columns[0]))) is not None and len(only) <= 1:
        return [({columns[0]: value}, rows) for value in only.to_pylist()]
    found = rows.group_by(list(columns)).aggregate([]).to_pylist()
    parts = []
    for values in sorted(found, key=lambda row: [(v is not None, v) for v in row.values()]):
        mask = None
        for column in columns:
            field, kind = pc.field(column), rows.schema.field(column).type
            same = field.is_null() if values[column] is None else field == pa.scalar(values[column], kind)
            mask = same if mask is None else mask & same
        parts.append((values, rows.filter(mask)))
    return parts


def commit_files(
    settings: Settings,
    name: str,
    files: Sequence[File],
    *,
    removed: Sequence[File] = (),
    transaction: Transaction | None = None,
    base: DeltaTable | int | None = None,
    is_data_change: bool = True,
) -> int | None:
    """Make written files part of the table, and others no part of it, in one commit; returns the new version.

    None where there is nothing to commit or the transaction was done before. ``base`` is the version (or the table as
    it was then) that ``removed`` was read from: where another writer has changed those files since, CairnError is
    raised. ``is_data_change`` is False where the rows are the same in other files (compaction).
    """
    create(settings, name)
    if not files and not removed:
        return None
    actions = [AddAction(f.path, f.size, dict(f.partitions), f.written_ms, is_data_change, f.stats) for f in files] + [
        RemoveAction(f.path, is_data_change, int(time.time() * 1000), f.size, dict(f.partitions)) for f in removed
    ]

    def write(table: DeltaTable, properties: CommitProperties | None) -> None:
        table.create_write_transaction(actions, "append", file_schema(name), None, commit_properties=properties)

    seen = open_table(settings, name, base) if isinstance(base, int) else base
    return _commit(settings, name, write, transaction, seen)


def replace_partitions(
    settings: Settings,
    name: str,
    rows: pa.Table,
    partitions: Sequence[tuple[str, str, PartitionValue]],
    transaction: Transaction | None = None,
) -> int | None:
    """Put the rows in place of everything in the partitions, in one commit; returns the new version.

    ``partitions`` are (column, "=", value), all of which hold. Raises CairnError where a row lies outside them.
    """
    create(settings, name)
    rows = conform(rows, name)
    for column, operator, value in partitions:
        if operator != "=" or pc.unique(rows.column(column)).to_pylist() not in ([], [value]):
            raise CairnError(f"{name}: rows lie outside the partition {column} {operator} {value} that they replace")
    files = write_files(settings, name, rows) if rows.num_rows else []
    filters = [(column, operator, partition_text(value)) for column, operator, value in partitions]
    actions = [AddAction(f.path, f.size, dict(f.partitions), f.written_ms, True, f.stats) for f in files]

    def write(table: DeltaTable, properties: CommitProperties | None) -> None:
        table.create_write_transaction(
            actions,
            "overwrite",
            file_schema(name),
            list(load_contract(name).partitions) or None,
            filters or None,
            commit_properties=properties,
        )

    return _commit(settings, name, write, transaction, None)


def overwrite(settings: Settings, name: str, rows: pa.Table) -> int | None:
    """Put the rows in place of the whole table: for small tables only (what grows with pupils is never rewritten)."""
    return replace_partitions(settings, name, rows, ())


def restore(settings: Settings, name: str, version: int) -> None:
    """Take the table back to a version of its own: what was committed since is no part of it any more."""
    table = open_table(settings, name)
    if table.version() > version:
        table.restore(version)


def _is_done(table: DeltaTable, name: str, transaction: Transaction) -> bool:
    last = table.transaction_version(f"{transaction[0]}:{name}")
    return last is not None and last >= transaction[1]


def _commit(
    settings: Settings,
    name: str,
    write: Callable[[DeltaTable, CommitProperties | None], None],
    transaction: Transaction | None,
    base: DeltaTable | None,
) -> int | None:
    """Try until the commit is in the log; None where the transaction was done by somebody else."""
    properties = None
    if transaction is not None:
        app = AppTransaction(f"{transaction[0]}:{name}", transaction[1])
        properties = CommitProperties(app_transactions=[app], max_commit_retries=0)
    for attempt in range(COMMIT_TRIES):
        table = base or open_table(settings, name)
        if transaction is not None and _is_done(table, name, transaction):
            return None
        try:
            write(table, properties)
            # At least our commit's version; more where another writer came right after.
            return int(open_table(settings, name).version())
        except (CommitFailedError, DeltaError) as error:
            if base is not None or attempt == COMMIT_TRIES - 1:
                said = str(error).splitlines()[0][:200]
                raise CairnError(f"table {name}: another writer changed it meanwhile ({said}): try again") from error
            time.sleep(random.uniform(0.02, 0.05) * 1.5**attempt)
    raise AssertionError("unreachable")


def as_partition(value: str | None, kind: str) -> PartitionValue:
    """A partition value from the log's text, in the type of its column."""
    if value is None or value == "":
        return None
    if kind == "date":
        return date.fromisoformat(value)
    return int(value) if kind in {"int", "bigint", "smallint", "tinyint"} else value
