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

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from cairn.mastery.bkt import FloatArray
from cairn.mastery.share.doubt import (
    EDGE,
    NARROWEST,
    SOFTENED,
    WIDEST,
    C,
    Doubt,
    Groups,
    chance_of,
    spread_around,
)

# So many answers that followed are looked at.
NEXT = 5
POINTS = 9
# Rows that the doubt is fitted on, evenly out of all: more would only take longer.
MOST_ROWS = 20_000
# a, b, c, d, g, h, of two groups also high, low, l: what is believed before the data say more, how firmly (normal
# priors), within what bounds. More evidence is never less sure, more time never more, and nobody unlearns by answering:
# few long gaps may seem to say otherwise.
PRIOR = np.array([0.0, -0.2, 0.2, 0.1, 0.05, 0.05, 0.0, 0.0, 0.05])
PRIOR_DEVIATION = np.array([1.0, 0.3, 0.5, 0.2, 0.2, 0.2, 3.0, 3.0, 0.1])
LOWEST = np.array([-5.0, -3.0, -3.0, 0.0, 0.0, 0.0, 0.0, -6.0, 0.0])
HIGHEST = np.array([3.0, 0.0, 3.0, 3.0, 2.0, 2.0, 6.0, 0.0, 0.6])
ONE_GROUP, PRIOR_SIZE = 6, 9
# What a row's likelihood is made of, and where its slope by each stands.
_LOG_WIDTH, _BY_ANSWER, _BY_GAP, _UPPER, _UP, _DOWN, _BECOMES = range(7)
PARTS = 7
NO_ANSWER = -1.0
# Where the search for two groups begins: far enough apart to be told.
FIRST_GROUPS = (1.0, -1.0, 0.1)
TWO_GROUPS_FROM = 0.015  # log-likelihood a row
MAX_ITERATIONS = 200


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
    """(parameters, penalised surprise) from where the search starts; two groups where it has their parameters too.

    The search has exact slopes (:func:`_surprise`), so that where it ends does not hang on the last digits of the rows.
    """
    size = start.size
    prior, deviation = PRIOR[:size], PRIOR_DEVIATION[:size]
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    weights = weights / weights.sum()
    right = np.where(seen.is_answered, seen.correct, NO_ANSWER)
    rows = seen.share, seen.tries, seen.gap_days, seen.logit, right

    def loss(scaled: FloatArray) -> tuple[float, FloatArray]:
        found = scaled * deviation
        lost, slopes = _surprise(found, *rows, nodes, weights)
        off = (found - prior) / deviation
        return float(lost + 0.5 * (off**2).sum()), slopes[:size] * deviation + off

    bounds = list(zip(LOWEST[:size] / deviation, HIGHEST[:size] / deviation, strict=True))
    options = {"maxiter": MAX_ITERATIONS, "ftol": 1e-12, "gtol": 1e-4}
    found = minimize(loss, start / deviation, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x * deviation, float(found.fun)


@numba.njit(cache=True, nogil=True)
def _surprise(
    found: FloatArray,
    share: FloatArray,
    tries: FloatArray,
    gap_days: FloatArray,
    logit: FloatArray,
    right: FloatArray,
    nodes: FloatArray,
    weights: FloatArray,
) -> tuple[float, FloatArray]:
    """Minus the log-likelihood of the answers of all rows, and its slope by each of ``found``.

    ``right``: rows x NEXT, the share right of each answer, NO_ANSWER behind the last. ``found``: a, b, c, d, g, h, of
    two groups also high, low, l.
    """
    doubt = np.concatenate((found[:4], found[6:8])) if found.size > ONE_GROUP else found[:4]
    becomes = found[8] if found.size > ONE_GROUP else 0.0
    total, slopes = 0.0, np.zeros(PRIOR_SIZE)
    # Of a row's likelihood, by each of these in turn: log width, g, h, chance of can, up, down, l.
    of_row, of_can, of_cannot = np.empty(PARTS), np.empty(PARTS), np.empty(PARTS)
    for i in range(share.size):
        width, stretch, upper, up, down = spread_around(share[i], tries[i], gap_days[i], doubt)
        log_gap = math.log1p(gap_days[i])
        stretched = C * width * width / stretch
        likelihood = 0.0
        of_row[:] = 0.0
        for point in range(nodes.size):
            can, cannot = upper, 1.0 - upper
            of_can[:], of_cannot[:] = 0.0, 0.0
            of_can[_UPPER], of_cannot[_UPPER] = 1.0, -1.0
            for j in range(right.shape[1]):
                if right[i, j] == NO_ANSWER:
                    break
                by_gap = log_gap if j > 0 else 0.0
                at = logit[i, j] + found[4] * j + found[5] * by_gap
                by_width = stretched * at + width * nodes[point]
                at = stretch * at + width * nodes[point]
                chance, off = _answered(at + up, right[i, j])
                _times(of_can, can, chance, off, by_width, stretch * j, stretch * by_gap)
                of_can[_UP] += can * chance * off
                can *= chance
                chance, off = _answered(at - down, right[i, j])
                _times(of_cannot, cannot, chance, off, by_width, stretch * j, stretch * by_gap)
                of_cannot[_DOWN] -= cannot * chance * off
                cannot *= chance
                for part in range(PARTS):
                    moved = of_cannot[part] * becomes
                    of_can[part], of_cannot[part] = of_can[part] + moved, of_cannot[part] - moved
                of_can[_BECOMES] += cannot
                of_cannot[_BECOMES] -= cannot
                moved = cannot * becomes
                can, cannot = can + moved, cannot - moved
            likelihood += weights[point] * (can + cannot)
            for part in range(PARTS):
                of_row[part] += weights[point] * (of_can[part] + of_cannot[part])
        total -= math.log(likelihood)
        for part in range(PARTS):
            of_row[part] /= -likelihood
        _to_parameters(of_row, share[i], tries[i], gap_days[i], doubt, (width, stretch, up, down), slopes)
    return total, slopes


@numba.njit(cache=True, nogil=True)
def _answered(logit: float, right: float) -> tuple[float, float]:
    """(likelihood of an answer that was so right, slope of its logarithm by the logit).

    Between wrong and right it is ``p ^ y (1 - p) ^ (1 - y)`` (Papke and Wooldridge 1996).
    """
    p = 1.0 / (1.0 + math.exp(-logit))
    if right == 1.0:
        return p, 1.0 - p
    if right == 0.0:
        return 1.0 - p, -p
    return math.exp(right * math.log(p) + (1.0 - right) * math.log(1.0 - p)), right - p


@numba.njit(cache=True, nogil=True)
def _times(
    slopes: FloatArray, so_far: float, chance: float, off: float, by_width: float, by_answer: float, by_gap: float
) -> None:
    """The slopes of ``so_far`` become those of ``so_far`` times the chance of one answer more, of what both share."""
    for part in range(PARTS):
        slopes[part] *= chance
    more = so_far * chance * off
    slopes[_LOG_WIDTH] += more * by_width
    slopes[_BY_ANSWER] += more * by_answer
    slopes[_BY_GAP] += more * by_gap


@numba.njit(cache=True, nogil=True)
def _to_parameters(
    of_row: FloatArray,
    share: float,
    tries: float,
    gap_days: float,
    doubt: FloatArray,
    spread: tuple[float, float, float, float],
    slopes: FloatArray,
) -> None:
    """Add a row's slopes, by what :func:`spread_around` makes of the parameters, to those by the parameters."""
    width, stretch, up, down = spread
    inside = min(max(share, EDGE), 1.0 - EDGE)
    slopes[4] += of_row[_BY_ANSWER]
    slopes[5] += of_row[_BY_GAP]
    by_log_width = of_row[_LOG_WIDTH]
    if doubt.size > 4:
        # up and down are multiples of the stretch, which the width makes.
        by_log_width += (of_row[_UP] * up + of_row[_DOWN] * down) * C * width * width / (stretch * stretch)
        logit = math.log(inside / (1.0 - inside))
        can, cannot = chance_of(logit + up / stretch), chance_of(logit - down / stretch)
        apart = (can - cannot) * (can - cannot)
        by_up = of_row[_UP] * stretch - of_row[_UPPER] * (inside - cannot) / apart * can * (1.0 - can)
        by_down = of_row[_DOWN] * stretch + of_row[_UPPER] * (can - inside) / apart * cannot * (1.0 - cannot)
        slopes[6] += by_up * chance_of((doubt[4] - logit) / SOFTENED)
        slopes[7] -= by_down * chance_of((logit - doubt[5]) / SOFTENED)
        slopes[8] += of_row[_BECOMES]
    if NARROWEST < width < WIDEST:
        slopes[0] += by_log_width
        slopes[1] += by_log_width * math.log(max(tries, 1.0))
        slopes[2] += by_log_width * math.log(4.0 * inside * (1.0 - inside))
        slopes[3] += by_log_width * math.log1p(gap_days)
