"""How easy an item is, whoever was given it: apart from how able the pupils were who tried it.

The plain share right on an item says something else where items are given by success: hard ones then go to able
pupils, who get them right, and look like the rest. So one logit is fitted to all first attempts: the skill, the item
beside it, the pupil on the skill, and how much the pupil had practised it (a Rasch model with normal priors of variance
1 over the penalties, items drawn to their skill). A response must not be judged by an easiness that it made itself: for
pupils of the training set it comes from the pupils of the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import FloatArray
from cairn.mastery.groups import earlier_of_owner
from cairn.mastery.responses import Responses
from cairn.mastery.share.difficulty import HIGHEST, LOWEST, SKILL_PRIOR, shares_right
from cairn.mastery.share.logistic import DesignBuilder, fit_logistic, one_row_each

FOLDS = 2
# The pupil's prior is wide: drawn to the average, pupils would leave part of their strength to the items they tried.
SKILL, ITEM, PAIR = 0.1, 0.7, 0.4
MAX_ITERATIONS = 40
# Weights of numbers, which come first: the intercept and practice.
NUMBERS = 2


@dataclass(frozen=True)
class Easiness:
    """Logits of a right answer by an average pupil: of each item, and of each skill for items that nobody tried yet."""

    item: FloatArray
    skill: FloatArray
    is_known: npt.NDArray[np.bool_]

    def logits(self, data: Responses) -> FloatArray:
        """The easiness of each response's item."""
        found: FloatArray = np.where(self.is_known[data.item], self.item[data.item], self.skill[data.first_skill()])
        return found


def estimate(data: Responses) -> Easiness:
    """The easiness of the items that first attempts were made at; without items, of the skills that stand for them."""
    items, skills = len(data.items), len(data.skills)
    first = data.first_skill()
    if not data.has_items:
        return _of_skills(data)
    pair = np.unique(data.user * skills + first, return_inverse=True)[1].astype(np.int64)
    build = DesignBuilder(data.user.size)
    build.number("intercept", np.ones(data.user.size), 0.01)
    build.number("practice", np.log1p(earlier_of_owner(pair)), 0.1)
    build.category("skill", first, skills, SKILL)
    build.category("item", data.item, items, ITEM)
    build.category("pair", pair, int(pair.max(initial=-1)) + 1, PAIR)
    weights = fit_logistic(build.build(), one_row_each(data.user.size), data.correct, MAX_ITERATIONS)
    intercept, of_skill, of_item, _ = np.split(weights, np.cumsum([NUMBERS, skills, items]))
    of_skill = intercept[0] + of_skill
    skill_of = np.zeros(items, dtype=np.int64)
    skill_of[data.item] = first
    is_known = np.zeros(items, dtype=bool)
    is_known[data.item] = True
    return Easiness(of_skill[skill_of] + of_item, of_skill, is_known)


def _of_skills(data: Responses) -> Easiness:
    """Logits of the skills' shares right, drawn to all skills' as difficulties are."""
    skills, first = len(data.skills), data.first_skill()
    mean = float(data.correct.mean()) if data.correct.size else 0.5
    share = np.clip(shares_right(first, data.correct, skills, SKILL_PRIOR, np.full(skills, mean)), LOWEST, HIGHEST)
    logit = np.log(share / (1.0 - share))
    return Easiness(logit, logit, np.ones(skills, dtype=bool))


def out_of_fold(data: Responses) -> FloatArray:
    """The easiness of each response's item, from the pupils of the other folds (by the pupil's code)."""
    fold = np.unique(data.user, return_inverse=True)[1] % FOLDS
    found = np.zeros(data.user.size)
    for one in range(FOLDS):
        inside = fold == one
        if inside.any() and not inside.all():
            found[inside] = estimate(data.of(~inside)).logits(data.of(inside))
    return found
