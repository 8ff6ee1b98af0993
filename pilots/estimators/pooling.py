"""Partial pooling: what several groups say of one another, so that the luckiest of them is not taken at its word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cairn.errors import CairnError

Floats = NDArray[np.float64]

# Subgroups of one programme rarely differ by more than this, in SD of the outcome: scale of the half-normal prior.
USUAL_SPREAD = 0.10
GRID = 801


@dataclass(frozen=True)
class Pooled:
    """Shrunken estimates of each group with 95 % intervals, the mean over groups, and how far groups differ (SD)."""

    estimates: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: float
    between_sd: float


def pool(
    estimates: Sequence[float], standard_errors: Sequence[float], spread: float | None, level: float = 0.95
) -> Pooled:
    """The normal hierarchical model: y_j ~ N(theta_j, s_j^2), theta_j ~ N(mu, tau^2), flat mu, tau on a grid.

    Rubin (1981); Gelman and others, Bayesian Data Analysis, section 5.4. ``spread`` is the scale of a half-normal
    prior of tau, in the estimates' unit; None is a flat prior, which needs four groups. Tau is integrated over rather
    than fixed at one value (as empirical Bayes does), for with few groups that value is often 0. Deterministic.
    """
    y, s = np.asarray(estimates, dtype=float), np.asarray(standard_errors, dtype=float)
    if len(y) < 2:
        raise CairnError("pooling needs at least two groups that can be estimated")
    if spread is None and len(y) < 4:
        raise CairnError("a flat prior on how far groups differ needs at least four groups; give a spread")
    widest = 6 * spread if spread is not None else 20 * float(max(s.max(), y.std()))
    tau = np.linspace(0, widest, GRID)
    weight = 1 / (s**2 + tau[:, None] ** 2)
    mean = (weight * y).sum(axis=1) / weight.sum(axis=1)
    log_posterior = -0.5 * np.log(weight.sum(axis=1)) + 0.5 * np.log(weight).sum(axis=1)
    log_posterior -= 0.5 * (weight * (y - mean[:, None]) ** 2).sum(axis=1)
    if spread is not None:
        log_posterior -= 0.5 * (tau / spread) ** 2
    chance = np.exp(log_posterior - log_posterior.max())
    chance[[0, -1]] /= 2
    chance /= chance.sum()
    # Given tau, theta_j is normal: kept is the share of its own estimate; mu's doubt comes on top.
    kept = tau[:, None] ** 2 * weight
    centre = kept * y + (1 - kept) * mean[:, None]
    deviation = np.sqrt(kept * s**2 + (1 - kept) ** 2 / weight.sum(axis=1)[:, None])
    bounds = [
        [_quantile(share, chance, centre[:, j], deviation[:, j]) for j in range(len(y))]
        for share in ((1 - level) / 2, (1 + level) / 2)
    ]
    shrunken = chance @ centre
    return Pooled(
        tuple(shrunken.tolist()), tuple(bounds[0]), tuple(bounds[1]), float(chance @ mean), float(chance @ tau)
    )


def _quantile(share: float, chance: Floats, centre: Floats, deviation: Floats) -> float:
    """Quantile of a mixture of normals, by halving."""
    low = float((centre - 10 * deviation).min())
    high = float((centre + 10 * deviation).max())
    for _ in range(80):
        middle = (low + high) / 2
        if float(chance @ ndtr((middle - centre) / deviation)) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def widened(standard_error: float, df: float | None) -> float | None:
    """SD of an estimate whose error is Student's t with ``df``; None where that has no variance (df of 2 or less)."""
    if df is None:
        return standard_error
    return standard_error * math.sqrt(df / (df - 2)) if df > 2 else None
