"""What every estimator hands back: one form for all designs, with nothing in it that is not a number."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from cairn.errors import CairnError
from pilots import effect_size
from pilots.inference import student

ALPHA = 0.05

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class Estimate:
    """One coefficient in the unit of the outcome; what the method does not give is None.

    ``low`` and ``high`` bound the 95 % interval; None is no bound (the interval is open on that side).
    """

    term: str
    estimate: float
    standard_error: float | None
    df: float | None
    p_value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class EffectSize:
    """Hedges g of the (adjusted) difference over the unadjusted pooled SD, and percentile points (WWC 5.0)."""

    hedges_g: float
    improvement_index: float


@dataclass(frozen=True)
class Result:
    """What a design found. ``method`` is the inference that was used, ``smallest_p`` the smallest p it can reach.

    ``n`` counts rows that were used; ``clusters`` is None where none were named. Designs add fields of their own.
    """

    design: str
    method: str
    n: int
    clusters: int | None
    estimates: tuple[Estimate, ...]
    effect_size: EffectSize | None
    smallest_p: float | None
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Json]:
        """For JSON. Raises CairnError rather than hand on a number that is none."""
        found = _plain(dataclasses.asdict(self), self.design)
        assert isinstance(found, dict)
        return found


def _plain(value: object, at: str) -> Json:
    """``value`` in JSON's own types; ``at`` names the place for the message."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one, f"{at}.{key}") for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one, f"{at}[{index}]") for index, one in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise CairnError(f"{at} cannot be computed from these rows (it comes out as {value}): report the file's shape")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{at} holds a {type(value).__name__}")


def from_t(term: str, estimate: float, standard_error: float, df: float, alpha: float = ALPHA) -> Estimate:
    """Two-sided test and interval of Student's t. Raises CairnError where nothing varies about the estimate."""
    if not standard_error > 0 or not df > 0:
        raise CairnError(
            f"{term}: no variation is left to judge the estimate by (standard error {standard_error:g}, df {df:g}); "
            "give more rows or schools, or fewer covariates"
        )
    p_value, (low, high) = student(estimate, standard_error, df, alpha)
    return Estimate(term, *map(float, (estimate, standard_error, df, p_value, low, high)))


def from_normal(term: str, estimate: float, standard_error: float, alpha: float = ALPHA) -> Estimate:
    """The same by the normal distribution, for large samples: no degrees of freedom."""
    if not standard_error > 0:
        raise CairnError(f"{term}: no variation is left to judge the estimate by; give more rows")
    half = float(ndtri(1 - alpha / 2)) * standard_error
    p_value = float(2 * ndtr(-abs(estimate) / standard_error))
    centre = float(estimate)
    return Estimate(term, centre, float(standard_error), None, p_value, centre - half, centre + half)


def sd_within_arms(outcome: np.ndarray, is_treated: np.ndarray) -> float:
    """Pooled SD of the unadjusted outcome. Raises CairnError where it does not vary within the arms."""
    arms = (outcome[is_treated], outcome[~is_treated])
    sds = [float(arm.std(ddof=1)) if len(arm) > 1 else 0.0 for arm in arms]
    sd = effect_size.pooled_sd(sds[0], sds[1], len(arms[0]), len(arms[1]))
    if not sd > 0:
        raise CairnError("the outcome does not vary within the arms, so there is no effect size and no test")
    return sd


def size_of(estimate: float, outcome: np.ndarray, is_treated: np.ndarray) -> EffectSize:
    """Effect size of an adjusted difference: over the pooled SD of the unadjusted outcome, rows of both arms."""
    sd = sd_within_arms(outcome, is_treated)
    g = effect_size.hedges_g(estimate, sd, len(outcome))
    return EffectSize(g, effect_size.improvement_index(g))
