"""One pilot's scorecard on one learning release: for the command that shows it and the evaluation that publishes it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import pandas as pd

from cairn.errors import CairnError
from cairn.privacy import school_told, smallest_group
from cairn.settings import Settings
from gates.before_evaluation import is_crossed
from pilots import assignment, cost, waves
from pilots.decision import DECISIONS, INVALID
from pilots.evaluate import evaluate
from pilots.plan import Plan
from pilots.registry import FrozenPlan
from releases import pilot_scores, store
from releases.learning_marts import frame, marts_of

LOG = logging.getLogger(__name__)
MOST_WORDS = 300
# Keys of a plan that marts are made by, beside its analysis.
MADE_BY = ("implementation.dosage", "implementation.starts_on", "implementation.ends_on", "implementation.milestones")


def scorecard(
    source: duckdb.DuckDBPyConnection, frozen: FrozenPlan, learning: store.Release, settings: Settings
) -> dict[str, Any]:
    """The pilot's scorecard on the marts of an open learning release: red gates, guardrails, the time of freezing and
    the set that its schools were drawn from in it.

    Raises CairnError where the scores cannot be those that the plan means, and what the evaluation raises.
    """
    pilot_id = frozen.pilot_id
    pupils = frame(source, "mart_pilot_pupil", pilot_id)
    schools = frame(source, "mart_pilot_school", pilot_id)
    pilot_scores.refuse_other_plan(frozen.plan_hash, pupils)
    windows = _windows(source, frozen.plan)
    pilot_scores.refuse(frozen.plan, pupils, schools, windows)
    draw = assignment.standing_draw(settings, pilot_id)
    card = evaluate(
        frozen.plan,
        pupils,
        schools,
        frame(source, "mart_rollout_school", pilot_id),
        learning.release_id,
        learning.data_date,
        red_gates=_red_gates(source, pilot_id),
        frozen_at=frozen.frozen_at,
        stored=assignment.permuted_over(frozen.plan, draw),
        guardrails=_guardrails(source, pilot_id),
        not_as_drawn=assignment.assignment_problem(frozen.plan, draw),
        windows=windows,
        orders=assignment.orders_over(frozen.plan, draw),
        n_min=smallest_group(settings),
    )
    card |= log_of(frozen)
    card["warnings"] = [
        *card["warnings"],
        *pilot_scores.warnings(frozen.plan, schools, windows),
        *_changed_since(frozen, learning),
    ]
    return card


def _changed_since(frozen: FrozenPlan, learning: store.Release) -> list[str]:
    """What to say of a plan whose dosage rule or days are newer than the marts that were made by them."""
    keys = [key for change in frozen.changes if change.at > learning.built_at for key in change.keys]
    of_marts = sorted({key for key in keys if key.startswith(MADE_BY)})
    if not of_marts:
        return []
    return [
        f"The plan changed after this data was made ({', '.join(of_marts)}): minutes, guardrails and milestones"
        " follow it from the next night on."
    ]


def log_of(frozen: FrozenPlan) -> dict[str, Any]:
    """What stands beside the frozen analysis: when it was frozen, how it was amended, what else was changed, what was
    done and learned."""
    return {
        "frozen": {
            "at": frozen.frozen_at.isoformat(),
            "is_late": frozen.is_late,
            "amendments": [
                {"at": one.at.isoformat(), "reason": one.reason, "is_after_outcomes": one.is_after_outcomes}
                for one in frozen.amendments
            ],
            "changes": [
                {"at": one.at.isoformat(), "keys": list(one.keys), "is_after_outcomes": one.is_after_outcomes}
                for one in frozen.changes
            ],
        },
        "practice": [
            {"from_date": one.from_date.isoformat(), "what": one.what, "learned": one.learned}
            for one in frozen.versions
        ],
    }


def _guardrails(source: duckdb.DuckDBPyConnection, pilot_id: str) -> pd.DataFrame | None:
    """Values of the pilot's guardrails; None in a release from before there were any."""
    return frame(source, "mart_pilot_guardrail", pilot_id) if "mart_pilot_guardrail" in marts_of(source) else None


def _windows(source: duckdb.DuckDBPyConnection, plan: Plan) -> pd.DataFrame | None:
    """Scores of every window of a plan whose waves start between them; None for any other, and in a release from before
    there was such a mart: the next night brings one."""
    if not waves.is_staggered(plan) or "mart_pilot_window" not in marts_of(source):
        return None
    return frame(source, "mart_pilot_window", plan.pilot_id)


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


def scorecard_or_failure(
    source: duckdb.DuckDBPyConnection, frozen: FrozenPlan, learning: store.Release, settings: Settings
) -> dict[str, Any]:
    """The scorecard, or one that says why there is none: a pilot that cannot be evaluated stops no other.

    The failure is under ``failure``, in one line; the recommendation is then INVALID, and no number is shown. Whatever
    is wrong with one plan or its data is caught here, and logged with its traceback; so is a card that the gate before
    publishing would refuse, for the gate stops all pilots at once.
    """
    try:
        card = scorecard(source, frozen, learning, settings)
        _refuse_unsound(card)
        return card
    except Exception as error:
        LOG.exception("pilot %s on %s cannot be evaluated", frozen.pilot_id, learning.release_id)
        said = str(error) if isinstance(error, CairnError) else f"{type(error).__name__}: {error}"
        return failed(frozen, learning, " ".join(said.split())[:MOST_WORDS])


def _refuse_unsound(card: Mapping[str, Any]) -> None:
    """Raise CairnError where the card contradicts itself."""
    if card["recommendation"] not in DECISIONS:
        raise CairnError(f"the rule said {card['recommendation']!r}, which is none of {', '.join(DECISIONS)}")
    for one in card["estimates"]:
        if is_crossed(one["value"], one["low"], one["high"]):
            raise CairnError(f"{one['name']} {one['value']} lies outside its interval {one['low']} to {one['high']}")
    try:
        json.dumps(card, default=str, allow_nan=False)
    except ValueError as error:
        raise CairnError("a number of the scorecard is not finite: see pilots/evaluate.py") from error


def failed(frozen: FrozenPlan, learning: store.Release, why: str) -> dict[str, Any]:
    """A scorecard without numbers that names its failure."""
    plan = frozen.plan
    return {
        "pilot_id": frozen.pilot_id,
        "title": frozen.title,
        "hypothesis": plan.hypothesis,
        "plan_hash": frozen.plan_hash,
        "release_id": learning.release_id,
        "evaluated_at": datetime.now(UTC).isoformat(),
        "data_date": learning.data_date.isoformat(),
        "failure": why,
        "recommendation": INVALID,
        "recommendation_text": "This pilot could not be evaluated.",
        "why": [f"The evaluation failed: {why}"],
        "how_sure": {"statements": [], "sensitivity": [], "method": "not evaluated"},
        "for_whom": {"pupils": None, "schools": None, "grades": [], "notes": []},
        "did_it_happen": {},
        "cost": {"total_usd": None, "per_pupil_usd": None, "notes": []},
        "next": f"Mend what is named above, then see 'cairn pilots evaluate {frozen.pilot_id}'.",
        "estimates": [],
        "schools": [],
        "rating": {},
        "warnings": [],
    } | log_of(frozen)


def protected(card: Mapping[str, Any], n_min: int) -> dict[str, Any]:
    """The card as it may be published: schools with fewer than ``n_min`` pupils keep their name and arm only,
    and costs of fewer pupils are left out (``pilots.cost.protected``). It says by which ``n_min``."""
    schools = [school_told(school, n_min) for school in card["schools"]]
    return dict(card) | {"schools": schools, "cost": cost.protected(card["cost"], n_min), "n_min": n_min}
