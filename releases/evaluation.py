"""The evaluation release: every pilot's scorecard and the rollout metrics, on one learning release."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from releases import store

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

KIND = "evaluation"

_TABLES = """
create table pilot_scorecard (pilot_id varchar not null, plan_hash varchar not null, scorecard_json varchar not null);
create table pilot_result (
    evaluation_id varchar not null, pilot_id varchar not null, name varchar not null, plan_hash varchar not null,
    release_id varchar not null, value double, text_value varchar, low double, high double, unit varchar,
    evaluated_at timestamptz not null
);
create table rollout_metric (
    pilot_id varchar, name varchar not null, value double, unit varchar, scope varchar not null
);
"""


def current_plans(settings: Settings) -> list[dict[str, Any]]:
    """The newest frozen plan of each pilot: pilot_id, plan_hash, title and ``plan`` (the whole plan)."""
    newest: dict[str, dict[str, Any]] = {}
    for row in lake.read(settings, "gold.pilot_plan").to_pylist():
        known = newest.get(row["pilot_id"])
        if known is None or (row["frozen_at"], row["plan_hash"]) > (known["frozen_at"], known["plan_hash"]):
            newest[row["pilot_id"]] = row
    return [{**row, "plan": json.loads(row["plan_json"])} for _, row in sorted(newest.items())]


def build_and_publish(settings: Settings, *, force: bool = False) -> store.Release:
    """Evaluate every frozen plan on the current learning release and publish the result.

    Idempotent per learning release and set of plans: what stands is returned unless ``force``. Raises CairnError where
    no learning release was published yet, or naming the pilot whose evaluation failed.
    """
    with store.building(settings):
        learning = store.current(settings, "learning")
        if learning is None:
            raise CairnError("nothing to evaluate: no learning release was published yet: run 'cairn night run'")
        plans = current_plans(settings)
        present = store.current(settings, KIND)
        if (
            present
            and not force
            and present.based_on == learning.release_id
            and _plans_of(settings, present) == _hashes(plans)
        ):
            return present
        release, results = _build(settings, learning, plans)
        release = replace(release, published_at=datetime.now(UTC))
        lake.append(settings, "gold.pilot_result", results)
        store.save(release)
        store.swap(settings, release)
    store.record(settings, release, "published", f"pilots: {', '.join(plan['pilot_id'] for plan in plans) or 'none'}")
    return release


def _hashes(plans: list[dict[str, Any]]) -> dict[str, str]:
    return {plan["pilot_id"]: plan["plan_hash"] for plan in plans}


def _plans_of(settings: Settings, release: store.Release) -> dict[str, str]:
    connection = store.connect(settings, release)
    try:
        return dict(connection.execute("select pilot_id, plan_hash from pilot_scorecard").fetchall())
    finally:
        connection.close()


def _build(
    settings: Settings, learning: store.Release, plans: list[dict[str, Any]]
) -> tuple[store.Release, list[dict[str, Any]]]:
    """Evaluate into a new file; returns the unpublished release and the rows for gold.pilot_result."""
    import duckdb

    folder = store.new_folder(settings, KIND, learning.data_date)
    draft, path = folder / "warehouse.building", folder / "warehouse.duckdb"
    source = store.open_release(settings, "learning", learning.release_id)
    connection = duckdb.connect(str(draft))
    try:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(_TABLES)
        results: list[dict[str, Any]] = []
        for plan in plans:
            card = _evaluate(source, plan, learning)
            connection.execute(
                "insert into pilot_scorecard values (?, ?, ?)",
                [plan["pilot_id"], plan["plan_hash"], json.dumps(card, default=str)],
            )
            results += _result_rows(card, plan, learning, folder.name)
        _insert(connection, "pilot_result", results)
        _rollout(connection, source)
        counts = {
            name: int(connection.execute(f"select count(*) from {name}").fetchall()[0][0])
            for name in ("pilot_scorecard", "pilot_result", "rollout_metric", "rollout_school")
        }
    finally:
        connection.close()
        source.close()
    draft.replace(path)
    return _release(folder, path, learning, counts), results


def _release(folder: Path, path: Path, learning: store.Release, counts: dict[str, int]) -> store.Release:
    return store.Release(
        release_id=folder.name,
        kind=KIND,
        data_date=learning.data_date,
        built_at=datetime.now(UTC),
        path=path,
        cut_offsets=learning.cut_offsets,
        held=learning.held,
        based_on=learning.release_id,
        tables=counts,
        as_of=learning.as_of,
    )


def _frame(source: duckdb.DuckDBPyConnection, table: str, pilot_id: str | None = None) -> pd.DataFrame:
    where, values = (" where pilot_id = ?", [pilot_id]) if pilot_id else ("", [])
    return source.execute(f"select * from {table}{where} order by all", values).df()


def _evaluate(source: duckdb.DuckDBPyConnection, plan: dict[str, Any], learning: store.Release) -> dict[str, Any]:
    """The pilot's scorecard on the release's marts."""
    from pilots.evaluate import evaluate

    pilot_id = plan["pilot_id"]
    try:
        return evaluate(
            plan["plan"],
            _frame(source, "mart_pilot_pupil", pilot_id),
            _frame(source, "mart_pilot_school", pilot_id),
            _frame(source, "mart_rollout_school", pilot_id),
            learning.release_id,
            learning.data_date,
            red_gates=_red_gates(source, pilot_id),
        )
    except CairnError as error:
        raise CairnError(f"pilot {pilot_id} on {learning.release_id}: {error}") from error


def _red_gates(source: duckdb.DuckDBPyConnection, pilot_id: str) -> list[str]:
    """Gates that hold back a school of the pilot in this release."""
    rows = source.execute(
        """
        select distinct result.gate
        from mart_gate_result as result
        inner join mart_pilot_school as school
            on result.scope_type = 'school' and result.scope_id = school.school_id
        where school.pilot_id = ? and not result.is_passed and result.severity = 'holds_scope'
            and result.data_date = (select max(data_date) from mart_school_trust)
        order by 1
        """,
        [pilot_id],
    ).fetchall()
    return [gate for (gate,) in rows]


def _result_rows(
    card: dict[str, Any], plan: dict[str, Any], learning: store.Release, evaluation_id: str
) -> list[dict[str, Any]]:
    """The scorecard's numbers and words as rows, so that an evaluation can be replayed and compared."""
    same = {
        "evaluation_id": evaluation_id,
        "pilot_id": plan["pilot_id"],
        "plan_hash": plan["plan_hash"],
        "release_id": learning.release_id,
        "evaluated_at": datetime.now(UTC),
    }
    rows = [
        {**same, **{key: estimate.get(key) for key in ("name", "value", "low", "high", "unit")}}
        for estimate in card.get("estimates", [])
    ]
    rows.append({**same, "name": "recommendation", "text_value": str(card.get("recommendation", ""))})
    if card.get("rating"):
        rows.append({**same, "name": "rating", "text_value": json.dumps(card["rating"], default=str)})
    return rows


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = [name for (name, *_) in connection.execute(f"describe {table}").fetchall()]
    if rows:
        connection.executemany(
            f"insert into {table} values ({', '.join('?' for _ in columns)})",
            [[row.get(column) for column in columns] for row in rows],
        )


def _rollout(connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection) -> None:
    """Rollout of each school as the mart has it, and the metrics over them."""
    from pilots.rollout import metrics

    schools = _frame(source, "mart_rollout_school")
    connection.execute("create table rollout_school as select * from schools")
    _insert(connection, "rollout_metric", [dict(metric) for metric in metrics(schools)])
