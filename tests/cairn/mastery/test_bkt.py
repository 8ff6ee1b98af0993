"""BKT: the published update, matrices that merge, and numbers that stay numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.mastery import bkt
from cairn.mastery.bkt import Parameters

share = st.floats(0.01, 0.99)
parameters = st.builds(Parameters, share, share, share, share, st.floats(0.0, 0.5))
answers = st.lists(st.integers(0, 1), min_size=1, max_size=200)
ONE = np.zeros(1, dtype=np.int64)


def run(p: Parameters, correct: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offsets = np.array([0, len(correct)], dtype=np.int64)
    return bkt.forward(np.array(correct, dtype=np.int8), offsets, ONE, p.row()[None, :])


def stretch(p: Parameters, correct: list[int]) -> np.ndarray:
    offsets = np.array([0, len(correct)], dtype=np.int64)
    return bkt.segments(np.array(correct, dtype=np.int8), offsets, ONE, p.row()[None, :])[0]


def test_update_follows_the_published_formula() -> None:
    """Corbett and Anderson (1995), worked by hand for L0 .4, T .3, G .2, S .1: right, then wrong."""
    before, predicted, after = run(Parameters(0.4, 0.3, 0.2, 0.1), [1, 0])
    posterior = 0.4 * 0.9 / (0.4 * 0.9 + 0.6 * 0.2)
    known = posterior + (1 - posterior) * 0.3
    assert predicted[0] == pytest.approx(0.4 * 0.9 + 0.6 * 0.2)
    assert after[0] == pytest.approx(known) == pytest.approx(0.825)
    posterior = known * 0.1 / (known * 0.1 + (1 - known) * 0.8)
    assert before[1] == after[0]
    assert after[1] == pytest.approx(posterior + (1 - posterior) * 0.3)


@given(parameters, answers)
def test_one_stretch_equals_response_by_response(p: Parameters, correct: list[int]) -> None:
    _, predicted, after = run(p, correct)
    known, log_likelihood = bkt.apply(p.prior, stretch(p, correct))
    outcome = np.where(np.array(correct) == 1, predicted, 1 - predicted)
    assert known == pytest.approx(after[-1], abs=1e-9)
    assert log_likelihood == pytest.approx(np.log(outcome).sum(), abs=1e-9 * len(correct) + 1e-9)


@given(parameters, answers, answers, answers)
def test_stretches_merge_in_any_grouping(p: Parameters, a: list[int], b: list[int], c: list[int]) -> None:
    first, second, third = (stretch(p, part) for part in (a, b, c))
    left = bkt.merge(bkt.merge(first, second), third)
    right = bkt.merge(first, bkt.merge(second, third))
    whole = stretch(p, a + b + c)
    for merged in (left, right):
        known, log_likelihood = bkt.apply(p.prior, merged)
        expected, expected_log = bkt.apply(p.prior, whole)
        assert known == pytest.approx(expected, abs=1e-9)
        assert log_likelihood == pytest.approx(expected_log, rel=1e-9, abs=1e-9)


@given(parameters, st.booleans())
def test_kernel_uses_the_response_matrix(p: Parameters, is_correct: bool) -> None:
    found = stretch(p, [int(is_correct)])
    assert np.allclose(found[:4].reshape(2, 2) * np.exp(found[4]), bkt.response_matrix(p, is_correct))


def test_long_stretches_do_not_underflow() -> None:
    p = Parameters(0.4, 0.3, 0.2, 0.1, 0.05)
    correct = [1, 0] * 50_000
    known, log_likelihood = bkt.apply(p.prior, stretch(p, correct))
    assert known == pytest.approx(run(p, correct)[2][-1], abs=1e-9)
    assert np.isfinite(log_likelihood)


def test_a_response_called_impossible_changes_nothing() -> None:
    _, _, after = run(Parameters(1.0, 0.0, 0.2, 0.0), [0])
    assert after[0] == 1.0


def test_parameters_are_probabilities() -> None:
    with pytest.raises(ValueError, match=r"guess is 1\.2"):
        Parameters(0.4, 0.3, 1.2, 0.1)
