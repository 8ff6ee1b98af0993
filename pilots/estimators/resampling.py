"""Tests that redraw what chance decided: the arms of the clusters (permutation), or the signs of their residuals.

Both work on sums by cluster, so ten thousand draws cost the same for a hundred pupils as for a hundred thousand.
"""

from __future__ import annotations

import itertools
import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilots import permutation
from pilots.estimators.inversion import TIE, hull_not_rejected, redrawn
from pilots.estimators.regression import Floats, Ints, bread_of, sums_by

Bools = NDArray[np.bool_]

ENUMERATE_SIGNS_UP_TO = 14
DRAWS = 10_000
# Where a draw is cheap (few units) more of them: their number times that of the units stays under this.
CELLS = 10_000_000
CHUNK = 512


@dataclass(frozen=True)
class Resampled:
    """A two-sided test by ``draws`` draws (the real one among them), and the interval that belongs to it."""

    estimate: float
    p_value: float
    smallest_p: float
    draws: int
    is_exact: bool
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Partialled:
    """Outcome and treatment with intercept and covariates taken out, as sums by cluster (Frisch, Waugh, Lovell)."""

    residual_outcome: Floats
    residual_treatment: Floats
    controls: Floats
    bread: Floats

    @property
    def estimate(self) -> float:
        """The coefficient of treatment in the full regression."""
        spread = float(self.residual_treatment @ self.residual_treatment)
        return float(self.residual_treatment @ self.residual_outcome) / spread


def partial_out(controls: Floats, treatment: Floats, outcome: Floats) -> Partialled:
    """Take ``controls`` [rows, columns], which hold the intercept, out of treatment and outcome."""
    bread = bread_of(controls)

    def rest(values: Floats) -> Floats:
        return np.asarray(values - controls @ (bread @ (controls.T @ values)))

    # Twice: the second pass takes out what rounding left in.
    return Partialled(rest(rest(outcome)), rest(rest(treatment)), controls, bread)


def permute(
    parts: Partialled, is_treated: Bools, cluster: Ints, alpha: float, post: Floats | None = None, seed: int = 0
) -> Resampled:
    """Redraw which clusters are treated; the statistic is treatment's partial correlation with the outcome.

    ``is_treated`` has one entry a cluster, ``cluster`` the cluster's index of each row. The statistic orders draws as
    |t| of the regression with the same covariates does, and is the one of `pilots.permutation`. Exact under the sharp
    null for a draw of clusters, whatever the covariates, for these do not depend on the draw.
    With ``post`` [rows] treatment is assigned times post, and assigned itself, which each draw changes too, stands in
    the regression beside it: it is not among the controls of ``parts``.
    """
    draws, is_exact = draws_of(is_treated, seed)
    # The real treatment's statistic from itself is its length, in which all are measured.
    top, length = _statistics(is_treated[None, :], parts, cluster, post)[0].tolist()
    estimate = top / length
    found = _statistics(draws, parts, cluster, post) / length
    p_value, low, high = redrawn(found[:, 0], found[:, 1], estimate, alpha)
    reach = permutation.smallest_p(draws) if is_exact else max(1 / len(draws), smallest_p_of(is_treated))
    return Resampled(estimate, p_value, reach, len(draws), is_exact, low, high)


def _statistics(draws: Bools, parts: Partialled, cluster: Ints, post: Floats | None) -> Floats:
    """a'M y / sqrt(a'M a) for each draw's treatment a, y the outcome and the real treatment: [draws, 2].

    M takes the controls out (Frisch, Waugh, Lovell), so every product is a sum over the draw's treated clusters. A draw
    that the controls determine says nothing: 0.
    """
    rows = len(cluster)
    patterns = [np.ones(rows)] if post is None else [post, np.ones(rows)]
    answers = np.column_stack([parts.residual_outcome, parts.residual_treatment])
    groups = draws.shape[1]
    loads = [sums_by(cluster, groups, one[:, None] * np.column_stack([answers, parts.controls])) for one in patterns]
    found = np.zeros((len(draws), 2))
    for start in range(0, len(draws), CHUNK):
        chosen = draws[start : start + CHUNK].astype(float)
        sums = [chosen @ load for load in loads]

        def product(i: int, j: int, chosen: Floats = chosen, sums: list[Floats] = sums) -> Floats:
            both = np.bincount(cluster, patterns[i] * patterns[j], minlength=groups)
            return np.asarray(chosen @ both - ((sums[i][:, 2:] @ parts.bread) * sums[j][:, 2:]).sum(axis=1))

        top, spread = sums[0][:, :2], product(0, 0)
        size = spread
        if post is not None:
            share = product(0, 1) / np.where(product(1, 1) > 1e-9 * rows, product(1, 1), np.inf)
            top, spread = top - share[:, None] * sums[1][:, :2], spread - share * product(0, 1)
        is_determined = spread > 1e-9 * np.maximum(size, 1.0)
        scale = is_determined / np.sqrt(np.where(is_determined, spread, 1.0))
        found[start : start + CHUNK] = top * scale[:, None]
    return found


def draws_of(is_treated: Bools, seed: int) -> tuple[Bools, bool]:
    """Allocations, the real one among them, and whether they are all there: [draws, units]."""
    units, treated = len(is_treated), int(is_treated.sum())
    if math.comb(units, treated) <= permutation.ENUMERATE_UP_TO:
        return permutation.allocations(is_treated)
    count = max(1_000, min(permutation.ENUMERATE_UP_TO, max(DRAWS, CELLS // units), 5 * CELLS // units))
    rng = np.random.default_rng(seed)
    drawn = np.tile(is_treated, (count, 1))
    drawn[1:] = rng.permuted(drawn[1:], axis=1)
    return drawn, False


def smallest_p_of(is_treated: Bools) -> float:
    """The smallest p of an exact permutation, kept above nothing where it is smaller than a float can be."""
    units, treated = len(is_treated), int(is_treated.sum())
    ways = 2.0 if 2 * treated == units else 1.0
    log_p = math.log(ways) - (math.lgamma(units + 1) - math.lgamma(treated + 1) - math.lgamma(units - treated + 1))
    return max(math.exp(max(log_p, -700.0)), sys.float_info.min)


def wild(parts: Partialled, cluster: Ints, alpha: float, with_identity: bool = True, seed: int = 0) -> Resampled:
    """Wild cluster bootstrap of t (CR1) with Rademacher signs and the null imposed (Cameron, Gelbach, Miller 2008).

    All 2^G sign patterns up to 14 clusters, else 10,000 drawn. A draw counts where its |t| is at least the real one's;
    the identity draw and its mirror image tie with it always. ``with_identity`` False counts only draws that exceed
    it strictly, out of the same number, as R's fwildclusterboot does. The interval holds the effects with p above
    ``alpha``: numerator and variance are quadratic in the effect that the null names, so the breakpoints are roots of
    quartics.
    """
    groups = int(cluster.max()) + 1
    signs, is_exact = _signs(groups, seed)
    outcome, treatment = parts.residual_outcome, parts.residual_treatment
    spread = float(treatment @ treatment)
    estimate = parts.estimate
    unit = math.sqrt(float(outcome @ outcome) / spread)
    # Under the effect t the restricted residual is outcome - t treatment; every sum below is linear in t.
    loads = [
        sums_by(cluster, groups, np.column_stack([treatment * e, parts.controls * e[:, None]])) / spread
        for e in (outcome / unit, -treatment)
    ]
    reach = sums_by(cluster, groups, treatment[:, None] * parts.controls) @ parts.bread
    own = sums_by(cluster, groups, (treatment**2)[:, None])[:, 0] / spread
    always = np.abs(signs.sum(axis=1)) == groups
    polynomials = np.empty((len(signs), 5))
    # The real draw's own numerator and variance are those of its signs, all of them one.
    real_top, real_variance = _parabolas(np.ones((1, groups)), loads, reach, own)
    for start in range(0, len(signs), CHUNK):
        top, variance = _parabolas(signs[start : start + CHUNK], loads, reach, own)
        polynomials[start : start + CHUNK] = _times(top, real_variance) - _times(real_top, variance)
    at_null = polynomials[:, 4]
    size = np.abs(at_null[~always]).max() if (~always).any() else 0.0
    ties = np.abs(at_null) <= TIE * size
    as_extreme = (at_null > 0) & ~ties & ~always
    if with_identity:
        as_extreme |= always | ties
    counted = int(always.sum()) if with_identity else 0
    low, high = hull_not_rejected(polynomials[~always], counted, len(signs), alpha)
    return Resampled(
        estimate,
        float(as_extreme.mean()),
        2.0 ** (1 - groups) if is_exact else max(2.0 ** (1 - groups), 1 / len(signs)),
        len(signs),
        is_exact,
        None if low is None else low * unit,
        None if high is None else high * unit,
    )


def _signs(groups: int, seed: int) -> tuple[Floats, bool]:
    if groups <= ENUMERATE_SIGNS_UP_TO:
        return np.array(list(itertools.product((1.0, -1.0), repeat=groups))), True
    drawn = np.random.default_rng(seed).choice((1.0, -1.0), size=(DRAWS, groups))
    drawn[0] = 1.0
    return drawn, False


def _parabolas(signs: Floats, loads: list[Floats], reach: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Squared numerator and cluster variance of each draw's t as polynomials in the effect: two of [draws, 3].

    ``loads`` are constant and slope of [groups, 1 + columns]: treatment times residual, controls times residual, by
    cluster; ``reach`` [groups, columns] is treatment times controls times (X'X)^-1, ``own`` the cluster's share of the
    treatment's spread. The refitted residual of cluster g loads v_g a_g - reach_g . (sum v z) - own_g (sum v a).
    """
    parts = []
    for load in loads:
        total = signs @ load[:, 0]
        scores = signs * load[:, 0] - (signs @ load[:, 1:]) @ reach.T - total[:, None] * own
        parts.append((total, scores))
    (top_0, score_0), (top_1, score_1) = parts
    top = np.column_stack([top_1**2, 2 * top_0 * top_1, top_0**2])
    variance = np.column_stack([(score_1**2).sum(1), 2 * (score_0 * score_1).sum(1), (score_0**2).sum(1)])
    return top, variance


def _times(one: Floats, other: Floats) -> Floats:
    """Products of quadratics, row by row: [draws, 5]."""
    product = np.zeros((max(len(one), len(other)), 5))
    for i in range(3):
        for j in range(3):
            product[:, i + j] += one[:, i] * other[:, j]
    return product
