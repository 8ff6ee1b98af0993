"""Fitting: known parameters come back, bounds hold, and published likelihoods are reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cairn.mastery.bkt import Parameters, forward
from cairn.mastery.fit import Bounds, Sequences, fit_bkt, make_sequences
from cairn.mastery.predictors import fit_responses
from cairn.mastery.responses import read_table, responses_from


def simulate(truth: list[Parameters], pupils: int, length: int, seed: int) -> Sequences:
    """Responses of pupils to each competency, from the model itself."""
    random = np.random.default_rng(seed)
    skill, user, correct = [], [], []
    for code, p in enumerate(truth):
        for pupil in range(pupils):
            known = random.random() < p.prior
            for _ in range(length):
                right = random.random() < ((1 - p.slip) if known else p.guess)
                skill.append(code)
                user.append(pupil)
                correct.append(right)
                known = random.random() < ((1 - p.forget) if known else p.learn)
    codes = [np.array(values, dtype=np.int64) for values in (skill, user)]
    return make_sequences(codes[0], codes[1], np.array(correct, dtype=np.int8))[0]


TRUTH = [Parameters(0.3, 0.15, 0.2, 0.1), Parameters(0.6, 0.3, 0.1, 0.2)]


def test_known_parameters_come_back() -> None:
    fit = fit_bkt(simulate(TRUTH, 1500, 12, 5), Bounds())
    for found, p in zip(fit.parameters, TRUTH, strict=True):
        assert np.allclose(found, p.row(), atol=0.06)
    assert not fit.is_degenerate.any()


def test_forgetting_comes_back() -> None:
    fit = fit_bkt(simulate([Parameters(0.5, 0.2, 0.1, 0.1, 0.1)], 1500, 15, 6), Bounds(), has_forget=True)
    assert fit.parameters[0, 4] == pytest.approx(0.1, abs=0.03)


def test_bounds_of_nothing_and_certainty_are_held_off_both() -> None:
    """A guess of 0 makes a right answer of who does not know impossible: nothing may be divided by that."""
    sequences = simulate([Parameters(0.5, 0.2, 0.02, 0.02)], 200, 8, 9)
    edges = Bounds((0.0,) * 5, (1.0, 1.0, 0.0, 0.0, 1.0))
    fit = fit_bkt(sequences, edges)
    assert np.isfinite(fit.parameters).all()
    assert np.isfinite(fit.log_likelihood).all()
    assert 0 < fit.parameters[0, 2] < 1e-5
    assert 0 < fit.parameters[0, 3] < 1e-5


def test_bounds_hold_and_cost_likelihood() -> None:
    sequences = simulate([Parameters(0.3, 0.1, 0.55, 0.05)], 800, 10, 7)
    bounded, free = fit_bkt(sequences, Bounds()), fit_bkt(sequences)
    assert bounded.parameters[0, 2] <= 0.3
    assert bounded.parameters[0, 3] <= 0.3
    assert free.parameters[0, 2] > 0.45
    assert bounded.is_degenerate[0]
    assert bounded.log_likelihood[0] < free.log_likelihood[0]


def test_likelihood_is_that_of_the_forward_pass() -> None:
    sequences = simulate(TRUTH, 200, 8, 8)
    fit = fit_bkt(sequences, Bounds())
    of_skill = np.repeat(np.arange(2), np.diff(sequences.skill_offsets))
    _, predicted, _ = forward(sequences.correct, sequences.offsets, of_skill, fit.parameters)
    chance = np.where(sequences.correct == 1, predicted, 1 - predicted)
    assert fit.log_likelihood.sum() == pytest.approx(np.log(chance).sum(), rel=1e-9)


def test_order_of_pupils_does_not_matter() -> None:
    random = np.random.default_rng(9)
    skill, user = random.integers(0, 3, 900), random.integers(0, 30, 900)
    correct = random.integers(0, 2, 900).astype(np.int8)
    first = fit_bkt(make_sequences(skill, user, correct)[0], Bounds())
    second = fit_bkt(make_sequences(skill, 29 - user, correct)[0], Bounds())
    assert np.allclose(first.parameters, second.parameters, atol=1e-9)


def test_a_skill_without_responses_is_harmless() -> None:
    codes = np.array([0, 0, 2, 2], dtype=np.int64)
    sequences, _ = make_sequences(codes, np.zeros(4, dtype=np.int64), np.array([0, 1, 1, 1], dtype=np.int8))
    fit = fit_bkt(sequences, Bounds())
    assert fit.responses.tolist() == [2, 0, 2]


def test_assistments_2015_reaches_the_published_likelihood(shared_fixture: Callable[[str], Path]) -> None:
    """pyBKT's best of 20 starts: -288,820 on 548,147 responses of 80 % of students, 100 skills; a good start -288,780.

    Which students those are is not recorded, so another 80 % is taken and the likelihood a response compared.
    """
    path = shared_fixture("data/responses/dkvmn_assist2015.parquet")
    [data] = responses_from([(path, read_table(path))])
    part = data.of(data.user % 5 != 0)
    free = fit_responses(part, "bkt", None)
    bounded = fit_responses(part, "bkt", Bounds())
    assert free.responses.sum() == pytest.approx(548_147, rel=0.01)
    assert free.responses.size == 100
    assert free.log_likelihood.sum() / free.responses.sum() == pytest.approx(-288_800 / 548_147, rel=0.005)
    assert free.log_likelihood.sum() >= bounded.log_likelihood.sum()
    assert np.count_nonzero(free.parameters[:, 2] > 0.5) == pytest.approx(27, abs=10), "a quarter guess over one half"
    assert bounded.parameters[:, 2:4].max() <= 0.3
