"""What we believe after the data: the estimate of the school model, weighed with what was believed before.

School values have the variances that the plan expects, times one factor f that is the same for all:
estimate | f ~ N(effect, f / information), residual squares | f ~ f chi2(df), log f ~ N(0, 1) (the variance between
schools is known to a factor of e). The factor is learned from the residuals alone: were it learned from the distance
between estimate and prior as well, a very large effect would pass for a very large error. Given f all is normal, so a
belief is a mixture of normals, each between the prior's mean and the very estimate that the card prints: none that
starts at no effect can end on the other side of it. Where schools were not drawn at random, the difference also holds
a bias N(0, 0.10^2) that the data cannot tell from the effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from pilots.decision import HARM_BELOW, Chances

FACTOR_LOG_SD, FACTOR_POINTS, FACTOR_SPAN = 1.0, 61, 4.0
VOLUNTEER_BIAS_SD = 0.10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """What was believed of effects before, in SD of the outcome: their mean and SD; an SD of None is flat."""

    effect_mean: float
    effect_sd: float | None


FLAT, SCEPTICAL = Prior(0.0, None), Prior(0.0, 0.10)
# Effects of 141 large randomised trials in education (Lortie-Forgues and Inglis 2019): mean .06, most under .20.
EVIDENCE = Prior(0.05, 0.10)


def deciding_priors(effect_sd: float) -> dict[str, Prior]:
    """The two priors that decide: the plan's, N(0, ``effect_sd``^2), and that of large trials."""
    return {"plan": Prior(0.0, effect_sd), "evidence": EVIDENCE}


class Estimated(Protocol):
    """What a belief reads of a comparison (``school_model.SchoolModel``, ``waves.Spread``): the estimate, one over the
    variance expected of it, and the sum of squares that is left, about ``df`` where that variance holds."""

    @property
    def estimate(self) -> float: ...
    @property
    def information(self) -> float: ...
    @property
    def residual_squares(self) -> float: ...
    @property
    def df(self) -> int: ...


@dataclass(frozen=True)
class Posterior:
    """A mixture of normals over the effect: ``weight`` sums to one, ``centre`` and ``sd`` in SD of the outcome."""

    weight: Floats
    centre: Floats
    sd: Floats

    def chance_above(self, effect: float) -> float:
        """P(true effect > ``effect``)."""
        return float(self.weight @ ndtr((self.centre - effect) / self.sd))

    @property
    def mean(self) -> float:
        """Expected effect."""
        return float(self.weight @ self.centre)

    def interval(self, level: float = 0.90) -> tuple[float, float]:
        """Central interval."""
        tail, reach = (1.0 - level) / 2.0, 10.0 * float(self.sd.max())
        ends = float(self.centre.min()) - reach, float(self.centre.max()) + reach
        low, high = (brentq(lambda at, p=p: self.chance_above(at) - p, *ends) for p in (1.0 - tail, tail))
        return float(low), float(high)


def factors(residual_squares: float, df: int) -> tuple[Floats, Floats]:
    """(factors of the expected variances, their probabilities given the residuals), by a fixed grid."""
    steps = np.linspace(-FACTOR_SPAN, FACTOR_SPAN, FACTOR_POINTS)
    log_factor = FACTOR_LOG_SD * steps
    factor = np.exp(log_factor)
    log_weight = -0.5 * df * log_factor - 0.5 * residual_squares / factor - 0.5 * steps**2
    weight = np.exp(log_weight - log_weight.max())
    return factor, weight / weight.sum()


def beliefs(model: Estimated, priors: Mapping[str, Prior], is_random: bool) -> dict[str, Posterior]:
    """The posterior of the effect under each prior; none where the model leaves no degree of freedom."""
    if model.df < 1:
        return {}
    factor, weight = factors(model.residual_squares, model.df)
    variance = factor / model.information + (0.0 if is_random else VOLUNTEER_BIAS_SD**2)
    found = {}
    for name, prior in priors.items():
        if prior.effect_sd is None:
            centre, sd = np.full_like(variance, model.estimate), np.sqrt(variance)
        else:
            trust = prior.effect_sd**2 / (prior.effect_sd**2 + variance)  # of the estimate against the prior
            centre, sd = prior.effect_mean + trust * (model.estimate - prior.effect_mean), np.sqrt(trust * variance)
        found[name] = Posterior(weight, centre, sd)
    return found


def chances_of(beliefs: Mapping[str, Posterior], smallest_effect: float) -> dict[str, Chances]:
    """The chances that the rule looks at, by prior. ``smallest_effect`` is the plan's, in SD."""
    return {
        name: Chances(
            positive=belief.chance_above(0.0),
            matters=belief.chance_above(smallest_effect),
            harmful=1.0 - belief.chance_above(HARM_BELOW),
        )
        for name, belief in beliefs.items()
    }
