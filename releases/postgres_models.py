"""The models of the marts run on a Postgres server, and held against what DuckDB made of the same working tables.

Staging and intermediate models read the lake through Arrow and call compiled Python, which Postgres has not: they are
DuckDB's, and what they made is copied. The marts are the same files of SQL in both (decision 36).
"""

from __future__ import annotations

import contextlib
import re
from datetime import date
from pathlib import Path

import duckdb
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from cairn.errors import CairnError
from cairn.settings import Settings
from gates.mart_models import MARTS, mart_models
from releases import postgres_copy, store, warehouse

SCHEMA = "cairn_models"
_WORKING = re.compile(r"ref\('((?:stg|int)_\w+)'\)")


def working_tables() -> list[str]:
    """Staging and intermediate tables that a mart reads."""
    return sorted({name for path in MARTS.rglob("*.sql") for name in _WORKING.findall(path.read_text("utf-8"))})


def compare(settings: Settings, url: str, data_date: date) -> dict[str, int]:
    """Build the day in DuckDB as a night does, publishing nothing, then :func:`run` on what it worked with."""
    with store.building(settings):
        context = warehouse.ReleaseContext.of(settings, data_date)
        working = warehouse.build_warehouse(settings, context)
        try:
            return run(settings, url, working, context)
        finally:
            warehouse.clear_building(settings)


def run(
    settings: Settings, url: str, working: Path, context: warehouse.ReleaseContext, schema: str = SCHEMA
) -> dict[str, int]:
    """Run every mart's model on the server on the tables of dbt's own file ``working``; returns rows that differ.

    The marts stand in ``schema`` afterwards and what they were made of in ``schema`` with ``_work`` behind it; both are
    made anew. Raises CairnError naming the models that failed.
    """
    with contextlib.closing(duckdb.connect(str(working))) as source:
        source.execute("set TimeZone = 'UTC'")
        _copy_working_tables(url, source, schema)
        warehouse.run_dbt(
            settings,
            ["--quiet", "run", "--target", "postgres", "--select", "path:models/marts"],
            context,
            folder="dbt_postgres",
            more={"CAIRN_POSTGRES_SCHEMA": schema, **_connection_variables(url)},
        )
        with postgres_copy.connected(url) as connection, connection.cursor() as cursor:
            return {name: postgres_copy.differing_rows(cursor, source, name, schema) for name in mart_models()}


def _copy_working_tables(url: str, source: duckdb.DuckDBPyConnection, schema: str) -> None:
    work = f"{schema}_work"
    with postgres_copy.connected(url) as connection, connection.cursor() as cursor:
        for name in (schema, work):
            cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))
        for table in working_tables():
            postgres_copy.create(cursor, work, table, postgres_copy.columns_of(source, "work", table))
            postgres_copy.fill(cursor, source, f"work.{table}", work, table)
            cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(work, table)))


def _connection_variables(url: str) -> dict[str, str]:
    """The address as dbt's profile reads it. A password that it does not say libpq finds where it always does."""
    said = parse_dsn(url)
    missing = [name for name in ("host", "user", "dbname") if name not in said]
    if missing:
        raise CairnError(f"the address names no {missing[0]}: postgresql://USER@HOST:PORT/DATABASE")
    return {
        "CAIRN_POSTGRES_HOST": said["host"],
        "CAIRN_POSTGRES_PORT": said.get("port", "5432"),
        "CAIRN_POSTGRES_USER": said["user"],
        "CAIRN_POSTGRES_PASSWORD": said.get("password", ""),
        "CAIRN_POSTGRES_DATABASE": said["dbname"],
    }
