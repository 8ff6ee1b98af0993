"""Least squares and the variances one can put beside it: classical, HC1, HC3, CR1, CR2, CR3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError
from pilots.inference import cr2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INDEPENDENT = ("classical", "hc1", "hc3")
CLUSTERED = ("cr1", "cr2", "cr3")
# A column of which less than this share of its length is left after the ones before it adds nothing to them.
COLLINEAR = 1e-9


@dataclass(frozen=True)
class Fit:
    """Coefficients with standard errors and degrees of freedom, one entry a column of the design."""

    coefficients: Floats
    standard_errors: Floats
    df: Floats


def fit(method: str, design: Floats, outcome: Floats, cluster: Ints | None = None) -> Fit:
    """Ordinary least squares of ``outcome`` [rows] on ``design`` [rows, columns] with the variance ``method``.

    classical: s^2 (X'X)^-1. hc1: White (1980) times n/(n-k). hc3: residuals over one minus leverage (MacKinnon and
    White 1985); these with n - k degrees of freedom. cr1: Liang and Zeger (1986), c = G/(G-1) (n-1)/(n-k) times the
    squared scores. cr3: c times the squared moves of the coefficients when one cluster is left out, as pyfixest 0.60
    scales it (CRV3); the jackknife of MacKinnon, Nielsen and Webb (2023) has (G-1)/G in place of c and is smaller.
    These with G - 1. cr2: `inference.cr2`.
    Raises CairnError where the rows do not determine the variance.
    """
    rows, columns = design.shape
    if rows <= columns:
        raise CairnError(f"{rows} rows cannot fit {columns} coefficients; give more rows or fewer covariates")
    if method in CLUSTERED:
        if cluster is None:
            raise CairnError(f"{method} needs the clusters; name their column with --cluster")
        return _clustered(method, design, outcome, cluster)
    bread = bread_of(design)
    coefficients = bread @ (design.T @ outcome)
    residual = outcome - design @ coefficients
    df = np.full(columns, float(rows - columns))
    if method == "classical":
        return Fit(coefficients, np.sqrt(np.diag(bread) * float(residual @ residual) / (rows - columns)), df)
    if method == "hc1":
        residual = residual * np.sqrt(rows / (rows - columns))
    elif method == "hc3":
        left = 1 - np.einsum("ij,jk,ik->i", design, bread, design)
        if (left < COLLINEAR).any():
            raise CairnError("a covariate is there for one row alone, so hc3 has no value: leave that covariate out")
        residual = residual / left
    else:
        raise CairnError(f"no variance {method!r}; known are {', '.join((*INDEPENDENT, *CLUSTERED))}")
    scores = (design @ bread) * residual[:, None]
    return Fit(coefficients, np.sqrt((scores**2).sum(axis=0)), df)


def _clustered(method: str, design: Floats, outcome: Floats, cluster: Ints) -> Fit:
    if method == "cr2":
        try:
            small = cr2(design, outcome, cluster)
        except np.linalg.LinAlgError as error:
            raise CairnError("the covariates are collinear; leave one of them out") from error
        return Fit(small.coefficients, small.standard_errors, small.df)
    rows, columns = design.shape
    groups = int(cluster.max()) + 1
    bread = bread_of(design)
    coefficients = bread @ (design.T @ outcome)
    df = np.full(columns, float(groups - 1))
    scores = sums_by(cluster, groups, design * (outcome - design @ coefficients)[:, None])
    factor = groups / (groups - 1) * (rows - 1) / (rows - columns)
    if method == "cr1":
        return Fit(coefficients, np.sqrt(factor * ((scores @ bread) ** 2).sum(axis=0)), df)
    # Leaving out cluster g moves b by -(X'X - X_g'X_g)^-1 X_g'e_g.
    own = sums_by(cluster, groups, (design[:, :, None] * design[:, None, :]).reshape(rows, -1))
    without = design.T @ design - own.reshape(groups, columns, columns)
    if (np.linalg.matrix_rank(without) < columns).any():
        raise CairnError(
            "cr3 leaves out one cluster at a time, and without one of them a coefficient cannot be had: "
            "use cr2, or leave the covariate out that one cluster alone has"
        )
    moves = np.linalg.solve(without, scores[:, :, None])[:, :, 0]
    return Fit(coefficients, np.sqrt(factor * (moves**2).sum(axis=0)), df)


def sums_by(cluster: Ints, groups: int, values: Floats) -> Floats:
    """Sums of the rows of ``values`` [rows, columns] by cluster: [groups, columns]."""
    return np.stack([np.bincount(cluster, column, minlength=groups) for column in values.T], axis=1)


def dependent_column(design: Floats, names: Sequence[str]) -> str | None:
    """The first column that the ones before it determine, or None; ``names`` are those of the columns."""
    basis: list[Floats] = []
    for name, column in zip(names, design.T, strict=True):
        rest = column.copy()
        for _ in range(2):
            for one in basis:
                rest = rest - (one @ rest) * one
        if np.linalg.norm(rest) <= COLLINEAR * np.linalg.norm(column):
            return name
        basis.append(rest / np.linalg.norm(rest))
    return None


def bread_of(design: Floats) -> Floats:
    """(X'X)^-1 by a QR decomposition, which keeps twice the digits of the normal equations."""
    root = np.linalg.inv(np.linalg.qr(design, mode="r"))
    return np.asarray(root @ root.T)
