"""The threshold policy: states, hysteresis, review, wheel-spinning and the expected share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.mastery.bkt import Parameters
from cairn.mastery.config import EvidenceMinimum, ThresholdPolicy
from cairn.mastery.policy import (
    DAY_US,
    NEVER,
    NO_ITEM,
    STATES,
    Standing,
    Transitions,
    expected_share,
    is_wheel_spinning,
    nothing_yet,
    walk,
)

POLICY = ThresholdPolicy(0.95, 0.85, EvidenceMinimum(3, 2, 2), 60.0, 0.9, 0.9, 2.0)


def states(  # type: ignore[no-untyped-def]  # a test's shorthand
    known: list[float],
    days: Sequence[float],
    as_of: float = 10_000.0,
    correct: list[int] | None = None,
    items: list[int] | None = None,
):
    """(changes as (to_state, day), standing) of one pair; every attempt at another item where not said otherwise."""
    times = (np.array(days) * DAY_US).astype(np.int64)
    right = np.array(correct or [1] * len(known), dtype=np.int8)
    offsets = np.array([0, len(known)], dtype=np.int64)
    transitions, standing = walk(
        np.array(known, dtype=np.float64),
        right,
        times,
        times // DAY_US,
        np.array(items or range(len(known)), dtype=np.int64),
        np.zeros(len(known), dtype=np.uint64),
        offsets,
        np.zeros(1),
        nothing_yet(1, POLICY.minimum.items),
        POLICY,
        int(as_of * DAY_US),
    )
    changes = [(STATES[s], at / DAY_US) for s, at in zip(transitions.to_state, transitions.at_us, strict=True)]
    return changes, standing


def test_too_little_evidence_says_so() -> None:
    changes, standing = states([0.99, 0.99], [0, 1])
    assert changes == [("not_enough_evidence", 0)]
    assert STATES[standing.state[0]] == "not_enough_evidence"


def test_one_item_on_many_days_is_not_enough_evidence() -> None:
    changes, standing = states([0.99] * 5, range(5), as_of=6, items=[7] * 5)
    assert changes == [("not_enough_evidence", 0)]
    assert standing.items[0].tolist() == [7, NO_ITEM]
    assert standing.days[0] == 5
    assert states([0.2] * 5, range(5), as_of=6, items=[7] * 5)[0] == [("not_enough_evidence", 0)]
    assert states([0.99] * 5, range(5), as_of=6, items=[7, 7, 7, 8, 7])[0][-1] == ("mastered", 3)


def test_what_is_right_in_one_sitting_is_not_mastered_yet() -> None:
    sitting = [0.1, 0.11, 0.12, 0.13]
    assert states([0.99] * 4, sitting, as_of=1)[0] == [("not_enough_evidence", 0.1)]
    assert states([0.99] * 5, [*sitting, 1.5], as_of=2)[0][-1] == ("mastered", 1.5)
    # Who has begun is developing, and stays so for the day.
    assert [to for to, _ in states([0.5, 0.6, 0.7, 0.99], sitting, as_of=1)[0]] == ["not_enough_evidence", "developing"]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 3)), min_size=1, max_size=30),
    st.integers(1, 29),
)
def test_nights_that_go_on_say_what_one_says(work: list[tuple[float, bool, int]], cut: int) -> None:
    known, right, items = (np.array(column) for column in zip(*work, strict=True))
    day = np.arange(len(work), dtype=np.int64) * 2
    cut = min(cut, len(work))

    def go_on(first: int, last: int, standing: Standing, start: float) -> tuple[Transitions, Standing]:
        part = slice(first, last)
        nothing, offsets = np.zeros(last - first, dtype=np.uint64), np.array([0, last - first])
        marks = right[part].astype(np.int8), day[part] * DAY_US, day[part], items[part].astype(np.int64), nothing
        until = int(day[last - 1] + 1) * DAY_US
        return walk(known[part], *marks, offsets, np.array([start]), standing, POLICY, until)

    begun = nothing_yet(1, POLICY.minimum.items)
    whole, at_once = go_on(0, len(work), begun, 0.0)
    first, standing = go_on(0, cut, begun, 0.0)
    found = [first]
    if cut < len(work):
        second, standing = go_on(cut, len(work), standing, float(known[cut - 1]))
        found.append(second)
    moves = [to for part in found for to in part.to_state.tolist()]
    assert moves == whole.to_state.tolist()
    assert (standing.state[0], standing.days[0]) == (at_once.state[0], at_once.days[0])
    assert standing.items.tolist() == at_once.items.tolist()


def test_mastered_from_the_upper_threshold_lost_below_the_lower() -> None:
    known = [0.5, 0.7, 0.9, 0.95, 0.86, 0.85, 0.84, 0.94, 0.96]
    changes, _ = states(known, list(range(9)), as_of=9)
    assert changes == [
        ("not_enough_evidence", 0),
        ("developing", 2),
        ("mastered", 3),
        ("developing", 6),
        ("mastered", 8),
    ]


def test_mastered_and_not_shown_is_review_due() -> None:
    _, standing = states([0.99] * 3, [0, 1, 2], as_of=62)
    assert STATES[standing.state[0]] == "mastered"
    assert standing.next_us[0] == 62 * DAY_US
    changes, standing = states([0.99] * 3, [0, 1, 2], as_of=62.5)
    assert changes[-1] == ("review_due", 62)
    assert standing.next_us[0] == NEVER


def test_evidence_ends_a_review() -> None:
    assert states([0.99] * 4, [0, 1, 2, 90], as_of=91)[0][-2:] == [("review_due", 62), ("mastered", 90)]
    assert states([0.99, 0.99, 0.99, 0.8], [0, 1, 2, 90], as_of=91)[0][-2:] == [("review_due", 62), ("developing", 90)]


def test_a_review_that_goes_wrong_is_not_mastered() -> None:
    """Ten right, two hundred days, one wrong: the model is still sure (P is 1), the pupil was not able to."""
    days = [*range(10), 210]
    changes, standing = states([1.0] * 11, days, as_of=211, correct=[1] * 10 + [0])
    assert changes[-2:] == [("review_due", 69), ("developing", 210)]
    assert STATES[standing.state[0]] == "developing"
    changes, _ = states([1.0] * 11, days, as_of=211, correct=[1] * 11)
    assert changes[-1] == ("mastered", 210)
    changes, _ = states([1.0] * 11, range(11), as_of=12, correct=[1] * 10 + [0])
    assert changes[-1] == ("mastered", 2), "a slip while nothing is due changes nothing where the model stays sure"


def test_wheel_spinning_counts_until_three_in_a_row() -> None:
    _, standing = states([0.5] * 10, list(range(10)), correct=[1, 1, 0] * 3 + [1])
    assert standing.without_three[0] == 10
    assert is_wheel_spinning(10)
    _, standing = states([0.5] * 10, list(range(10)), correct=[1, 1, 0] * 2 + [1, 1, 1, 0])
    assert standing.without_three[0] == 1
    _, standing = states([0.5] * 14, list(range(14)), correct=[1, 1, 1] + [1, 0] * 5 + [0])
    assert standing.without_three[0] == 10, "an early streak does not hide what came after it"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 39))
def test_a_state_depends_on_nothing_after_it(known: list[float], cut: int) -> None:
    days = [3.0 * i for i in range(len(known))]
    whole, _ = states(known, days, as_of=days[-1] + 1)
    part, _ = states(known[:cut], days[:cut], as_of=days[: len(known[:cut])][-1] + 1)
    assert whole[: len(part)] == part


def test_the_interval_narrows_and_holds_the_share() -> None:
    counted = np.array([0, 1, 5, 50, 500])
    rows = np.tile(Parameters(0.4, 0.1, 0.2, 0.1).row(), (5, 1))
    share, low, high = expected_share(np.full(5, 0.7), counted, rows, POLICY)
    assert share == pytest.approx(np.full(5, 0.7 * 0.9 + 0.3 * 0.2))
    assert (low <= share).all()
    assert (share <= high).all()
    assert (np.diff(high - low) <= 1e-12).all()
    assert (high - low)[-1] > 0.3, "never surer than the newest ten or so attempts allow"
