"""Online Elo with item difficulties: the pupil's ability, overall and per competency, against the item's difficulty.

After Pelánek (2016): steps shrink with experience, U(n) = a / (1 + b n). One pass in order of work, O(1) a response.
"""

from __future__ import annotations

import numba
import numpy as np

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray

STEP = 1.0
DECAY = 0.05
# How much of a step goes to the pupil's ability in the one competency.
SKILL_SHARE = 0.5


@numba.njit(cache=True, nogil=True)
def _predict(
    user: IntArray, item: IntArray, cell: IntArray, correct: ByteArray, step: float, decay: float, share: float
) -> FloatArray:
    ability, ability_n = np.zeros(user.max() + 1), np.zeros(user.max() + 1)
    difficulty, difficulty_n = np.zeros(item.max() + 1), np.zeros(item.max() + 1)
    skill, skill_n = np.zeros(cell.max() + 1), np.zeros(cell.max() + 1)
    predicted = np.empty(user.size)
    for i in range(user.size):
        u, q, c = user[i], item[i], cell[i]
        chance = 1.0 / (1.0 + np.exp(-(ability[u] + skill[c] - difficulty[q])))
        predicted[i] = chance
        error = correct[i] - chance
        ability[u] += step / (1.0 + decay * ability_n[u]) * error
        skill[c] += share * step / (1.0 + decay * skill_n[c]) * error
        difficulty[q] -= step / (1.0 + decay * difficulty_n[q]) * error
        ability_n[u] += 1.0
        skill_n[c] += 1.0
        difficulty_n[q] += 1.0
    return predicted


def predict(user: IntArray, item: IntArray, skill: IntArray, correct: ByteArray) -> FloatArray:
    """P(right) of each response before it is seen; responses in the order in which they were made (codes from 0)."""
    if user.size == 0:
        return np.empty(0)
    _, cell = np.unique(user * (int(skill.max()) + 1) + skill, return_inverse=True)
    predicted: FloatArray = _predict(user, item, cell.astype(np.int64), correct, STEP, DECAY, SKILL_SHARE)
    return predicted
