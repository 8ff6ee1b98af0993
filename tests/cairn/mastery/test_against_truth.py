"""The durable share on pupils with a hidden yes or no, beside what one could say who has the true parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cairn.mastery.against_truth import TwoPoints, _by_filter, against_truth
from cairn.mastery.bkt import FloatArray
from cairn.mastery.groups import sorted_offsets
from cairn.mastery.responses import Responses
from cairn.mastery.share.policy import SharePolicy
from simulator.families import KnownPupils, simulate

DAY = 86_400.0


@pytest.fixture(scope="module")
def judged() -> KnownPupils:
    return simulate("family-a", 150, 7, 800, 950)


@pytest.fixture(scope="module")
def found(judged: KnownPupils) -> dict[str, Any]:
    taught = simulate("family-a", 800, 7, 0, 950)
    return against_truth(taught.responses, judged.responses, judged.true_share, DAY, judged.filtered)


def test_the_filter_is_right_about_who_knows(judged: KnownPupils) -> None:
    """Of pairs that it gives a chance of so much, so many know: it is the exact posterior."""
    filtered = judged.filtered
    assert filtered is not None
    knows = np.isclose(judged.true_share, filtered.share_known)
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.0)):
        inside = (filtered.chance >= low) & (filtered.chance < high)
        assert knows[inside].mean() == pytest.approx(filtered.chance[inside].mean(), abs=0.05)
    is_long_ago = days_since_own_work(judged.responses) >= 5
    assert is_long_ago.sum() > 300
    assert knows[is_long_ago].mean() == pytest.approx(filtered.chance[is_long_ago].mean(), abs=0.045), "it forgets"


def days_since_own_work(data: Responses) -> FloatArray:
    """Days from the pair's previous response to each; 0 for its first."""
    order, offsets = sorted_offsets(data.user * len(data.skills) + data.skill)
    days = np.r_[0.0, np.diff(data.at_seconds[order])] / DAY
    days[offsets[:-1]] = 0.0
    found = np.empty(days.size)
    found[order] = days
    return found


def test_an_interval_of_two_points_is_one_of_them_or_both() -> None:
    chance = np.array([0.02, 0.5, 0.98, 0.93])
    said = _by_filter(TwoPoints(chance, np.full(4, 0.9), np.full(4, 0.2)), np.arange(4), SharePolicy())
    assert said.low.tolist() == [0.2, 0.2, 0.9, 0.2]
    assert said.high.tolist() == [0.2, 0.9, 0.9, 0.9]
    assert said.is_sure.tolist() == [False, False, True, True]


def test_even_the_true_parameters_cover_nearly_all(found: dict[str, Any]) -> None:
    """A truth of two points cannot be covered nine times in ten by intervals with five hundredths at either end."""
    best = found["best_possible"]
    assert best["interval90_coverage"] > 0.99
    assert best["missed_mastery"] < 0.2
    assert found["interval90_coverage"] > 0.9


def test_calls_are_right_and_not_much_rarer_than_deserved(found: dict[str, Any]) -> None:
    assert found["false_mastery"] <= 0.05
    assert found["missed_mastery"] <= 0.4, "one normal misses six in ten"


def test_family_b_has_no_filter() -> None:
    assert simulate("family-b", 2, 7).filtered is None
