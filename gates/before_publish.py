"""The gate before a release is published: the composed file against its models, the lake and the release before.

What it looks at is the file that will be published, held schools and all. Where it holds back a school itself, the
file is composed anew and looked at again, until nothing more is held. Great Expectations has no DuckDB source:
aggregates of the file are computed by DuckDB and checked as small frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

import lake
from cairn.errors import CairnError
from cairn.privacy import smallest_group
from cairn.settings import Settings
from gates.engine import Engine
from gates.mart_models import mart_models
from gates.model import HOLDS_SCOPE, STRUCTURAL, WARNING, Finding, Rule
from gates.thresholds import thresholds
from spark_jobs import night_record
from spark_jobs.intake_ledger import FATES, ledger
from spark_jobs.night_record import STATE

PAIRS = "mart_student_competency"
# Given school to reason of all that is held: composes the file anew.
HoldBack = Callable[[Mapping[str, str]], None]


def check(
    engine: Engine,
    settings: Settings,
    data_date: date,
    warehouse: Path | str | None = None,
    previous: Path | str | None = None,
    held: Mapping[str, str] | None = None,
    hold_back: HoldBack | None = None,
) -> list[Finding]:
    """Every rule of the gate on the composed file; with ``hold_back``, until it holds no school that was not held.

    ``held`` are the schools (id to reason) whose rows in the file are those of the release before. The findings are
    those of the last look, and those of earlier looks for which a school was held. Raises CairnError where there is
    no file.
    """
    if warehouse is None or not Path(warehouse).is_file():
        raise CairnError(f"gate before_publish: no built warehouse for {data_date}: run 'cairn marts build'")
    before = Path(previous) if previous else _standing(settings, Path(warehouse))
    reasons = dict(held or {})
    earlier: list[Finding] = []
    while True:
        found = _look(engine, settings, Path(warehouse), before, reasons)
        is_structural = any(not one.is_passed and one.severity == STRUCTURAL for one in found)
        new = [one for one in found if _holds_a_school(one) and one.scope_id not in reasons]
        if is_structural or not new or hold_back is None:
            return earlier + found
        earlier += new
        reasons |= {one.scope_id: one.message for one in new}
        hold_back(reasons)


def _holds_a_school(finding: Finding) -> bool:
    return not finding.is_passed and finding.severity == HOLDS_SCOPE and finding.scope_type == "school"


def _look(
    engine: Engine, settings: Settings, warehouse: Path, before: Path | None, held: Mapping[str, str]
) -> list[Finding]:
    """Every rule once."""
    limits = thresholds(settings, "before_publish")
    connection = _open(warehouse)
    try:
        found = _columns(engine, connection, limits)
        if any(not one.is_passed and one.severity == STRUCTURAL for one in found):
            return found
        found += _unique(engine, connection)
        found += _small_groups(engine, settings, connection, limits["small_groups"])
        found += _row_drop(engine, connection, before, limits["row_drop"])
        found += _states_agree(engine, settings, connection, held)
        found += _books_agree(engine, settings, connection)
        return found
    finally:
        connection.close()


def _open(path: Path | str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), read_only=True)
    connection.execute("set memory_limit = '1GB'; set threads = 2; set TimeZone = 'UTC'")
    return connection


def _standing(settings: Settings, warehouse: Path) -> Path | None:
    """The file of the release that readers see now, if there is one and it is not this one."""
    root = settings.releases_dir / "learning"
    try:
        release_id = json.loads((root / "current.json").read_text(encoding="utf-8"))["release_id"]
    except FileNotFoundError:
        return None
    path = root / release_id / "warehouse.duckdb"
    return path if path.is_file() and path.resolve() != warehouse.resolve() else None


def _columns(engine: Engine, connection: duckdb.DuckDBPyConnection, limits: dict[str, Any]) -> list[Finding]:
    """Each mart has exactly the columns of its model, and none that could name a person."""
    rows = connection.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns() "
        "where schema_name = 'main' and database_name = current_database() group by all"
    ).fetchall()
    actual = {name: columns for name, columns in rows if name.startswith("mart_")}
    found = []
    for mart, model in mart_models().items():
        rule = Rule(
            f"{mart}.columns",
            "ExpectTableColumnsToMatchSet",
            {"column_set": list(model.types), "exact_match": True},
            STRUCTURAL,
            f"columns of {mart} differ from its model: bring {mart}.sql and {mart}.yml in step",
        )
        # A mart with other columns is not looked into any further, one that is missing has none.
        frame = pd.DataFrame(columns=actual.get(mart, []))
        is_passed = engine.verdicts(mart, [rule], frame)[rule.rule_id]
        found.append(Finding(rule.rule_id, mart, rule.severity, is_passed, rule.message))
    forbidden = set(limits["forbidden_columns"])
    pairs = [(name, column) for name, columns in rows for column in columns]
    frame = pd.DataFrame(pairs, columns=["table_name", "column_name"])
    rule = Rule(
        "warehouse.no_names",
        "ExpectColumnValuesToNotBeInSet",
        {"column": "column_name", "value_set": sorted(forbidden)},
        STRUCTURAL,
        "a table of the warehouse has a column that could name a person: take it out of the model",
    )
    is_passed = engine.verdicts("warehouse columns", [rule], frame)[rule.rule_id]
    bad = sum(column in forbidden for _, column in pairs)
    message = rule.message if is_passed else f"{rule.message} ({_named(pairs, forbidden)})"
    finding = Finding(rule.rule_id, "warehouse", STRUCTURAL, is_passed, message, len(pairs), bad)
    return [*found, finding]


def _named(pairs: list[tuple[str, str]], forbidden: set[str]) -> str:
    return ", ".join(f"{table}.{column}" for table, column in pairs if column in forbidden)


def _between(rule_id: str, column: str, low: float, high: float, severity: str, message: str) -> Rule:
    arguments = {"column": column, "min_value": low, "max_value": high}
    return Rule(rule_id, "ExpectColumnValuesToBeBetween", arguments, severity, message)


def _unique(engine: Engine, connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """No mart has two rows of one key: a school's rows of yesterday beside those of today would be counted twice."""
    repeated: dict[str, int] = {}
    rows = 0
    for name, model in mart_models().items():
        if model.key:
            key = ", ".join(model.key)
            # A struct of the columns: nulls count as values.
            total, distinct = connection.execute(f"select count(*), count(distinct ({key},)) from {name}").fetchall()[0]
            rows += int(total)
            if total > distinct:
                repeated[name] = int(total - distinct)
    named = ", ".join(f"{name}: {count}" for name, count in repeated.items())
    message = "rows are there more than once" + (f" ({named})" if named else "")
    advice = f"{message}: see how the school's rows were put in, then build again with 'cairn marts build'"
    rule = _between("warehouse.unique", "repeated", 0, 0, STRUCTURAL, advice)
    row = {"scope_type": "all", "scope_id": "*", "repeated": sum(repeated.values()), "rows": rows}
    return engine.check_scopes("warehouse keys", rule, [row], "rows")


def _small_groups(
    engine: Engine, settings: Settings, connection: duckdb.DuckDBPyConnection, limit: dict[str, Any]
) -> list[Finding]:
    """No published share about fewer pupils than ``n_min`` of the district's privacy rules."""
    n_min = smallest_group(settings)
    table, count = limit["table"], limit["count_column"]
    shows_number = " or ".join(
        f"regexp_matches(coalesce(cast({column} as varchar), ''), '^[<>=]*[0-9.]+%?$')"
        for column in limit["protected_columns"]
    )
    smallest = connection.execute(
        f"select count(*), count(*) filter (try_cast({count} as bigint) < ? or ({count} is null "
        f"and ({shows_number}))) from {table}",
        [n_min],
    ).fetchall()[0]
    message = f"a share of fewer than {n_min} pupils is published: suppress it in {table}"
    rule = _between(f"{table}.small_groups", "shown", 0, 0, STRUCTURAL, message)
    row = {"scope_type": "all", "scope_id": "*", "shown": int(smallest[1]), "groups": int(smallest[0])}
    return engine.check_scopes(table, rule, [row], "groups")


def _row_drop(
    engine: Engine, connection: duckdb.DuckDBPyConnection, previous: Path | None, limit: dict[str, Any]
) -> list[Finding]:
    """No school loses more than ``most`` of its rows against the release that stands."""
    table = limit["table"]
    if previous is None:
        return []
    count = f"select school_id, count(*) from {table} group by all"
    now = dict(connection.execute(count).fetchall())
    standing = _open(previous)
    try:
        before = dict(standing.execute(count).fetchall())
    finally:
        standing.close()
    rows = [
        {
            "scope_type": "school",
            "scope_id": school,
            "share_left": now.get(school, 0) / rows_before,
            "rows_before": rows_before,
            "rows_failed": rows_before - now.get(school, 0),
        }
        for school, rows_before in sorted(before.items())
        if rows_before >= int(limit["least_rows"])
    ]
    message = f"rows of {table} fell against the release before: see 'cairn marts diff', then the roster of the school"
    rule = _between(f"{table}.row_drop", "share_left", 1 - float(limit["most"]), float("inf"), HOLDS_SCOPE, message)
    return engine.check_scopes(table, rule, rows, "rows_before")


# The rows that stand among the changes, as dbt's macro current_rows has them: the base is streamed, never sorted.
CURRENT_STATES = """
select student_key, competency_id, state
from lake_state anti join (select pair_key from lake_state where not is_base) as changed using (pair_key)
where is_base and not is_removed
union all
select student_key, competency_id, state
from (
    select * from lake_state where not is_base
    qualify row_number() over (partition by pair_key order by night desc) = 1
) as newest
where not is_removed
"""


def _states_agree(
    engine: Engine, settings: Settings, connection: duckdb.DuckDBPyConnection, held: Mapping[str, str]
) -> list[Finding]:
    """Every pair of the mart stands as in the lake, at the version of the newest night, but for schools held back.

    The lake's states are streamed, column by column, and what does not fit into DuckDB's memory goes to its disk.
    """
    last = night_record.newest(settings)
    version = last.versions[STATE] if last else None
    is_there = lake.exists(settings, STATE)
    stands = lake.dataset(settings, STATE, lake.EVERY, version) if is_there else lake.read(settings, STATE)
    connection.register("lake_state", stands)
    counted = connection.execute(
        f"select mart.school_id, count(*), count(*) filter (lake.state is null or lake.state <> mart.state) "
        f"from {PAIRS} as mart left join ({CURRENT_STATES}) as lake using (student_key, competency_id) "
        "group by all order by 1"
    ).fetchall()
    connection.unregister("lake_state")
    rows = [
        {"scope_type": "school", "scope_id": school, "differing": int(bad), "pairs": int(pairs)}
        for school, pairs, bad in counted
        if school not in held
    ]
    message = "states in the mart differ from the lake: build the marts again with 'cairn marts build'"
    rule = _between(f"{PAIRS}.states_agree", "differing", 0, 0, HOLDS_SCOPE, message)
    return engine.check_scopes(PAIRS, rule, rows, "pairs")


def _books_agree(engine: Engine, settings: Settings, connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """The books of the mart are those of the lake, date by date (of the dates that the mart has).

    A warning: the lake may have taken in more since the marts were built.
    """
    names = ("received", *FATES)
    sums = ", ".join(f"sum({name})" for name in names)
    mart = {
        row[0]: row[1:]
        for row in connection.execute(f"select received_date, {sums} from mart_intake_ledger group by all").fetchall()
    }
    lake: dict[date, list[int]] = {}
    for row in ledger(settings, dates=sorted(mart)):
        total = lake.setdefault(row["received_date"], [0] * len(names))
        for index, name in enumerate(names):
            total[index] += row[name]
    missing = [
        max(0, sum(int(value) for value in counts) - sum(lake.get(day, [0] * len(names))))
        for day, counts in mart.items()
    ]
    row = {"scope_type": "all", "scope_id": "*", "missing": sum(missing), "days": len(mart)}
    message = "the mart's books hold more than the lake: build the marts again with 'cairn marts build'"
    rule = _between("mart_intake_ledger.books_agree", "missing", 0, 0, WARNING, message)
    return engine.check_scopes("mart_intake_ledger", rule, [row], "days")
