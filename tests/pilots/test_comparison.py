"""One comparison: estimate, interval, p, chances and words come of one model and cannot contradict each other."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from cairn.errors import CairnError
from pilots import inference, permutation, posterior
from pilots.analysis import ALPHA, Analysis, analyse, infer
from pilots.decision import Evidence, decide, in_words, statement
from pilots.evaluate import evaluate
from pilots.posterior import Prior, beliefs, chances_of
from pilots.sample import make_sample
from pilots.school_model import SchoolModel, corrected_for_error, expected_variance, terms_of
from tests.pilots.made_districts import AFTER, NO_MARTS, made_plan, made_pupils, names, random_design


def _model(rng: np.random.Generator, schools: int, treated: int, effect: float = 0.0) -> tuple[SchoolModel, np.ndarray]:
    is_treated = np.zeros(schools, dtype=bool)
    is_treated[rng.permutation(schools)[:treated]] = True
    pretest = rng.normal(0, 0.4, schools)
    value = 0.8 * pretest + rng.normal(0, 0.3, schools) + effect * is_treated
    terms, _ = terms_of([""] * schools, is_treated, pretest, None, {})
    variance = expected_variance(rng.integers(10, 200, schools), 0.2, 0.7)
    return SchoolModel.of(value, is_treated, terms, variance), is_treated


def contradictions(card: dict[str, Any]) -> list[str]:
    """What a scorecard says against itself."""
    values = {one["name"]: one for one in card["estimates"]}
    effect, sure = values["hedges_g"], card["how_sure"]
    found = []
    if effect["low"] is not None:
        if not effect["low"] <= effect["value"] <= effect["high"]:
            found.append("the interval does not hold the estimate")
        if (effect["low"] > 0 or effect["high"] < 0) != (sure["p_value"] < ALPHA):
            found.append("the interval and p disagree about no effect")
    elif sure["p_value"] is not None and sure["p_value"] < ALPHA:
        found.append("significant without an interval")
    if values["difference"]["value"] * effect["value"] < 0:
        found.append("points and SD differ in sign")
    if "expected_effect" in values and values["expected_effect"]["value"] * effect["value"] < 0:
        found.append("belief and estimate differ in sign")
    for said in sure["statements"]:
        if said["words"] != in_words(said["probability"]) or said["words"].lower() not in said["sentence"].lower():
            found.append("words and chance differ")
        if said["probability"] > max(*said["by_prior"].values(), 0.5):
            found.append("more is told than either prior says")
    gained = sure["statements"][0] if sure["statements"] else {"words": "cannot tell"}
    if gained["words"] != "cannot tell" and ("did not" in gained["text"]) != (effect["value"] < 0):
        found.append("words and estimate differ in sign")
    return found


def test_a_thousand_random_designs_do_not_contradict_themselves() -> None:
    """On school rows, through the same functions as a card."""
    rng, seen = np.random.default_rng(8), set()
    for number in range(1000):
        schools, is_random = int(rng.integers(12, 33)), bool(number % 3)
        model, is_treated = _model(rng, schools, int(rng.integers(6, schools - 5)), float(rng.normal(0, 0.3)))
        smaller = int(min(is_treated.sum(), (~is_treated).sum()))
        rung = inference.ladder(smaller, is_random)
        draws = permutation.sampled(is_treated, [range(schools)], number, 299)
        found = infer(model, rung, (draws, False) if is_random else None)
        assert found.interval is not None and found.p_value is not None and found.df is not None
        low, high = found.interval
        assert low <= model.estimate <= high
        assert (low > 0 or high < 0) == (found.p_value < ALPHA)
        held = beliefs(model, posterior.deciding_priors(0.2), is_random)
        chances = chances_of(held, 0.1)
        assert (held["plan"].mean > 0) == (model.estimate > 0) == (chances["plan"].positive > 0.5)
        said = statement("up", "down", {name: one.positive for name, one in chances.items()})
        if said["words"] != "cannot tell":
            assert (said["text"] == "up") == (model.estimate > 0)
        code = decide(Evidence(chances, 0.1, smaller, 1.0)).code
        matters = statement("enough", "not", {name: one.matters for name, one in chances.items()})
        assert {"SCALE": said["words"] == "very confident" and said["text"] == "up" and matters["text"] == "enough",
                "STOP": matters["text"] == "not" and matters["words"] in ("fairly confident", "very confident"),
                "HARM": said["text"] == "down" and said["words"] in ("fairly confident", "very confident"),
                "NEXT WAVE": said["text"] == "up" and said["words"] in ("fairly confident", "very confident"),
                }.get(code, True), (code, said, matters)  # fmt: skip
        seen.add((rung, code))
    assert {rung for rung, _ in seen} == {"permutation", "cr2"}
    assert {code for _, code in seen} == {"HARM", "SCALE", "STOP", "NEXT WAVE", "ITERATE"}


def test_whole_cards_of_random_designs_do_not_contradict_themselves() -> None:
    """From pupils through the public function: blocks of unequal shares, waves, missing pupils, vertical scales."""
    rng, judged = np.random.default_rng(11), 0
    for _ in range(60):
        plan, pupils = random_design(rng)
        card = evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER)
        assert contradictions(card) == [], (plan.analysis["assignment"], card["estimates"], card["how_sure"])
        judged += bool(card["how_sure"]["statements"])
    assert judged >= 50


def _p_by_hand(
    model: SchoolModel, value: np.ndarray, is_treated: np.ndarray, draws: np.ndarray, effect: float
) -> float:
    """Share of draws whose model of the values without the effect, fitted anew, has as large a t as the real one's."""
    left, terms = value - effect * is_treated, model.basis / model.root_weight[:, None]

    def size(draw: np.ndarray) -> float:
        one = SchoolModel.of(left, draw, terms, 1 / model.root_weight**2)
        return abs(float(one.treatment @ one.outcome)) / float(np.sqrt(one.information))

    real = size(is_treated)
    return float(np.mean([size(draw) >= real - 1e-9 for draw in draws]))


@pytest.mark.parametrize(("schools", "treated"), [(8, 4), (10, 5), (9, 3)])
def test_permutation_and_its_interval_are_the_test_done_by_hand(schools: int, treated: int) -> None:
    """p of any effect, from one model a draw, is under alpha outside the interval alone."""
    rng = np.random.default_rng(schools)
    model, is_treated = _model(rng, schools, treated, 0.5)
    draws, is_exact = permutation.allocations(is_treated)
    test = permutation.permutation_test(model, draws, is_exact)
    value = (model.outcome + model.basis @ rng.normal(size=model.basis.shape[1])) / model.root_weight
    assert test.p_value == pytest.approx(_p_by_hand(model, value, is_treated, draws, 0.0), abs=1e-12)
    assert test.interval is not None
    low, high = test.interval
    for inside, outside in ((low + 1e-6, low - 1e-6), (high - 1e-6, high + 1e-6)):
        assert _p_by_hand(model, value, is_treated, draws, inside) >= ALPHA
        assert _p_by_hand(model, value, is_treated, draws, outside) < ALPHA


def test_too_few_draws_leave_the_interval_without_bounds() -> None:
    model, is_treated = _model(np.random.default_rng(1), 6, 3, 1.0)
    test = permutation.permutation_test(model, permutation.allocations(is_treated)[0])
    assert (test.interval, test.smallest_p) == (None, pytest.approx(0.1))
    treated, comparison = names(6, "t"), names(6, "c")
    pairs = [[t, c] for t, c in zip(treated, comparison, strict=True)]
    blocks = [[*pairs[0], *pairs[1]], [*pairs[2], *pairs[3]], [*pairs[4], *pairs[5]]]
    plan = made_plan(treated, comparison, blocks=blocks)
    stored = np.array([[one == "t" for one in "cccccctttttt"], [one == "c" for one in "cccccctttttt"]])
    pupils = made_pupils(np.random.default_rng(2), plan, effect=1.0)
    card = evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER, stored=stored)
    assert card["how_sure"]["interval_is_unbounded"] and card["how_sure"]["smallest_p"] == 1.0
    assert card["estimates"][0]["low"] is None
    assert any("no bounds" in warning for warning in card["warnings"])
    assert any("cannot reach significance" in warning for warning in card["warnings"])


def test_the_stored_set_of_draws_is_what_is_permuted_over() -> None:
    rng = np.random.default_rng(5)
    treated, comparison = names(6, "b"), names(6, "a")  # sorted, comparison schools come first
    plan = made_plan(treated, comparison)
    real = np.array([plan.arms[school] == "treatment" for school in sorted(plan.arms)])
    stored = permutation.sampled(real, [range(12)], 1, 199)
    pupils = made_pupils(rng, plan, effect=0.2)
    card = evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER, stored=stored)
    assert card["how_sure"]["p_value"] * 200 == pytest.approx(round(card["how_sure"]["p_value"] * 200))
    free = evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER)
    assert free["how_sure"]["p_value"] * 924 == pytest.approx(round(free["how_sure"]["p_value"] * 924))
    with pytest.raises(CairnError, match="none of the stored set"):
        evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER, stored=~stored[1:2])
    with pytest.raises(CairnError, match="has shape"):
        evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER, stored=stored[:, :5])


def test_blocks_of_unequal_shares_are_no_effect() -> None:
    """Two thirds of the schools that gain .5 SD anyway are drawn, one third of the others."""
    treated = [*names(6, "x"), *names(3, "y")]
    comparison = [f"x{n:02d}" for n in range(6, 9)] + [f"y{n:02d}" for n in range(3, 9)]
    blocks = [[one for one in (*treated, *comparison) if one[0] == block] for block in "xy"]
    plan, found = made_plan(treated, comparison, blocks=blocks), []
    for seed in range(20):
        pupils = made_pupils(np.random.default_rng(seed), plan, school_sd=0.05)
        pupils["outcome_score"] += 5.0 * pupils.school_id.str.startswith("x")
        card = evaluate(plan, pupils, *NO_MARTS, "learning-1", AFTER)
        found.append(card["estimates"][0]["value"])
        assert card["recommendation"] != "SCALE"
    assert np.mean(found) == pytest.approx(0.0, abs=0.05)


def test_waves_are_terms_where_each_has_both_arms() -> None:
    schools = ["a", "b", "c", "d"]
    treated = np.array([True, False, True, False])
    terms, has_waves = terms_of(schools, treated, None, None, {"a": 1, "b": 1, "c": 2, "d": 2})
    assert (terms.shape, has_waves) == ((4, 2), True)
    terms, has_waves = terms_of(schools, treated, None, None, {"a": 1, "b": 1, "c": 2, "d": 1})
    assert (terms.shape, has_waves) == ((4, 1), False)
    plan = made_plan(names(6, "t"), names(6, "c"), waves={"t05": 2})
    card = evaluate(plan, made_pupils(np.random.default_rng(1), plan), *NO_MARTS, "learning-1", AFTER)
    assert any("A wave has schools of one arm only" in warning for warning in card["warnings"])


def test_errors_of_the_pretest_are_no_effect() -> None:
    """Arms .2 SD apart and no effect: school means of a pretest of reliability .6 leave little of it, and the
    correction less; the slope of pupils within schools, the older adjustment, made .08 of it."""
    rng, effects, corrected = np.random.default_rng(4), [], []
    plan = made_plan(names(20, "t"), names(20, "c"), is_random=False)
    plan.raw["analysis"]["baseline"]["reliability"] = 0.6  # type: ignore[index]  # the raw plan is a dictionary
    for _ in range(25):
        pupils = made_pupils(rng, plan, apart=0.2, pupils=12, school_sd=0.3)
        pupils["baseline_score"] += 10 * rng.normal(0, 0.6, len(pupils))
        found = analyse(plan, make_sample(plan, pupils))
        assert isinstance(found, Analysis)
        effects.append(found.adjustments[0].effect_sd)
        corrected.append(found.adjustments[1].effect_sd)
        assert "reliability 0.60" in found.adjustments[1].what
    assert abs(np.mean(corrected)) < abs(np.mean(effects)) < 0.1
    assert abs(np.mean(corrected)) < 0.03
    x = rng.normal(0, 0.1, 12)
    assert corrected_for_error(x, x > 0, x, np.ones((12, 1)), np.ones(12), np.full(12, 5.0)) is None


def test_posterior_is_the_conjugate_normal_where_the_variance_is_known() -> None:
    """With many schools the factor of the variances is known, and the closed form holds."""
    rng = np.random.default_rng(6)
    is_treated = np.arange(400) < 200
    noise = rng.normal(0, 0.5, 400)
    noise -= np.where(is_treated, noise[is_treated].mean(), noise[~is_treated].mean())
    model = SchoolModel.of(0.1 * is_treated + noise, is_treated, np.ones((400, 1)), np.full(400, 0.25))
    held = beliefs(model, {"plan": Prior(0.05, 0.1)}, True)["plan"]
    variance = 2 * noise.var() / 200
    trust = 0.01 / (0.01 + variance)
    assert held.mean == pytest.approx(0.05 + trust * 0.05, abs=0.001)
    low, high = held.interval(0.9)
    assert (high - low) / 2 == pytest.approx(1.645 * np.sqrt(trust * variance), rel=0.01)
    assert held.chance_above(low) == pytest.approx(0.95)


def test_a_large_effect_is_not_taken_for_a_large_error() -> None:
    """.9 SD with six schools an arm: the sceptical prior shrinks it and does not explain it away."""
    rng = np.random.default_rng(7)
    for sign, code in ((1, "SCALE"), (-1, "HARM")):
        model, is_treated = _model(rng, 12, 6, sign * 0.9)
        chances = chances_of(beliefs(model, posterior.deciding_priors(0.2), True), 0.1)
        assert decide(Evidence(chances, 0.1, 6, 1.0)).code == code, (chances, is_treated)


def test_volunteers_make_it_less_sure() -> None:
    model, _ = _model(np.random.default_rng(9), 16, 8, 0.4)
    drawn, volunteers = (beliefs(model, {"plan": Prior(0.0, 0.2)}, is_random)["plan"] for is_random in (True, False))
    assert volunteers.chance_above(0.1) < drawn.chance_above(0.1)


def test_speed_of_cr2_and_of_ten_thousand_draws() -> None:
    """40 schools of 1,500 pupils in a second, 10,000 draws in two: a tenth of it here."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 1500)
    design = np.column_stack([np.ones(60_000), cluster < 20, rng.normal(size=60_000)])
    started = time.process_time()
    fit = inference.cr2(design, rng.normal(size=60_000), cluster)
    assert time.process_time() - started < 1.0
    assert fit.df[1] == pytest.approx(38, abs=0.1)
    model, is_treated = _model(rng, 40, 20)
    started = time.process_time()
    permutation.permutation_test(model, permutation.sampled(is_treated, [range(40)], 1, 10_000), is_exact=False)
    assert time.process_time() - started < 2.0


def test_cr2_is_the_one_by_eigenvalues_of_whole_clusters() -> None:
    """The closed form against I - H of each cluster, decomposed (Bell and McCaffrey 2002), one cluster's own column
    among them."""
    rng = np.random.default_rng(12)
    cluster = np.repeat(np.arange(9), rng.integers(2, 9, 9))
    count = len(cluster)
    design = np.column_stack([np.ones(count), cluster < 4, rng.normal(size=count), cluster == 8])
    outcome = rng.normal(size=count) + rng.normal(size=9)[cluster]
    fit = inference.cr2(design, outcome, cluster)
    bread = np.linalg.inv(design.T @ design)
    hat = np.eye(count) - design @ bread @ design.T
    meat, parts = np.zeros((4, 4)), []
    for one in range(9):
        x, rows = design[cluster == one], cluster == one
        values, vectors = np.linalg.eigh(hat[np.ix_(rows, rows)])
        roots = np.where(values > 1e-10, 1 / np.sqrt(np.maximum(values, 1e-10)), 0.0)
        adjusted = (vectors * roots) @ vectors.T @ x
        score = adjusted.T @ (hat @ outcome)[rows]
        meat += np.outer(score, score)
        parts.append(hat[:, rows] @ adjusted @ bread)
    assert fit.covariance == pytest.approx(bread @ meat @ bread, rel=1e-7, abs=1e-10)
    for k in range(3):
        gram = np.stack([part[:, k] for part in parts])
        gram = gram @ gram.T
        assert fit.df[k] == pytest.approx(np.trace(gram) ** 2 / (gram**2).sum(), rel=1e-7)
