"""The interval of the next ten answers: its chances by hand and by drawing, and that a right doubt covers .90."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from cairn.mastery.next_ten import ANSWERS, chances_of_counts, parts_of_interval
from cairn.mastery.share.doubt import NARROWEST, Doubt, Groups, Spread


def spread(width: float, groups: Groups | None = None) -> Spread:
    """Around shares of .3 and .8."""
    return Doubt(np.log(width), 0.0, 0.0, 0.0, groups).around(np.array([0.3, 0.8]), np.full(2, 5.0), np.zeros(2))


def logits() -> np.ndarray:
    """Ten answers at those shares, on items of their own."""
    middle = np.log(np.array([0.3, 0.8]) / np.array([0.7, 0.2]))
    return middle[:, None] + np.linspace(-0.5, 0.5, ANSWERS)[None, :]


def test_without_doubt_like_items_make_a_binomial() -> None:
    same = np.repeat(np.log(0.8 / 0.2), 2 * ANSWERS).reshape(2, ANSWERS)
    sure = Spread(*(np.full(2, value) for value in (1e-9, 1.0, 1.0, 0.0, 0.0)))
    found = chances_of_counts(same, sure)
    np.testing.assert_allclose(found[0], binom.pmf(np.arange(ANSWERS + 1), ANSWERS, 0.8), atol=1e-9)


@pytest.mark.parametrize("around", [spread(0.9), spread(NARROWEST, Groups(1.8, -1.6))], ids=["one group", "two groups"])
def test_chances_are_what_drawn_pupils_do(around: Spread) -> None:
    random, pupils = np.random.default_rng(3), 200_000
    found = chances_of_counts(logits(), around)
    for row, own in enumerate(logits()):
        can = random.random(pupils) < around.upper[row]
        e = np.where(can, around.up[row], -around.down[row]) + around.width[row] * random.normal(size=pupils)
        chance = 1.0 / (1.0 + np.exp(-(own[None, :] * around.stretch[row] + e[:, None])))
        right = (random.random(chance.shape) < chance).sum(axis=1)
        np.testing.assert_allclose(found[row], np.bincount(right, minlength=ANSWERS + 1) / pupils, atol=0.004)


def test_an_outcome_across_an_end_counts_by_its_part_inside() -> None:
    """Five outcomes of .02, .05, .86, .05, .02: the tail of .05 ends three fifths into the second."""
    chance_of = np.tile([0.02, 0.05, 0.86, 0.05, 0.02], (5, 1))
    inside, below, above = parts_of_interval(chance_of, np.arange(5), 0.9)
    np.testing.assert_allclose(inside, [0.0, 0.4, 1.0, 0.4, 0.0], atol=1e-12)
    np.testing.assert_allclose(below, [1.0, 0.6, 0.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(above, [0.0, 0.0, 0.0, 0.6, 1.0], atol=1e-12)


def test_chances_that_are_right_cover_nine_tenths_on_average() -> None:
    chance_of = chances_of_counts(logits(), spread(0.9))
    for row in chance_of:
        each = np.tile(row, (row.size, 1))
        inside, below, above = parts_of_interval(each, np.arange(row.size), 0.9)
        assert [float(row @ part) for part in (inside, below, above)] == pytest.approx([0.9, 0.05, 0.05])
