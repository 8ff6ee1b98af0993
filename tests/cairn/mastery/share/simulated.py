"""Pupils whose true share is known at every moment: strength by skill, items of a difficulty, forgetting by days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.responses import Responses

DAY = 86_400.0
SKILLS, ITEMS_EACH = 6, 30


@dataclass(frozen=True)
class Simulated:
    """Responses, and the true logit of each pupil's skill just after each (entries), items' difficulties beside."""

    data: Responses
    strength: FloatArray
    difficulty: FloatArray

    def true_share(self, rows: IntArray, gap_days: float) -> FloatArray:
        """Share right on all items of the skill, so many days after a row's response."""
        skill = self.data.skill[rows]
        items = self.difficulty.reshape(SKILLS, ITEMS_EACH)[skill]
        logit = (self.strength[rows] - FORGET * np.log1p(gap_days))[:, None] - items
        share: FloatArray = (1 / (1 + np.exp(-logit))).mean(axis=1)
        return share


FORGET, LEARN = 0.35, 0.12


def simulate(seed: int, pupils: int, each: int = 14, first: int = 0, total: int = 0) -> Simulated:
    """Each pupil works ``each`` items of every skill in turn; ``first`` and ``total`` give codes among more pupils."""
    random = np.random.default_rng(seed)
    difficulty = np.random.default_rng(11).normal(0, 0.8, SKILLS * ITEMS_EACH)
    level = np.random.default_rng(12).normal(0.6, 0.5, SKILLS)
    rows: list[tuple[int, int, int, int, float, float]] = []
    for pupil in range(pupils):
        ability, at = random.normal(0, 0.9), 1.79e9
        strength = ability + level + random.normal(0, 0.7, SKILLS)
        last = np.full(SKILLS, np.nan)
        items = [random.permutation(ITEMS_EACH)[:each] for _ in range(SKILLS)]
        for n in range(each):
            for skill in random.permutation(SKILLS):
                at += random.choice([90.0, 0.6 * DAY, 4 * DAY], p=[0.7, 0.2, 0.1])
                gap = 0.0 if np.isnan(last[skill]) else (at - last[skill]) / DAY
                item = int(skill) * ITEMS_EACH + int(items[skill][n])
                chance = 1 / (1 + np.exp(-(strength[skill] - FORGET * np.log1p(gap) - difficulty[item])))
                strength[skill] += LEARN
                last[skill] = at
                rows.append((first + pupil, item, int(skill), int(random.random() < chance), at, strength[skill]))
    user, item_of, skill_of, correct, at_of, known = (np.array(column) for column in zip(*rows, strict=True))
    data = Responses(
        user=user,
        item=item_of,
        correct=correct.astype(np.float64),
        at_seconds=at_of,
        response=np.arange(user.size),
        skill=skill_of,
        users=[f"u{code}" for code in range(max(total, first + pupils))],
        items=[f"i{code}" for code in range(SKILLS * ITEMS_EACH)],
        skills=[f"s{code}" for code in range(SKILLS)],
        has_items=True,
        has_times=True,
    )
    return Simulated(data, known, difficulty)
