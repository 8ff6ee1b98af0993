"""The policy on the share, rule by rule, and when a share that fades falls under the bar."""

from __future__ import annotations

import numpy as np
import pytest

from cairn.mastery.bkt import FloatArray
from cairn.mastery.policy import DEVELOPING, MASTERED, NOT_ENOUGH, REVIEW_DUE
from cairn.mastery.share.policy import HORIZON_DAYS, MINUTE_DAYS, Verdicts, days_until_under, walk


def states(correct: str, **said: str) -> list[int]:
    """States of one pair after each answer; flags as rows of 1 and 0, "0" throughout (evidence: "1") where not said."""
    size = len(correct)

    def flag(name: str, default: str) -> np.ndarray:
        return np.array([one == "1" for one in said.get(name, default * size)], dtype=bool)

    names = ("is_over", "is_lost", "is_sparse", "is_held")
    found = Verdicts(
        **{name: flag(name, "0") for name in names},
        has_items=flag("has_items", "1"),
        has_days=flag("has_days", "1"),
        is_due_before_next=flag("is_due", "0"),
    )
    right = np.array([one == "1" for one in correct], dtype=np.int8)
    after, falls_due = walk(np.array([0, size]), right, found)
    is_due = flag("is_due", "0") & (after == MASTERED)
    assert falls_due.tolist() == is_due.tolist()
    return [int(state) for state in after]


def test_the_number_and_the_evidence_make_mastery() -> None:
    assert states("1111", is_over="0111", has_items="0011") == [NOT_ENOUGH, NOT_ENOUGH, MASTERED, MASTERED]
    assert states("1111", is_over="1111", has_days="0001") == [NOT_ENOUGH] * 3 + [MASTERED]
    assert states("111", is_over="011", has_days="001") == [DEVELOPING, DEVELOPING, MASTERED]


def test_an_interval_that_is_too_wide_says_nothing_yet() -> None:
    assert states("010", is_sparse="110") == [NOT_ENOUGH, NOT_ENOUGH, DEVELOPING]
    assert states("010", is_sparse="001") == [DEVELOPING] * 3, "what was said is not taken back by more evidence"


def test_one_slip_changes_nothing_and_two_wrong_with_the_number_do() -> None:
    assert states("10", is_over="10", is_lost="01") == [MASTERED, MASTERED]
    assert states("100", is_over="100", is_lost="001") == [MASTERED, MASTERED, DEVELOPING]
    assert states("100", is_over="100") == [MASTERED] * 3, "the number holds: the pupil stays"
    # Wrong answers of before mastery do not count against it.
    assert states("0010", is_over="0010", is_lost="1101") == [DEVELOPING, DEVELOPING, MASTERED, MASTERED]


@pytest.mark.parametrize(
    ("answer", "is_held", "state"),
    [("1", "1", MASTERED), ("1", "0", REVIEW_DUE), ("0", "1", REVIEW_DUE), ("0", "0", DEVELOPING)],
)
def test_a_review_ends_with_what_it_shows(answer: str, is_held: str, state: int) -> None:
    assert states("1" + answer, is_over="10", is_held="1" + is_held, is_due="10") == [MASTERED, state]


def test_the_day_a_share_falls_under_the_bar() -> None:
    start = np.array([0.95, 0.9, 0.6, 0.95])
    half_lives = np.array([20.0, 2.0, 5.0, 1e9])

    def share_in(days: FloatArray) -> FloatArray:
        return start * 2.0 ** (-days / half_lives)

    found = days_until_under(share_in, 4, 0.8)
    expected = half_lives[:2] * np.log2(start[:2] / 0.8)
    assert found[:2] == pytest.approx(expected, abs=2 * MINUTE_DAYS)
    assert found[2] == 0.0
    assert np.isinf(found[3])
    assert days_until_under(lambda days: np.where(days > HORIZON_DAYS + 200, 0.0, 1.0), 1, 0.8)[0] == np.inf


def test_a_crossing_late_within_the_horizon_is_found() -> None:
    for day in (340.0, 395.0):
        [found] = days_until_under(lambda days, day=day: np.where(days > day, 0.0, 1.0), 1, 0.8)  # type: ignore[misc]
        assert found == pytest.approx(day, abs=2 * MINUTE_DAYS)


def test_the_first_crossing_is_told_where_forgetting_is_not_steady() -> None:
    def share_in(days: FloatArray) -> FloatArray:
        return 0.85 - 0.1 * np.sin(days / 10.0)

    [found] = days_until_under(share_in, 1, 0.8)
    assert found == pytest.approx(10.0 * np.arcsin(0.5), abs=2 * MINUTE_DAYS)
