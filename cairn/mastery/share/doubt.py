"""How sure a durable share is: a beta distribution around it, its concentration fitted on what followed.

A share ``m`` of concentration ``k`` is Beta(m k, (1 - m) k). The concentration is fitted by the likelihood of the
beta-binomial on the next five first attempts of pupils whom the mean was not fitted on (two halves of the
pupils, each predicted by the other): ``log k = a + b log n + c log(4 m (1 - m)) + d log(1 + gap in days)``, with n
attempts so far. So the interval narrows with evidence and widens with the time until what it is asked about.

While they answer, pupils learn: the attempts that followed may be better than the share as a whole, by
``logit m + e + f log(1 + gap)``, both at least 0. That is not doubt, so it is fitted beside and left behind. Where they
turn out worse, as where only those who failed went on, it is doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betainc, betaincinv, betaln

from cairn.mastery.bkt import FloatArray, IntArray

# So many attempts that followed are looked at, where there are so many.
NEXT = 5
# What is believed before any pair says more, and how firmly (a normal prior on the four coefficients).
PRIOR = (2.0, 0.3, 0.0, 0.0)
PRIOR_DEVIATION = (1.0, 0.3, 0.5, 0.3)
LOWEST, HIGHEST = 0.5, 200.0
EDGE = 1e-4


@dataclass(frozen=True)
class Doubt:
    """Coefficients of the logarithm of the concentration: a, b, c, d above."""

    coefficients: tuple[float, float, float, float]

    def concentration(self, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> FloatArray:
        """How many attempts each share is as sure as."""
        return _concentration(np.array(self.coefficients), share, tries, gap_days)


def _concentration(coefficients: FloatArray, share: FloatArray, tries: FloatArray, gap_days: FloatArray) -> FloatArray:
    inside = np.clip(share, EDGE, 1.0 - EDGE)
    a, b, c, d = _honest(coefficients)
    log = a + b * np.log(np.maximum(tries, 1.0)) + c * np.log(4.0 * inside * (1.0 - inside)) + d * np.log1p(gap_days)
    spread: FloatArray = np.clip(np.exp(np.clip(log, -20.0, 20.0)), LOWEST, HIGHEST)
    return spread


def _honest(coefficients: FloatArray) -> tuple[float, float, float, float]:
    """More evidence is never less sure, more time never more: few long gaps in the data may seem to say otherwise."""
    a, b, c, d = (float(value) for value in coefficients)
    return a, max(0.0, b), c, min(0.0, d)


def fit_doubt(share: FloatArray, tries: FloatArray, gap_days: FloatArray, right: IntArray, answered: IntArray) -> Doubt:
    """Fit on shares that were predicted, and how many of so many next attempts were right."""
    center, deviation = np.array([*PRIOR, 0.0, 0.0]), np.array([*PRIOR_DEVIATION, 1.0, 1.0])
    inside = np.clip(share, EDGE, 1.0 - EDGE)
    logit, log_gap = np.log(inside / (1.0 - inside)), np.log1p(gap_days)

    def loss(found: FloatArray) -> float:
        spread = _concentration(found[:4], inside, tries, gap_days)
        learned = max(0.0, float(found[4])) + max(0.0, float(found[5])) * log_gap
        later = np.clip(1.0 / (1.0 + np.exp(-(logit + learned))), EDGE, 1.0 - EDGE)
        first, second = later * spread, (1.0 - later) * spread
        likelihood = betaln(right + first, answered - right + second) - betaln(first, second)
        return float(-likelihood.sum() + 0.5 * (((found - center) / deviation) ** 2).sum())

    if not share.size:
        return Doubt(PRIOR)
    options = {"maxiter": 800, "xatol": 1e-3, "fatol": 1e-2, "initial_simplex": _simplex(center, 0.4)}
    found = minimize(loss, center, method="Nelder-Mead", options=options)
    return Doubt(_honest(found.x[:4]))


def _simplex(center: FloatArray, step: float) -> FloatArray:
    """Where Nelder-Mead starts: the centre, and a step along each coefficient (0 would have no step of its own)."""
    simplex: FloatArray = np.vstack([center, center + step * np.eye(center.size)])
    return simplex


def chance_above(share: FloatArray, concentration: FloatArray, bar: float) -> FloatArray:
    """P(the share is at least ``bar``)."""
    inside = np.clip(share, EDGE, 1.0 - EDGE)
    above: FloatArray = 1.0 - betainc(inside * concentration, (1.0 - inside) * concentration, bar)
    return above


def interval(share: FloatArray, concentration: FloatArray, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
    """Equal-tailed interval of the share."""
    inside = np.clip(share, EDGE, 1.0 - EDGE)
    first, second, tail = inside * concentration, (1.0 - inside) * concentration, (1.0 - level) / 2.0
    return betaincinv(first, second, tail), betaincinv(first, second, 1.0 - tail)
