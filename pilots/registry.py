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
from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.settings import Settings
from pilots import practice
from pilots.decision import DECISIONS
from pilots.known import Known, same
from pilots.plan import Plan, load_plan
from pilots.practice import Change, Practice

# What is known now of a two-time table.
CURRENT = pc.field("recorded_to").is_null()
PUBLISH = "run 'cairn marts publish --kind evaluation' first"


@dataclass(frozen=True)
class Amendment:
    """A change of a frozen analysis: when, why, and whether outcomes could be seen by then (by the plan before it)."""

    at: datetime
    reason: str
    is_after_outcomes: bool


@dataclass(frozen=True)
class FrozenPlan:
    """A plan as it was frozen; ``plan_hash`` is the one written then, ``frozen_at`` in the district's time zone.

    ``plan`` is as it was recorded last: its analysis is the one frozen, the rest may have changed since (``changes``).
    ``amendments`` are the changes of the analysis that led to it, ``versions`` what was done from which day on; all
    oldest first.
    """

    pilot_id: str
    plan_hash: str
    title: str
    frozen_at: datetime
    plan: Plan
    amendments: tuple[Amendment, ...] = ()
    versions: tuple[Practice, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def recorded_at(self) -> datetime:
        """When the plan as it stands was recorded: frozen, or changed beside the analysis."""
        return max([self.frozen_at, *(change.at for change in self.changes)])

    @property
    def is_late(self) -> bool:
        """Whether outcomes could be seen when the analysis was frozen as it stands."""
        return self.plan.is_late(self.frozen_at)


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


def known(settings: Settings, senders: Collection[str] = ()) -> Known:
    """What the lake knows of what a plan names: schools and grades of the roster, tests of the results, sources of
    events. ``senders`` are those that have a token and may have sent nothing yet."""
    wanted = CURRENT & (pc.field("role") == "student") & (pc.field("status") != "tobedeleted")
    grades = lake.read(settings, "silver.person", ["grade"], wanted)["grade"].unique().to_pylist()
    columns = ["assessment", "subject", "measure"]
    results = lake.read(settings, "silver.assessment_result", columns, CURRENT).group_by(columns).aggregate([])
    tests: dict[str, dict[str, frozenset[str]]] = {}
    for row in results.to_pylist():
        subjects = tests.setdefault(same(row["assessment"]), {})
        subjects[row["subject"]] = subjects.get(row["subject"], frozenset()) | {row["measure"]}
    sent = lake.read(settings, "ops.intake_ledger", ["source_id"])["source_id"].unique().to_pylist()
    return Known(
        schools=frozenset(known_schools(settings)),
        grades=frozenset(grade for grade in grades if grade),
        tests=tests,
        sources=frozenset(senders) | frozenset(one for one in sent if one),
    )


def newest_plans(settings: Settings) -> list[FrozenPlan]:
    """The newest frozen plan of each pilot, by pilot: the one frozen last (stg_pilot_plan.sql says the same)."""
    zone = DistrictCalendar.load(settings).zone
    rows = lake.read(settings, "gold.pilot_plan").to_pylist()
    versions, changed = practice.recorded(settings)
    newest: dict[str, FrozenPlan] = {}
    for row in sorted(rows, key=lambda row: (row["pilot_id"], row["frozen_at"], row["plan_hash"])):
        before, at = newest.get(row["pilot_id"]), row["frozen_at"].astimezone(zone)
        amendments = before.amendments if before else ()
        if before and row["amends_plan_hash"]:
            amendments += (Amendment(at, row["amendment_reason"] or "", before.plan.is_late(at)),)
        own = [
            one
            for one in changed.get(row["pilot_id"], ())
            if one.plan_hash == row["plan_hash"] and one.recorded_at >= row["frozen_at"]
        ]
        plan = own[-1].plan if own else Plan.from_json(row["plan_json"])
        changes = tuple(before.changes) if before else ()
        for one in own:
            day = one.recorded_at.astimezone(zone)
            changes += (Change(day, one.keys, plan.is_late(day)),)
        newest[row["pilot_id"]] = FrozenPlan(
            pilot_id=row["pilot_id"],
            plan_hash=row["plan_hash"],
            title=plan.title,
            frozen_at=at,
            plan=plan,
            amendments=amendments,
            versions=tuple(versions.get(row["pilot_id"], ())),
            changes=changes,
        )
    return list(newest.values())


def frozen_plan(settings: Settings, pilot_id: str) -> FrozenPlan:
    """The frozen plan of a pilot. Raises CairnError where there is none, with the ids there are."""
    plans = {plan.pilot_id: plan for plan in newest_plans(settings)}
    if pilot_id not in plans:
        known = ", ".join(plans) or "none yet"
        raise CairnError(f"no frozen plan {pilot_id!r} (frozen: {known}); freeze it with 'cairn pilots freeze PLAN'")
    return plans[pilot_id]


def freeze_file(
    settings: Settings,
    path: Path,
    amendment: str | None = None,
    now: datetime | None = None,
    senders: Collection[str] = (),
) -> dict[str, Any]:
    """Check a plan file against the lake and who may send, and freeze it; see :func:`freeze` and :func:`known`."""
    loaded = known(settings, senders)
    if not loaded.schools:
        raise CairnError(f"{path}: no schools in the roster to check the arms against; run 'cairn roster load' first")
    return freeze(settings, load_plan(path, loaded), now, amendment)


def freeze(settings: Settings, plan: Plan, now: datetime | None = None, amendment: str | None = None) -> dict[str, Any]:
    """Freeze a checked plan: its row and its arms, and its practice versions. The same again changes nothing.

    ``amendment`` is why another analysis (or another hypothesis) takes the place of the one frozen under the same id.
    Neither that nor a first freeze is refused when outcomes can be seen: it is recorded with its time, and ``is_late``
    says so. What differs beside them is recorded as a change, ``changed`` holding its keys. Raises CairnError where
    what is frozen differs and no reason was given, with the keys that differ.
    """
    at, reason = now or datetime.now(UTC), (amendment or "").strip()
    with _one_writer(settings):
        earlier = next((one for one in newest_plans(settings) if one.pilot_id == plan.pilot_id), None)
        differing = earlier.plan.frozen_keys_that_differ(plan) if earlier else []
        if earlier and not differing and earlier.plan_hash != plan.plan_hash:
            differing = ["hypothesis.direction"]  # frozen by a version that did not read it
        is_new = earlier is None or bool(differing)
        if earlier and is_new and not reason:
            raise CairnError(
                f"pilot {plan.pilot_id!r} is frozen with another analysis (differs in {', '.join(differing)}); restore"
                " it, give the new plan an id of its own, or say why it is amended: cairn pilots freeze PLAN --amend"
                " REASON"
            )
        if not _arm_schools(settings, plan):
            # Arms first: a crash between the two leaves no plan without arms, and the next freeze completes it.
            lake.append(settings, "gold.pilot_arm", _arm_rows(plan))
        if is_new:
            row = {
                "pilot_id": plan.pilot_id,
                "plan_hash": plan.plan_hash,
                "title": plan.title,
                "plan_json": plan.canonical,
                "frozen_at": at,
                "amends_plan_hash": earlier.plan_hash if earlier else None,
                "amendment_reason": reason if earlier else None,
            }
            lake.append(settings, "gold.pilot_plan", [row])
        today = at.astimezone(DistrictCalendar.load(settings).zone).date()
        changed = practice.record_change(settings, earlier.plan, plan, at, today) if earlier else []
        recorded = practice.record(settings, plan, at)
        standing = frozen_plan(settings, plan.pilot_id)
    return {
        "pilot_id": plan.pilot_id,
        "plan_hash": plan.plan_hash,
        "is_new": is_new,
        "is_amendment": is_new and earlier is not None,
        "is_late": standing.is_late,
        "frozen_at": standing.frozen_at,
        "outcome_opens_on": plan.outcome_opens_on,
        "practice_versions": recorded,
        "changed": changed,
        "schools": len(plan.arms),
    }


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
