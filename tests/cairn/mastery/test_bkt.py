"""BKT: the published update, and numbers that stay probabilities."""

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
def test_numbers_stay_probabilities_however_long_the_work(p: Parameters, correct: list[int]) -> None:
    for found in run(p, correct * 50):
        assert ((found >= 0.0) & (found <= 1.0 + 1e-12)).all()


def test_what_is_nearly_sure_stays_a_probability() -> None:
    """A slip of a millionth: 1 minus the chance of right rounds below it, and wrong answers in a row blow that up."""
    for found in run(Parameters(0.9, 0.3, 0.29, 1e-6), [1] * 40 + [0] * 40):
        assert ((found >= 0.0) & (found <= 1.0)).all()


def test_a_response_called_impossible_changes_nothing() -> None:
    _, _, after = run(Parameters(1.0, 0.0, 0.2, 0.0), [0])
    assert after[0] == 1.0


def test_parameters_are_probabilities() -> None:
    with pytest.raises(ValueError, match=r"guess is 1\.2"):
        Parameters(0.4, 0.3, 1.2, 0.1)
