"""Plans, results and human decisions as rows of the lake: frozen once, appended, never rewritten.

What is appended depends on what is there already, so one process at a time reads and appends (``pilots.lock`` in home).
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from pilots.decision import DECISIONS
from pilots.known import Known, same
from pilots.plan import Plan, differing_keys, load_plan

# What is known now of a two-time table.
CURRENT = pc.field("recorded_to").is_null()
PUBLISH = "run 'cairn marts publish --kind evaluation' first"


@dataclass(frozen=True)
class FrozenPlan:
    """A plan as it was frozen; ``plan_hash`` is the one written then."""

    pilot_id: str
    plan_hash: str
    title: str
    frozen_at: datetime
    plan: Plan


@dataclass(frozen=True)
class Recommended:
    """What the rule said of a pilot in one published evaluation, which a person's decision answers."""

    evaluation_id: str
    plan_hash: str
    recommendation: str


@contextmanager
def _one_writer(settings: Settings) -> Iterator[None]:
    """Hold the lock of the pilots' tables; waits for whoever holds it."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "pilots.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def known_schools(settings: Settings) -> set[str]:
    """Ids of the roster's schools; empty while no roster was loaded."""
    rows = lake.read(settings, "silver.org", ["org_id", "org_type", "status", "recorded_to"]).to_pylist()
    return {
        row["org_id"]
        for row in rows
        if row["recorded_to"] is None and row["org_type"] == "school" and row["status"] != "tobedeleted"
    }


def known(settings: Settings) -> Known:
    """What the lake knows of what a plan names: schools and grades of the roster, tests of the results."""
    wanted = CURRENT & (pc.field("role") == "student") & (pc.field("status") != "tobedeleted")
    grades = lake.read(settings, "silver.person", ["grade"], wanted)["grade"].unique().to_pylist()
    columns = ["assessment", "subject", "measure"]
    results = lake.read(settings, "silver.assessment_result", columns, CURRENT).group_by(columns).aggregate([])
    tests: dict[str, dict[str, frozenset[str]]] = {}
    for row in results.to_pylist():
        subjects = tests.setdefault(same(row["assessment"]), {})
        subjects[row["subject"]] = subjects.get(row["subject"], frozenset()) | {row["measure"]}
    return Known(frozenset(known_schools(settings)), frozenset(grade for grade in grades if grade), tests)


def newest_plans(settings: Settings) -> list[FrozenPlan]:
    """The newest frozen plan of each pilot, by pilot: the one frozen last (stg_pilot_plan.sql says the same)."""
    newest: dict[str, dict[str, Any]] = {}
    for row in lake.read(settings, "gold.pilot_plan").to_pylist():
        known = newest.get(row["pilot_id"])
        if known is None or (row["frozen_at"], row["plan_hash"]) > (known["frozen_at"], known["plan_hash"]):
            newest[row["pilot_id"]] = row
    return [
        FrozenPlan(row["pilot_id"], row["plan_hash"], row["title"], row["frozen_at"], Plan.from_json(row["plan_json"]))
        for _, row in sorted(newest.items())
    ]


def frozen_plan(settings: Settings, pilot_id: str) -> FrozenPlan:
    """The frozen plan of a pilot. Raises CairnError where there is none, with the ids there are."""
    plans = {plan.pilot_id: plan for plan in newest_plans(settings)}
    if pilot_id not in plans:
        known = ", ".join(plans) or "none yet"
        raise CairnError(f"no frozen plan {pilot_id!r} (frozen: {known}); freeze it with 'cairn pilots freeze PLAN'")
    return plans[pilot_id]


def freeze_file(settings: Settings, path: Path) -> dict[str, Any]:
    """Check a plan file against the lake and freeze it; see :func:`freeze`."""
    loaded = known(settings)
    if not loaded.schools:
        raise CairnError(f"{path}: no schools in the roster to check the arms against; run 'cairn roster load' first")
    return freeze(settings, load_plan(path, loaded))


def freeze(settings: Settings, plan: Plan, now: datetime | None = None) -> dict[str, Any]:
    """Freeze a checked plan: its row and its arms. The same analysis again changes nothing.

    Raises CairnError where another analysis was frozen under the same id, with the keys that differ.
    """
    with _one_writer(settings):
        earlier = [frozen.plan for frozen in newest_plans(settings) if frozen.pilot_id == plan.pilot_id]
        if earlier and earlier[0].plan_hash != plan.plan_hash:
            keys = ", ".join(differing_keys(dict(earlier[0].analysis), dict(plan.analysis)))
            raise CairnError(
                f"pilot {plan.pilot_id!r} is frozen with another analysis (differs in {keys}); "
                "give the new plan an id of its own, or restore the frozen analysis"
            )
        if not _arm_schools(settings, plan):
            # Arms first: a crash between the two leaves no plan without arms, and the next freeze completes it.
            lake.append(settings, "gold.pilot_arm", _arm_rows(plan))
        if not earlier:
            row = {
                "pilot_id": plan.pilot_id,
                "plan_hash": plan.plan_hash,
                "title": plan.title,
                "plan_json": plan.canonical,
                "frozen_at": now or datetime.now(UTC),
            }
            lake.append(settings, "gold.pilot_plan", [row])
    return {"pilot_id": plan.pilot_id, "plan_hash": plan.plan_hash, "is_new": not earlier, "schools": len(plan.arms)}


def _arm_rows(plan: Plan) -> list[dict[str, Any]]:
    waves = plan.waves
    return [
        {
            "pilot_id": plan.pilot_id,
            "school_id": school,
            "plan_hash": plan.plan_hash,
            "arm": arm,
            "wave": waves[school],
        }
        for school, arm in plan.arms.items()
    ]


def _arm_schools(settings: Settings, plan: Plan) -> Collection[str]:
    rows = lake.read(settings, "gold.pilot_arm", ["pilot_id", "school_id", "plan_hash"]).to_pylist()
    return {r["school_id"] for r in rows if r["pilot_id"] == plan.pilot_id and r["plan_hash"] == plan.plan_hash}


def result_rows(
    scorecard: Mapping[str, Any], plan_hash: str, evaluation_id: str, code_version: str | None = None
) -> list[dict[str, Any]]:
    """A scorecard's numbers and words in columns of ``gold.pilot_result``, so that it can be replayed and compared.

    ``evaluation_id`` is the id of the evaluation release that shows the scorecard, ``code_version`` what made it.
    """
    same = {
        "evaluation_id": evaluation_id,
        "pilot_id": scorecard["pilot_id"],
        "plan_hash": plan_hash,
        "release_id": scorecard["release_id"],
        "evaluated_at": datetime.fromisoformat(scorecard["evaluated_at"]),
        "code_version": code_version,
    }
    rows = [
        same | {key: estimate[key] for key in ("name", "value", "low", "high", "unit")}
        for estimate in scorecard["estimates"]
    ]
    rows.append(same | {"name": "recommendation", "text_value": scorecard["recommendation"]})
    if word := scorecard["rating"].get("rating"):
        rows.append(same | {"name": "rating", "text_value": word})
    return rows


def record(settings: Settings, evaluation_id: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write the results of one published evaluation to ``gold.pilot_result``, once; returns how many rows it wrote.

    The one writer of that table. All rows of an evaluation go in one append, so that a second call finds all or none.
    """
    with _one_writer(settings):
        there = lake.read(settings, "gold.pilot_result", ["evaluation_id"], pc.field("evaluation_id") == evaluation_id)
        return 0 if there.num_rows else lake.append(settings, "gold.pilot_result", rows)


def latest_recommendation(settings: Settings, pilot_id: str) -> Recommended | None:
    """The newest published recommendation of a pilot."""
    columns = ["evaluation_id", "pilot_id", "name", "text_value", "plan_hash", "evaluated_at"]
    wanted = (pc.field("pilot_id") == pilot_id) & (pc.field("name") == "recommendation")
    rows = lake.read(settings, "gold.pilot_result", columns, wanted).to_pylist()
    if not rows:
        return None
    newest = max(rows, key=lambda row: row["evaluated_at"])
    return Recommended(newest["evaluation_id"], newest["plan_hash"], str(newest["text_value"]))


def decide(
    settings: Settings,
    pilot_id: str,
    decision: str,
    by: str,
    reason: str | None,
    seen: Recommended | None = None,
    account: str | None = None,
) -> dict[str, Any]:
    """Record what a person in role ``by``, signed in as ``account``, decided.

    A reason is needed where the decision differs from the rule. ``seen`` is the evaluation that the person looked at;
    the newest published one where not given. The same decision sent twice is one. Raises CairnError for an unknown
    pilot or decision, one of which no evaluation was published, and a missing reason.
    """
    word = decision.strip().upper().replace("-", " ").replace("_", " ")
    if word not in DECISIONS:
        raise CairnError(f"no decision {decision!r}; give one of {', '.join(DECISIONS)}")
    frozen_plan(settings, pilot_id)
    said = seen or latest_recommendation(settings, pilot_id)
    if said is None:
        raise CairnError(f"no evaluation of pilot {pilot_id!r} was published yet: {PUBLISH}")
    given = (reason or "").strip() or None
    if word != said.recommendation and not given:
        raise CairnError(
            f"the rule says {said.recommendation} and the decision is {word}: give the reason with --reason"
        )
    row = {
        "pilot_id": pilot_id,
        "decided_at": datetime.now(UTC),
        "decision": word,
        "recommendation": said.recommendation,
        "decided_by_role": by,
        "decided_by": account,
        "reason": given,
        "plan_hash": said.plan_hash,
        "evaluation_id": said.evaluation_id,
    }
    with _one_writer(settings):
        standing = decisions(settings, pilot_id)[-1:]
        if standing and all(standing[0][key] == row[key] for key in row if key != "decided_at"):
            return standing[0]
        lake.append(settings, "gold.pilot_decision", [row])
    return row


def decisions(settings: Settings, pilot_id: str | None = None) -> list[dict[str, Any]]:
    """Human decisions, oldest first; of one pilot or all."""
    rows = lake.read(settings, "gold.pilot_decision").to_pylist()
    chosen = [row for row in rows if pilot_id is None or row["pilot_id"] == pilot_id]
    return sorted(chosen, key=lambda row: row["decided_at"])
