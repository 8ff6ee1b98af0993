"""Plans, results and human decisions as rows of the lake: frozen once, appended, never rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from pilots.decision import DECISIONS
from pilots.plan import Plan, differing_keys


def known_schools(settings: Settings) -> set[str]:
    """Ids of the roster's schools; empty while no roster was loaded."""
    rows = lake.read(settings, "silver.org", ["org_id", "org_type", "status", "recorded_to"]).to_pylist()
    return {
        row["org_id"]
        for row in rows
        if row["recorded_to"] is None and row["org_type"] == "school" and row["status"] != "tobedeleted"
    }


def frozen_plans(settings: Settings) -> list[Plan]:
    """Every frozen plan, by pilot."""
    rows = lake.read(settings, "gold.pilot_plan", ["pilot_id", "plan_json", "frozen_at"]).to_pylist()
    newest = {row["pilot_id"]: row for row in sorted(rows, key=lambda row: row["frozen_at"])}
    return [Plan.from_json(newest[pilot_id]["plan_json"]) for pilot_id in sorted(newest)]


def frozen_plan(settings: Settings, pilot_id: str) -> Plan:
    """The frozen plan of a pilot. Raises CairnError where there is none, with the ids there are."""
    plans = {plan.pilot_id: plan for plan in frozen_plans(settings)}
    if pilot_id not in plans:
        known = ", ".join(plans) or "none yet"
        raise CairnError(f"no frozen plan {pilot_id!r} (frozen: {known}); freeze it with 'cairn pilots freeze PLAN'")
    return plans[pilot_id]


def freeze(settings: Settings, plan: Plan, now: datetime | None = None) -> dict[str, Any]:
    """Freeze a checked plan: its row and its arms. The same analysis again changes nothing.

    Raises CairnError where another analysis was frozen under the same id, with the keys that differ.
    """
    earlier = [other for other in frozen_plans(settings) if other.pilot_id == plan.pilot_id]
    if earlier and earlier[0].plan_hash != plan.plan_hash:
        keys = ", ".join(differing_keys(dict(earlier[0].analysis), dict(plan.analysis)))
        raise CairnError(
            f"pilot {plan.pilot_id!r} is frozen with another analysis (differs in {keys}); "
            "give the new plan an id of its own, or restore the frozen analysis"
        )
    at = now or datetime.now(UTC)
    if not _arm_schools(settings, plan):
        # Arms first: a crash between the two leaves no plan without arms, and the next freeze completes it.
        waves = plan.waves
        lake.append(
            settings,
            "gold.pilot_arm",
            [
                {
                    "pilot_id": plan.pilot_id,
                    "school_id": school,
                    "plan_hash": plan.plan_hash,
                    "arm": arm,
                    "wave": waves[school],
                }
                for school, arm in plan.arms.items()
            ],
        )
    if not earlier:
        lake.append(
            settings,
            "gold.pilot_plan",
            [
                {
                    "pilot_id": plan.pilot_id,
                    "plan_hash": plan.plan_hash,
                    "title": plan.title,
                    "plan_json": plan.canonical,
                    "frozen_at": at,
                }
            ],
        )
    return {"pilot_id": plan.pilot_id, "plan_hash": plan.plan_hash, "is_new": not earlier, "schools": len(plan.arms)}


def _arm_schools(settings: Settings, plan: Plan) -> Collection[str]:
    rows = lake.read(settings, "gold.pilot_arm", ["pilot_id", "school_id", "plan_hash"]).to_pylist()
    return {r["school_id"] for r in rows if r["pilot_id"] == plan.pilot_id and r["plan_hash"] == plan.plan_hash}


def evaluation_id(scorecard: Mapping[str, Any]) -> str:
    """Identity of an evaluation: pilot, plan and release, so that the same evaluation again is the same one."""
    text = "|".join(str(scorecard[key]) for key in ("pilot_id", "plan_hash", "release_id"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def record(settings: Settings, scorecard: Mapping[str, Any]) -> str:
    """Write an evaluation to ``gold.pilot_result`` (once); returns its id."""
    identity = evaluation_id(scorecard)
    rows = lake.read(settings, "gold.pilot_result", ["evaluation_id"]).to_pylist()
    if any(row["evaluation_id"] == identity for row in rows):
        return identity
    base = {
        "evaluation_id": identity,
        "pilot_id": scorecard["pilot_id"],
        "plan_hash": scorecard["plan_hash"],
        "release_id": scorecard["release_id"],
        "evaluated_at": datetime.fromisoformat(scorecard["evaluated_at"]),
    }
    found = [
        base | {key: estimate[key] for key in ("name", "value", "low", "high", "unit")}
        for estimate in scorecard["estimates"]
    ]
    for name in ("recommendation", "rating"):
        text = scorecard[name] if name == "recommendation" else scorecard["rating"]["rating"]
        found.append(base | {"name": name, "text_value": text})
    lake.append(settings, "gold.pilot_result", found)
    return identity


def latest_recommendation(settings: Settings, pilot_id: str) -> dict[str, Any] | None:
    """The newest recorded recommendation: evaluation_id, text_value (the rule's word), plan_hash, evaluated_at."""
    columns = ["evaluation_id", "pilot_id", "name", "text_value", "plan_hash", "release_id", "evaluated_at"]
    rows = [
        row
        for row in lake.read(settings, "gold.pilot_result", columns).to_pylist()
        if row["pilot_id"] == pilot_id and row["name"] == "recommendation"
    ]
    return max(rows, key=lambda row: row["evaluated_at"]) if rows else None


def decide(
    settings: Settings, pilot_id: str, decision: str, by: str, reason: str | None, account: str | None = None
) -> dict[str, Any]:
    """Record what a person in role ``by``, signed in as ``account``, decided.

    A reason is needed where the decision differs from the rule. Raises CairnError for an unknown pilot or
    decision, one that was never evaluated, and a missing reason.
    """
    word = decision.strip().upper().replace("-", " ").replace("_", " ")
    if word not in DECISIONS:
        raise CairnError(f"no decision {decision!r}; give one of {', '.join(DECISIONS)}")
    frozen_plan(settings, pilot_id)
    latest = latest_recommendation(settings, pilot_id)
    if latest is None:
        raise CairnError(f"pilot {pilot_id!r} was not evaluated yet; run 'cairn pilots evaluate {pilot_id}' first")
    rule = str(latest["text_value"])
    if word != rule and not (reason or "").strip():
        raise CairnError(f"the rule says {rule} and the decision is {word}: give the reason with --reason")
    row = {
        "pilot_id": pilot_id,
        "decided_at": datetime.now(UTC),
        "decision": word,
        "recommendation": rule,
        "decided_by_role": by,
        "decided_by": account,
        "reason": (reason or "").strip() or None,
        "plan_hash": latest["plan_hash"],
        "evaluation_id": latest["evaluation_id"],
    }
    lake.append(settings, "gold.pilot_decision", [row])
    return row


def decisions(settings: Settings, pilot_id: str | None = None) -> list[dict[str, Any]]:
    """Human decisions, oldest first; of one pilot or all."""
    rows = lake.read(settings, "gold.pilot_decision").to_pylist()
    chosen = [row for row in rows if pilot_id is None or row["pilot_id"] == pilot_id]
    return sorted(chosen, key=lambda row: row["decided_at"])
