"""Scorecards of simulated pilots whose truth is known, and the ledger of what people decided."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pandas as pd
import pytest

from cairn import tables
from cairn.errors import CairnError
from cairn.settings import Settings
from pilots import registry
from pilots.evaluate import evaluate
from pilots.plan import Plan, load_plan
from pilots.rollout import metrics
from simulator import generate

sys.path.insert(0, str(Path(__file__).parent))
from simulated_marts import marts

Marts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
AFTER, BEFORE = "2026-10-05", "2026-09-01"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Plan, Marts]]:
    """Both pilots of a district of 24 schools, as the marts should have them."""
    out = tmp_path_factory.mktemp("pilots") / "district"
    generate(out, 24, 1500, 34, 7)
    plans = [load_plan(path) for path in sorted((out / "pilots").glob("*.yaml"))]
    return {plan.pilot_id: (plan, marts(out, plan)) for plan in plans}


def test_the_pilot_that_works_is_told_from_the_one_that_does_not(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    cards = {name: evaluate(plan, *m, "learning-1", AFTER) for name, (plan, m) in simulated.items()}
    works, does_not = cards["fraction-studio"], cards["reading-companion"]
    assert works["recommendation"] in ("SCALE", "NEXT WAVE")
    assert does_not["recommendation"] != "SCALE"
    effect = works["estimates"][0]
    assert effect["name"] == "hedges_g"
    assert effect["low"] < 0.35 < effect["high"]
    assert works["how_sure"]["p_value"] >= works["how_sure"]["smallest_p"] == pytest.approx(2 / 400)
    assert works["rating"]["rating"] == "meets without reservations"
    assert works["rating"]["essa_tier"] == 3
    assert works["did_it_happen"]["dosage_met_share"] > 0.8
    assert works["cost"]["per_pupil_usd"] > 0
    for card in cards.values():
        orjson.dumps(card)
        assert [s["arm"] for s in card["schools"]].count("treatment") == 6
        first_page = " ".join([card["recommendation_text"], card["next"], *card["why"]])
        assert " p " not in first_page
        assert "percentage point" not in str(card)


def test_the_same_input_gives_the_same_card(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, m = simulated["fraction-studio"]
    one = evaluate(plan, *m, "learning-1", AFTER)
    other = evaluate(plan.canonical, *(frame.sample(frac=1, random_state=1) for frame in m), "learning-1", AFTER)
    assert one["estimates"][0]["value"] == pytest.approx(other["estimates"][0]["value"], abs=1e-9)
    assert one["recommendation"] == other["recommendation"]


def test_before_the_window_it_is_too_early(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    blank = pupils.assign(outcome_score=float("nan"))
    card = evaluate(plan, blank, schools, rollout, "learning-1", BEFORE)
    assert card["recommendation"] == "TOO EARLY"
    assert card["how_sure"]["statements"] == []
    assert card["rating"]["rating"] is None


def test_few_schools_get_no_chance(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    lost = [s for s, arm in plan.arms.items() if arm == "comparison"][:2]
    thin = pupils[~pupils.school_id.isin(lost)]
    card = evaluate(plan, thin, schools, rollout, "learning-1", AFTER)
    assert card["recommendation"] == "CANNOT TELL"
    assert card["how_sure"]["statements"] == []
    assert card["how_sure"]["p_value"] is None
    assert all(estimate["name"] != "expected_effect" for estimate in card["estimates"])
    assert any(lost[0] in warning for warning in card["warnings"])


def test_one_school_an_arm_and_nobody_at_all(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    keep = [plan.analysis["arms"][arm][0] for arm in ("treatment", "comparison")]
    card = evaluate(plan, pupils[pupils.school_id.isin(keep)], schools, rollout, "learning-1", AFTER)
    assert card["recommendation"] in ("CANNOT TELL", "INVALID")  # tiny arms may also differ in who is missing
    assert card["rating"]["rating"] == "does not meet"
    empty = evaluate(plan, pupils.iloc[:0], schools.iloc[:0], rollout.iloc[:0], "learning-1", AFTER)
    assert empty["recommendation"] == "TOO EARLY"


def test_harm_is_shown_before_anything_else(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    worse = pupils.assign(outcome_score=pupils.outcome_score - 12.0 * (pupils.arm == "treatment"))
    card = evaluate(plan, worse, schools, rollout, "learning-1", AFTER, red_gates=["before_publish"])
    assert card["recommendation"] == "HARM"


def test_red_gates_and_other_arms_make_it_invalid(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, (pupils, schools, rollout) = simulated["reading-companion"]
    card = evaluate(plan, pupils, schools, rollout, "learning-1", AFTER, red_gates=["before_publish"])
    assert card["recommendation"] == "INVALID"
    swapped = pupils.assign(arm="treatment")
    assert evaluate(plan, swapped, schools, rollout, "learning-1", AFTER)["recommendation"] == "INVALID"


def test_rollout_metrics_add_up(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    both = pd.concat([m[2] for _, m in simulated.values()])
    found = {(row["scope"], row["name"]): row["value"] for row in metrics(both)}
    for name in ("pupils_reached", "cost_usd", "milestones_late"):
        parts = sum(found[(f"pilot:{pilot}", name)] for pilot in simulated)
        assert found[("district", name)] == pytest.approx(parts)
    assert {row["value"] for row in metrics(both.iloc[:0])} == {0.0, None}


def test_decisions_need_a_reason_where_they_differ(
    settings: Settings, simulated: dict[str, tuple[Plan, Marts]]
) -> None:
    plan, m = simulated["fraction-studio"]
    registry.freeze(settings, plan)
    with pytest.raises(CairnError, match="not evaluated yet"):
        registry.decide(settings, plan.pilot_id, "scale", "superintendent", None)
    card = evaluate(plan, *m, "learning-1", AFTER)
    assert registry.record(settings, card) == registry.record(settings, card)
    assert len(tables.read(settings, "gold.pilot_result")) == len(card["estimates"]) + 2
    with pytest.raises(CairnError, match="give the reason"):
        registry.decide(settings, plan.pilot_id, "stop", "superintendent", " ")
    with pytest.raises(CairnError, match="no decision"):
        registry.decide(settings, plan.pilot_id, "perhaps", "superintendent", None)
    registry.decide(settings, plan.pilot_id, "next-wave", "superintendent", "budget for one wave only")
    row = registry.decisions(settings, plan.pilot_id)[-1]
    assert (row["decision"], row["recommendation"]) == ("NEXT WAVE", card["recommendation"])
