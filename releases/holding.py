"""What a gate holds back: a school's rows of yesterday in today's release, labelled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lake
from cairn.settings import Settings
from releases import store

# Facts about today's data, true whether the school is held back or not.
ABOUT_TODAY = ("mart_school", "mart_school_trust")


def quoted(path: Path) -> str:
    """A path as it goes between single quotes in SQL."""
    return str(path).replace("'", "''")


def _connect(path: Path) -> Any:
    import duckdb

    connection = duckdb.connect(str(path))
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _columns(connection: Any, database: str, table: str) -> dict[str, str]:
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = ? and schema_name = 'main' and table_name = ? order by column_index",
        [database, table],
    ).fetchall()
    return dict(rows)


def count_tables(path: Path) -> dict[str, int]:
    """Rows of every table of a release file."""
    connection = _connect(path)
    try:
        names = connection.execute("select table_name from duckdb_tables() order by 1").fetchall()
        return {name: int(connection.execute(f'select count(*) from main."{name}"').fetchone()[0]) for (name,) in names}
    finally:
        connection.close()


def hold_back(
    settings: Settings, release: store.Release, schools: Iterable[str], previous: store.Release | None
) -> list[dict[str, Any]]:
    """Put the previous release's rows in the place of the held schools' rows, and label the schools.

    Held are ``schools`` and those that dbt labelled from the results of earlier gates. Where there is no previous
    release, or a table's columns have changed since, the school has no rows there.
    Returns the labels for the manifest: school_id, reason, shown_release_id.
    """
    connection = _connect(release.path)
    try:
        database = connection.execute("select current_database()").fetchone()[0]
        reasons = _reasons(connection)
        held = sorted({*schools, *reasons})
        if not held:
            return []
        if previous:
            connection.execute(f"attach '{quoted(previous.path)}' as previous (read_only)")
        for name in _tables(connection, database):
            columns = _columns(connection, database, name)
            if "school_id" in columns and name not in ABOUT_TODAY:
                _replace_rows(connection, name, columns, held, has_previous=previous is not None)
        label = f"shows {previous.data_date.isoformat()}" if previous else "nothing to show yet"
        labels = []
        for school in held:
            reason = f"{reasons.get(school) or 'a gate failed for this school'}; {label}"
            connection.execute(
                "update mart_school set is_held_back = true, held_reason = ? where school_id = ?", [reason, school]
            )
            connection.execute("update mart_school_trust set is_held_back = true where school_id = ?", [school])
            shown = previous.release_id if previous else None
            labels.append({"school_id": school, "reason": reason, "shown_release_id": shown})
        return labels
    finally:
        connection.close()


def _tables(connection: Any, database: str) -> list[str]:
    rows = connection.execute("select table_name from duckdb_tables() where database_name = ?", [database]).fetchall()
    return sorted(name for (name,) in rows)


def _reasons(connection: Any) -> dict[str, str]:
    """What failed, by held school: dbt's label, else the message of a gate that ran on this file."""
    rows = connection.execute(
        """
        select school.school_id, coalesce(school.held_reason, max(result.message), 'a gate failed for this school')
        from mart_school as school
        left join mart_gate_result as result
            on result.scope_type = 'school' and result.scope_id = school.school_id
            and not result.is_passed and result.severity = 'holds_scope'
            and result.data_date = (select max(data_date) from mart_school_trust)
        group by school.school_id, school.held_reason, school.is_held_back
        having school.is_held_back or count(result.rule_id) > 0
        """
    ).fetchall()
    return dict(rows)


def _replace_rows(
    connection: Any, name: str, columns: dict[str, str], schools: list[str], *, has_previous: bool
) -> None:
    connection.execute(f"delete from main.{name} where list_contains(?, school_id)", [schools])
    if not has_previous or _columns(connection, "previous", name) != columns:
        return
    # A pupil who moved from a held school to another today has a row there already: today's wins.
    moved = ""
    if "student_key" in columns:
        moved = f" and student_key not in (select student_key from main.{name})"
    if {"pilot_id", "student_key"} <= columns.keys():
        moved = f" and (pilot_id, student_key) not in (select (pilot_id, student_key) from main.{name})"
    connection.execute(
        f"insert into main.{name} select * from previous.main.{name} where list_contains(?, school_id){moved}",
        [schools],
    )


def add_gate_results(settings: Settings, release: store.Release, gate: str) -> None:
    """Write the newest run of the gate for the release's day into its mart_gate_result."""
    import pyarrow.compute as pc

    chosen = (pc.field("gate") == gate) & (pc.field("data_date") == release.data_date)
    rows = lake.read(settings, "ops.gate_result", filters=chosen).to_pylist()
    if not rows:
        return
    newest = max(rows, key=lambda row: row["run_at"])["gate_run_id"]
    connection = _connect(release.path)
    try:
        columns = list(
            _columns(connection, connection.execute("select current_database()").fetchone()[0], "mart_gate_result")
        )
        connection.execute("delete from mart_gate_result where gate = ? and data_date = ?", [gate, release.data_date])
        connection.executemany(
            f"insert into mart_gate_result ({', '.join(columns)}) values ({', '.join('?' for _ in columns)})",
            [[row[column] for column in columns] for row in rows if row["gate_run_id"] == newest],
        )
    finally:
        connection.close()
