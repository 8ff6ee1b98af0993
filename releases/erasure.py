"""A person taken out of the releases that are kept: every warehouse file, whatever its tables are called.

Each file is copied without the rows that name the person in any column, and the copy takes its place: the bytes of the
rows are nowhere. Numbers over many pupils stay as they were published; the manifest says that somebody was erased.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from cairn.settings import Settings
from releases import holding, store, warehouse


def erase(settings: Settings, words: Collection[str], erasure_id: str, erased_at: datetime) -> dict[str, int]:
    """Rows that went, by release (its folder's name). The night's working files go whole; the next night makes them.

    Waits for a build. A process that has a release open goes on reading the file that it opened: restart the portal.
    """
    removed: dict[str, int] = {}
    with store.building(settings):
        warehouse.clear_building(settings)
        if warehouse.target_dir(settings).exists():
            shutil.rmtree(warehouse.target_dir(settings))
        for path in files(settings):
            rows = _erase_from(path, words)
            if rows:
                removed[path.parent.name] = removed.get(path.parent.name, 0) + rows
        for release in store.list_releases(settings):
            if release.release_id in removed and erasure_id not in {one["erasure_id"] for one in release.erased}:
                note: store.Erased = {"erasure_id": erasure_id, "erased_at": erased_at.isoformat()}
                store.save(replace(release, erased=[*release.erased, note]))
                store.record(settings, release, "erased", f"erasure {erasure_id}")
    return removed


def files(settings: Settings) -> list[Path]:
    """Every warehouse file that is kept, published or not."""
    return sorted(settings.releases_dir.glob("*/*/*.duckdb"))


def count(settings: Settings, words: Collection[str]) -> dict[str, int]:
    """Rows that name the person, by release."""
    found: dict[str, int] = {}
    for path in files(settings):
        if rows := _rows_in(path, words):
            found[path.parent.name] = found.get(path.parent.name, 0) + rows
    return found


def _rows_in(path: Path, words: Collection[str]) -> int:
    """Rows of a warehouse file that name the person."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return sum(_count(connection, table, named) for table, named in _naming(connection, words))


def _erase_from(path: Path, words: Collection[str]) -> int:
    rows = _rows_in(path, words)
    if not rows:
        return 0
    work, made = path.with_suffix(".erasing"), path.with_suffix(".erased")
    for leftover in (work, made):
        leftover.unlink(missing_ok=True)
    shutil.copy2(path, work)
    with duckdb.connect(str(work)) as connection:
        for table, named in _naming(connection, words):
            connection.execute(f"delete from {table} where {named}")
        connection.execute(f"attach '{holding.quoted(made)}' as made")
        (database,) = connection.execute("select current_database()").fetchall()[0]
        connection.execute(f'copy from database "{database}" to made')
        connection.execute("detach made")
    work.unlink()
    store.make_private(made)
    made.replace(path)
    return rows


def _naming(connection: duckdb.DuckDBPyConnection, words: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each table with texts (also in lists and structures), and the condition under which a row names the person."""
    columns = connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() semi join duckdb_tables() as kept"
        " using (database_name, schema_name, table_name)"
        " where database_name = current_database() and data_type like '%VARCHAR%' order by all"
    ).fetchall()
    tables: dict[str, list[str]] = {}
    for schema, table, column in columns:
        tables.setdefault(f'"{schema}"."{table}"', []).append(column)
    quoted = [word.replace("'", "''") for word in sorted(words)]
    for table, texts in tables.items():
        yield table, " or ".join(f"""contains("{one}"::varchar, '{word}')""" for one in texts for word in quoted)


def _count(connection: duckdb.DuckDBPyConnection, table: str, named: str) -> int:
    return int(connection.execute(f"select count(*) from {table} where {named}").fetchall()[0][0])
