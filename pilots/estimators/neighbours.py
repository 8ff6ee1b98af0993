"""Nearest neighbours among comparison rows, within exact cells and calipers, the same in any order of the rows.

With replacement: each treated row gets its nearest comparison rows whatever others got, so nothing depends on who
chooses first. Rows that tie with the last of them are taken too, as in Abadie and Imbens (2006) and Stata's nnmatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cairn.errors import CairnError
from pilots.estimators.regression import dependent_column

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DISTANCES = ("mahalanobis", "standardised")
UP_TO = 51
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
        elif not ladder:
            near = _nearest(points, own, others, neighbours)
            found |= dict(zip(own.tolist(), near, strict=True))
            used[0] += len(own)
        else:
            for row, rung, near_one in _within(points, standardised, own, others, neighbours, ladder):
                if near_one is None:
                    reasons[row] = "no comparison row within the widest caliper"
                else:
                    found[row] = near_one
                    used[rung] += 1
    rows = treated.tolist()
    nothing = np.empty(0, dtype=np.int64)
    return Matches(treated, [found.get(row, nothing) for row in rows], [reasons.get(row) for row in rows], used)


def _tree(points: Floats) -> cKDTree:
    # Midpoints rather than medians: covariates with few values put many rows on one point, where medians cannot split.
    return cKDTree(points, balanced_tree=False)


def _nearest(points: Floats, of: Ints, among: Ints, neighbours: int) -> list[Ints]:
    """Rows of ``among`` nearest to each row ``of``, with those that tie with the last of them."""
    tree = _tree(points[among])
    last = tree.query(points[of], k=[min(neighbours, len(among))])[0][:, 0]
    near = tree.query_ball_point(points[of], last + TIE * (1 + last), return_sorted=True)
    return [among[np.asarray(positions, dtype=np.int64)] for positions in near]


def _within(
    points: Floats, standardised: Floats, of: Ints, among: Ints, neighbours: int, ladder: Sequence[float]
) -> Iterator[tuple[int, int, Ints | None]]:
    """(row, rung of the ladder, its nearest within that caliper) of each row ``of``; None where no rung holds any."""
    tree = _tree(standardised[among])
    nearest = tree.query(standardised[of], p=np.inf)[0]
    for row, apart in zip(of.tolist(), nearest.tolist(), strict=True):
        rung = next((k for k, width in enumerate(ladder) if apart <= width + TIE), None)
        if rung is None:
            yield row, 0, None
            continue
        allowed = np.sort(tree.query_ball_point(standardised[row], ladder[rung] + TIE, p=np.inf))
        distance = np.sqrt(((points[among[allowed]] - points[row]) ** 2).sum(axis=1))
        if len(allowed) > neighbours:
            last = np.partition(distance, neighbours - 1)[neighbours - 1]
            allowed = allowed[distance <= last + TIE * (1 + last)]
        yield row, rung, among[allowed]


def conditional_variance(points: Floats, outcome: Floats, cell: Ints, of: Ints, among: Ints, neighbours: int) -> Floats:
    """Variance of the outcome given the covariates, for the rows ``of``, which are among the rows ``among`` of one arm.

    Abadie and Imbens (2006), section 4: J/(J+1) (Y - mean of the J nearest others)^2; a row alone in its cell takes
    the nearest of the whole arm. An arm of one row has none: raises CairnError.
    """
    if len(among) < 2:
        raise CairnError("one comparison row cannot say how far outcomes of like pupils differ; give more")
    found = np.empty(len(of))
    for one in np.unique(cell[of]):
        own, others = np.flatnonzero(cell[of] == one), among[cell[among] == one]
        if len(others) < 2:
            others = among
        # The row itself is the nearest to itself: one more is asked for, and it is taken out.
        for place, near in zip(own, _nearest(points, of[own], others, neighbours + 1), strict=True):
            rest = near[near != of[place]]
            found[place] = len(rest) / (len(rest) + 1) * (outcome[of[place]] - outcome[rest].mean()) ** 2
    return found
