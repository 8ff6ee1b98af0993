"""Inference with few schools: CR2 with Bell-McCaffrey degrees of freedom, and the ladder.

Which inference is used follows from the design alone, never from the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from pilots.decision import FORMATIVE_BELOW
from pilots.school_model import SchoolModel

PERMUTATION_UP_TO = 20

Floats = NDArray[np.float64]


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


def student(estimate: float, error: float, df: float, alpha: float) -> tuple[float, tuple[float, float]]:
    """(two-sided p of no effect, 1 - alpha interval) of an estimate whose error is Student's t at ``df``."""
    half = float(stdtrit(df, 1.0 - alpha / 2)) * error
    return float(2 * stdtr(df, -abs(estimate) / error)), (float(estimate - half), float(estimate + half))


def ladder(schools_smaller_arm: int, is_random: bool) -> str:
    """'formative' with too few schools in the smaller arm; up to 20 'permutation' where drawn at random; else 'cr2'."""
    if schools_smaller_arm < FORMATIVE_BELOW:
        return "formative"
    return "permutation" if is_random and schools_smaller_arm <= PERMUTATION_UP_TO else "cr2"


def cr2_of(model: SchoolModel) -> ClusterFit:
    """CR2 of the school model, each school a cluster of one; the treatment is the first coefficient.

    Weights are one over the expected variances, so the weighted model is ordinary least squares with the working model
    that the estimate itself assumes (Pustejovsky and Tipton 2018, 2.3).
    """
    schools = np.arange(len(model.outcome))
    return cr2(model.design, model.outcome, schools)


def cr2(design: Floats, outcome: Floats, cluster: NDArray[np.generic]) -> ClusterFit:
    """Ordinary least squares with the bias-reduced cluster variance CR2 and Bell-McCaffrey degrees of freedom.

    Bell and McCaffrey (2002); Pustejovsky and Tipton (2018), identity working model. ``design`` [row, coefficient]
    holds the intercept where one is wanted. Raises numpy.linalg.LinAlgError where columns are collinear.

    A cluster's adjustment (I - X B X')^(-1/2), B = (X'X)^(-1) over all clusters, differs from I only in the span of
    its few columns: with B = R R' and R'SR = V diag(l) V', S the cluster's X'X, it maps X to X R V diag(1/sqrt(1 - l))
    V' R^(-1). So everything is worked out from S and X'e of each cluster; nothing has the size of its rows squared.
    """
    bread = np.linalg.inv(design.T @ design)
    root = np.linalg.cholesky(bread)
    root_inverse = np.linalg.inv(root)
    coefficients = bread @ design.T @ outcome
    residual = outcome - design @ coefficients
    _, member = np.unique(cluster, return_inverse=True)
    order = np.argsort(member.ravel(), kind="stable")
    starts = np.flatnonzero(np.diff(member.ravel()[order], prepend=-1))
    scores = np.add.reduceat(design[order] * residual[order, None], starts, axis=0)  # [cluster, coefficient]: X'e
    squares = np.stack([x.T @ x for x in np.split(design[order], starts[1:])])  # [cluster, coefficient, coefficient]
    values, vectors = np.linalg.eigh(root.T @ squares @ root)
    # Directions that one cluster alone decides leave no residual: they count nothing (Moore-Penrose).
    scale = np.where(values < 1.0 - 1e-10, 1.0 / np.sqrt(np.maximum(1.0 - values, 1e-10)), 0.0)
    adjust = root @ (vectors * scale[:, None, :]) @ np.swapaxes(vectors, 1, 2) @ root_inverse  # X -> X adjust
    adjusted = np.einsum("gji,gj->gi", adjust, scores)
    covariance = bread @ (adjusted.T @ adjusted) @ bread
    loading = adjust @ bread  # [cluster, coefficient, coefficient]: column k times X is the cluster's loading of k
    seen = squares @ loading
    df = np.empty(design.shape[1])
    for k in range(len(df)):
        own = np.einsum("gi,gi->g", loading[:, :, k], seen[:, :, k])
        gram = np.diag(own) - seen[:, :, k] @ bread @ seen[:, :, k].T
        df[k] = np.trace(gram) ** 2 / float((gram**2).sum())
    return ClusterFit(coefficients, covariance, df)
