"""The evaluation release: every pilot's scorecard and the rollout metrics, on one learning release.

Built aside, passed by the gate before_evaluation, swapped in, and only then recorded in ``gold.pilot_result``: under
the release's own id and once, so that a crash in between leaves no results of an evaluation that never was, and the
next call completes what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from cairn.errors import CairnError
from cairn.privacy import smallest_group
from cairn.settings import Settings
from gates.run import run_gate
from pilots import registry
from pilots.registry import FrozenPlan
from releases import rollout_tables, scorecards, store
from releases.evaluation_code import code_version
from releases.learning_marts import release_of

KIND = "evaluation"
GATE = "before_evaluation"

TABLES = """
create table pilot_scorecard (pilot_id varchar not null, plan_hash varchar not null, scorecard_json varchar not null);
create table pilot_result (
    evaluation_id varchar not null, pilot_id varchar not null, name varchar not null, plan_hash varchar not null,
    release_id varchar not null, value double, text_value varchar, low double, high double, unit varchar,
    evaluated_at timestamptz not null, code_version varchar
);
"""


def build_and_publish(settings: Settings, *, force: bool = False) -> store.Release:
    """Evaluate every frozen plan on the current learning release and publish the result.

    Idempotent per learning release, set of plans, smallest group and code: what stands is returned unless ``force``; by
    other code it is another evaluation, under an id of its own. A pilot that cannot be evaluated is published with its
    failure, the others as they are. Raises CairnError where no learning release was published yet, or where the gate is
    red, naming its rule: the former evaluation then stays in place.
    """
    with store.building(settings):
        learning = release_of(settings)
        plans = registry.newest_plans(settings)
        present = store.current(settings, KIND)
        if present and not force and _is_of(settings, present, learning, plans):
            _record(settings, present)  # where a crash came between swap and record
            return present
        release = _build(settings, learning, plans)
        _audit(settings, release, plans, learning)
        release = replace(release, published_at=datetime.now(UTC))
        store.save(release)
        store.swap(settings, release)
        _record(settings, release)
    store.record(settings, release, "published", f"pilots: {', '.join(plan.pilot_id for plan in plans) or 'none'}")
    return release


def _is_of(settings: Settings, release: store.Release, learning: store.Release, plans: Sequence[FrozenPlan]) -> bool:
    """Whether the release is of this learning release and these plans, by the code that runs and the smallest group
    that the district has now."""
    if release.based_on != learning.release_id or release.code_version != code_version():
        return False
    if any(plan.recorded_at > release.built_at for plan in plans):
        return False  # changed since, beside the analysis that is hashed
    with store.connect(settings, release) as connection:
        cards = connection.execute("select pilot_id, plan_hash, scorecard_json from pilot_scorecard").fetchall()
    n_min = smallest_group(settings)
    if any(json.loads(card).get("n_min") != n_min for _, _, card in cards):
        return False
    return {pilot_id: plan_hash for pilot_id, plan_hash, _ in cards} == _hashes(plans)


def _hashes(plans: Sequence[FrozenPlan]) -> dict[str, str]:
    return {plan.pilot_id: plan.plan_hash for plan in plans}


def _build(settings: Settings, learning: store.Release, plans: Sequence[FrozenPlan]) -> store.Release:
    """Evaluate into a new file; returns the unpublished release."""
    folder = store.new_folder(settings, KIND, learning.data_date)
    draft, path = folder / "warehouse.building", folder / "warehouse.duckdb"
    with store.connect(settings, learning) as source, duckdb.connect(str(draft)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(TABLES)
        n_min = smallest_group(settings)
        for plan in plans:
            card = scorecards.protected(scorecards.scorecard_or_failure(source, plan, learning, settings), n_min)
            connection.execute(
                "insert into pilot_scorecard values (?, ?, ?)",
                [plan.pilot_id, plan.plan_hash, json.dumps(card, default=str)],
            )
            results = registry.result_rows(card, plan.plan_hash, folder.name, code_version())
            rollout_tables.insert(connection, "pilot_result", results)
        rollout_tables.write(connection, source, learning, n_min)
        names = [name for (name,) in connection.execute("select table_name from duckdb_tables() order by 1").fetchall()]
        counts = {name: int(connection.execute(f"select count(*) from {name}").fetchall()[0][0]) for name in names}
    store.make_private(draft)
    draft.replace(path)
    return _release(folder, path, learning, counts)


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
        code_version=code_version(),
    )


def _audit(settings: Settings, release: store.Release, plans: Sequence[FrozenPlan], learning: store.Release) -> None:
    """Run the gate on the built file. Raises CairnError where it is red."""
    outcome = run_gate(
        GATE,
        settings,
        release.data_date,
        warehouse=release.path,
        plans=_hashes(plans),
        learning_release_id=learning.release_id,
    )
    if not outcome.is_green:
        present = store.current(settings, KIND)
        stays = f"{present.release_id} stays" if present else "no evaluation stands yet"
        raise CairnError(f"{outcome.structural_failures()} ({release.release_id} is not published, {stays})")


def _record(settings: Settings, release: store.Release) -> None:
    """The results as the published file has them, into the lake, once."""
    with store.connect(settings, release) as connection:
        cursor = connection.execute("select * from pilot_result")
        names = [column for (column, *_) in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    registry.record(settings, release.release_id, rows)
