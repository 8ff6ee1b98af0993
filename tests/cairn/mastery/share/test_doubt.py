"""How sure a share is: quantiles and chances agree, the doubt that made the answers is found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from cairn.mastery.bkt import FloatArray
from cairn.mastery.share import doubt, doubt_fit
from cairn.mastery.share.doubt import Doubt, Groups
from cairn.mastery.share.doubt_fit import Followed, fit_doubt

ONE = Doubt(-0.3, -0.2, 0.2, 0.1)
TWO = Doubt(-1.0, -0.2, 0.2, 0.1, Groups(1.8, -1.6))
SHARES = np.array([0.05, 0.3, 0.5, 0.8, 0.9, 0.97])
TRIES, DAYS = np.full(SHARES.size, 6.0), np.full(SHARES.size, 7.0)


def logit(share: FloatArray) -> FloatArray:
    found: FloatArray = np.log(share / (1 - share))
    return found


def sigmoid(of: FloatArray) -> FloatArray:
    found: FloatArray = 1 / (1 + np.exp(-of))
    return found


@pytest.mark.parametrize("doubted", [ONE, TWO])
def test_the_chance_of_reaching_a_bar_agrees_with_the_interval(doubted: Doubt) -> None:
    """Also with the rule that a night decides by: enough chance is where the share at one quantile is enough."""
    spread, logits = doubted.around(SHARES, TRIES, DAYS), np.add.outer(logit(SHARES), np.array([-0.5, 0.0, 0.5]))
    low, high = doubt.interval(logits, spread)
    for row in range(SHARES.size):
        assert doubt.chance_above(logits, spread, float(low[row]))[row] == pytest.approx(0.95, abs=1e-6)
        assert doubt.chance_above(logits, spread, float(high[row]))[row] == pytest.approx(0.05, abs=1e-6)
    for bar in (0.4, 0.75, 0.85):
        is_sure = doubt.chance_above(logits, spread, bar) >= 0.9
        assert is_sure.tolist() == (doubt.share_at(logits, spread, 0.1) >= bar).tolist()


def test_of_one_group_the_quantile_is_the_normal_one() -> None:
    spread = ONE.around(SHARES, TRIES, DAYS)
    for level in (0.05, 0.5, 0.9):
        np.testing.assert_allclose(spread.quantile(level), norm.ppf(level) * ONE.width(SHARES, TRIES, DAYS), atol=1e-9)


@pytest.mark.parametrize("doubted", [ONE, TWO])
def test_the_mean_stays_what_it_was(doubted: Doubt) -> None:
    """By a million pupils drawn from the distribution; the approximation of the stretch is good to two hundredths."""
    random, spread = np.random.default_rng(1), doubted.around(SHARES, TRIES, DAYS)
    for row, share in enumerate(SHARES):
        can = random.random(1_000_000) < spread.upper[row]
        e = np.where(can, spread.up[row], -spread.down[row]) + spread.width[row] * random.normal(size=can.size)
        assert sigmoid(logit(SHARES)[row] * spread.stretch[row] + e).mean() == pytest.approx(share, abs=0.02)


def test_two_groups_stand_where_they_are_said_to() -> None:
    """The middle share is a half of pupils at .858 and a half at .168; far above the upper group all are in it."""
    spread = TWO.around(np.array([0.5, 0.97]), TRIES[:2], DAYS[:2])
    assert spread.up[0] / spread.stretch[0] == pytest.approx(1.8, abs=1e-3)
    assert spread.down[0] / spread.stretch[0] == pytest.approx(1.6, abs=1e-3)
    assert spread.upper[0] == pytest.approx((0.5 - 0.168) / (0.858 - 0.168), abs=1e-3)
    assert spread.upper[1] > 0.99


def followed(random: np.random.Generator, share: FloatArray, tries: FloatArray, at: FloatArray) -> Followed:
    """Answers at the logits ``at``; pupils stop at the second right in a row: what is left is no random sample."""
    correct = (random.random((share.size, doubt_fit.NEXT)) < sigmoid(at)[:, None]).astype(np.float64)
    is_done = (correct[:, :-1] > 0) & (np.c_[np.zeros(share.size), correct[:, :-2]] > 0)
    is_answered = np.c_[np.ones(share.size, dtype=bool), np.cumsum(is_done, axis=1) == 0]
    logits = np.repeat(logit(share)[:, None], doubt_fit.NEXT, axis=1)
    return Followed(share, tries, np.zeros(share.size), logits, correct, is_answered)


def test_the_width_that_made_the_answers_is_found_whatever_stopped_them() -> None:
    random, size = np.random.default_rng(6), 12_000
    tries = random.integers(1, 20, size).astype(np.float64)
    true, middle = np.exp(0.1 - 0.3 * np.log(tries)), random.normal(0.4, 0.8, size)
    at = middle * np.sqrt(1.0 + doubt.C * true**2) + true * random.normal(size=size)
    share = sigmoid(middle)
    found = fit_doubt(followed(random, share, tries, at))
    assert found.groups is None, "a normal spread is one group"
    assert np.median(found.width(share, tries, np.zeros(size)) / true) == pytest.approx(1.0, abs=0.2)
    assert found.by_tries < -0.1


def test_two_groups_are_found_where_there_are_two() -> None:
    random, size = np.random.default_rng(7), 12_000
    chance, high, low = random.beta(0.7, 0.7, size), 0.9, 0.15
    share = chance * high + (1 - chance) * low
    at = np.where(random.random(size) < chance, logit(np.array(high)), logit(np.array(low)))
    found = fit_doubt(followed(random, share, np.full(size, 5.0), at))
    assert found.groups is not None
    assert found.groups.high == pytest.approx(float(logit(np.array(high))), abs=0.3)
    assert found.groups.low == pytest.approx(float(logit(np.array(low))), abs=0.3)


def test_without_anything_that_followed_the_prior_stands() -> None:
    none, nothing = np.empty(0), np.empty((0, doubt_fit.NEXT))
    found = fit_doubt(Followed(none, none, none, nothing, nothing, nothing > 0))
    assert found == Doubt(*doubt_fit.PRIOR[:4])


@pytest.mark.parametrize(
    "at", [[-0.3, -0.2, 0.2, 0.1, 0.1, 0.2], [-1.0, -0.2, 0.2, 0.1, 0.1, 0.2, 1.8, -1.6, 0.15]], ids=["one", "two"]
)
def test_the_slopes_of_the_search_are_those_of_what_it_climbs(at: list[float]) -> None:
    """By differences: answers right, wrong, partly right and none, with and without gaps, one wider than allowed."""
    random, rows = np.random.default_rng(8), 40
    share, gap_days = random.uniform(0.0, 1.0, rows), random.choice([0.0, 0.5, 9.0], rows)
    right = random.choice([0.0, 0.25, 1.0, 1.0], (rows, doubt_fit.NEXT))
    right[np.arange(doubt_fit.NEXT) >= random.integers(1, doubt_fit.NEXT + 1, rows)[:, None]] = doubt_fit.NO_ANSWER
    share[0], gap_days[0] = 0.5, 1e15
    nodes, weights = np.polynomial.hermite_e.hermegauss(doubt_fit.POINTS)
    data = share, random.integers(1, 30, rows) * 1.0, gap_days, random.normal(0.3, 1.0, right.shape), right
    climb = partial(doubt_fit._surprise, nodes=nodes, weights=weights)
    found, step = np.array(at), 1e-6
    slopes = climb(found, *data)[1]
    for place in range(found.size):
        moved = np.eye(found.size)[place] * step
        differences = (climb(found + moved, *data)[0] - climb(found - moved, *data)[0]) / (2 * step)
        assert slopes[place] == pytest.approx(differences, rel=1e-6, abs=1e-6)


def test_the_search_ends_at_the_same_place_whatever_the_last_digits() -> None:
    """How many pupils are called hangs on it: it once moved by a sixth with the last digits of the logits."""
    random, size = np.random.default_rng(9), 6_000
    share = random.beta(2.0, 1.2, size)
    at = logit(share) * 1.1 + 0.5 * random.normal(size=size)
    seen = followed(random, share, random.integers(1, 20, size).astype(np.float64), at)
    moved = replace(seen, logit=seen.logit * (1 + 1e-9), share=seen.share * (1 - 1e-9))
    np.testing.assert_allclose(fit_doubt(seen).numbers, fit_doubt(moved).numbers, atol=2e-4)
