"""Nearest neighbours among comparison rows, within exact cells and calipers, the same in any order of the rows.

With replacement: each treated row gets its nearest comparison rows whatever others got, so nothing depends on who
chooses first. Rows that tie with the last of them are taken too, as in Abadie and Imbens (2006) and Stata's nnmatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cairn.errors import CairnError
from pilots.estimators.regression import dependent_column

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DISTANCES = ("mahalanobis", "standardised")
UP_TO = 51
CHUNK = 128
TIE = 1e-9
Unmatched = Literal["no comparison row in its exact cell", "no comparison row within the widest caliper"]


@dataclass(frozen=True)
class Matches:
    """``comparisons[i]`` are the rows matched to the i-th treated row, none where ``reasons[i]`` says why.

    ``calipers_used`` counts treated rows by the caliper that found them, widest last; one entry without calipers.
    """

    treated: Ints
    comparisons: list[Ints]
    reasons: list[Unmatched | None]
    calipers_used: list[int]

    def weights(self, rows: int) -> Floats:
        """Weight of every row: 1 for a matched treated row, a share of 1 for each of its matches, 0 for the others."""
        weight = np.zeros(rows)
        for row, found in zip(self.treated, self.comparisons, strict=True):
            if len(found):
                weight[row] = 1.0
                weight[found] += 1.0 / len(found)
        return weight


def coordinates(covariates: Floats, names: Sequence[str], distance: str) -> Floats:
    """Covariates [rows, columns] in which the Euclidean distance is the one asked for, by the spread of all rows.

    mahalanobis: inverse of their covariance; standardised: each over its SD. Raises CairnError where one varies not.
    """
    centred = covariates - covariates.mean(axis=0)
    if column := dependent_column(np.column_stack([np.ones(len(centred)), covariates]), ["a constant", *names]):
        raise CairnError(f"column {column} is constant or determined by the other columns matched on: leave it out")
    if distance == "standardised":
        return np.asarray(centred / centred.std(axis=0, ddof=1))
    root = np.linalg.cholesky(np.linalg.inv(np.atleast_2d(np.cov(centred, rowvar=False))))
    return np.asarray(centred @ root)


def match(
    points: Floats,
    standardised: Floats,
    is_treated: Bools,
    cell: Ints,
    neighbours: int,
    calipers: Sequence[float],
) -> Matches:
    """The nearest ``neighbours`` comparison rows of each treated row, of its own ``cell`` only.

    ``points`` [rows, columns] are `coordinates`; ``standardised`` are the covariates in SD, which no match may be
    farther apart in than the caliper, in any of them. Calipers are tried from the narrowest: a treated row is matched
    within the first that holds a comparison row, so few need the wide ones.
    """
    treated = np.flatnonzero(is_treated)
    ladder = sorted(calipers)
    found: dict[int, Ints] = {}
    reasons: dict[int, Unmatched] = {}
    used = [0] * max(1, len(ladder))
    for one in np.unique(cell[treated]):
        own, others = treated[cell[treated] == one], np.flatnonzero(~is_treated & (cell == one))
        if len(others) == 0:
            reasons |= dict.fromkeys(own.tolist(), "no comparison row in its exact cell")
            continue
        for start in range(0, len(own), CHUNK):
            part = own[start : start + CHUNK]
            distance = cdist(points[part], points[others])
            apart = cdist(standardised[part], standardised[others], "chebyshev") if ladder else None
            for position, row in enumerate(part.tolist()):
                allowed, rung = None, 0
                if apart is not None:
                    nearest = float(apart[position].min())
                    rung = next((k for k, width in enumerate(ladder) if nearest <= width + TIE), -1)
                    if rung < 0:
                        reasons[row] = "no comparison row within the widest caliper"
                        continue
                    allowed = apart[position] <= ladder[rung] + TIE
                found[row] = others[_nearest(distance[position], neighbours, allowed)]
                used[rung] += 1
    rows = treated.tolist()
    nothing = np.empty(0, dtype=np.int64)
    return Matches(treated, [found.get(row, nothing) for row in rows], [reasons.get(row) for row in rows], used)


def _nearest(distance: Floats, neighbours: int, allowed: Bools | None) -> Ints:
    """Positions of the nearest, with those that tie with the last of them."""
    candidates = np.arange(len(distance)) if allowed is None else np.flatnonzero(allowed)
    own = distance[candidates]
    if len(own) <= neighbours:
        return candidates
    last = np.partition(own, neighbours - 1)[neighbours - 1]
    return np.asarray(candidates[own <= last + TIE * (1 + last)])


def conditional_variance(points: Floats, outcome: Floats, cell: Ints, of: Ints, among: Ints, neighbours: int) -> Floats:
    """Variance of the outcome given the covariates, for the rows ``of``, from their nearest others ``among`` one arm.

    Abadie and Imbens (2006), section 4: J/(J+1) (Y - mean of the J nearest)^2; a row alone in its cell takes the
    nearest of the whole arm.
    """
    found = np.empty(len(of))
    for number, row in enumerate(of.tolist()):
        others = among[(among != row) & (cell[among] == cell[row])]
        if len(others) == 0:
            others = among[among != row]
        near = others[_nearest(cdist(points[[row]], points[others])[0], neighbours, None)]
        found[number] = len(near) / (len(near) + 1) * (outcome[row] - outcome[near].mean()) ** 2
    return found
