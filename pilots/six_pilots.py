"""Six made pilots, one for each word that is hard to tell apart: what boards, tests and whoever mends the page look at.

A district of 20 schools an arm, its truth known and stated in each title. One seed for all, never searched for: what
the rule says of them it says, also where it is another word than a reader would expect. The rows are those of the
marts, put through the product's own evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from pilots.evaluate import evaluate
from pilots.plan import Plan

SEED = 8
PUPILS_A_SCHOOL = 60
SCHOOLS_AN_ARM = 20
# Between schools .20 of the variance (the ICC), of which the pretest explains .70 (R2): as plans expect it.
SCHOOL_SD, UNEXPLAINED = 0.20**0.5, 0.30**0.5
PUPIL_SD = 0.80**0.5
PLANNED_MINUTES = 456.0
AFTER, BEFORE = date(2026, 11, 10), date(2026, 9, 15)
FROZEN_AT = datetime(2026, 8, 10, 15, tzinfo=UTC)
ABSENCES = "days absent"


@dataclass(frozen=True)
class Truth:
    """What is true of a made pilot: ``effect`` and the arms' distance at the start, ``apart``, in SD; the share of the
    planned minutes that pupils got on average."""

    name: str
    title: str
    effect: float
    schools_an_arm: int = SCHOOLS_AN_ARM
    is_random: bool = True
    apart: float = 0.0
    dosage_share: float = 1.2
    on: date = AFTER


SIX = (
    Truth("works", "A change that works (true effect .25 SD)", 0.25),
    Truth("does-nothing", "A change that does nothing (true effect 0)", 0.0),
    # Strong enough that a comparison of this size sees it whatever the draw (HARM for each of seeds 1 to 8).
    Truth("harms", "A change that harms (true effect -.50 SD)", -0.5),
    Truth("three-schools", "A change that works, in three schools (true effect .25 SD)", 0.25, schools_an_arm=3),
    Truth("volunteers", "Volunteers from stronger schools (no effect, .50 SD ahead)", 0.0, is_random=False, apart=0.5),
    Truth("before-window", "A change that works, before its tests (true effect .25 SD)", 0.25, on=BEFORE),
)


def six_cards(truths: Sequence[Truth] = SIX, seed: int = SEED) -> list[dict[str, Any]]:
    """The scorecards of made pilots as an evaluation would publish them."""
    return [made_card(truth, np.random.default_rng([seed, number])) for number, truth in enumerate(truths)]


def made_card(truth: Truth, rng: np.random.Generator) -> dict[str, Any]:
    """One made pilot's scorecard."""
    plan = made_plan(truth)
    pupils, schools = _pupils(plan, truth, rng), _schools(plan)
    card = evaluate(
        plan,
        pupils,
        schools,
        _rollout(plan, truth, pupils, schools),
        "learning-made",
        truth.on,
        frozen_at=FROZEN_AT,
        guardrails=_absences(plan, rng),
        evaluated_at=datetime(truth.on.year, truth.on.month, truth.on.day, 12, tzinfo=UTC),
    )
    frozen = {"at": FROZEN_AT.isoformat(), "is_late": False, "amendments": [], "changes": []}
    practice = [{"from_date": plan.implementation["starts_on"], "what": "as planned", "learned": None}]
    return card | {"frozen": frozen, "practice": practice}


def made_plan(truth: Truth) -> Plan:
    """The plan of a made pilot; the dates are those of the simulated district's first cycle."""
    arms = {
        arm: [f"{arm[0]}{number:02d}" for number in range(1, truth.schools_an_arm + 1)]
        for arm in ("treatment", "comparison")
    }
    test = {"assessment": "District Interim", "measure": "overall"}
    return Plan(
        {
            "pilot_id": truth.name,
            "title": truth.title,
            "hypothesis": {
                "change": "give pupils a daily studio period with practice chosen by what they have mastered",
                "who": f"pupils of {truth.schools_an_arm} schools in grades 3 to 5",
                "measure": "the District Interim overall score in math",
                "direction": "rise",
                "amount": "by 0.10 standard deviations or more",
                "by": "2026-10-30",
                "because": "practice at the edge of what a pupil knows is what moves it",
            },
            "analysis": {
                "wwc_version": "5.0",
                "subject": "math",
                "grades": ["3", "4", "5"],
                "score_type": "scale",
                "assignment": {"method": "random", "seed": SEED} if truth.is_random else {"method": "volunteers"},
                "arms": arms,
                "baseline": test | {"window": "fall", "from_date": "2026-08-24", "to_date": "2026-08-28"},
                "outcome": test
                | {"window": "winter", "from_date": "2026-10-26", "to_date": "2026-10-30"}
                | {"is_made_by_the_tool": False},
                "smallest_effect_that_matters_sd": 0.1,
                "prior": {"effect_sd": 0.2, "icc": 0.2, "r2": 0.7},
                "minimum_outcome_coverage_share": 0.8,
                "attrition_boundary": "cautious",
                "subgroups": ["grade", "start"],
                "guardrails": [{"name": ABSENCES, "source": "attendance", "margin": 1.0}],
            },
            "implementation": {
                "starts_on": "2026-08-31",
                "ends_on": "2026-10-23",
                "dosage_minutes_planned": PLANNED_MINUTES,
                "milestones": [
                    {"name": "teachers trained", "due_date": "2026-08-31"},
                    {"name": "first cycle reviewed", "due_date": "2026-09-17"},
                    {"name": "second cycle reviewed", "due_date": "2026-10-05"},
                ],
            },
        }
    )


def _pupils(plan: Plan, truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """``mart_pilot_pupil``: scores of SD 10 within grade. One in twenty has no outcome, before the window all."""
    schools = list(plan.arms)
    school = np.repeat(np.arange(len(schools)), PUPILS_A_SCHOOL)
    is_treated = np.array([plan.arms[one] == "treatment" for one in schools])[school]
    level = rng.normal(0, SCHOOL_SD, len(schools))[school] + truth.apart * is_treated
    new = rng.normal(0, SCHOOL_SD * UNEXPLAINED, len(schools))[school]
    ability = rng.normal(0, PUPIL_SD * 0.9, len(school))
    noise = rng.normal(0, PUPIL_SD * 0.45, (2, len(school)))
    grade = np.tile(np.array([3, 4, 5]), len(school) // 3)
    after = 205 + 6 * grade + 10 * (level * 0.7**0.5 + new + ability + noise[1] + truth.effect * is_treated)
    is_missing = (rng.random(len(school)) < 0.05) | (truth.on < plan.outcome_opens_on)
    # Half of the time is over where the window is not open yet.
    share = truth.dosage_share * (0.3 if truth.on < plan.outcome_opens_on else 1.0)
    # Schools do not find the same time for it; a stream of its own leaves the draws of scores as they are.
    of_school = rng.spawn(1)[0].normal(0, 0.08, len(schools))[school]
    minutes = np.maximum(0.0, rng.normal(share, 0.15, len(school)) + of_school) * PLANNED_MINUTES
    return pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "plan_hash": plan.plan_hash,
            "arm": np.where(is_treated, "treatment", "comparison"),
            "wave": 1,
            "school_id": np.array(schools)[school],
            "student_key": [f"k{number}" for number in range(len(school))],
            "grade": [f"{one:02d}" for one in grade],
            "baseline_score": 200 + 6 * grade + 10 * (level + ability + noise[0]),
            "outcome_score": np.where(is_missing, np.nan, after),
            "is_joiner": False,
            "has_moved_school": False,
            "dosage_minutes": np.where(is_treated, minutes, 0.0),
        }
    )


def _schools(plan: Plan) -> pd.DataFrame:
    """``mart_pilot_school``: every treated school spent the same."""
    arms = plan.arms
    return pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "school_id": list(arms),
            "school_name": [f"School {school.upper()}" for school in arms],
            "cost_usd": [2400.0 if arm == "treatment" else 0.0 for arm in arms.values()],
            "pupils_assigned": PUPILS_A_SCHOOL,
        }
    )


def _rollout(plan: Plan, truth: Truth, pupils: pd.DataFrame, schools: pd.DataFrame) -> pd.DataFrame:
    """``mart_rollout_school`` of these pupils: the plan's milestones in each treated school, the third of them not met
    in the school with the least time, which is late; while it is early only the first was met."""
    treated = pupils[pupils["arm"] == "treatment"]
    minutes = treated.groupby("school_id")["dosage_minutes"]
    cost = schools.set_index("school_id")["cost_usd"]
    frame = pd.DataFrame(
        {
            "pupils_planned": minutes.size(),
            "pupils_reached": minutes.agg(lambda each: int((each > 0).sum())),
            "dosage_minutes_mean": minutes.mean(),
            "dosage_met_share": minutes.agg(lambda each: float((each >= PLANNED_MINUTES).mean())),
        }
    )
    frame["cost_usd"] = cost.reindex(frame.index)
    each, is_early = len(plan.implementation["milestones"]), truth.on < plan.outcome_opens_on
    is_behind = (frame["dosage_minutes_mean"] == frame["dosage_minutes_mean"].min()) & (not is_early)
    return frame.reset_index().assign(
        pilot_id=plan.pilot_id,
        milestones_planned=each,
        milestones_done=np.where(is_behind, each - 1, 1 if is_early else each),
        milestones_late=is_behind.to_numpy().astype(int),
    )


def _absences(plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """``mart_pilot_guardrail``: days absent in 30, alike in both arms."""
    before = rng.normal(1.6, 0.4, len(plan.arms))
    return pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "school_id": list(plan.arms),
            "guardrail": ABSENCES,
            "value": before + rng.normal(0, 0.2, len(plan.arms)),
            "value_before": before,
            "people": PUPILS_A_SCHOOL,
        }
    )
