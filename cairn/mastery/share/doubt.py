"""How sure a durable share is: a normal distribution around its logit, its width fitted on what followed.

The regression says how right pupils with such a history are on average; one pupil is stronger or weaker than that by an
unknown ``e ~ N(0, s ** 2)`` on the logit, with ``log s = a + b log n + c log(4 m (1 - m)) + d log(1 + gap in days)``: n
attempts so far, m the share; ``b`` at most 0 and ``d`` at least 0, so that doubt narrows with evidence and widens with
time. The width is fitted by the likelihood of the next answers, five at most, of pupils whom the regression was not
fitted on (two halves, each predicted by the other), every answer at the difficulty of its own item, ``e`` integrated
out by Gauss-Hermite quadrature. Where an app stops or goes on by what was answered so far, or gives harder items to who
succeeds, that likelihood is not misled, as counts of the next five would be.

While they answer, pupils learn: by ``g`` a further answer, and by ``h log(1 + gap)`` once the first has refreshed what
was known. That is not doubt, so it is fitted beside and left behind.

An average over ``e`` of logistic curves is flatter than one curve, so the logit is stretched by ``sqrt(1 + C s ** 2)``:
the mean share stays the regression's (approximation of Zeger, Liang and Albert 1988, C = (16 sqrt(3) / (15 pi)) ** 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri

from cairn.mastery.bkt import FloatArray
from cairn.mastery.share.logistic import chances

# So many answers that followed are looked at.
NEXT = 5
C = (16.0 * np.sqrt(3.0) / (15.0 * np.pi)) ** 2
POINTS = 9
# Rows that the width is fitted on, evenly out of all: more would only take longer.
MOST_ROWS = 5_000
# a, b, c, d, g, h: what is believed before the data say more, and how firmly (normal priors).
PRIOR = np.array([0.0, -0.2, 0.2, 0.1, 0.05, 0.05])
PRIOR_DEVIATION = np.array([1.0, 0.3, 0.5, 0.2, 0.2, 0.2])
NARROWEST, WIDEST = 0.05, 3.0
EDGE = 1e-3
BISECTIONS = 40


@dataclass(frozen=True)
class Doubt:
    """Coefficients of the logarithm of the width: a, b, c, d above."""

    level: float
    by_tries: float
    by_spread: float
    by_gap: float

    def width(self, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> FloatArray:
        """Standard deviation on the logit, of shares after so many tries asked after so many days."""
        inside = np.clip(share, EDGE, 1.0 - EDGE)
        log = self.level + self.by_tries * np.log(np.maximum(tries, 1.0)) + self.by_gap * np.log1p(gap_days)
        log = log + self.by_spread * np.log(4.0 * inside * (1.0 - inside))
        found: FloatArray = np.clip(np.exp(np.clip(log, -20.0, 20.0)), NARROWEST, WIDEST)
        return found


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
    """The width that makes the answers that followed likeliest; the prior's where nothing did."""
    seen = followed.thinned(MOST_ROWS)
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    log_weights = np.log(weights / weights.sum())
    log_gap = np.log1p(seen.gap_days)[:, None]
    further = np.arange(NEXT)[None, :]
    sign = np.where(seen.correct > 0, 1.0, -1.0)

    def loss(found: FloatArray) -> float:
        width = _doubt(found).width(seen.share, seen.tries, seen.gap_days)[:, None]
        learned = max(0.0, float(found[4])) * further + max(0.0, float(found[5])) * log_gap * (further > 0)
        logit = (seen.logit + learned) * np.sqrt(1.0 + C * width**2)
        total = np.empty((seen.tries.size, POINTS))
        for point, node in enumerate(nodes):
            each = -np.logaddexp(0.0, -sign * (logit + width * node))
            total[:, point] = np.where(seen.is_answered, each, 0.0).sum(axis=1) + log_weights[point]
        likelihood = np.logaddexp.reduce(total, axis=1).sum()
        return float(-likelihood + 0.5 * (((found - PRIOR) / PRIOR_DEVIATION) ** 2).sum())

    if not seen.tries.size:
        return _doubt(PRIOR)
    simplex = np.vstack([PRIOR, PRIOR + 0.3 * np.eye(PRIOR.size)])
    options = {"maxiter": 300, "xatol": 5e-3, "fatol": 0.05, "initial_simplex": simplex}
    return _doubt(minimize(loss, PRIOR, method="Nelder-Mead", options=options).x)


def _doubt(found: FloatArray) -> Doubt:
    """More evidence is never less sure, more time never more: few long gaps may seem to say otherwise."""
    return Doubt(float(found[0]), min(0.0, float(found[1])), float(found[2]), max(0.0, float(found[3])))


def _moved(logits: FloatArray, width: FloatArray, by: FloatArray) -> FloatArray:
    """The share where the pupil is off the average by ``by`` widths; ``logits``: rows x reference points."""
    stretched = logits * np.sqrt(1.0 + C * width**2)[:, None]
    share: FloatArray = chances(stretched + (by * width)[:, None]).mean(axis=1)
    return share


def interval(logits: FloatArray, width: FloatArray, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
    """Equal-tailed interval of the share; ``logits``: rows x reference points."""
    far = np.full(width.size, float(ndtri(0.5 + level / 2.0)))
    return _moved(logits, width, -far), _moved(logits, width, far)


def chance_above(logits: FloatArray, width: FloatArray, bar: float) -> FloatArray:
    """P(the share is at least ``bar``): how far down the pupil may be for the share to be the bar, by bisection."""
    low, high = np.full(width.size, -8.0), np.full(width.size, 8.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        is_enough = _moved(logits, width, middle) >= bar
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    above: FloatArray = ndtr(-high)
    return above
