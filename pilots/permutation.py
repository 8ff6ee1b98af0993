"""Exact permutation of schools: the draw that was made, against every draw that could have been made.

The test is a randomisation test of a constant effect (Fisher's sharp null): take the effect off the treated schools,
and the values that are left belong to the schools whichever arm they are in. Its statistic is the t of the school
model (:mod:`pilots.school_model`), so the estimate is where the test agrees most, and the interval is the test
inverted: the effects that it does not reject.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError
from pilots.school_model import SchoolModel

ALPHA = 0.05
# Where a draw could have been made in more ways, so many of them are drawn instead (p is then off by .0016 at .05).
ENUMERATE_UP_TO, DRAWS = 200_000, 20_000
SAME = 1e-9  # how near two numbers of order one must be to be the same

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Blocks = Sequence[Sequence[int]]


@dataclass(frozen=True)
class PermutationTest:
    """``p_value`` (two-sided, of no effect; ties count) and the interval of the effects that are not rejected: those
    with p >= alpha, so that it holds no effect if and only if p < alpha. ``interval`` is None where no effect however
    large can be rejected, because the smallest p that this set of draws can give is not under alpha."""

    p_value: float
    smallest_p: float
    allocations: int
    is_exact: bool
    interval: tuple[float, float] | None


def allocations(
    is_treated: Bools, blocks: Blocks | None = None, seed: int = 0, stored: Bools | None = None
) -> tuple[Bools, bool]:
    """(the allocations the draw could have given, one a row; whether they are all there).

    ``blocks`` are groups of positions within which the draw kept the number of treated; None is one block. Beyond
    200,000 a sample of 20,000 is drawn with ``seed``, the real allocation before them. ``stored`` is the set that the
    draw was made from, rows allocations and columns schools: then it is all there is. Raises CairnError where the
    blocks do not hold each school once or the stored set lacks the allocation in force.
    """
    if stored is not None:
        return _of_stored(is_treated, stored), True
    groups = [list(range(len(is_treated)))] if blocks is None else [list(block) for block in blocks]
    if sorted(i for group in groups for i in group) != list(range(len(is_treated))):
        raise CairnError("blocks must hold every school exactly once; mend the plan's assignment.blocks")
    treated = [int(is_treated[group].sum()) for group in groups]
    counts = [math.comb(len(group), k) for group, k in zip(groups, treated, strict=True)]
    total = math.prod(counts)
    if total > ENUMERATE_UP_TO:
        return sampled(is_treated, groups, seed, DRAWS), False
    rows = np.unravel_index(np.arange(total), counts)
    every = np.zeros((total, len(is_treated)), dtype=bool)
    for group, k, chosen in zip(groups, treated, rows, strict=True):
        every[:, group] = _choices(len(group), k)[chosen]
    return every, True


def _of_stored(is_treated: Bools, stored: Bools) -> Bools:
    if stored.ndim != 2 or stored.shape[1] != len(is_treated) or not len(stored):
        raise CairnError(
            f"the stored set of draws has shape {stored.shape} and the comparison {len(is_treated)} schools;"
            " draw the assignment anew with 'cairn pilots assign PLAN'"
        )
    if not (stored == is_treated).all(axis=1).any():
        raise CairnError(
            "the assignment in the plan is none of the stored set it is said to be drawn from;"
            " take the arms that 'cairn pilots assign PLAN' drew"
        )
    return stored


def _choices(size: int, chosen: int) -> Bools:
    """Every way to choose ``chosen`` of ``size``, one a row."""
    count = math.comb(size, chosen)
    flat = np.fromiter(
        itertools.chain.from_iterable(itertools.combinations(range(size), chosen)), np.int64, count * chosen
    )
    found = np.zeros((count, size), dtype=bool)
    np.put_along_axis(found, flat.reshape(count, chosen), values=True, axis=1)
    return found


def sampled(is_treated: Bools, groups: Sequence[Sequence[int]], seed: int, draws: int) -> Bools:
    """``draws`` random allocations within the groups, the real one before them."""
    rng = np.random.default_rng(seed)
    found = np.tile(is_treated, (draws + 1, 1))
    for group in groups:
        columns = list(group)
        found[1:, columns] = rng.permuted(found[1:, columns], axis=1)
    return found


def smallest_p(draws: Bools) -> float:
    """2/A where the mirror image of a draw is a draw too, else 1/A."""
    mirrored = bool((draws == ~draws[0]).all(axis=1).any())
    return (2.0 if mirrored else 1.0) / len(draws)


def permutation_test(model: SchoolModel, draws: Bools, is_exact: bool = True, alpha: float = ALPHA) -> PermutationTest:
    """Two-sided test of the treatment's effect in ``model`` over ``draws`` from :func:`allocations`, and its interval.

    With the effect d taken off the treated, y - d t, each draw a has the statistic |a'M(y - d t)| / sqrt(a'Ma), M the
    weighted projection off the other terms: the partial correlation, which orders draws as |t| does. Against the real
    draw's it is larger or equal for d in one closed interval around the estimate (by Cauchy and Schwarz), whose ends
    are the roots of two linear equations. So p falls to both sides of the estimate, and the interval's bounds are
    order statistics of those roots: solved exactly, and their convex hull is the set itself.
    """
    low, high = _kept(model, draws)
    total = len(draws)
    p_value = float(((low <= 0.0) & (high >= 0.0)).mean())
    smallest = float(np.isinf(low).mean())
    needed = next(k for k in range(math.floor(alpha * total), total + 1) if k / total >= alpha)
    bounds = float(np.partition(low, needed - 1)[needed - 1]), float(-np.partition(-high, needed - 1)[needed - 1])
    return PermutationTest(p_value, smallest, total, is_exact, None if np.isinf(bounds).any() else bounds)


def _kept(model: SchoolModel, draws: Bools) -> tuple[Floats, Floats]:
    """The effects, as an interval for each draw, at which the draw is at least as extreme as the real one.

    With the real draw's own statistic h = (estimate - d) s, s^2 = t'Mt, a draw's is e + h g: e its statistic at the
    estimate, g its correlation with the real draw. The real draw (g = 1) and its mirror image (g = -1) are as extreme
    at every effect. For statistics that are not the t of this model see ``estimators.inversion.redrawn``, which is
    general and has no such closed form.
    """
    root = model.root_weight
    chosen = draws.astype(float)
    spread = chosen @ root**2 - ((chosen @ (root[:, None] * model.basis)) ** 2).sum(axis=1)
    is_there = spread > SAME * float((root**2).sum())  # else the draw cannot be told from the other terms: nothing
    size = np.sqrt(np.where(is_there, spread, 1.0))
    s = math.sqrt(model.information)
    residual = model.outcome - model.estimate * model.treatment
    e = np.where(is_there, chosen @ (root * residual) / size, 0.0)
    g = np.clip(np.where(is_there, chosen @ (root * model.treatment) / (size * s), 0.0), -1.0, 1.0)
    sign = np.where(e >= 0.0, 1.0, -1.0)
    is_always = np.abs(g) > 1.0 - SAME
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = np.abs(e) / (1.0 - sign * g), np.abs(e) / (1.0 + sign * g)
    low = np.where(is_always, -np.inf, model.estimate - down / s)
    high = np.where(is_always, np.inf, model.estimate + up / s)
    # A draw as extreme as the real one at no effect is a tie, whatever the last digit says.
    near = SAME * max(1.0, abs(model.estimate))
    return np.where(np.abs(low) < near, 0.0, low), np.where(np.abs(high) < near, 0.0, high)
