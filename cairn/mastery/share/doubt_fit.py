"""The doubt of :mod:`.doubt`, by the likelihood of the next answers of pupils whom the regression was not fitted on.

Five answers at most (two halves of the pupils, each predicted by the other), every answer at the difficulty of its own
item, ``e`` integrated out by Gauss-Hermite quadrature. Where an app stops or goes on by what was answered so far, or
gives harder items to who succeeds, that likelihood is not misled, as counts of the next five would be.

While they answer, pupils learn: by ``g`` a further answer, and by ``h log(1 + gap)`` once the first has refreshed what
was known; of two groups, who cannot becomes one who can with chance ``l`` after each answer. That is not doubt, so it
is fitted beside and left behind.

Two groups are believed only where they explain the answers better than one by TWO_GROUPS_FROM a row. Simulated pupils
of continuous ability, who have no groups, gain .002 to .005 by having some, and their intervals then miss; the four
research files gain .002 to .007; a hidden yes or no gains .035 to .05.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from cairn.mastery.bkt import ByteArray, FloatArray
from cairn.mastery.share.doubt import Doubt, Groups

# So many answers that followed are looked at.
NEXT = 5
POINTS = 9
# Rows that the doubt is fitted on, evenly out of all: more would only take longer.
MOST_ROWS = 5_000
# a, b, c, d, g, h, of two groups also high, low, l: what is believed before the data say more, how firmly (normal
# priors), within what bounds. More evidence is never less sure, more time never more, and nobody unlearns by answering:
# few long gaps may seem to say otherwise.
PRIOR = np.array([0.0, -0.2, 0.2, 0.1, 0.05, 0.05, 0.0, 0.0, 0.05])
PRIOR_DEVIATION = np.array([1.0, 0.3, 0.5, 0.2, 0.2, 0.2, 3.0, 3.0, 0.1])
LOWEST = np.array([-5.0, -3.0, -3.0, 0.0, 0.0, 0.0, 0.0, -6.0, 0.0])
HIGHEST = np.array([3.0, 0.0, 3.0, 3.0, 2.0, 2.0, 6.0, 0.0, 0.6])
ONE_GROUP = 6
# Where the search for two groups begins: far enough apart to be told.
FIRST_GROUPS = (1.0, -1.0, 0.1)
TWO_GROUPS_FROM = 0.015  # log-likelihood a row
# The search: step of the differences, in deviations of the priors.
STEP, MAX_ITERATIONS = 1e-5, 100


@dataclass(frozen=True)
class Followed:
    """What followed each row (n): its share, tries, days to the first answer; logit, correct, is_answered: n x NEXT."""

    share: FloatArray
    tries: FloatArray
    gap_days: FloatArray
    logit: FloatArray
    correct: FloatArray
    is_answered: npt.NDArray[np.bool_]

    def thinned(self, most: int) -> Followed:
        """At most so many rows, evenly out of all."""
        if self.tries.size <= most:
            return self
        kept = np.linspace(0, self.tries.size - 1, most).astype(np.int64)
        return Followed(
            share=self.share[kept],
            tries=self.tries[kept],
            gap_days=self.gap_days[kept],
            logit=self.logit[kept],
            correct=self.correct[kept],
            is_answered=self.is_answered[kept],
        )


def fit_doubt(followed: Followed) -> Doubt:
    """The doubt that makes the answers that followed likeliest; the prior's, of one group, where nothing did."""
    seen = followed.thinned(MOST_ROWS)
    if not seen.tries.size:
        return _doubt(PRIOR[:ONE_GROUP])
    one, one_loss = _likeliest(seen, PRIOR[:ONE_GROUP])
    two, two_loss = _likeliest(seen, np.r_[one, FIRST_GROUPS])
    return _doubt(two if one_loss - two_loss >= TWO_GROUPS_FROM * seen.tries.size else one)


def _doubt(found: FloatArray) -> Doubt:
    groups = Groups(float(found[6]), float(found[7])) if found.size > ONE_GROUP else None
    return Doubt(float(found[0]), float(found[1]), float(found[2]), float(found[3]), groups)


def _likeliest(seen: Followed, start: FloatArray) -> tuple[FloatArray, float]:
    """(parameters, penalised surprise) from where the search starts; two groups where it has their parameters too."""
    size = start.size
    prior, deviation = PRIOR[:size], PRIOR_DEVIATION[:size]
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    answer = np.where(seen.is_answered, np.where(seen.correct > 0, 1, -1), 0).astype(np.int8)

    def loss(scaled: FloatArray) -> float:
        found = scaled * deviation
        around = _doubt(found).around(seen.share, seen.tries, seen.gap_days)
        shape = around.width, around.stretch, around.upper, around.up, around.down
        learned = float(found[4]), float(found[5]), float(found[8]) if size > ONE_GROUP else 0.0
        lost = _surprise(*shape, *learned, np.log1p(seen.gap_days), seen.logit, answer, nodes, weights / weights.sum())
        return float(lost + 0.5 * (((found - prior) / deviation) ** 2).sum())

    bounds = list(zip(LOWEST[:size] / deviation, HIGHEST[:size] / deviation, strict=True))
    options = {"maxiter": MAX_ITERATIONS, "eps": STEP, "ftol": 1e-7}
    found = minimize(loss, start / deviation, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x * deviation, float(found.fun)


@numba.njit(cache=True, nogil=True)
def _surprise(
    width: FloatArray,
    stretch: FloatArray,
    upper: FloatArray,
    up: FloatArray,
    down: FloatArray,
    learned_by_answer: float,
    learned_by_gap: float,
    becomes: float,
    log_gap: FloatArray,
    logit: FloatArray,
    answer: ByteArray,
    nodes: FloatArray,
    weights: FloatArray,
) -> float:
    """Minus the log-likelihood of the answers (1 right, -1 wrong, 0 none after the last) of all rows."""
    total = 0.0
    for i in range(width.size):
        likelihood = 0.0
        for point in range(nodes.size):
            off = width[i] * nodes[point]
            can, cannot = upper[i], 1.0 - upper[i]
            for j in range(answer.shape[1]):
                if answer[i, j] == 0:
                    break
                learned = learned_by_answer * j + (learned_by_gap * log_gap[i] if j > 0 else 0.0)
                at = stretch[i] * (logit[i, j] + learned) + off
                can *= 1.0 / (1.0 + np.exp(-answer[i, j] * (at + up[i])))
                cannot *= 1.0 / (1.0 + np.exp(-answer[i, j] * (at - down[i])))
                moved = cannot * becomes
                can, cannot = can + moved, cannot - moved
            likelihood += weights[point] * (can + cannot)
        total -= np.log(likelihood)
    return total
