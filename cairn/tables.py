"""Reading and appending small lake tables from plain Python, without Spark.

For pages, gates, pilots and commands that touch few rows. Heavy work is Spark's (``spark_jobs.lake``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyarrow.dataset import Dataset
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from cairn.contracts import Contract, load_contract
from cairn.settings import Settings

APPEND_TRIES = 10


def table_uri(settings: Settings, name: str) -> str:
    """Where table ``layer.table`` lies: a folder or a URL."""
    contract = load_contract(name)
    return f"{settings.lake}/{contract.layer}/{contract.table}"


def exists(settings: Settings, name: str) -> bool:
    """Whether the table has been created."""
    return bool(DeltaTable.is_deltatable(table_uri(settings, name)))


def arrow_schema(contract: Contract) -> pa.Schema:
    """The contract as an Arrow schema (timestamps in UTC, microseconds)."""
    types: dict[str, Any] = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "array<string>": pa.list_(pa.string()),
        "map<string,string>": pa.map_(pa.string(), pa.string()),
    }
    return pa.schema([pa.field(c.name, types[c.type], nullable=not c.is_required) for c in contract.columns])


def dataset(settings: Settings, name: str) -> Dataset:
    """The newest version of the table, which must be there, as an Arrow dataset: scanned by column, filtered by file.

    A folder is read by Arrow itself. Through deltalake's own file system, which it calls in Python from threads of its
    own, every third process that ended soon after a read died with "terminate called without an active exception".
    """
    uri = table_uri(settings, name)
    if "://" in uri:
        return DeltaTable(uri).to_pyarrow_dataset()
    return DeltaTable(uri).to_pyarrow_dataset(filesystem=SubTreeFileSystem(uri, LocalFileSystem()))


def count_rows(settings: Settings, name: str) -> int:
    """Rows of a table, read from its files' footers; 0 where it was not created yet."""
    return int(dataset(settings, name).count_rows()) if exists(settings, name) else 0


def read(settings: Settings, name: str, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """The table as Arrow, in the contract's columns; empty where it was not created yet.

    ``filters`` is a pyarrow expression, pushed down to the files.
    """
    contract = load_contract(name)
    schema = arrow_schema(contract)
    wanted = list(columns or contract.column_names)
    if not exists(settings, name):
        return pa.schema([schema.field(column) for column in wanted]).empty_table()
    found = dataset(settings, name)
    missing = [column for column in wanted if column not in found.schema.names]
    if missing:
        # Written before the contract had the column: empty there.
        found = found.replace_schema(
            pa.unify_schemas([found.schema, pa.schema([schema.field(one) for one in missing])])
        )
    return found.to_table(columns=wanted, filter=filters)


def append(
    settings: Settings, name: str, rows: Iterable[Mapping[str, Any]], transaction: tuple[str, int] | None = None
) -> int:
    """Append rows (dicts in the contract's columns, absent ones null); returns how many.

    A concurrent append is retried; a column that the contract got since the table was made is added. With a
    ``transaction``, an application id and a version that grows, the rows are appended once however often it is tried: a
    version not above the last one under the id appends nothing. Raises pyarrow.ArrowInvalid where a value does not fit
    the contract.
    """
    contract = load_contract(name)
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(contract))
    if table.num_rows == 0:
        return 0
    uri = table_uri(settings, name)
    if "://" not in uri:
        Path(uri).mkdir(parents=True, exist_ok=True)
    app_id, version = (f"{transaction[0]}:{name}", transaction[1]) if transaction else ("", 0)
    once = CommitProperties(app_transactions=[Transaction(app_id, version)]) if transaction else None
    for attempt in range(APPEND_TRIES):
        if once is not None and DeltaTable.is_deltatable(uri):
            last = DeltaTable(uri).transaction_version(app_id)
            if last is not None and last >= version:
                return 0
        try:
            write_deltalake(
                uri,
                table,
                mode="append",
                schema_mode="merge",
                partition_by=list(contract.partitions) or None,
                commit_properties=once,
            )
            break
        except CommitFailedError:
            if attempt == APPEND_TRIES - 1:
                raise
            time.sleep(0.05 * 2**attempt)
    return int(table.num_rows)
