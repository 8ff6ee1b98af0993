"""The rollout in an evaluation release: each table of what the page shows and no more, for release, page and command.

Numbers of fewer pupils than the smallest group are hidden here, before publishing. Numbers of adults are told by role
over all schools of a pilot, from as many adults on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import duckdb
import pyarrow as pa

from pilots.rollout import metrics, more_metrics
from pilots.rollout_reach import UNITS, forecast, hidden_groups, hidden_schools, hidden_small, rows_of, steps
from releases import store
from releases.learning_marts import frame, marts_of

TABLES = {
    "rollout_metric": "pilot_id varchar, name varchar not null, value double, unit varchar, scope varchar not null",
    "rollout_course": "pilot_id varchar not null, unit varchar not null, on_date date not null,"
    " planned integer not null, reached integer not null",
    "rollout_group": "pilot_id varchar not null, grouping_name varchar not null, group_name varchar not null,"
    " pupils_planned integer, pupils_reached integer",
    "rollout_forecast": "pilot_id varchar not null, unit varchar not null, code varchar not null, likely date,"
    " earliest date, latest date",
}
_OF_SCHOOL = "left join mart_rollout_school as school using (pilot_id, school_id)"
# Tables that are a query of a mart, which stands first; none of them counts pupils. ``n_min`` is filled in.
_QUERIES = {
    "rollout_milestone": ("mart_rollout_milestone", "select * from mart_rollout_milestone"),
    "rollout_cost": (
        "mart_rollout_cost",
        "select pilot_id, cost_kind, sum(cost_usd) as cost_usd, sum(classroom_usd) as classroom_usd,"
        " sum(central_usd) as central_usd from mart_rollout_cost group by all",
    ),
    "rollout_barrier": ("mart_rollout_barrier", "select * from mart_rollout_barrier"),
    "rollout_sent": ("mart_rollout_sent", "select * from mart_rollout_sent"),
    "rollout_learning": (
        "mart_rollout_learning",
        "with summed as (select pilot_id, adult_role, competency, is_planned, count(*)::int as schools,"
        " (count(*) filter (where status = 'told'))::int as schools_told,"
        " (count(*) filter (where status = 'contradicts'))::int as schools_contradicting,"
        " (sum(adults_to_learn) filter (where status = 'told'))::int as learners,"
        " (sum(adults_shown) filter (where status = 'told'))::int as shown, max(told_date) as told_date"
        " from mart_rollout_learning group by all)"
        " select * exclude (learners, shown), learners < {n_min} as is_hidden,"
        " case when learners >= {n_min} then learners end as adults_to_learn,"
        " case when learners >= {n_min} then shown end as adults_shown from summed",
    ),
    "rollout_readiness": (
        "mart_rollout_readiness",
        "select pilot_id, school_id, any_value(school_name) as school_name, on_date, is_newest,"
        " (count(*) filter (where answer = 'ready'))::int as ready,"
        " (count(*) filter (where answer = 'partly'))::int as partly,"
        " (count(*) filter (where answer = 'not_ready'))::int as not_ready"
        f" from mart_rollout_readiness {_OF_SCHOOL} group by pilot_id, school_id, on_date, is_newest",
    ),
    "rollout_readiness_item": (
        "mart_rollout_readiness",
        "select pilot_id, item, count(*)::int as schools, (count(*) filter (where answer = 'ready'))::int as ready,"
        " (count(*) filter (where answer = 'partly'))::int as partly,"
        " (count(*) filter (where answer = 'not_ready'))::int as not_ready"
        " from mart_rollout_readiness where is_newest group by pilot_id, item",
    ),
    "rollout_support": (
        "mart_rollout_support",
        "select pilot_id, school_id, school_name, support_kind, visits, hours, last_date"
        f" from mart_rollout_support {_OF_SCHOOL}",
    ),
}
Rows = list[dict[str, Any]]


def write(
    connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection, learning: store.Release, n_min: int
) -> None:
    """Every table of the rollout into the evaluation's file, from an open learning release; a table whose mart a
    release from before there was one lacks is left out."""
    for name, columns in TABLES.items():
        connection.execute(f"create table {name} ({columns})")
    for name, rows in tables(source, learning, n_min).items():
        if name in TABLES:
            insert(connection, name, rows.to_pylist())
        else:
            connection.register("told", rows)
            connection.execute(f"create table {name} as select * from told")
            connection.unregister("told")


def tables(source: duckdb.DuckDBPyConnection, learning: store.Release, n_min: int) -> dict[str, pa.Table]:
    """The tables by name, as they may be published: what the release writes, and ``cairn rollout report`` prints."""
    present = marts_of(source)
    schools = frame(source, "mart_rollout_school")
    found = {"rollout_school": _schools(source, n_min)}
    for name, (mart, query) in _QUERIES.items():
        if mart in present:
            found[name] = source.sql(f"{query.format(n_min=n_min)} order by all").to_arrow_table()
    more = more_metrics({name: rows.to_pylist() for name, rows in found.items()})
    found["rollout_metric"] = pa.Table.from_pylist([*metrics(schools), *more])
    # Pilots of whose work nothing was sent: nobody is known to be reached, nor not to be.
    sent = found["rollout_sent"].to_pylist() if "rollout_sent" in found else []
    unknown = {row["pilot_id"] for row in sent if row["fact_type"] == "dosage" and row["facts"] == 0}
    if "mart_rollout_group" in present:
        found["rollout_group"] = pa.Table.from_pylist(_groups(source, unknown, n_min))
    if "mart_rollout_reach" in present:
        courses, forecasts = _courses(source, learning, unknown, n_min)
        found |= {"rollout_course": pa.Table.from_pylist(courses), "rollout_forecast": pa.Table.from_pylist(forecasts)}
    return found


def _schools(source: duckdb.DuckDBPyConnection, n_min: int) -> pa.Table:
    """Every treated school of each pilot, numbers of few pupils hidden, also where they could be counted out."""
    mart = source.sql("select * from mart_rollout_school order by all").to_arrow_table()
    by_pilot: dict[str, Rows] = {}
    for row in mart.to_pylist():
        by_pilot.setdefault(row["pilot_id"], []).append(row)
    shown = [row for rows in by_pilot.values() for row in hidden_schools(rows, n_min)]
    return pa.Table.from_pylist(shown, schema=mart.schema)


def _groups(source: duckdb.DuckDBPyConnection, unknown: set[str], n_min: int) -> Rows:
    """Planned and reached pupils of each pilot by group, the few hidden; reached is empty of the ``unknown`` pilots."""
    found = source.execute(
        "select pilot_id, grouping_name, group_name, cast(sum(pupils_planned) as integer),"
        " cast(sum(pupils_reached) as integer) from mart_rollout_group group by all order by 1, 2, 3"
    ).fetchall()
    rows: Rows = []
    for pilot_id, grouping in sorted({(row[0], row[1]) for row in found}):
        own = [(group, n, reached) for pilot, name, group, n, reached in found if (pilot, name) == (pilot_id, grouping)]
        for one in hidden_groups(own, n_min):
            reached = None if pilot_id in unknown else one.reached
            rows.append({"pilot_id": pilot_id, "grouping_name": grouping, "group_name": one.name})
            rows[-1] |= {"pupils_planned": one.planned, "pupils_reached": reached}
    return rows


def _courses(
    source: duckdb.DuckDBPyConnection, learning: store.Release, unknown: set[str], n_min: int
) -> tuple[Rows, Rows]:
    """What was planned and reached by date, and the forecast of each, of every pilot that is not ``unknown``."""
    reach = frame(source, "mart_rollout_reach")
    courses: Rows = []
    forecasts: Rows = []
    for pilot_id in sorted(set(reach["pilot_id"]) - unknown):
        rows = rows_of(reach, pilot_id)
        for unit in UNITS:
            course = steps(rows, unit)
            told = forecast(course, learning.data_date)
            if unit == "pupils":
                course = hidden_small(course, n_min, course[-1].planned if course else 0)
            key = {"pilot_id": pilot_id, "unit": unit}
            courses += [key | asdict(step) for step in course]
            forecasts.append(key | asdict(told))
    return courses, forecasts


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows by the table's own columns; what a row does not say is empty."""
    if rows:
        # As one Arrow table: row by row DuckDB takes longer than the evaluation that made them.
        columns = connection.sql(f"from {table} limit 0").to_arrow_table().schema
        connection.register("appended", pa.Table.from_pylist(rows, columns))
        connection.execute(f"insert into {table} by name from appended")
        connection.unregister("appended")
