"""What we believe after the data: a deterministic grid over the effect and the variance between schools.

Model of the adjusted school means, in SD of the outcome: y_j ~ N(mu + effect T_j, tau^2 + s_j^2), mu flat, effect
N(0, prior SD), log tau ~ N(log sqrt(ICC (1 - R2)), 0.5^2) with ICC and R2 from the plan. Where schools were not drawn
at random, the difference also holds a bias N(0, 0.10^2) that the data cannot tell from the effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EFFECT_GRID = np.round(np.arange(-2.0, 2.0 + 1e-9, 0.005), 6)
TAU_LOG_SD, TAU_POINTS, TAU_SPAN = 0.5, 41, 3.0
VOLUNTEER_BIAS_SD = 0.10
SCEPTICAL_SD = 0.10

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Posterior:
    """A density over :data:`EFFECT_GRID` that sums to one."""

    density: Floats

    def chance_above(self, effect: float) -> float:
        """P(true effect > ``effect``); a grid point at the bound counts half."""
        above = float(self.density[effect + 1e-9 < EFFECT_GRID].sum())
        return above + 0.5 * float(self.density[np.abs(EFFECT_GRID - effect) <= 1e-9].sum())

    @property
    def mean(self) -> float:
        """Expected effect."""
        return float(self.density @ EFFECT_GRID)

    def interval(self, level: float = 0.90) -> tuple[float, float]:
        """Central interval."""
        cumulative = np.cumsum(self.density)
        tail = (1 - level) / 2
        low, high = np.searchsorted(cumulative, [tail, 1 - tail])
        last = len(EFFECT_GRID) - 1
        return float(EFFECT_GRID[min(low, last)]), float(EFFECT_GRID[min(high, last)])


@dataclass(frozen=True)
class Prior:
    """What the plan believed before: SD of effects (None is flat), ICC of the outcome, R2 of the baseline."""

    effect_sd: float | None
    icc: float
    r2: float

    @property
    def between_variance(self) -> float:
        """Expected variance between schools after adjustment, in squared SD."""
        return self.icc * (1 - self.r2)


def likelihood(mean: Floats, error_variance: Floats, is_treated: Bools, prior: Prior) -> Floats:
    """Likelihood of each effect of the grid, the variance between schools integrated out; largest value 1."""
    steps = np.linspace(-TAU_SPAN, TAU_SPAN, TAU_POINTS)
    tau = math.sqrt(prior.between_variance) * np.exp(TAU_LOG_SD * steps)
    weight = 1.0 / (tau[:, None] ** 2 + error_variance[None, :])  # [tau, school]
    total = weight.sum(axis=1)
    treated = is_treated.astype(float)
    y = mean[None, :] - (weight @ mean / total)[:, None]
    t = treated[None, :] - (weight @ treated / total)[:, None]
    yy, yt, tt = ((weight * a * b).sum(axis=1) for a, b in ((y, y), (y, t), (t, t)))
    quadratic = yy[:, None] - 2 * yt[:, None] * EFFECT_GRID[None, :] + tt[:, None] * EFFECT_GRID[None, :] ** 2
    log_density = (
        -0.5 * quadratic
        + 0.5 * np.log(weight).sum(axis=1)[:, None]
        - 0.5 * np.log(total)[:, None]
        - 0.5 * steps[:, None] ** 2
    )
    log_density -= log_density.max()
    summed = np.exp(log_density).sum(axis=0)
    return np.asarray(summed / summed.max())


def _blurred(values: Floats, sd: float) -> Floats:
    """The likelihood of the effect where the difference holds the effect and a bias N(0, sd^2)."""
    step = float(EFFECT_GRID[1] - EFFECT_GRID[0])
    reach = int(4 * sd / step)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / sd) ** 2)
    return np.asarray(np.convolve(values, kernel / kernel.sum(), mode="same"))


def posterior(
    mean: Floats, error_variance: Floats, is_treated: Bools, prior: Prior, is_random: bool = True
) -> Posterior:
    """The posterior of the effect, from adjusted school means (see the module)."""
    density = likelihood(mean, error_variance, is_treated, prior)
    if not is_random:
        density = _blurred(density, VOLUNTEER_BIAS_SD)
    if prior.effect_sd is not None:
        density = density * np.exp(-0.5 * (EFFECT_GRID / prior.effect_sd) ** 2)
    return Posterior(np.asarray(density / density.sum()))
