"""Tables from a DuckDB file into Postgres: types, rows, and whether both hold the same rows.

Rows go through a CSV file in a folder that only this user can open, and from there by COPY, the quickest way in that
Postgres has. Text is laid down in the order of its code points (``pg_c_utf8``, Postgres 17 and later), which is
DuckDB's: which of two rows comes first must not depend on what a server was set up with.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from cairn.errors import CairnError

OLDEST_VERSION = 170000
# Compared to so many digits after the point: sums of the same numbers in another order differ behind that.
DIGITS = 9
NULL = r"\N"
_TYPES = {
    "VARCHAR": "text collate pg_c_utf8",
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric(38, 0)",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "JSON": "jsonb",
    "VARCHAR[]": "text[] collate pg_c_utf8",
    "JSON[]": "jsonb[]",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection in UTC whose work is one transaction: kept where the block ends well, else undone.

    Raises CairnError with the server's own words, in one line, for whatever it refuses.
    """
    connection: Connection | None = None
    try:
        connection = psycopg2.connect(url, options="-c timezone=UTC", application_name="cairn")
        if connection.server_version < OLDEST_VERSION:
            found = connection.server_version // 10000
            raise CairnError(f"the server is Postgres {found}: 17 or later is needed (its collation pg_c_utf8)")
        if connection.encoding != "UTF8":
            raise CairnError(f"the database's encoding is {connection.encoding}: create it with encoding UTF8")
        with connection:
            yield connection
    except psycopg2.Error as error:
        raise CairnError(f"Postgres: {' '.join(str(error).split())}") from error
    finally:
        if connection is not None:
            connection.close()


def columns_of(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dict[str, str]:
    """Column to type of a table of the open file, in order. Raises CairnError where there is none."""
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns() where database_name = current_database()"
        " and schema_name = ? and table_name = ? order by column_index",
        [schema, table],
    ).fetchall()
    if not rows:
        raise CairnError(f"{schema}.{table} is not in the warehouse: run 'cairn marts build' again")
    return dict(rows)


def postgres_type(table: str, column: str, duckdb_type: str) -> str:
    """The type that holds the same values. Raises CairnError for one that nobody has thought of yet."""
    if decimal := _DECIMAL.fullmatch(duckdb_type):
        return f"numeric({decimal[1]}, {decimal[2]})"
    if duckdb_type not in _TYPES:
        raise CairnError(f"{table}.{column} is {duckdb_type}: say in releases/postgres_copy.py what it is in Postgres")
    return _TYPES[duckdb_type]


def _as_csv(column: str, duckdb_type: str) -> str:
    """A column as COPY takes it: lists as Postgres writes arrays."""
    name = f'"{column}"'
    if not duckdb_type.endswith("[]"):
        return name
    escaped = "replace(replace(cast(one as varchar), '\\', '\\\\'), '\"', '\\\"')"
    return (
        f"case when {name} is not null then '{{' || array_to_string(list_transform({name}, lambda one:"
        f" coalesce('\"' || {escaped} || '\"', 'NULL')), ',') || '}}' end as {name}"
    )


def create(cursor: Cursor, schema: str, table: str, types: dict[str, str], not_null: Sequence[str] = ()) -> None:
    """An empty table with these columns (DuckDB's types)."""
    described = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(name),
            sql.SQL(postgres_type(table, name, kind)),
            sql.SQL(" not null" if name in not_null else ""),
        )
        for name, kind in types.items()
    )
    cursor.execute(sql.SQL("create table {} ({})").format(sql.Identifier(schema, table), described))


def fill(cursor: Cursor, source: duckdb.DuckDBPyConnection, relation: str, schema: str, table: str) -> int:
    """All rows of ``relation`` (schema.table of the open file) into the table of the same columns; returns how many."""
    types = columns_of(source, *relation.split("."))
    picked = ", ".join(_as_csv(name, kind) for name, kind in types.items())
    with tempfile.TemporaryDirectory(prefix="cairn-postgres-") as folder:
        path = Path(folder) / "rows.csv"
        source.execute(
            f"copy (select {picked} from {relation}) to '{path}' (format csv, header false, nullstr '{NULL}')"
        )
        with path.open(encoding="utf-8") as rows:
            statement = sql.SQL("copy {} from stdin (format csv, null {})")
            cursor.copy_expert(statement.format(sql.Identifier(schema, table), sql.Literal(NULL)), rows)
    return int(cursor.rowcount)


def differing_rows(cursor: Cursor, source: duckdb.DuckDBPyConnection, table: str, schema: str) -> int:
    """Rows of ``main.table`` of the open file that Postgres has not, and the other way round."""
    types = columns_of(source, "main", table)
    picked = sql.SQL(", ").join(
        sql.SQL("array_to_json({0})::text" if kind.endswith("[]") else "{0}").format(sql.Identifier(name))
        for name, kind in types.items()
    )
    with tempfile.TemporaryDirectory(prefix="cairn-postgres-") as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", encoding="utf-8") as rows:
            statement = sql.SQL("copy (select {} from {}) to stdout (format csv, null {}, force_quote *)")
            statement = statement.format(picked, sql.Identifier(schema, table), sql.Literal(NULL))
            cursor.copy_expert(statement, rows)
        read = {name: "VARCHAR" if kind.endswith("[]") else kind for name, kind in types.items()}
        theirs = (
            f"read_csv('{path}', auto_detect = false, header = false, columns = {read!r}, delim = ',', quote = '\"',"
            f" escape = '\"', nullstr = '{NULL}', allow_quoted_nulls = false)"
        )
        ours, found = (
            ", ".join(_compared(*one) for one in types.items()),
            ", ".join(_compared(*one) for one in read.items()),
        )
        counted = source.execute(
            f"with ours as (select {ours} from main.{table}), theirs as (select {found} from {theirs})"
            " select (select count(*) from (from ours except all from theirs))"
            " + (select count(*) from (from theirs except all from ours))"
        ).fetchall()
    return int(counted[0][0])


def _compared(column: str, kind: str) -> str:
    if kind == "DOUBLE":
        return f'round("{column}", {DIGITS}) as "{column}"'
    return f'cast(to_json("{column}") as varchar) as "{column}"' if kind.endswith("[]") else f'"{column}"'
