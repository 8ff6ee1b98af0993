"""A learning release that holds marts of pilots, current; and both simulated pilots' with their plans frozen."""

from __future__ import annotations

from collections.abc import Mapping
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
    marts = {name: pd.concat([m[position] for _, m in simulated.values()]) for position, name in enumerate(NAMES)}
    rollout = marts["mart_rollout_school"]
    marts["mart_rollout_school"] = rollout.assign(
        cost_per_pupil_usd=rollout["cost_usd"] / rollout["pupils_planned"].replace(0, float("nan"))
    )
    release = release_marts(settings, marts, number)
    for plan, _ in simulated.values():
        registry.freeze(settings, plan, datetime(2026, 8, 3, tzinfo=UTC))
    return release


def release_marts(settings: Settings, marts: Mapping[str, pd.DataFrame], number: int = 1) -> store.Release:
    """Publish marts of pilots, by name, as ``learning-2026-11-10-<number>``; every gate is green."""
    folder = settings.releases_dir / "learning" / f"learning-{DAY}-{number}"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for name, frame in marts.items():
            connection.register("frame", frame)
            connection.execute(f"create table {name} as select * from frame")
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
    return release
