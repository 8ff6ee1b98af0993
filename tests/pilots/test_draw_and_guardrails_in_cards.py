"""In a scorecard: guardrails from their day on, the set that schools were drawn from, and the rating's numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cairn.settings import Settings
from pilots import assignment
from pilots.allocation_sets import Block
from pilots.draft import Draft
from pilots.evaluate import evaluate
from pilots.plan import Plan
from pilots.school_traits import SchoolTraits
from tests.pilots.made_districts import AFTER, NO_MARTS, made_plan, made_pupils, names

IN_BETWEEN = "2026-10-24"  # after the look at guardrails, before the outcome window opens
ABSENCES = {"name": "attendance", "source": "attendance", "margin": 0.5}


def card(plan: Plan, pupils: pd.DataFrame, day: str = AFTER, **more: Any) -> dict[str, Any]:
    return evaluate(plan, pupils, *NO_MARTS, "learning-1", day, **more)


def absences(plan: Plan, worse_by: float) -> pd.DataFrame:
    """Rows of the mart: one day in 30 everywhere, ``worse_by`` more where the change is, .1 between schools."""
    schools = list(plan.arms)
    return pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "guardrail": "attendance",
            "school_id": schools,
            "arm": [plan.arms[school] for school in schools],
            "value": [
                1 + 0.1 * (number % 2) + worse_by * (plan.arms[school] == "treatment")
                for number, school in enumerate(schools)
            ],
            "value_before": np.nan,
            "people": 60,
        }
    )


@pytest.fixture(scope="module")
def pilot() -> tuple[Plan, pd.DataFrame]:
    """Twenty schools an arm and a large effect, so that only a guardrail keeps the rule from SCALE."""
    plan = made_plan(names(20, "t"), names(20, "c"), guardrails=[ABSENCES])
    return plan, made_pupils(np.random.default_rng(3), plan, effect=0.4, pupils=30)


@pytest.mark.parametrize(
    ("worse_by", "status", "decision"),
    [(0.0, "safe", "SCALE"), (2.0, "failed", "HARM"), (None, "not measured", "NEXT WAVE")],
)
def test_a_guardrail_decides_what_the_effect_alone_may_not(
    worse_by: float | None, status: str, decision: str, pilot: tuple[Plan, pd.DataFrame]
) -> None:
    plan, pupils = pilot
    rows = None if worse_by is None else absences(plan, worse_by)
    found = card(plan, pupils, guardrails=rows)
    assert ([one["status"] for one in found["guardrails"]], found["recommendation"]) == ([status], decision)
    warned = any(warning.startswith(f"Guardrail attendance: {status}") for warning in found["warnings"])
    assert warned == (status != "safe"), "what is safe is told, and no warning"
    assert json.dumps(found, allow_nan=False, default=str)


def test_guardrails_have_their_day_and_harm_does_not_wait_for_the_outcomes(pilot: tuple[Plan, pd.DataFrame]) -> None:
    plan, pupils = pilot
    early = card(plan, pupils, "2026-10-01", guardrails=absences(plan, 2.0))
    assert (early["recommendation"], early["guardrails"][0]["status"]) == ("TOO EARLY", "not measured")
    assert "the look at it is due on 2026-10-23" in early["guardrails"][0]["sentence"]
    later = card(plan, pupils, IN_BETWEEN, guardrails=absences(plan, 2.0))
    assert later["recommendation"] == "HARM"
    assert later["how_sure"]["statements"] == []


def test_the_test_permutes_over_the_set_that_was_drawn_from(settings: Settings) -> None:
    """The p of the card is a multiple of one over the set's size, whoever evaluates; other arms are INVALID."""
    schools = tuple(names(16, "s"))
    draft = Draft(
        "fraction-studio", schools, (Block(tuple(range(16)), 8),), False, (), None, None, None, None, None, ()
    )
    traits = SchoolTraits(("pupils", "baseline_mean"), np.random.default_rng(1).normal(size=(16, 2)), "made")
    draw, _ = assignment.assign(settings, draft, traits, seed=4)
    plan = made_plan(draw.arm(True), draw.arm(False))
    stored = assignment.permuted_over(plan, assignment.standing_draw(settings, plan.pilot_id))
    assert stored is not None
    pupils = made_pupils(np.random.default_rng(2), plan, pupils=20)
    sure = card(plan, pupils, stored=stored)["how_sure"]
    assert sure["smallest_p"] == pytest.approx(2 / len(stored))
    assert round(sure["p_value"] * len(stored), 6) % 1 == 0
    swapped = made_plan([*draw.arm(True)[1:], draw.arm(False)[0]], [*draw.arm(False)[1:], draw.arm(True)[0]])
    problem = assignment.assignment_problem(swapped, draw)
    assert problem is not None
    assert assignment.permuted_over(swapped, draw) is None
    pupils = made_pupils(np.random.default_rng(2), swapped, pupils=20)
    found = card(swapped, pupils, not_as_drawn=problem)
    assert (found["recommendation"], found["why"]) == ("INVALID", [problem])


def test_the_rating_names_its_numbers(pilot: tuple[Plan, pd.DataFrame]) -> None:
    plan, pupils = pilot
    reasons = card(plan, pupils, guardrails=absences(plan, 0.0))["rating"]["reasons"]
    assert reasons[0].startswith("attrition of schools is low: 0.0 % overall and 0.0 points between arms")
    assert reasons[1].startswith("attrition of pupils in the schools that stayed is low")
    assert any("a second district" in reason for reason in reasons)
