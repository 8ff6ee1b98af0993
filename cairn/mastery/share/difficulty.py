"""How hard an item is: the share right on it, frozen with the model version, drawn to its skill where it is rare.

The chance of an item at a pupil's first, second, ... attempt at it is an average of what was seen and of what its
skill says, and the skill's of what all say (shrinkage with fixed counts, as an empirical Bayes estimate with a beta
prior). A response must not be judged by a difficulty that it made itself: for pupils of the training set difficulties
come from the pupils of the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray

# Attempts at one item are told apart up to this many.
MOST_ATTEMPTS = 10
FOLDS = 5
# How many responses the skill's say is worth beside an item's own, and all skills' beside a skill's.
ITEM_PRIOR = 10.0
SKILL_PRIOR = 20.0
LOWEST, HIGHEST = 0.01, 0.99


@dataclass(frozen=True)
class Difficulty:
    """Frozen chances of a right answer before anything is known of the pupil.

    item: items x attempts; skill: skills x attempts, for items that training did not meet; is_known: items it met.
    """

    item: FloatArray
    skill: FloatArray
    is_known: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def logits(self, item: IntArray, skill: IntArray, attempt: IntArray) -> FloatArray:
        """The logit of each response's chance; ``skill`` is the response's first, ``attempt`` from 0."""
        place = np.minimum(attempt, MOST_ATTEMPTS - 1)
        chance = np.where(self.is_known[item], self.item[item, place], self.skill[skill, place])
        found: FloatArray = np.log(chance / (1.0 - chance))
        return found


def estimate(
    item: IntArray, skill: IntArray, attempt: IntArray, correct: FloatArray, items: int, skills: int
) -> Difficulty:
    """Difficulties from responses: codes of item and (first) skill, attempt at the item from 0, share right."""
    place = np.minimum(attempt, MOST_ATTEMPTS - 1)
    mean = float(correct.mean()) if correct.size else 0.5
    by_attempt = shares_right(place, correct, MOST_ATTEMPTS, SKILL_PRIOR, np.full(MOST_ATTEMPTS, mean))
    of_skill = _two_way(skill, place, correct, skills, SKILL_PRIOR, np.tile(by_attempt, (skills, 1)))
    skill_of = np.zeros(items, dtype=np.int64)
    skill_of[item] = skill
    of_item = _two_way(item, place, correct, items, ITEM_PRIOR, of_skill[skill_of])
    is_known = np.zeros(items, dtype=bool)
    is_known[item] = True
    return Difficulty(np.clip(of_item, LOWEST, HIGHEST), np.clip(of_skill, LOWEST, HIGHEST), is_known)


def out_of_fold(
    user: IntArray, item: IntArray, skill: IntArray, attempt: IntArray, correct: FloatArray, items: int, skills: int
) -> FloatArray:
    """The logit of each response's difficulty, from the pupils of the other folds (by the pupil's code)."""
    fold = np.unique(user, return_inverse=True)[1] % FOLDS
    found = np.empty(correct.size)
    for one in range(FOLDS):
        inside = fold == one
        seen = ~inside
        others = estimate(item[seen], skill[seen], attempt[seen], correct[seen], items, skills)
        found[inside] = others.logits(item[inside], skill[inside], attempt[inside])
    return found


def shares_right(codes: IntArray, correct: FloatArray, size: int, prior: float, expected: FloatArray) -> FloatArray:
    """The share right by code, drawn to ``expected`` by ``prior`` responses."""
    count = np.bincount(codes, minlength=size)
    wins = np.bincount(codes, weights=correct, minlength=size)
    shares: FloatArray = (wins + prior * expected) / (count + prior)
    return shares


def _two_way(
    row: IntArray, place: IntArray, correct: FloatArray, rows: int, prior: float, expected: FloatArray
) -> FloatArray:
    """Shares by row and attempt (rows x attempts): first the row moves as a whole, then each attempt of it."""
    cell = row * MOST_ATTEMPTS + place
    surplus = np.bincount(row, weights=correct - expected[row, place], minlength=rows)
    moved = expected + (surplus / (np.bincount(row, minlength=rows) + prior))[:, None]
    shares = shares_right(cell, correct, rows * MOST_ATTEMPTS, prior, np.clip(moved, LOWEST, HIGHEST).ravel())
    return shares.reshape(rows, MOST_ATTEMPTS)
