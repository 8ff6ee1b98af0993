"""What a gate holds back: a school's rows of yesterday in today's release, labelled.

The file that will be published is composed from the file that was built: a copy, in which the rows of held schools are
those of the release before. Tables without a school are worked out again over the composed rows (see ``recomputed``),
so that nothing published rests on rows that a gate has refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from gates.mart_models import mart_models
from releases import store

# Facts about today's data, true whether the school is held back or not.
ABOUT_TODAY = ("mart_school", "mart_school_trust", "mart_source_freshness")
NO_REASON = "a gate failed for this school"
# SQL of the tables that are worked out anew over the composed rows lies beside the built file, a file a table.
RECOMPUTED = "recomputed"


def quoted(path: Path) -> str:
    """A path as it goes between single quotes in SQL."""
    return str(path).replace("'", "''")


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path))
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> dict[str, str]:
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = ? and schema_name = 'main' and table_name = ? order by column_index",
        [database, table],
    ).fetchall()
    return dict(rows)


def _database(connection: duckdb.DuckDBPyConnection) -> str:
    return str(connection.execute("select current_database()").fetchall()[0][0])


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute("select table_name from duckdb_tables() where database_name = current_database()")
    return sorted(name for (name,) in rows.fetchall())


def count_tables(path: Path) -> dict[str, int]:
    """Rows of every table of a release file."""
    connection = _connect(path)
    try:
        names = _tables(connection)
        return {name: int(connection.execute(f'select count(*) from main."{name}"').fetchall()[0][0]) for name in names}
    finally:
        connection.close()


def labelled(built: Path) -> dict[str, str]:
    """Schools that dbt labelled as held back, from the results of earlier gates, with the reason."""
    connection = _connect(built)
    try:
        rows = connection.execute(
            "select school_id, coalesce(held_reason, ?) from mart_school where is_held_back order by 1", [NO_REASON]
        ).fetchall()
        return dict(rows)
    finally:
        connection.close()


def compose(built: Path, path: Path, held: Mapping[str, str], previous: store.Release | None) -> list[store.Held]:
    """Write to ``path`` the built file with the held schools' rows of the previous release in the place of today's.

    ``held`` has school to reason. Where there is no previous release, or a table's columns have changed since, the
    school has no rows there. What stood at ``path`` is replaced in one rename. Returns the labels for the manifest.
    """
    draft = path.with_suffix(".composing")
    shutil.copyfile(built, draft)
    store.make_private(draft)
    labels: list[store.Held] = []
    if held:
        connection = _connect(draft)
        try:
            if previous:
                connection.execute(f"attach '{quoted(previous.path)}' as previous (read_only)")
            _put_in(connection, sorted(held), has_previous=previous is not None)
            labels = _label(connection, held, previous)
            _recompute(connection, built.parent / RECOMPUTED)
        finally:
            connection.close()
    draft.replace(path)
    return labels


def _put_in(connection: duckdb.DuckDBPyConnection, schools: list[str], *, has_previous: bool) -> None:
    """Today's rows of the schools out, the previous release's in."""
    database = _database(connection)
    columns = {name: _columns(connection, database, name) for name in _tables(connection)}
    of_schools = {n: c for n, c in columns.items() if "school_id" in c and n not in ABOUT_TODAY}
    of_pupils = [n for n, c in of_schools.items() if "student_key" in c and "pilot_id" not in c]
    seen = " union ".join(f"select school_id, student_key from main.{name}" for name in of_pupils)
    connection.execute(
        f"create temp table pupil_today as {seen or 'select null::varchar school_id, null::varchar student_key'}"
    )
    for name, own in of_schools.items():
        connection.execute(f"delete from main.{name} where list_contains(?, school_id)", [schools])
        if has_previous and _columns(connection, "previous", name) == own:
            _insert_previous(connection, name, own, schools, is_of_pupils=name in of_pupils)


def _insert_previous(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    schools: list[str],
    *,
    is_of_pupils: bool,
) -> None:
    """The schools' rows of the previous release.

    Row by row: today's row of the same key wins, since a pupil may have classes at two schools of which one is held,
    and keeps the other school's rows. A pupil who left the school is not shown there any more: one who has rows today
    and has them only at schools that are not held.
    """
    model = mart_models().get(name)
    key = [column for column in (model.key if model else ()) if column in columns]
    same = " and ".join(f"now.{column} is not distinct from old.{column}" for column in key)
    where = f" and not exists (select 1 from main.{name} as now where {same})" if same else ""
    parameters = [schools]
    if is_of_pupils:
        where += """
            and (
                not exists (select 1 from pupil_today as t where t.student_key = old.student_key)
                or exists (
                    select 1 from pupil_today as t
                    where t.student_key = old.student_key and list_contains(?, t.school_id)
                )
            )"""
        parameters.append(schools)
    connection.execute(
        f"insert into main.{name} select old.* from previous.main.{name} as old"
        f" where list_contains(?, old.school_id){where}",
        parameters,
    )


def _label(
    connection: duckdb.DuckDBPyConnection, held: Mapping[str, str], previous: store.Release | None
) -> list[store.Held]:
    shown = f"shows {previous.data_date.isoformat()}" if previous else "nothing to show yet"
    labels: list[store.Held] = []
    for school, said in sorted(held.items()):
        reason = f"{said}; {shown}"
        connection.execute(
            "update mart_school set is_held_back = true, held_reason = ? where school_id = ?", [reason, school]
        )
        connection.execute("update mart_school_trust set is_held_back = true where school_id = ?", [school])
        labels.append(
            {"school_id": school, "reason": reason, "shown_release_id": previous.release_id if previous else None}
        )
    return labels


def _recompute(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Fill the tables without a school again, each by the statement that dbt built it with."""
    for path in sorted(folder.glob("*.sql")):
        connection.execute(f"delete from main.{path.stem}")
        connection.execute(f"insert into main.{path.stem} {path.read_text(encoding='utf-8')}")


def keep_statements(compiled: Iterable[Path], built: Path) -> None:
    """Keep beside the built file the statements by which :func:`compose` fills tables without a school again."""
    folder = store.private_folder(built.parent / RECOMPUTED)
    for path in compiled:
        shutil.copyfile(path, folder / path.name)


def add_gate_results(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of one run of a gate into a file's mart_gate_result, in the place of that gate's and day's."""
    connection = _connect(path)
    try:
        columns = list(_columns(connection, _database(connection), "mart_gate_result"))
        for gate, day in {(row["gate"], row["data_date"]) for row in results}:
            connection.execute("delete from mart_gate_result where gate = ? and data_date = ?", [gate, day])
        connection.executemany(
            f"insert into mart_gate_result ({', '.join(columns)}) values ({', '.join('?' for _ in columns)})",
            [[row[column] for column in columns] for row in results],
        )
    finally:
        connection.close()
