"""What stands beside the analysis that stays frozen: practice versions, and changes of the rest of the plan.

A plan's ``implementation.practice`` is written to ``gold.pilot_practice`` whenever the plan is frozen (again): small
changes are the method and need no amendment. What was learned may be added to a version later. Whatever else differs
then (dosage rule, days, milestones, funding, owner) is written there too, as a change with its day, its keys and the
whole plan from then on: a plan is read as it was recorded last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import lake
from cairn.settings import Settings
from pilots.plan import Plan, differing_keys

TABLE = "gold.pilot_practice"


@dataclass(frozen=True)
class Practice:
    """One version: first day, what is done or changed, and what was learned (None while nothing was written down)."""

    from_date: date
    what: str
    learned: str | None = None


@dataclass(frozen=True)
class Change:
    """A change beside the frozen analysis: when it was recorded, the keys that differ, and whether outcomes could be
    seen by then."""

    at: datetime
    keys: tuple[str, ...]
    is_after_outcomes: bool


@dataclass(frozen=True)
class Changed:
    """A change as it is stored, and the plan from then on."""

    plan_hash: str
    recorded_at: datetime
    keys: tuple[str, ...]
    plan: Plan


def of_plan(plan: Plan) -> list[Practice]:
    """The versions that a plan names, oldest first."""
    found = [
        Practice(date.fromisoformat(one["from_date"]), str(one["what"]), one.get("learned"))
        for one in plan.implementation.get("practice", ())
    ]
    return sorted(found, key=lambda one: one.from_date)


def recorded(settings: Settings) -> tuple[dict[str, list[Practice]], dict[str, list[Changed]]]:
    """(versions on record by pilot, oldest first, each as it was recorded last; changes by pilot, in their order)."""
    newest: dict[str, dict[tuple[date, str], Practice]] = {}
    changes: dict[str, list[Changed]] = {}
    for row in sorted(lake.read(settings, TABLE).to_pylist(), key=lambda row: row["recorded_at"]):
        if row["plan_json"] is not None:
            change = Changed(
                row["plan_hash"], row["recorded_at"], tuple(row["what"].split(", ")), Plan.from_json(row["plan_json"])
            )
            changes.setdefault(row["pilot_id"], []).append(change)
            continue
        version = Practice(row["from_date"], row["what"], row["learned"])
        newest.setdefault(row["pilot_id"], {})[version.from_date, version.what] = version
    versions = {pilot: sorted(found.values(), key=lambda one: one.from_date) for pilot, found in newest.items()}
    return versions, changes


def record(settings: Settings, plan: Plan, now: datetime) -> int:
    """Write the plan's versions that are not on record, or say more of what was learned; returns how many.

    Only for the holder of the pilots' lock (``registry.freeze``).
    """
    known = recorded(settings)[0].get(plan.pilot_id, [])
    rows = [
        asdict(one) | {"pilot_id": plan.pilot_id, "plan_hash": plan.plan_hash, "recorded_at": now}
        for one in of_plan(plan)
        if one not in known
    ]
    return lake.append(settings, TABLE, rows) if rows else 0


def record_change(settings: Settings, before: Plan, plan: Plan, now: datetime, today: date) -> list[str]:
    """Write what differs beside analysis, hypothesis and versions, with the plan from ``now`` on; returns the keys.

    ``today`` is the district's day. Only for the holder of the pilots' lock.
    """
    keys = differing_keys(_beside(before), _beside(plan), "")
    if keys:
        row = {
            "pilot_id": plan.pilot_id,
            "from_date": today,
            "what": ", ".join(keys),
            "plan_hash": plan.plan_hash,
            "recorded_at": now,
            "plan_json": plan.canonical,
        }
        lake.append(settings, TABLE, [row])
    return keys


def _beside(plan: Plan) -> dict[str, Any]:
    """All of a plan that is neither frozen nor a practice version."""
    rest = {key: value for key, value in plan.raw.items() if key not in ("analysis", "hypothesis")}
    rest["implementation"] = {key: value for key, value in plan.implementation.items() if key != "practice"}
    return rest
