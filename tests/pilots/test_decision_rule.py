"""The eight rules in their order, the words, and how often the rule is wrong when the truth is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pilots.decision import DECISIONS, Evidence, decide, in_words, statement
from pilots.posterior import EFFECT_GRID, Prior, posterior

GOOD = Evidence(
    chance_positive=0.97, chance_matters=0.8, smallest_effect=0.10, schools_smaller_arm=6, dosage_met_share=0.9
)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "SCALE"),
        ({"chance_positive": 0.05, "chance_matters": 0.01, "invalid": ["x"]}, "HARM"),
        ({"guardrails_failed": ["attendance"]}, "HARM"),
        ({"invalid": ["x"], "too_early": ["x"]}, "INVALID"),
        ({"too_early": ["x"], "schools_smaller_arm": 2}, "TOO EARLY"),
        ({"chance_positive": None, "chance_matters": None}, "TOO EARLY"),
        ({"schools_smaller_arm": 5}, "CANNOT TELL"),
        ({"guardrails_open": ["attendance"]}, "NEXT WAVE"),
        ({"chance_matters": 0.10}, "STOP"),
        ({"chance_positive": 0.80, "chance_matters": 0.4}, "NEXT WAVE"),
        ({"chance_positive": 0.95, "chance_matters": 0.49}, "NEXT WAVE"),
        ({"chance_positive": 0.79, "chance_matters": 0.4}, "ITERATE"),
    ],
)
def test_first_rule_that_fits(changes: dict[str, object], code: str) -> None:
    said = decide(replace(GOOD, **changes))  # type: ignore[arg-type]  # each value fits its field
    assert said.code == code
    assert said.code in DECISIONS
    assert said.why
    assert "proved" not in " ".join([said.text, said.next, *said.why]).lower()


def test_low_dosage_is_said() -> None:
    said = decide(replace(GOOD, chance_positive=0.7, chance_matters=0.3, dosage_met_share=0.4))
    assert any("Not yet tested as intended" in reason for reason in said.why)


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (0.95, "very confident"),
        (0.949, "fairly confident"),
        (0.8, "fairly confident"),
        (0.6, "leaning towards"),
        (0.5, "cannot tell"),
        (0.4, "cannot tell"),
    ],
)
def test_words(chance: float, words: str) -> None:
    assert in_words(chance) == words


def test_below_forty_the_opposite_is_named() -> None:
    assert statement("pupils gained", "pupils did not gain", 0.03) == {
        "text": "pupils did not gain",
        "probability": 0.97,
        "words": "very confident",
        "sentence": "Very confident that pupils did not gain (chance 97%).",
    }
    assert statement("pupils gained", "x", 0.9999)["probability"] == 0.99


def test_posterior_matches_the_closed_form_where_there_is_one() -> None:
    """With many schools of known error and hardly any variance between, it is the conjugate normal."""
    treated = np.arange(40) < 20
    error = np.full(40, 0.04)
    mean = np.where(treated, 0.3, 0.0)
    belief = posterior(mean, error, treated, Prior(0.2, 1e-6, 0.0))
    variance = 2 * 0.04 / 20
    expected = 0.3 * 0.2**2 / (0.2**2 + variance)
    assert belief.mean == pytest.approx(expected, abs=0.002)
    assert belief.density.sum() == pytest.approx(1.0)


def test_volunteers_make_it_less_sure() -> None:
    treated = np.arange(16) < 8
    mean = np.where(treated, 0.35, 0.0) + np.tile([0.05, -0.05], 8)
    error = np.full(16, 0.002)
    prior = Prior(0.2, 0.2, 0.7)
    drawn, volunteers = (posterior(mean, error, treated, prior, is_random) for is_random in (True, False))
    assert volunteers.chance_above(0.1) < drawn.chance_above(0.1)
    assert EFFECT_GRID[0] < 0 < EFFECT_GRID[-1]


def _simulate(schools: int, effect: float, runs: int) -> Counter[str]:
    """School-level simulation of pilots.md: ICC .2, R2 .7, 300 pupils a school, c .10, prior N(0, .20)."""
    rng = np.random.default_rng(20261122)
    prior, treated = Prior(0.2, 0.2, 0.7), np.arange(schools) < schools // 2
    error = np.full(schools, 0.8 * 0.3 / 300)
    counts: Counter[str] = Counter()
    for _ in range(runs):
        mean = effect * treated + rng.normal(0, np.sqrt(0.2 * 0.3 + error))
        belief = posterior(mean, error, treated, prior)
        evidence = Evidence(belief.chance_above(0), belief.chance_above(0.1), 0.1, schools // 2, 1.0)
        counts[decide(evidence).code] += 1
    return counts


def test_false_scale_is_rare_and_a_true_effect_is_found() -> None:
    runs = 250
    for schools in (12, 20):
        assert _simulate(schools, 0.0, runs)["SCALE"] / runs <= 0.05
    twenty = _simulate(20, 0.2, runs)
    assert twenty["STOP"] / runs <= 0.05
    assert twenty["SCALE"] / runs == pytest.approx(0.42, abs=0.08)
