"""The comparison after an action: by hand, and on pupils for whom it is known what help did."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from cairn.mastery.action_follow_up import FARTHEST_SHARE, NEXT_ANSWERS, Comparison, Evening, compare

# Student, state, share, counted, answers right in order, helped.
ROWS = [
    ("helped", "developing", 0.50, 6, "11101", True),
    ("a", "developing", 0.52, 6, "10", False),  # 1 of 2
    ("b", "developing", 0.55, 6, "11000", False),  # 2 of 5, just similar
    ("c", "developing", 0.45, 6, "01111", False),  # 4 of 5
    ("d", "developing", 0.56, 6, "11111", False),  # too strong
    ("e", "mastered", 0.50, 6, "11111", False),  # another state
    ("f", "developing", 0.50, 7, "11111", False),  # another number of attempts
    ("g", "developing", 0.50, 6, "11111", True),  # helped as well
    ("h", "developing", 0.50, 6, "1", False),  # one answer tells nothing
]


def evening(rows: list[tuple[str, str, float, int, str, bool]]) -> Evening:
    student, state, share, counted, outcomes, helped = zip(*rows, strict=True)
    right = np.zeros((len(rows), NEXT_ANSWERS), dtype=np.int64)
    for place, text in enumerate(outcomes):
        right[place, : len(text)] = [int(one) for one in text]
    answers = np.array([len(text) for text in outcomes])
    return Evening(list(student), list(state), np.array(share), np.array(counted), answers, right, np.array(helped))


def test_by_hand() -> None:
    found = compare(evening(ROWS), 0, 3)
    assert (found.answers, found.right, found.comparables) == (5, 4, 3)
    assert found.comparable_share == pytest.approx((0.5 + 0.4 + 0.8) / 3)
    # Standard deviation of .5, .4, .8 is .20817; over the root of 3 .12019; t of two degrees at 95 % is 2.91999.
    assert found.comparable_error == pytest.approx(0.120185, abs=1e-6)
    assert found.comparable_low == pytest.approx(0.566667 - 0.350939, abs=1e-5)
    assert found.comparable_high == pytest.approx(0.566667 + 0.350939, abs=1e-5)
    assert found.farthest_share == pytest.approx(0.05)


def test_under_the_smallest_group_the_nearest_are_taken_and_then_nothing_is_told() -> None:
    found = compare(evening(ROWS), 0, 4)
    assert found.comparables == 4 and found.farthest_share == pytest.approx(0.06)
    assert compare(evening(ROWS), 0, 5) == Comparison(5, 4), "nobody else is near enough"
    far = [*ROWS, ("z", "developing", 0.5 + FARTHEST_SHARE + 0.01, 6, "11", False)]
    assert compare(evening(far), 0, 5).comparables is None


def test_only_as_many_answers_as_the_pupil_has() -> None:
    few = compare(evening([("helped", "developing", 0.5, 6, "01", True), *ROWS[1:]]), 0, 3)
    assert (few.answers, few.right) == (2, 1)
    assert few.comparable_share == pytest.approx((0.5 + 1.0 + 0.5) / 3)
    one = compare(evening([("helped", "developing", 0.5, 6, "1", True), *ROWS[1:]]), 0, 3)
    assert one == Comparison(1, 1), "one answer is nothing to compare"


def test_the_order_of_pupils_changes_nothing_and_no_share_compares_nothing() -> None:
    rows = [ROWS[0], *reversed(ROWS[1:])]
    assert asdict(compare(evening(rows), 0, 3)) == pytest.approx(asdict(compare(evening(ROWS), 0, 3)))
    blind = evening(ROWS)
    assert compare(replace(blind, share=np.r_[np.nan, blind.share[1:]]), 0, 3) == Comparison(5, 4)


def simulated(seed: int, effect: float, helped: int = 1, others: int = 120) -> Evening:
    """Pupils whose next answers are right with their own chance around their share; help adds ``effect`` to it."""
    random = np.random.default_rng(seed)
    size = helped + others
    share = random.uniform(0.4, 0.6, size)
    is_helped = np.arange(size) < helped
    chance = np.clip(share + random.normal(0.0, 0.1, size) + effect * is_helped, 0.02, 0.98)
    answers = random.integers(2, NEXT_ANSWERS + 1, size)
    right = (random.random((size, NEXT_ANSWERS)) < chance[:, None]) * (np.arange(NEXT_ANSWERS) < answers[:, None])
    student = [f"p{number:03d}" for number in range(size)]
    return Evening(student, ["developing"] * size, share, np.full(size, 6), answers, right.astype(np.int64), is_helped)


def test_the_interval_holds_the_chance_of_pupils_without_help() -> None:
    """Nine times in ten: what comparable pupils would have got right is known for simulated ones."""
    held = []
    for seed in range(400):
        found = compare(simulated(seed, 0.0), 0, 10)
        assert found.comparable_low is not None and found.comparable_high is not None
        true = simulated(seed, 0.0).share[0]
        held.append(found.comparable_low <= true <= found.comparable_high)
    assert 0.82 <= np.mean(held) <= 0.97
