"""The interval that belongs to a resampling test: every effect that the test would not reject, breakpoints solved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TIE = 1e-10


def redrawn(moved: Floats, slope: Floats, real: float, alpha: float) -> tuple[float, float | None, float | None]:
    """(two-sided p, low, high) of a permutation test with its interval, for an effect that adds to the outcome.

    ``moved`` and ``slope`` [draws] are a draw's statistic from the outcome and from the real treatment in its place;
    ``real`` is the real estimate. Under the effect t the draw's statistic is moved - t slope and the real one real - t,
    so a draw is as extreme where (moved - t slope)^2 - (real - t)^2 >= 0. Ties count.

    Beside it stands ``pilots.permutation``: there the statistic is the t of one linear model, for which each draw is as
    extreme in a single interval around the estimate with two linear ends, and 20,000 draws take no time. Here it is
    any statistic that is linear in the outcome and not studentised (differences, weighted averages of cohorts): slopes
    may exceed one, a draw may be as extreme in two pieces, and the hull of all pieces is told.
    """
    # Scaled, so that a tie is a tie in any unit of the outcome.
    unit = float(np.abs(moved).max()) or 1.0
    moved, real = moved / unit, real / unit
    p_value = float((np.abs(moved) >= abs(real) - TIE).mean())
    # The real draw and its mirror image tie with it under every effect.
    always = (np.abs(moved - real) < TIE) & (np.abs(slope - 1) < TIE)
    always |= (np.abs(moved + real) < TIE) & (np.abs(slope + 1) < TIE)
    quadratics = np.column_stack([slope**2 - 1, -2 * (moved * slope - real), moved**2 - real**2])[~always]
    low, high = hull_not_rejected(quadratics, int(always.sum()), len(moved), alpha)
    # A bound at nothing is a tie at no effect, whatever the last digit says.
    low, high = (0.0 if bound is not None and abs(bound) < TIE else bound for bound in (low, high))
    return p_value, None if low is None else low * unit, None if high is None else high * unit


def hull_not_rejected(polynomials: Floats, always: int, draws: int, alpha: float) -> tuple[float | None, float | None]:
    """(low, high) of the effects with p of at least ``alpha``; None is no bound.

    Draw r is as extreme as the real one under the effect t where its polynomial in t, ``polynomials[r]`` (highest
    power first), is not negative; ``always`` further draws are so under every t. p(t) is their share of ``draws``, a
    step function whose steps are roots of the polynomials. The set of t need not be one interval: this is its hull.
    It holds 0 where p(0) is at least ``alpha``, so interval and p cannot contradict each other.
    """
    needed = alpha * draws - always
    steps, changes, at_minus_infinity = _steps(polynomials)
    counts = at_minus_infinity + np.concatenate([[0], np.cumsum(changes)])
    inside = np.flatnonzero(counts >= needed - 1e-9)
    if len(inside) == 0:
        return None, None
    low = None if inside[0] == 0 else float(steps[inside[0] - 1])
    high = None if inside[-1] == len(counts) - 1 else float(steps[inside[-1]])
    return low, high


def _steps(polynomials: Floats) -> tuple[Floats, NDArray[np.int64], int]:
    """(where draws begin or cease to be as extreme, in order; +1 or -1; how many are so below all of these)."""
    roots = _real_roots(polynomials)
    count = np.isfinite(roots).sum(axis=1)
    lowest = np.where(count > 0, roots[:, 0], 0.0)
    left = lowest - 1 - np.abs(lowest)
    state = _is_extreme(polynomials, left)
    first = int(state.sum())
    places, changes = [], []
    for number in range(roots.shape[1]):
        here = count > number
        if not here.any():
            break
        last = number + 1 == roots.shape[1]
        following = roots[here, number] + 1 if last else roots[here, number + 1]
        beyond = np.where(np.isfinite(following), following, roots[here, number] + 1 + np.abs(roots[here, number]))
        after = _is_extreme(polynomials[here], (roots[here, number] + beyond) / 2)
        places.append(roots[here, number])
        changes.append(after.astype(np.int64) - state[here].astype(np.int64))
        state[here] = after
    if not places:
        return np.empty(0), np.empty(0, dtype=np.int64), first
    where, change = np.concatenate(places), np.concatenate(changes)
    order = np.argsort(where, kind="stable")
    return where[order], change[order], first


def _is_extreme(polynomials: Floats, at: Floats) -> NDArray[np.bool_]:
    value = np.zeros(len(polynomials))
    for power in polynomials.T:
        value = value * at + power
    return np.asarray(value >= 0)


def _real_roots(polynomials: Floats) -> Floats:
    """Real roots of each row in ascending order, then inf: [draws, degree]."""
    degree = polynomials.shape[1] - 1
    size = np.abs(polynomials).max(axis=1)
    roots = np.full((len(polynomials), degree), np.inf)
    # A row whose leading power is nothing beside the rest has one root less, at infinity.
    leads = np.abs(polynomials[:, 0]) > 1e-12 * size
    if degree == 1:
        roots[leads, 0] = -polynomials[leads, 1] / polynomials[leads, 0]
        return roots
    if (~leads).any():
        roots[~leads, : degree - 1] = _real_roots(polynomials[~leads, 1:])
    if leads.any():
        full = polynomials[leads]
        roots[leads] = _of_quadratics(full) if degree == 2 else _of_companions(full)
    return roots


def _of_quadratics(full: Floats) -> Floats:
    """By the form that loses no digits where one root is near nothing."""
    a, b, c = full.T
    square = b**2 - 4 * a * c
    # A double root, which rounding may have lost, is no crossing.
    is_real = square > 0
    half = -0.5 * (b + np.where(b >= 0, 1.0, -1.0) * np.sqrt(np.where(is_real, square, 0.0)))
    first = half / a
    other = np.where(half != 0, c / np.where(half != 0, half, 1.0), 0.0)
    found = np.sort(np.stack([first, other], axis=1), axis=1)
    return np.where(is_real[:, None], found, np.inf)


def _of_companions(full: Floats) -> Floats:
    """Eigenvalues of the companion matrices: as many rows as draws, each small."""
    degree = full.shape[1] - 1
    companion = np.zeros((len(full), degree, degree))
    companion[:, 0, :] = -full[:, 1:] / full[:, :1]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    found = np.linalg.eigvals(companion)
    real = np.abs(found.imag) <= 1e-7 * (1 + np.abs(found.real))
    return np.asarray(np.sort(np.where(real, found.real, np.inf), axis=1))
