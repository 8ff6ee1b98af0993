"""How rows lie in a release's file: by school and pupil, under the constraints of the marts."""

from __future__ import annotations

from pathlib import Path

import duckdb

from releases import learning


def test_rows_lie_by_school_and_pupil_and_keep_their_constraints(tmp_path: Path) -> None:
    built = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(built)) as connection:
        connection.execute("create schema main_work; create table main_work.secret as select 1 as n")
        connection.execute(
            "create table mart_pair (student_key varchar not null, school_id varchar, n integer);"
            "insert into mart_pair select 'p' || (range % 7), 's' || (range * 5 % 3), range from range(60);"
            "create table mart_total (n integer); insert into mart_total values (2), (1)"
        )
    counts = learning._copy_marts(built, tmp_path / "copy.duckdb")
    assert counts == {"mart_pair": 60, "mart_total": 2}
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as connection:
        rows = connection.execute("select school_id, student_key from mart_pair").fetchall()
        assert rows == sorted(rows) and len({school for school, _ in rows}) == 3
        assert connection.execute("select n from mart_total").fetchall() == [(2,), (1,)]
        columns = connection.execute(
            "select is_nullable from duckdb_columns() where table_name = 'mart_pair' order by column_index"
        ).fetchall()
        assert columns == [(False,), (True,), (True,)]
        assert connection.execute("select count(*) from duckdb_tables() where table_name = 'secret'").fetchall() == [
            (0,)
        ]
