"""States merge: whatever the grouping and the order of arrival, the numbers are those of one pass."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.mastery.bkt import FloatArray
from cairn.mastery.share import state
from cairn.mastery.share.state import PAIR, PUPIL, Fading

DAY = 86_400.0
RIGHT_FROM = 0.8
# Steps of time (0: at the same instant), outcome, what was expected.
work = st.lists(
    st.tuples(
        st.sampled_from([0.0, 40.0, 0.4 * DAY, 3 * DAY, 70 * DAY]),
        st.sampled_from([0.0, 1.0, 0.25, 0.75, 0.8, 2 / 3]),
        st.floats(0.05, 0.95),
    ),
    min_size=1,
    max_size=40,
)


def folded(rows: FloatArray, fading: Fading) -> FloatArray:
    """The state after rows of (at, outcome, residual)."""
    bounds = np.array([0, rows.shape[0]], dtype=np.int64)
    return state.fold(fading.empty(1), bounds, *(np.ascontiguousarray(column) for column in rows.T), fading, RIGHT_FROM)


def rows_of(steps: list[tuple[float, float, float]]) -> FloatArray:
    """At, outcome and residual of each response."""
    at = 1.79e9 + np.cumsum([step for step, _, _ in steps])
    outcome = np.array([one for _, one, _ in steps])
    return np.stack([at, outcome, outcome - np.array([expected for *_, expected in steps])], axis=1)


@pytest.mark.parametrize("fading", [PAIR, PUPIL])
@settings(deadline=None, max_examples=60)
@given(steps=work, cuts=st.lists(st.integers(0, 40), max_size=4), data=st.data())
def test_stretches_merge_in_any_grouping(
    fading: Fading, steps: list[tuple[float, float, float]], cuts: list[int], data: st.DataObject
) -> None:
    rows = rows_of(steps)
    whole = folded(rows, fading)
    bounds = sorted({0, len(steps), *(min(cut, len(steps)) for cut in cuts)})
    parts = [folded(rows[low:high], fading) for low, high in pairwise(bounds)]
    while len(parts) > 1:
        place = data.draw(st.integers(0, len(parts) - 2))
        parts[place : place + 2] = [state.merge(parts[place], parts[place + 1], fading)]
    np.testing.assert_allclose(parts[0], whole, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(steps=work)
def test_nothing_is_the_neutral_state(steps: list[tuple[float, float, float]]) -> None:
    whole, nothing = folded(rows_of(steps), PAIR), PAIR.empty(1)
    np.testing.assert_array_equal(state.merge(nothing, whole, PAIR), whole)
    np.testing.assert_array_equal(state.merge(whole, nothing, PAIR), whole)


def test_a_state_by_hand() -> None:
    """Right, wrong, right, a day apart, each expected at one half."""
    one = Fading(opportunities=(1.0,), days=(2.0,))
    rows = np.array([[0.0, 1.0, 0.5], [DAY, 0.0, -0.5], [2 * DAY, 1.0, 0.5]])
    found = folded(rows, one)[0]
    half = 2.0**-0.5
    assert found[state.COUNT] == 3
    assert found[state.WINS] == 2
    assert found[state.LAST_FIVE] == 0b1101
    assert found[state.LAST_AT] == 2 * DAY
    assert found[4] == pytest.approx(0.125 - 0.25 + 0.5)
    assert found[5:7] == pytest.approx([0.5 + half + 1, 0.25 - 0.5 * half + 0.5])
    assert state.outcome_count(found[None], 0, one) == pytest.approx([1.75])
    later = state.aged(found[None], np.array([4 * DAY]), one)[0]
    assert later[5:7] == pytest.approx(found[5:7] / 2)
    assert later[:5] == pytest.approx(found[:5])


@settings(deadline=None, max_examples=60)
@given(steps=work)
def test_credit_is_summed_as_it_is_and_the_pattern_reads_it_as_right_or_wrong(
    steps: list[tuple[float, float, float]],
) -> None:
    rows = rows_of(steps)
    found = folded(rows, PAIR)[0]
    assert found[state.WINS] == pytest.approx(rows[:, 1].sum(), abs=1e-12)
    told = "1" + "".join("1" if one >= RIGHT_FROM else "0" for one in rows[-5:, 1])
    assert found[state.LAST_FIVE] == int(told, 2)


@settings(deadline=None, max_examples=60)
@given(steps=work, right_from=st.floats(0.01, 1.0))
def test_of_right_and_wrong_nothing_hangs_on_the_reading(
    steps: list[tuple[float, float, float]], right_from: float
) -> None:
    """To the last digit: what was folded before there was partial credit stays as it was."""
    rows = rows_of([(step, float(one >= 0.5), expected) for step, one, expected in steps])
    bounds = np.array([0, rows.shape[0]], dtype=np.int64)
    at, outcome, residual = (np.ascontiguousarray(column) for column in rows.T)
    found = state.fold(PAIR.empty(1), bounds, at, outcome, residual, PAIR, right_from)
    np.testing.assert_array_equal(found, folded(rows, PAIR))
    assert found[0, state.WINS] == np.count_nonzero(outcome)


def test_the_state_before_each_response_is_that_of_the_work_before_it() -> None:
    random = np.random.default_rng(4)
    sizes = [3, 1, 7]
    bounds = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    at = np.concatenate([np.sort(random.random(size)) * 30 * DAY for size in sizes])
    outcome = random.integers(0, 2, at.size).astype(np.float64)
    residual = outcome - 0.4
    found = state.fold_each(PUPIL.empty(3), bounds, at, outcome, residual, PUPIL, RIGHT_FROM)
    rows = np.stack([at, outcome, residual], axis=1)
    for low, high in pairwise(bounds):
        np.testing.assert_array_equal(found[low], PUPIL.empty(1)[0])
        for place in range(low + 1, high):
            np.testing.assert_allclose(found[place], folded(rows[low:place], PUPIL)[0], rtol=1e-12)
    after = state.appended(found, at, outcome, residual, PUPIL, RIGHT_FROM)
    np.testing.assert_allclose(
        after[bounds[1:] - 1], state.fold(PUPIL.empty(3), bounds, at, outcome, residual, PUPIL, RIGHT_FROM)
    )
