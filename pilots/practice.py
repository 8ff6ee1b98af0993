"""Practice versions: what was done from which day on and what was learned, beside the analysis that stays frozen.

A plan's ``implementation.practice`` is written to ``gold.pilot_practice`` whenever the plan is frozen (again): small
changes are the method and need no amendment. What was learned may be added to a version later.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime

import lake
from cairn.settings import Settings
from pilots.plan import Plan

TABLE = "gold.pilot_practice"


@dataclass(frozen=True)
class Practice:
    """One version: first day, what is done or changed, and what was learned (None while nothing was written down)."""

    from_date: date
    what: str
    learned: str | None = None


def of_plan(plan: Plan) -> list[Practice]:
    """The versions that a plan names, oldest first."""
    found = [
        Practice(date.fromisoformat(one["from_date"]), str(one["what"]), one.get("learned"))
        for one in plan.implementation.get("practice", ())
    ]
    return sorted(found, key=lambda one: one.from_date)


def recorded(settings: Settings) -> dict[str, list[Practice]]:
    """The versions on record by pilot, oldest first; each as it was recorded last."""
    newest: dict[str, dict[tuple[date, str], Practice]] = {}
    for row in sorted(lake.read(settings, TABLE).to_pylist(), key=lambda row: row["recorded_at"]):
        version = Practice(row["from_date"], row["what"], row["learned"])
        newest.setdefault(row["pilot_id"], {})[version.from_date, version.what] = version
    return {pilot: sorted(found.values(), key=lambda one: one.from_date) for pilot, found in newest.items()}


def record(settings: Settings, plan: Plan, now: datetime) -> int:
    """Write the plan's versions that are not on record, or say more of what was learned; returns how many.

    Only for the holder of the pilots' lock (``registry.freeze``).
    """
    known = recorded(settings).get(plan.pilot_id, [])
    rows = [
        asdict(one) | {"pilot_id": plan.pilot_id, "plan_hash": plan.plan_hash, "recorded_at": now}
        for one in of_plan(plan)
        if one not in known
    ]
    return lake.append(settings, TABLE, rows) if rows else 0
