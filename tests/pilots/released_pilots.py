"""A learning release that holds both simulated pilots' marts, current, and their plans frozen."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pandas as pd

from cairn.settings import Settings
from pilots import registry
from pilots.plan import Plan
from releases import store
from tests.pilots.simulated_marts import Marts

NAMES = ("mart_pilot_pupil", "mart_pilot_school", "mart_rollout_school")
DAY = date(2026, 11, 10)


def release_pilots(settings: Settings, simulated: dict[str, tuple[Plan, Marts]], number: int = 1) -> store.Release:
    """Publish the marts as ``learning-2026-11-10-<number>`` and freeze the plans."""
    folder = settings.releases_dir / "learning" / f"learning-{DAY}-{number}"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for position, name in enumerate(NAMES):
            connection.register("frame", pd.concat([m[position] for _, m in simulated.values()]))
            extra = ", cost_usd / nullif(pupils_planned, 0) as cost_per_pupil_usd" if "rollout" in name else ""
            connection.execute(f"create table {name} as select *{extra} from frame")
            connection.unregister("frame")
        connection.execute("create table mart_school_trust as select ? as data_date", [DAY])
        connection.execute(
            "create table mart_gate_result (gate varchar, scope_type varchar, scope_id varchar, severity varchar,"
            " is_passed boolean, data_date date)"
        )
    release = store.Release(
        release_id=folder.name,
        kind="learning",
        data_date=DAY,
        built_at=datetime.now(UTC),
        path=folder / "warehouse.duckdb",
        published_at=datetime.now(UTC),
    )
    store.save(release)
    store.swap(settings, release)
    for plan, _ in simulated.values():
        registry.freeze(settings, plan, datetime(2026, 8, 3, tzinfo=UTC))
    return release
