"""Effect sizes: Hedges g, Cox index, improvement index (What Works Clearinghouse, Procedures Handbook 5.0)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

COX_DIVISOR = 1.65


def omega(total: int) -> float:
    """Small-sample correction for N = ``total`` units: 1 - 3/(4N - 9)."""
    return 1.0 - 3.0 / (4.0 * total - 9.0)


def pooled_sd(sd_treatment: float, sd_comparison: float, n_treatment: int, n_comparison: int) -> float:
    """Pooled standard deviation of the unadjusted outcome."""
    between = (n_treatment - 1) * sd_treatment**2 + (n_comparison - 1) * sd_comparison**2
    return math.sqrt(between / (n_treatment + n_comparison - 2))


def hedges_g(difference: float, sd: float, total: int) -> float:
    """Hedges g of an (adjusted) difference over the unadjusted pooled SD."""
    return omega(total) * difference / sd


def hedges_g_of(treatment: Sequence[float], comparison: Sequence[float]) -> float:
    """Hedges g of two samples, unadjusted."""
    one, other = np.asarray(treatment, dtype=float), np.asarray(comparison, dtype=float)
    sd = pooled_sd(float(one.std(ddof=1)), float(other.std(ddof=1)), len(one), len(other))
    return hedges_g(float(one.mean() - other.mean()), sd, len(one) + len(other))


def cox_index(share_treatment: float, share_comparison: float, total: int | None = None) -> float:
    """Difference of log odds over 1.65; with the small-sample correction where the number of units is given."""
    difference = math.log(share_treatment / (1 - share_treatment)) - math.log(share_comparison / (1 - share_comparison))
    return (1.0 if total is None else omega(total)) * difference / COX_DIVISOR


def improvement_index(g: float) -> float:
    """Percentile points that an average pupil of the comparison group would move: 100 (Phi(g) - 0.5)."""
    return 100.0 * (0.5 * (1.0 + math.erf(g / math.sqrt(2.0))) - 0.5)


def size_label(g: float) -> str:
    """Kraft's (2020) labels, for standardised outcomes only: small below .05, medium below .20, else large."""
    size = abs(g)
    return "small" if size < 0.05 else "medium" if size < 0.20 else "large"
