"""A contract as an Arrow schema, and a table brought into that shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

import pyarrow as pa

from cairn.contracts import Contract, load_contract

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "array<string>": pa.list_(pa.string()),
    "array<bigint>": pa.list_(pa.int64()),
    "array<double>": pa.list_(pa.float64()),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
}


def arrow_schema(contract: Contract) -> pa.Schema:
    """The contract as an Arrow schema (timestamps in UTC, microseconds); required columns are not nullable."""
    return pa.schema([pa.field(c.name, _TYPES[c.type], nullable=not c.is_required) for c in contract.columns])


@cache
def file_schema(name: str) -> pa.Schema:
    """The columns of table ``layer.table`` as files hold them, all nullable: what is required is checked by gates."""
    return pa.schema([field.with_nullable(True) for field in arrow_schema(load_contract(name))])


def read_schema(name: str, columns: Sequence[str], coded: Collection[str]) -> pa.Schema:
    """Some columns of a table as readers get them: ``coded`` ones (text) as codes, the others as files hold them."""
    codes, schema = pa.dictionary(pa.int32(), pa.string()), file_schema(name)
    return pa.schema([(column, codes if column in coded else schema.field(column).type) for column in columns])


def conform(table: pa.Table, name: str) -> pa.Table:
    """Exactly the contract's columns, in order and cast; columns the table lacks become null."""
    schema = file_schema(name)
    present = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
