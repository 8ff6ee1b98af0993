"""Why two releases differ: rows added, removed and changed, table by table, with keys as examples."""

from __future__ import annotations

from typing import Any

from cairn.errors import CairnError
from cairn.settings import Settings
from releases import store
from releases.holding import quoted

EXAMPLES = 5
# What makes a row unique; other tables are compared as whole rows.
KEYS: dict[str, tuple[str, ...]] = {
    "mart_school": ("school_id",),
    "mart_school_trust": ("school_id",),
    "mart_student_competency": ("student_key", "competency_id"),
    "mart_needs_adult": ("student_key", "competency_id", "reason"),
    "mart_moves_on": ("student_key", "competency_id"),
    "mart_change": ("decision_id",),
    "mart_class_attention": ("class_id",),
    "mart_group_suggestion": ("class_id", "competency_id"),
    "mart_school_day": ("school_id", "work_date"),
    "mart_action_followup": ("action_date", "action", "student_key", "competency_id"),
    "mart_district_competency": ("competency_id",),
    "mart_intake_ledger": ("received_date", "source_id", "org_id"),
    "mart_gate_result": ("gate", "data_date", "rule_id", "scope_type", "scope_id"),
    "mart_pilot_pupil": ("pilot_id", "student_key"),
    "mart_pilot_school": ("pilot_id", "school_id"),
    "mart_rollout_school": ("pilot_id", "school_id"),
    "pilot_scorecard": ("pilot_id",),
    "pilot_result": ("pilot_id", "name"),
    "rollout_metric": ("name", "scope"),
    "rollout_school": ("pilot_id", "school_id"),
}


def diff(settings: Settings, before: str, after: str) -> dict[str, Any]:
    """Compare two published releases of one kind.

    Returns ``{before, after, tables: [{table, before, after, added, removed, changed, examples}]}``; an example names
    a row by its key (pupils by the vault's key, never by name), what happened to it and the columns that changed.
    Raises CairnError where a release is not kept any more or the kinds differ.
    """
    import duckdb

    kinds = {release_id.partition("-")[0] for release_id in (before, after)}
    if len(kinds) != 1:
        raise CairnError(
            f"{before} and {after} are of different kinds: compare two learning or two evaluation releases"
        )
    kind = kinds.pop()
    paths = [store.get(settings, kind, release_id).path for release_id in (before, after)]
    connection = duckdb.connect(config={"memory_limit": settings.duckdb_memory_limit, "threads": 2})
    try:
        for alias, path in zip(("old", "new"), paths, strict=True):
            connection.execute(f"attach '{quoted(path)}' as {alias} (read_only)")
        names = connection.execute(
            "select distinct table_name from duckdb_tables() where database_name in ('old', 'new') order by 1"
        ).fetchall()
        return {"before": before, "after": after, "tables": [_table(connection, name) for (name,) in names]}
    finally:
        connection.close()


def _columns(connection: Any, database: str, name: str) -> list[str]:
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = ? and table_name = ? order by column_index",
        [database, name],
    ).fetchall()
    return [column for (column,) in rows]


def _table(connection: Any, name: str) -> dict[str, Any]:
    old, new = (_columns(connection, database, name) for database in ("old", "new"))
    counts = [
        int(connection.execute(f"select count(*) from {database}.main.{name}").fetchone()[0]) if columns else 0
        for database, columns in (("old", old), ("new", new))
    ]
    result: dict[str, Any] = {"table": name, "before": counts[0], "after": counts[1]}
    shared = [column for column in new if column in old]
    if not shared:
        return {**result, "added": counts[1], "removed": counts[0], "changed": 0, "examples": []}
    keys = [key for key in KEYS.get(name, tuple(shared)) if key in shared]
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
        f"select what, columns_changed, {', '.join(keys)} from difference order by all limit {EXAMPLES}"
    ).fetchall()
    return {
        **result,
        **{what: int(found.get(what, 0)) for what in ("added", "removed", "changed")},
        "examples": [
            {"what": row[0], "columns": row[1], "key": dict(zip(keys, map(str, row[2:]), strict=True))}
            for row in examples
        ],
    }
