"""Online Elo with item difficulties: the pupil's ability, overall and per competency, against the item's difficulty.

After Pelánek (2016): steps shrink with experience, U(n) = a / (1 + b n). One pass in order of work, O(1) a response.
A response with several competencies stands for the mean of the pupil's abilities in them, and moves each.
"""

from __future__ import annotations

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray

STEP = 1.0
DECAY = 0.05
# How much of a step goes to the pupil's ability in the one competency.
SKILL_SHARE = 0.5


@numba.njit(cache=True, nogil=True)
def _predict(
    user: IntArray,
    item: IntArray,
    cell: IntArray,
    offsets: IntArray,
    correct: FloatArray,
    step: float,
    decay: float,
    share: float,
) -> FloatArray:
    ability, ability_n = np.zeros(user.max() + 1), np.zeros(user.max() + 1)
    difficulty, difficulty_n = np.zeros(item.max() + 1), np.zeros(item.max() + 1)
    skill, skill_n = np.zeros(cell.max() + 1), np.zeros(cell.max() + 1)
    predicted = np.empty(user.size)
    for i in range(user.size):
        u, q = user[i], item[i]
        own = 0.0
        for e in range(offsets[i], offsets[i + 1]):
            own += skill[cell[e]]
        own /= max(1, offsets[i + 1] - offsets[i])
        chance = 1.0 / (1.0 + np.exp(-(ability[u] + own - difficulty[q])))
        predicted[i] = chance
        error = correct[i] - chance
        ability[u] += step / (1.0 + decay * ability_n[u]) * error
        for e in range(offsets[i], offsets[i + 1]):
            c = cell[e]
            skill[c] += share * step / (1.0 + decay * skill_n[c]) * error
            skill_n[c] += 1.0
        difficulty[q] -= step / (1.0 + decay * difficulty_n[q]) * error
        ability_n[u] += 1.0
        difficulty_n[q] += 1.0
    return predicted


def predict(user: IntArray, item: IntArray, skill: IntArray, offsets: IntArray, correct: FloatArray) -> FloatArray:
    """P(right) of each response before it is seen; responses in the order in which they were made (codes from 0).

    ``skill`` holds each response's skills, ``offsets`` (responses + 1) bounds them.
    """
    if user.size == 0:
        return np.empty(0)
    owner = np.repeat(user, np.diff(offsets))
    _, cell = np.unique(owner * (int(skill.max()) + 1) + skill, return_inverse=True)
    codes = cell.astype(np.int64)
    predicted: FloatArray = _predict(user, item, codes, offsets.astype(np.int64), correct, STEP, DECAY, SKILL_SHARE)
    return predicted
