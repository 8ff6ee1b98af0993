"""Why two releases differ: rows added, removed and changed, table by table, with keys as examples."""

from __future__ import annotations

from typing import Any

import duckdb

from cairn.errors import CairnError
from cairn.settings import Settings
from gates.mart_models import mart_models
from releases import store
from releases.difference_reasons import why
from releases.holding import quoted

EXAMPLES = 5
# Whose row differs would say that what is most sensitive of a pupil did: counted, never named.
UNNAMED = ("mart_pupil_subgroup",)
# What makes a row of an evaluation's table unique; marts say it themselves, other tables are compared as whole rows.
EVALUATION_KEYS: dict[str, tuple[str, ...]] = {
    "pilot_scorecard": ("pilot_id",),
    "pilot_result": ("pilot_id", "name"),
    "rollout_metric": ("name", "scope"),
    "rollout_school": ("pilot_id", "school_id"),
    "rollout_course": ("pilot_id", "unit", "on_date"),
    "rollout_forecast": ("pilot_id", "unit"),
    "rollout_milestone": ("pilot_id", "school_id", "milestone"),
    "rollout_cost": ("pilot_id", "cost_kind"),
    "rollout_group": ("pilot_id", "grouping_name", "group_name"),
    "rollout_barrier": ("pilot_id", "place"),
    "rollout_learning": ("pilot_id", "adult_role", "competency"),
    "rollout_readiness": ("pilot_id", "school_id", "on_date"),
    "rollout_readiness_item": ("pilot_id", "item"),
    "rollout_support": ("pilot_id", "school_id", "support_kind"),
    "rollout_sent": ("pilot_id", "fact_type"),
}
# The one mart whose rows dbt does not test for a key: the last gate's results are added to it later.
GATE_RESULT_KEY = ("gate", "data_date", "rule_id", "scope_type", "scope_id")


def _key_of(name: str) -> tuple[str, ...]:
    if name == "mart_gate_result":
        return GATE_RESULT_KEY
    model = mart_models().get(name)
    return model.key if model else EVALUATION_KEYS.get(name, ())


def diff(settings: Settings, before: str, after: str) -> dict[str, Any]:
    """Compare two published releases of one kind.

    Returns ``{before, after, reasons: [{reason, pairs}], tables: [{table, before, after, added, removed, changed,
    examples}]}``; reasons are why pupils' competencies differ (:mod:`releases.difference_reasons`), an example names a
    row by its key (pupils by the vault's key, never by name), what happened to it and the columns that changed.

    Raises CairnError where a release is not kept any more or the kinds differ.
    """
    kinds = {release_id.partition("-")[0] for release_id in (before, after)}
    if len(kinds) != 1:
        raise CairnError(
            f"{before} and {after} are of different kinds: compare two learning or two evaluation releases"
        )
    kind = kinds.pop()
    old, new = (store.get(settings, kind, release_id) for release_id in (before, after))
    connection = duckdb.connect(config={"memory_limit": settings.duckdb_memory_limit, "threads": 2})
    try:
        for alias, release in (("old", old), ("new", new)):
            connection.execute(f"attach '{quoted(release.path)}' as {alias} (read_only)")
        names = connection.execute(
            "select distinct table_name from duckdb_tables() where database_name in ('old', 'new') order by 1"
        ).fetchall()
        tables = [_table(connection, name) for (name,) in names]
        return {"before": before, "after": after, "reasons": why(settings, connection, old, new), "tables": tables}
    finally:
        connection.close()


def _columns(connection: duckdb.DuckDBPyConnection, database: str, name: str) -> list[str]:
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = ? and table_name = ? order by column_index",
        [database, name],
    ).fetchall()
    return [column for (column,) in rows]


def _table(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    old, new = (_columns(connection, database, name) for database in ("old", "new"))
    counts = [
        int(connection.execute(f"select count(*) from {database}.main.{name}").fetchall()[0][0]) if columns else 0
        for database, columns in (("old", old), ("new", new))
    ]
    result: dict[str, Any] = {"table": name, "before": counts[0], "after": counts[1]}
    shared = [column for column in new if column in old]
    if not shared:
        return {**result, "added": counts[1], "removed": counts[0], "changed": 0, "examples": []}
    keys = [key for key in _key_of(name) or tuple(shared) if key in shared]
    values = [column for column in shared if column not in keys]
    on = " and ".join(f"o.{key} is not distinct from n.{key}" for key in keys)
    differs = " or ".join(f"o.{column} is distinct from n.{column}" for column in values) or "false"
    which = ", ".join(f"case when o.{column} is distinct from n.{column} then '{column}' end" for column in values)
    columns = f"list_filter([{which}], lambda c: c is not null)" if values else "[]"
    key_list = ", ".join(f"coalesce(o.{key}, n.{key}) as {key}" for key in keys)
    connection.execute(
        f"""create or replace temp table difference as
        select
            {key_list},
            case when o._here is null then 'added' when n._here is null then 'removed' else 'changed' end as what,
            case when o._here and n._here then {columns} else [] end as columns_changed
        from (select *, true as _here from old.main.{name}) as o
        full outer join (select *, true as _here from new.main.{name}) as n on {on}
        where o._here is null or n._here is null or {differs}"""
    )
    found = dict(connection.execute("select what, count(*) from difference group by what").fetchall())
    examples = connection.execute(
        f"select what, columns_changed, {', '.join(keys)} from difference order by all"
        f" limit {0 if name in UNNAMED else EXAMPLES}"
    ).fetchall()
    return {
        **result,
        **{what: int(found.get(what, 0)) for what in ("added", "removed", "changed")},
        "examples": [
            {"what": row[0], "columns": row[1], "key": dict(zip(keys, map(str, row[2:]), strict=True))}
            for row in examples
        ],
    }
