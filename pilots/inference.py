"""Inference with few schools: adjusted school means, CR2 with Bell-McCaffrey degrees of freedom, and the ladder.

Schools were assigned, so schools are what is compared; which inference is used follows from the design alone, never
from the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilots.decision import FORMATIVE_BELOW

PERMUTATION_UP_TO = 20

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SchoolMeans:
    """Adjusted mean of each school, in pooled SD of the outcome; ``error_variance`` is that of the mean given the
    school. ``sd`` is the pooled unadjusted SD in points, ``slope`` the within-school slope on the baseline."""

    school_ids: list[str]
    is_treated: Bools
    pupils: NDArray[np.int64]
    mean: Floats
    error_variance: Floats
    raw_baseline: Floats
    raw_outcome: Floats
    sd: float
    slope: float


@dataclass(frozen=True)
class ClusterFit:
    """Least squares with CR2 variance; ``df`` are Bell-McCaffrey's, one a coefficient."""

    coefficients: Floats
    covariance: Floats
    df: Floats

    @property
    def standard_errors(self) -> Floats:
        """Square roots of the diagonal."""
        return np.sqrt(np.diag(self.covariance))

    def interval(self, index: int, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of one coefficient."""
        from scipy.special import stdtrit

        half = stdtrit(self.df[index], 0.5 + level / 2) * self.standard_errors[index]
        return float(self.coefficients[index] - half), float(self.coefficients[index] + half)

    def p_value(self, index: int) -> float:
        """Two-sided p of one coefficient."""
        from scipy.special import stdtr

        t = abs(self.coefficients[index]) / self.standard_errors[index]
        return float(2 * stdtr(self.df[index], -t))


def ladder(schools_smaller_arm: int, is_random: bool) -> str:
    """'formative' with too few schools in the smaller arm; up to 20 'permutation' where drawn at random; else 'cr2'."""
    if schools_smaller_arm < FORMATIVE_BELOW:
        return "formative"
    return "permutation" if is_random and schools_smaller_arm <= PERMUTATION_UP_TO else "cr2"


def pooled_outcome_sd(outcome: Floats, is_treated: Bools) -> float:
    """Pooled SD of the unadjusted outcome over both arms, in points."""
    squares = sum(float(((arm - arm.mean()) ** 2).sum()) for arm in (outcome[is_treated], outcome[~is_treated]))
    return math.sqrt(squares / (len(outcome) - 2))


def school_means(school: NDArray[np.str_], is_treated: Bools, baseline: Floats, outcome: Floats) -> SchoolMeans:
    """Adjust each school's mean outcome to the overall baseline by the slope within schools.

    The slope does not look at the arms, so the same adjusted means serve every permutation of them. Arrays have one
    entry a pupil with both scores; both arms must be there.
    """
    ids, index, counts = np.unique(school, return_inverse=True, return_counts=True)
    index = index.ravel()
    x_mean = np.bincount(index, baseline) / counts
    y_mean = np.bincount(index, outcome) / counts
    x, y = baseline - x_mean[index], outcome - y_mean[index]
    spread = float(x @ x)
    slope = float(x @ y) / spread if spread > 0 else 0.0
    sd = pooled_outcome_sd(outcome, is_treated)
    free = max(1, len(outcome) - len(ids) - 1)
    residual_variance = float(((y - slope * x) ** 2).sum()) / free
    first = np.array([int(np.argmax(index == k)) for k in range(len(ids))])
    return SchoolMeans(
        school_ids=[str(name) for name in ids],
        is_treated=is_treated[first],
        pupils=counts,
        mean=(y_mean - slope * (x_mean - baseline.mean())) / sd,
        error_variance=residual_variance / sd**2 / counts,
        raw_baseline=x_mean,
        raw_outcome=y_mean,
        sd=sd,
        slope=slope,
    )


def precision(means: SchoolMeans, between_variance: float) -> Floats:
    """Weights of the schools: size as precision, given a variance between schools (in squared SD)."""
    return np.asarray(1.0 / (between_variance + means.error_variance))


def weighted_difference(values: Floats, is_treated: Bools, weights: Floats) -> float:
    """Weighted mean of the treated minus that of the others."""
    return float(
        np.average(values[is_treated], weights=weights[is_treated])
        - np.average(values[~is_treated], weights=weights[~is_treated])
    )


def cr2(design: Floats, outcome: Floats, cluster: NDArray[np.generic]) -> ClusterFit:
    """Ordinary least squares with the bias-reduced cluster variance CR2 and Bell-McCaffrey degrees of freedom.

    Bell and McCaffrey (2002); Pustejovsky and Tipton (2018), identity working model. ``design`` holds the intercept
    where one is wanted. Raises numpy.linalg.LinAlgError where columns are collinear.
    """
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ outcome
    residual = outcome - design @ coefficients
    rows = [np.flatnonzero(cluster == value) for value in np.unique(cluster)]
    width = design.shape[1]
    meat = np.zeros((width, width))
    loadings = np.zeros((len(rows), len(outcome), width))  # [cluster, pupil, coefficient]: A_g X_g bread, scattered
    for number, members in enumerate(rows):
        x = design[members]
        adjusted = _inverse_root(np.eye(len(members)) - x @ bread @ x.T) @ x
        score = adjusted.T @ residual[members]
        meat += np.outer(score, score)
        loadings[number, members] = adjusted @ bread
    df = np.empty(width)
    for k in range(width):
        # Row g of `spread` is (I - H) restricted to cluster g, transposed, times its loading.
        own = loadings[:, :, k]
        spread = own - (own @ design) @ bread @ design.T
        gram = spread @ spread.T
        df[k] = np.trace(gram) ** 2 / float((gram**2).sum())
    return ClusterFit(coefficients, bread @ meat @ bread, df)


def _inverse_root(matrix: Floats) -> Floats:
    """Symmetric Moore-Penrose inverse square root: directions with no variance left count nothing."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.where(values > 1e-10, 1.0 / np.sqrt(np.maximum(values, 1e-10)), 0.0)
    return np.asarray((vectors * roots) @ vectors.T)
