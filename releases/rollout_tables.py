"""The rollout in an evaluation release: metrics, schools, course by date, milestones, costs, grades, barriers.

What the page shows and no more: numbers of fewer pupils than the smallest group are hidden here, before publishing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from pilots.rollout import metrics
from pilots.rollout_reach import UNITS, forecast, hidden_groups, hidden_small, rows_of, steps
from releases import store
from releases.learning_marts import frame, marts_of

TABLES = """
create table rollout_metric (
    pilot_id varchar, name varchar not null, value double, unit varchar, scope varchar not null
);
create table rollout_course (
    pilot_id varchar not null, unit varchar not null, on_date date not null, planned integer not null,
    reached integer not null
);
create table rollout_grade (pilot_id varchar not null, grade varchar not null, pupils_planned integer,
    pupils_reached integer
);
create table rollout_forecast (
    pilot_id varchar not null, unit varchar not null, code varchar not null, likely date, earliest date, latest date
);
"""
# Numbers of a school's pupils: empty where the school has fewer than the smallest group.
_OF_PUPILS = ("pupils_planned", "pupils_reached", "dosage_minutes_mean", "dosage_met_share", "cost_per_pupil_usd")
# Tables that are made by a query of a mart, none of which counts pupils.
_QUERIES = {
    "rollout_milestone": ("mart_rollout_milestone", "select * from mart"),
    "rollout_cost": (
        "mart_rollout_cost",
        "select pilot_id, cost_kind, sum(cost_usd) as cost_usd, sum(classroom_usd) as classroom_usd,"
        " sum(central_usd) as central_usd from mart group by all",
    ),
    "rollout_barrier": ("mart_rollout_barrier", "select * from mart"),
}


def write(
    connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection, learning: store.Release, n_min: int
) -> None:
    """Every table of the rollout into the evaluation's file, from an open learning release; a table whose mart a
    release from before there was one lacks is left out."""
    connection.execute(TABLES)
    schools = frame(source, "mart_rollout_school")
    connection.register("schools", schools)
    hidden = ", ".join(f"case when pupils_planned >= {n_min} then {name} end as {name}" for name in _OF_PUPILS)
    connection.execute(f"create table rollout_school as select * replace ({hidden}) from schools")
    connection.unregister("schools")
    insert(connection, "rollout_metric", metrics(schools))
    present = marts_of(source)
    for name, (mart, query) in _QUERIES.items():
        if mart in present:
            rows = source.sql(f"select * from {mart} order by all").to_arrow_table()
            connection.register("mart", rows)
            connection.execute(f"create table {name} as {query} order by all")
            connection.unregister("mart")
    if "mart_rollout_grade" in present:
        _grades(connection, source, n_min)
    if "mart_rollout_reach" in present:
        _courses(connection, source, learning, n_min)


def _grades(connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection, n_min: int) -> None:
    """Planned and reached pupils of each pilot by grade, the few hidden."""
    found = source.execute(
        "select pilot_id, grade, cast(sum(pupils_planned) as integer), cast(sum(pupils_reached) as integer)"
        " from mart_rollout_grade group by all order by 1, 2"
    ).fetchall()
    for pilot_id in sorted({row[0] for row in found}):
        groups = hidden_groups([(grade, n, reached) for pilot, grade, n, reached in found if pilot == pilot_id], n_min)
        told = [
            {"pilot_id": pilot_id, "grade": one.name, "pupils_planned": one.planned, "pupils_reached": one.reached}
            for one in groups
        ]
        insert(connection, "rollout_grade", told)


def _courses(
    connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection, learning: store.Release, n_min: int
) -> None:
    """What was planned and reached by date, and the forecast of each, pilot by pilot."""
    reach = frame(source, "mart_rollout_reach")
    for pilot_id in sorted(reach["pilot_id"].unique()):
        rows = rows_of(reach, pilot_id)
        for unit in UNITS:
            course = steps(rows, unit)
            told = forecast(course, learning.data_date)
            if unit == "pupils":
                course = hidden_small(course, n_min, course[-1].planned if course else 0)
            key = {"pilot_id": pilot_id, "unit": unit}
            insert(connection, "rollout_course", [key | vars(step) for step in course])
            insert(connection, "rollout_forecast", [key | vars(told)])


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows by the table's own columns; what a row does not say is empty."""
    columns = [name for (name, *_) in connection.execute(f"describe {table}").fetchall()]
    if rows:
        connection.executemany(
            f"insert into {table} values ({', '.join('?' for _ in columns)})",
            [[row.get(column) for column in columns] for row in rows],
        )
