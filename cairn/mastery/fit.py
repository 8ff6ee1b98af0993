"""Fitting BKT by expectation maximisation, one competency at a time, bounded or not.

Unbounded fits degenerate (a guess over one half on a quarter of ASSISTments 2015's skills): nights use bounded
ones, and a competency whose unbounded fit lies outside the bounds is marked degenerate. Each parameter's M-step is
a Bernoulli share with a concave objective, so clipping it to its bounds is the bounded M-step.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray

EDGE = 1e-6
MAX_ITERATIONS = 500
# A competency is done when one more round gains less than this much log-likelihood a response.
TOLERANCE = 1e-6
# Where EM starts: (prior, learn, guess, slip, forget). The one that fits best wins.
STARTS = np.array([[0.4, 0.15, 0.2, 0.1, 0.05], [0.6, 0.05, 0.45, 0.2, 0.02]])
# Sequences up to this length are told apart by their bits, so that equal ones are computed once.
PATTERN_LENGTH = 61


@dataclass(frozen=True)
class Bounds:
    """Lower and upper bounds in the order prior, learn, guess, slip, forget."""

    lower: tuple[float, ...] = (0.01, 0.001, 0.01, 0.01, 0.0)
    upper: tuple[float, ...] = (0.99, 0.6, 0.3, 0.3, 0.3)


UNBOUNDED = Bounds((EDGE,) * 4 + (0.0,), (1.0 - EDGE,) * 5)


@dataclass(frozen=True)
class Sequences:
    """Responses in order of work, grouped into one sequence a pupil and competency, sorted by competency.

    correct (n) 0 or 1; offsets (sequences + 1) into it; skill_offsets (skills + 1) into the sequences.
    """

    correct: ByteArray
    offsets: IntArray
    skill_offsets: IntArray

    @property
    def skills(self) -> int:
        """How many competencies."""
        return self.skill_offsets.size - 1


@dataclass(frozen=True)
class Fit:
    """What was fitted, one row a competency: parameters (skills x 5), log-likelihoods, responses, degenerate flags."""

    parameters: FloatArray
    log_likelihood: FloatArray
    responses: IntArray
    is_degenerate: np.ndarray[tuple[int], np.dtype[np.bool_]]
    unbounded_log_likelihood: FloatArray


def make_sequences(skill: IntArray, user: IntArray, correct: ByteArray) -> tuple[Sequences, IntArray]:
    """Group responses, given in order of work, into sequences; returns them and the order that was applied.

    ``skill`` and ``user`` are codes from 0; skills without responses get no sequences.
    """
    order = np.lexsort((user, skill)).astype(np.int64)
    by_skill, by_user = skill[order], user[order]
    starts = np.flatnonzero(np.r_[True, (by_skill[1:] != by_skill[:-1]) | (by_user[1:] != by_user[:-1])])
    if order.size == 0:
        starts = np.empty(0, dtype=np.int64)
    offsets = np.r_[starts, order.size].astype(np.int64)
    skills = int(skill.max()) + 1 if skill.size else 0
    skill_offsets = np.searchsorted(by_skill[starts], np.arange(skills + 1)).astype(np.int64)
    return Sequences(correct[order].astype(np.int8), offsets, skill_offsets), order


@numba.njit(cache=True, nogil=True)
def _patterns(correct: ByteArray, offsets: IntArray, limit: int) -> IntArray:
    """Each sequence as a number: its bits behind a leading one; longer ones a negative number of their own."""
    out = np.empty(offsets.size - 1, dtype=np.int64)
    for s in range(offsets.size - 1):
        if offsets[s + 1] - offsets[s] > limit:
            out[s] = -s - 1
            continue
        code = 1
        for i in range(offsets[s], offsets[s + 1]):
            code = code * 2 + correct[i]
        out[s] = code
    return out


@numba.njit(cache=True, nogil=True)
def _em(
    correct: ByteArray,
    starts: IntArray,
    ends: IntArray,
    weights: FloatArray,
    start: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    has_forget: bool,
    max_iterations: int,
    tolerance: float,
) -> tuple[FloatArray, float]:
    """EM of one competency over weighted sequences: (parameters, log-likelihood at them)."""
    theta = np.minimum(np.maximum(start, lower), upper)
    if not has_forget:
        theta[4] = 0.0
    longest = 0
    responses = 0.0
    for s in range(starts.size):
        longest = max(longest, ends[s] - starts[s])
        responses += weights[s] * (ends[s] - starts[s])
    known = np.empty(longest)
    chance = np.empty(longest)
    last = -np.inf
    best = theta.copy()
    for _ in range(max_iterations):
        prior, learn, guess, slip, forget = theta[0], theta[1], theta[2], theta[3], theta[4]
        total = 0.0
        sequences, first_known = 0.0, 0.0
        unknown_steps, learned, known_steps, forgot = 0.0, 0.0, 0.0, 0.0
        unknown_all, unknown_right, known_all, known_wrong = 0.0, 0.0, 0.0, 0.0
        for s in range(starts.size):
            begin, size, weight = starts[s], ends[s] - starts[s], weights[s]
            p = prior
            # Forward: filtered P(known) after seeing the response, before the transition.
            likelihood = 0.0
            product = 1.0
            for i in range(size):
                if correct[begin + i]:
                    seen = p * (1.0 - slip)
                    c = seen + (1.0 - p) * guess
                else:
                    seen = p * slip
                    c = seen + (1.0 - p) * (1.0 - guess)
                posterior = seen / c
                known[i] = posterior
                chance[i] = c
                product *= c
                if product < 1e-200:
                    likelihood += np.log(product)
                    product = 1.0
                p = posterior * (1.0 - forget) + (1.0 - posterior) * learn
            total += weight * (likelihood + np.log(product))
            # Backward: b1, b0 scaled by the forward chances.
            b0, b1 = 1.0, 1.0
            for i in range(size - 1, -1, -1):
                gamma1 = known[i] * b1
                gamma0 = (1.0 - known[i]) * b0
                norm = gamma0 + gamma1
                gamma1 = gamma1 / norm * weight
                gamma0 = gamma0 / norm * weight
                known_all += gamma1
                unknown_all += gamma0
                if correct[begin + i]:
                    unknown_right += gamma0
                    e0, e1 = guess, 1.0 - slip
                else:
                    known_wrong += gamma1
                    e0, e1 = 1.0 - guess, slip
                if i == 0:
                    first_known += gamma1
                    sequences += weight
                else:
                    # Transition between response i-1 and i.
                    t0, t1 = e0 * b0 / chance[i], e1 * b1 / chance[i]
                    was_known = known[i - 1]
                    x01 = (1.0 - was_known) * learn * t1
                    x00 = (1.0 - was_known) * (1.0 - learn) * t0
                    x10 = was_known * forget * t0
                    x11 = was_known * (1.0 - forget) * t1
                    norm = x00 + x01 + x10 + x11
                    learned += weight * x01 / norm
                    forgot += weight * x10 / norm
                    unknown_steps += weight * (x00 + x01) / norm
                    known_steps += weight * (x10 + x11) / norm
                    b0 = (1.0 - learn) * t0 + learn * t1
                    b1 = forget * t0 + (1.0 - forget) * t1
        best[:] = theta
        if total - last < tolerance * responses:
            last = total
            break
        last = total
        theta[0] = first_known / sequences
        if unknown_steps > 0.0:
            theta[1] = learned / unknown_steps
        theta[2] = unknown_right / unknown_all
        theta[3] = known_wrong / known_all
        if has_forget and known_steps > 0.0:
            theta[4] = forgot / known_steps
        theta = np.minimum(np.maximum(theta, lower), upper)
        if not has_forget:
            theta[4] = 0.0
    return best, last


def _fit_skill(
    sequences: Sequences, patterns: IntArray, skill: int, bounds: Bounds, has_forget: bool, starts: FloatArray
) -> tuple[FloatArray, float]:
    """The best of EM's starts for one competency; equal sequences are computed once, with their weight."""
    low, high = sequences.skill_offsets[skill], sequences.skill_offsets[skill + 1]
    if low == high:
        return starts[0].copy(), 0.0
    _, first, counts = np.unique(patterns[low:high], return_index=True, return_counts=True)
    begin = sequences.offsets[low:high][first]
    end = sequences.offsets[low + 1 : high + 1][first]
    lower, upper = _inside(bounds)
    weights = counts.astype(np.float64)
    found = [
        _em(sequences.correct, begin, end, weights, start, lower, upper, has_forget, MAX_ITERATIONS, TOLERANCE)
        for start in starts
    ]
    best: tuple[FloatArray, float] = max(found, key=lambda result: float(result[1]))
    return best


def _inside(bounds: Bounds) -> tuple[FloatArray, FloatArray]:
    """The bounds held off 0 and 1, where a response could be impossible; forgetting alone may be 0."""
    lower, upper = np.array(bounds.lower), np.array(bounds.upper)
    lower[:4] = np.maximum(lower[:4], EDGE)
    return lower, np.minimum(np.maximum(upper, lower), 1.0 - EDGE)


def _fit_all(
    sequences: Sequences, bounds: Bounds, has_forget: bool, starts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    patterns = _patterns(sequences.correct, sequences.offsets, PATTERN_LENGTH)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        results = list(
            pool.map(
                lambda skill: _fit_skill(sequences, patterns, skill, bounds, has_forget, starts),
                range(sequences.skills),
            )
        )
    return np.array([r[0] for r in results]).reshape(-1, 5), np.array([r[1] for r in results])


def fit_bkt(sequences: Sequences, bounds: Bounds | None = None, *, has_forget: bool = False) -> Fit:
    """Fit every competency. ``bounds`` None fits without bounds.

    ``is_degenerate`` marks competencies whose unbounded guess or slip lies outside the default bounds.
    """
    limits = bounds or Bounds()
    free, free_likelihood = _fit_all(sequences, UNBOUNDED, has_forget, STARTS)
    is_degenerate = (free[:, 2] > limits.upper[2]) | (free[:, 3] > limits.upper[3])
    sizes = np.diff(sequences.offsets[sequences.skill_offsets])
    parameters, likelihood = free, free_likelihood
    if bounds is not None:
        parameters, likelihood = _fit_all(sequences, bounds, has_forget, STARTS)
    return Fit(parameters, likelihood, sizes.astype(np.int64), is_degenerate, free_likelihood)
