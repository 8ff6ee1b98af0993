"""Delta without Spark: appends of Arrow tables that happen once however often they are tried.

A Spark append that carries a transaction replays the table's whole log first, seconds of work on a small machine; the
same commit from Rust takes a few hundredths. For a stream of small batches that is nearly all there is to save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.contracts import load_contract
from cairn.settings import Settings
from cairn.tables import arrow_schema, table_uri

if TYPE_CHECKING:
    import pyarrow as pa


def nullable_schema(name: str) -> pa.Schema:
    """The contract's columns for files: required columns are checked by gates, not by the writer."""
    import pyarrow as pa

    return pa.schema([field.with_nullable(True) for field in arrow_schema(load_contract(name))])


def create(settings: Settings, name: str) -> None:
    """Create the table, empty, where it is missing."""
    from deltalake import DeltaTable

    uri = table_uri(settings, name)
    if DeltaTable.is_deltatable(uri):
        return
    if "://" not in uri:
        Path(uri).mkdir(parents=True, exist_ok=True)
    partitions = list(load_contract(name).partitions) or None
    DeltaTable.create(
        uri,
        nullable_schema(name),
        mode="ignore",
        partition_by=partitions,
        configuration={"delta.checkpointInterval": "20"},
    )


def append_rows(settings: Settings, name: str, rows: Sequence[Mapping[str, Any]], transaction: tuple[str, int]) -> None:
    """Append rows (dicts in the contract's columns, absent ones null) once, as :func:`append` does."""
    import pyarrow as pa

    if rows:
        append(settings, name, pa.Table.from_pylist([dict(row) for row in rows], nullable_schema(name)), transaction)


def append(settings: Settings, name: str, table: pa.Table, transaction: tuple[str, int]) -> None:
    """Append an Arrow table (columns by name, absent ones null) once.

    ``transaction`` is (application id, version), kept in the commit as Delta's txnAppId and txnVersion; a version not
    above the last one under the id is skipped. Only one writer at a time may use an id (intake holds a lease).
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

    create(settings, name)
    target = DeltaTable(table_uri(settings, name))
    app_id, version = f"{transaction[0]}:{name}", transaction[1]
    last = target.transaction_version(app_id)
    if table.num_rows == 0 or (last is not None and last >= version):
        return
    write_deltalake(
        target,
        conform(table, name),
        mode="append",
        writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
        commit_properties=CommitProperties(app_transactions=[Transaction(app_id, version)]),
    )


def conform(table: pa.Table, name: str) -> pa.Table:
    """Exactly the contract's columns, in order and cast; columns the table lacks become null."""
    import pyarrow as pa

    schema = nullable_schema(name)
    present = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
