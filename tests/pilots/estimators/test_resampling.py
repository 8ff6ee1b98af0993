"""Redrawn tests against the definition, and intervals that cannot contradict the p they stand beside."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilots import permutation
from pilots.estimators import resampling
from pilots.estimators.difference import Difference, estimate
from pilots.estimators.regression import fit
from pilots.estimators.resampling import partial_out, permute, wild
from tests.pilots.estimators.asking import table

seeds = st.integers(0, 10_000)


def made(seed: int, schools: int, effect: float = 0.0) -> tuple[np.ndarray, ...]:
    """(school, whether the school is treated, baseline, outcome) with schools of unequal size."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), rng.integers(2, 6, schools))
    treated = rng.permutation(np.arange(schools) < schools // 2)
    before = rng.normal(size=len(school))
    after = 0.5 * before + effect * treated[school] + rng.normal(size=schools)[school] + rng.normal(size=len(school))
    return school, treated, before, after


def t_of(school: np.ndarray, treated: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """|t| of the plain regression, which orders allocations as the partial correlation does."""
    design = np.column_stack([np.ones(len(school)), treated[school], before])
    found = fit("classical", design, after)
    return abs(float(found.coefficients[1] / found.standard_errors[1]))


def permuted(school: np.ndarray, treated: np.ndarray, before: np.ndarray, after: np.ndarray) -> resampling.Resampled:
    controls = np.column_stack([np.ones(len(school)), before])
    return permute(partial_out(controls, treated[school].astype(float), after), treated, school, 0.05)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_permutation_is_that_of_the_definition_and_so_is_its_interval(seed: int) -> None:
    school, treated, before, after = made(seed, 8)
    found = permuted(school, treated, before, after)
    draws, _ = permutation.allocations(treated)

    def p_value(effect: float) -> float:
        rest = after - effect * treated[school]
        real = t_of(school, treated, before, rest)
        return float(np.mean([t_of(school, draw, before, rest) >= real * (1 - 1e-9) for draw in draws]))

    assert found.p_value == pytest.approx(p_value(0.0))
    assert found.low is not None
    assert found.high is not None
    width = found.high - found.low
    assert p_value(found.low - 1e-4 * width) < 0.05 <= p_value(found.low + 1e-4 * width)
    assert p_value(found.high + 1e-4 * width) < 0.05 <= p_value(found.high - 1e-4 * width)


def wild_p(school: np.ndarray, treated: np.ndarray, before: np.ndarray, after: np.ndarray, effect: float) -> float:
    """Cameron, Gelbach and Miller (2008) step by step: restricted residuals, signs by school, t each time."""
    design = np.column_stack([np.ones(len(school)), treated[school], before])
    rest = after - effect * design[:, 1]
    controls = design[:, [0, 2]]
    fitted = controls @ np.linalg.lstsq(controls, rest, rcond=None)[0]

    def t(values: np.ndarray) -> float:
        found = fit("cr1", design, values, school)
        return abs(float(found.coefficients[1] / found.standard_errors[1]))

    real, count = t(rest), int(school.max()) + 1
    draws = [
        t(fitted + (rest - fitted) * np.array(signs)[school]) for signs in itertools.product((1.0, -1.0), repeat=count)
    ]
    return float(np.mean([one >= real * (1 - 1e-9) for one in draws]))


@given(seeds)
@settings(max_examples=6, deadline=None)
def test_wild_bootstrap_is_that_of_the_definition_and_so_is_its_interval(seed: int) -> None:
    school, treated, before, after = made(seed, 7)
    parts = partial_out(np.column_stack([np.ones(len(school)), before]), treated[school].astype(float), after)
    found = wild(parts, school, 0.05)
    assert found.p_value == pytest.approx(wild_p(school, treated, before, after, 0.0))
    if found.low is not None and found.high is not None:
        step = 1e-4 * (found.high - found.low)
        assert wild_p(school, treated, before, after, found.low - step) < 0.05
        assert wild_p(school, treated, before, after, found.high + step) < 0.05
        assert wild_p(school, treated, before, after, found.low + step) >= 0.05


@given(seeds, st.sampled_from(["cr1", "cr2", "cr3", "permutation", "wild", "hc3", "classical"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_interval_and_p_never_contradict(seed: int, method: str, has_covariate: bool) -> None:
    school, treated, before, after = made(seed, 12, effect=0.7)
    data = table(school=school, t=treated[school].astype(int), before=before, after=after)
    design = Difference("after", "t", ("before",) if has_covariate else (), cluster="school", method=method, n_min=1)
    first = estimate(data, design).estimates[0]
    assert first.p_value is not None
    low = -np.inf if first.low is None else first.low
    high = np.inf if first.high is None else first.high
    assert low <= first.estimate <= high
    assert (first.p_value < 0.05) == (low > 0 or high < 0)


def test_few_draws_are_all_made_and_many_are_drawn_again_alike() -> None:
    school, treated, before, after = made(1, 40)
    one, other = permuted(school, treated, before, after), permuted(school, treated, before, after)
    assert one == other
    assert not one.is_exact
    assert one.draws >= 10_000
    assert permuted(*made(1, 10)).draws == 252


def test_ten_thousand_draws_for_a_district_take_two_seconds() -> None:
    rng = np.random.default_rng(0)
    school = np.repeat(np.arange(40), 1_500)
    treated = np.arange(40) < 20
    before = rng.normal(size=len(school))
    parts = partial_out(
        np.column_stack([np.ones(len(school)), before]),
        treated[school].astype(float),
        before + rng.normal(size=40)[school],
    )
    start = time.process_time()
    assert permute(parts, treated, school, 0.05).draws >= 10_000
    assert wild(parts, school, 0.05).draws == 10_000
    assert time.process_time() - start < 2 * 2.0


@pytest.mark.parametrize(
    ("schools", "is_random", "method"),
    [
        (6, False, "permutation"),  # formative: three in an arm
        (12, True, "permutation"),
        (12, False, "cr2"),
        (44, True, "cr2"),
    ],
)
def test_auto_follows_the_design_alone(schools: int, is_random: bool, method: str) -> None:
    for seed in range(3):
        school, treated, before, after = made(seed, schools, effect=seed)
        data = table(school=school, t=treated[school].astype(int), before=before, after=after)
        found = estimate(data, Difference("after", "t", cluster="school", is_random=is_random, n_min=1))
        assert found.method == method
        assert ("formative" in " ".join(found.warnings)) == (schools == 6)


def test_two_of_twelve_schools_reach_one_in_sixty_six() -> None:
    school, _, before, after = made(5, 12)
    data = table(school=school, t=(school < 2).astype(int), before=before, after=after)
    found = estimate(data, Difference("after", "t", cluster="school", method="permutation", n_min=1))
    assert found.smallest_p == pytest.approx(1 / 66)


def test_rows_permuted_in_two_periods_are_permuted_with_both_their_terms() -> None:
    rng = np.random.default_rng(2)
    treated, post = np.tile([0, 0, 1, 1], 12), np.tile([0, 1], 24)
    after = rng.normal(size=48) + 0.5 * treated * post
    data = table(t=treated, post=post, y=after)
    found = estimate(data, Difference("y", "t", post="post", method="permutation"))
    fitted = estimate(data, Difference("y", "t", post="post", method="classical"))
    assert found.estimates[0].estimate == pytest.approx(fitted.estimates[0].estimate, abs=1e-9)
    assert found.estimates[0].p_value == pytest.approx(fitted.estimates[0].p_value, abs=0.05)
