"""Scorecards of simulated pilots whose truth is known, and the ledger of what people decided."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from typer.testing import CliRunner

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from cli.pilots import app as pilots_app
from cli.rollout import app as rollout_app
from pilots import registry
from pilots.evaluate import evaluate
from pilots.plan import Plan
from pilots.rollout import metrics
from releases.evaluation import build_and_publish
from tests.pilots.released_pilots import release_pilots
from tests.pilots.simulated_marts import Marts, simulated_pilots

AFTER, BEFORE = "2026-11-10", "2026-09-01"


@pytest.fixture(scope="module")
def simulated() -> dict[str, tuple[Plan, Marts]]:
    """Both pilots of a district of 24 schools, as the marts should have them."""
    return simulated_pilots(seed=7)


def test_six_schools_an_arm_say_as_much_as_they_can(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    """True effects are .15 SD and none, an estimate's error is near .13 SD: neither enough to scale nor to stop.

    The pretest's slope is one of schools, from twelve of them: what it costs in exactness is part of the interval.
    """
    cards = {name: evaluate(plan, *m, "learning-1", AFTER) for name, (plan, m) in simulated.items()}
    works, does_not = cards["fraction-studio"], cards["reading-companion"]
    assert works["recommendation"] in ("NEXT WAVE", "ITERATE")
    assert does_not["recommendation"] == "ITERATE"
    effect = works["estimates"][0]
    assert effect["name"] == "hedges_g"
    assert effect["low"] < 0.0 < 0.15 < effect["high"], "the interval says that it cannot tell the effect from none"
    assert works["how_sure"]["p_value"] >= works["how_sure"]["smallest_p"] == pytest.approx(2 / 400)
    assert works["rating"]["rating"] == "meets without reservations"
    assert works["rating"]["essa_tier"] == 4, "a sound design without a significant gain: a rationale, no evidence"
    assert works["did_it_happen"]["dosage_met_share"] > 0.8
    assert works["cost"]["per_pupil_usd"] > 0
    for card in cards.values():
        orjson.dumps(card)
        assert [s["arm"] for s in card["schools"]].count("treatment") == 6
        first_page = " ".join([card["recommendation_text"], card["next"], *card["why"]])
        assert " p " not in first_page
        assert "percentage point" not in str(card)


def test_over_many_districts_the_rule_claims_no_more_than_its_power_allows() -> None:
    """Six schools an arm, schools that grow apart by .15 SD, true effects of .15 SD and of none."""
    counts: dict[str, Counter[str]] = {"fraction-studio": Counter(), "reading-companion": Counter()}
    holds: Counter[str] = Counter()
    runs = 24
    for seed in range(100, 100 + runs):
        for name, (plan, m) in simulated_pilots(seed, activity=0.015).items():
            card = evaluate(plan, *m, "learning-1", AFTER)
            counts[name][card["recommendation"]] += 1
            effect = card["estimates"][0]
            holds[name] += effect["low"] <= {"fraction-studio": 0.15, "reading-companion": 0.0}[name] <= effect["high"]
    works, does_not = counts["fraction-studio"], counts["reading-companion"]
    assert does_not["SCALE"] <= 2, does_not
    assert works["STOP"] + works["HARM"] <= 3, works
    assert 1 <= works["SCALE"] <= runs / 2, "some are lucky; that most were found would be too good to be true"
    assert works["SCALE"] + works["NEXT WAVE"] >= does_not["SCALE"] + does_not["NEXT WAVE"] + runs / 6, counts
    assert min(holds.values()) >= 0.87 * runs, holds


def test_a_card_says_what_a_comparison_of_its_size_can_miss(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, m = simulated["fraction-studio"]
    card = evaluate(plan, *m, "learning-1", AFTER)
    [said] = [warning for warning in card["warnings"] if "in four of five cases" in warning]
    effect = card["estimates"][0]
    found = float(said.split(" SD")[0].rsplit(" ", 1)[1])
    assert (effect["high"] - effect["low"]) / 2 < found < effect["high"] - effect["low"]
    assert f"the plan calls {plan.smallest_effect:.2f} SD enough" in said


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
    """The same pilot, planned with four comparison schools. Two lost of six would be attrition, which is INVALID where
    the rest were not alike at the start."""
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    raw = json.loads(plan.canonical)
    left_out = set(raw["analysis"]["arms"]["comparison"][:2])
    raw["analysis"]["arms"]["comparison"] = raw["analysis"]["arms"]["comparison"][2:]
    del raw["analysis"]["assignment"]["blocks"]
    thin = pupils[~pupils.school_id.isin(left_out)]
    card = evaluate(Plan(raw), thin, schools, rollout, "learning-1", AFTER)
    assert card["recommendation"] == "CANNOT TELL"
    assert card["how_sure"]["statements"] == []
    assert card["how_sure"]["p_value"] is None
    assert card["how_sure"]["why_no_chance"] == "Too few schools for a probability."
    assert all(estimate["name"] != "expected_effect" for estimate in card["estimates"])


def test_one_school_an_arm_and_nobody_at_all(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    keep = [plan.analysis["arms"][arm][0] for arm in ("treatment", "comparison")]
    card = evaluate(plan, pupils[pupils.school_id.isin(keep)], schools, rollout, "learning-1", AFTER)
    assert card["recommendation"] in ("CANNOT TELL", "INVALID")  # tiny arms may also differ in who is missing
    assert card["rating"]["rating"] in (None, "does not meet")  # in two blocks there is nothing to compare at all
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


def test_rollout_says_of_a_pilot_what_its_pupils_say(simulated: dict[str, tuple[Plan, Marts]]) -> None:
    """The mean over schools, by pupils planned, is the mean over those pupils."""
    plan, (pupils, _, rollout) = simulated["reading-companion"]
    treated = pupils[(pupils.arm == "treatment") & ~pupils.is_joiner]
    minutes = treated.groupby("school_id").dosage_minutes
    planned = plan.implementation["dosage_minutes_planned"]
    rollout = rollout.assign(
        dosage_minutes_mean=rollout.school_id.map(minutes.mean()),
        dosage_met_share=rollout.school_id.map(minutes.apply(lambda m: (m >= planned).mean())),
        pupils_reached=rollout.school_id.map(minutes.apply(lambda m: (m > 0).sum())),
    )
    found = {row["name"]: row["value"] for row in metrics(rollout) if row["scope"] == "district"}
    assert found["dosage_minutes_mean"] == pytest.approx(treated.dosage_minutes.mean(), abs=1e-4)
    assert found["dosage_met_share"] == pytest.approx((treated.dosage_minutes >= planned).mean(), abs=1e-4)
    assert found["pupils_reached_share"] <= 1.0


def test_decisions_need_a_reason_where_they_differ(
    settings: Settings, simulated: dict[str, tuple[Plan, Marts]]
) -> None:
    plan, m = simulated["fraction-studio"]
    registry.freeze(settings, plan)
    with pytest.raises(CairnError, match="no evaluation of pilot 'fraction-studio' was published yet"):
        registry.decide(settings, plan.pilot_id, "scale", "superintendent", None)
    card = evaluate(plan, *m, "learning-1", AFTER)
    rows = registry.result_rows(card, plan.plan_hash, "evaluation-1")
    assert [registry.record(settings, "evaluation-1", rows) for _ in range(2)] == [len(card["estimates"]) + 2, 0]
    assert len(lake.read(settings, "gold.pilot_result")) == len(card["estimates"]) + 2
    with pytest.raises(CairnError, match="give the reason"):
        registry.decide(settings, plan.pilot_id, "stop", "superintendent", " ")
    with pytest.raises(CairnError, match="no decision"):
        registry.decide(settings, plan.pilot_id, "perhaps", "superintendent", None)
    registry.decide(settings, plan.pilot_id, "next wave", "superintendent", "more schools ask for it")
    row = registry.decisions(settings, plan.pilot_id)[-1]
    assert (row["decision"], row["recommendation"]) == ("NEXT WAVE", card["recommendation"])


@pytest.fixture
def released(settings: Settings, simulated: dict[str, tuple[Plan, Marts]]) -> Settings:
    """A learning release that holds both pilots' marts, and their plans frozen."""
    release_pilots(settings, simulated)
    return settings


def _run(*arguments: str, status: int = 0) -> dict[str, Any]:
    app = rollout_app if arguments[0] == "report" else pilots_app
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == status, (result.output, result.exception)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_life_of_a_pilot_by_command(released: Settings, tmp_path: Path) -> None:
    card = _run("evaluate", "fraction-studio")
    assert set(card) >= {"pilot_id", "plan_hash", "estimates", "rating", "recommendation", "release_id"}
    assert card["release_id"] == "learning-2026-11-10-1"
    assert _run("evaluate", "fraction-studio", "--as-of", "2026-11-12")["estimates"] == card["estimates"]
    assert lake.read(released, "gold.pilot_result").num_rows == 0, "to evaluate is to look"
    assert _run("list")["pilots"][0]["recommendation"] is None
    build_and_publish(released)
    _run("decide", "fraction-studio", "--decision", card["recommendation"], "--by", "superintendent")
    rows = {row["pilot_id"]: row for row in _run("list")["pilots"]}
    assert rows["fraction-studio"]["decision"] == card["recommendation"]
    assert rows["reading-companion"]["decision"] is None
    assert _run("menu")["proven"] == [], "another wave is no proof"
    more = ("--by", "superintendent", "--reason", "two more waves gained as much")
    _run("decide", "fraction-studio", "--decision", "SCALE", *more)
    [proven] = _run("menu")["proven"]
    assert proven["pilot_id"] == "fraction-studio"
    assert proven["evidence"]["effect_sd"] == pytest.approx(card["estimates"][0]["value"])
    assert proven["cost_per_pupil_usd"] == card["cost"]["per_pupil_usd"]
    assert proven["practice_card"]["on_monday"] and proven["for_whom"]["subject"] == "math"
    _run(
        "decide", "reading-companion", "--decision", "STOP", "--by", "superintendent", "--reason", "few opened the app"
    )
    assert [row["reason"] for row in _run("menu", "--search", "App opened")["stopped"]] == ["few opened the app"]
    assert _run("menu", "--search", "fractions in the garden") == {"proven": [], "stopped": []}
    begun = tmp_path / "next.yaml"
    assert _run("next", "fraction-studio", "--out", str(begun))["pilot_id"] == "fraction-studio-cycle-2"
    assert "two more waves gained as much" in begun.read_text()
    assert _run("check", str(begun))["problems"] == []
    assert isinstance(
        CliRunner().invoke(pilots_app, ["next", "fraction-studio", "--out", str(begun)]).exception, CairnError
    )
    found = _run("report")
    assert {row["scope"] for row in found["metrics"]} == {
        "district",
        "pilot:fraction-studio",
        "pilot:reading-companion",
    }


def test_commands_say_what_is_wrong(released: Settings) -> None:
    for arguments, message in (
        (["evaluate", "none"], "frozen: fraction-studio, reading-companion"),
        (["evaluate", "fraction-studio", "--as-of", "2026-01-01"], "no learning release"),
        (["evaluate", "fraction-studio", "--as-of", "soon"], "is no date"),
    ):
        error = CliRunner().invoke(pilots_app, arguments).exception
        assert isinstance(error, CairnError)
        assert message in str(error)
