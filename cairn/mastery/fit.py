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
# Messages of EM: scaled up where they fall under the first; the least and the largest that one of them may be.
SMALL, TINY, HUGE = 1e-100, 1e-250, 1e250
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
def _count(
    correct: ByteArray, begin: int, size: int, weight: float, theta: FloatArray, room: FloatArray, sums: FloatArray
) -> float:
    """Forward and backward over one sequence: adds its expected counts, ``weight`` times, to ``sums``.

    Messages are not divided at each step but scaled up where they become small, so that a response costs no division.
    ``room`` (3 x longest) is for the messages; sums: sequences, known at first, steps from unknown, learned, steps from
    known, forgot, unknown and right, unknown and wrong, known and right, known and wrong. Returns the log-likelihood.
    """
    prior, learn, guess, slip, forget = theta[0], theta[1], theta[2], theta[3], theta[4]
    unknown, known, scale = room[0], room[1], room[2]
    u, k = 1.0 - prior, prior
    scaled = 0
    for i in range(size):
        if i > 0:
            u, k = u * (1.0 - learn) + k * forget, u * learn + k * (1.0 - forget)
        right = correct[begin + i] != 0
        # What is under the whole by a hundred decimals and more stays where it is: denormal numbers are slow.
        u = max(u * (guess if right else 1.0 - guess), TINY)
        k = k * (1.0 - slip if right else slip)
        scale[i] = 1.0
        if u + k < SMALL:
            u, k, scale[i] = u / SMALL, k / SMALL, 1.0 / SMALL
            scaled += 1
        unknown[i], known[i] = u, k
    whole = u + k
    b0, b1 = 1.0 / whole, 1.0 / whole
    # By place in the sequence: all, of them right; the last one's unknown has no step after it.
    all0, right0, all1, right1, learned, forgot = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(size - 1, -1, -1):
        g0, g1 = unknown[i] * b0, known[i] * b1
        right = correct[begin + i] != 0
        all0 += g0
        all1 += g1
        right0 += g0 if right else 0.0
        right1 += g1 if right else 0.0
        if i > 0:
            t0 = b0 * (guess if right else 1.0 - guess)
            t1 = b1 * (1.0 - slip if right else slip)
            if scale[i] != 1.0:
                t0, t1 = t0 * scale[i], t1 * scale[i]
            learned += unknown[i - 1] * learn * t1
            forgot += known[i - 1] * forget * t0
            b0 = min((1.0 - learn) * t0 + learn * t1, HUGE)
            b1 = forget * t0 + (1.0 - forget) * t1
    sums[0] += weight
    sums[1] += weight * known[0] * b1
    sums[2] += weight * (all0 - u / whole)
    sums[3] += weight * learned
    sums[4] += weight * (all1 - k / whole)
    sums[5] += weight * forgot
    sums[6] += weight * right0
    sums[7] += weight * (all0 - right0)
    sums[8] += weight * right1
    sums[9] += weight * (all1 - right1)
    return float(np.log(whole) + scaled * np.log(SMALL))


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
    room = np.empty((3, max(1, (ends - starts).max())))
    responses = (weights * (ends - starts)).sum()
    last = -np.inf
    best = theta.copy()
    for _ in range(max_iterations):
        total = 0.0
        sums = np.zeros(10)
        for s in range(starts.size):
            total += weights[s] * _count(correct, starts[s], ends[s] - starts[s], weights[s], theta, room, sums)
        best[:] = theta
        if total - last < tolerance * responses:
            last = total
            break
        last = total
        theta[0] = sums[1] / sums[0]
        if sums[2] > 0.0:
            theta[1] = sums[3] / sums[2]
        theta[2] = sums[6] / (sums[6] + sums[7])
        theta[3] = sums[9] / (sums[8] + sums[9])
        if has_forget and sums[4] > 0.0:
            theta[4] = sums[5] / sums[4]
        theta = np.minimum(np.maximum(theta, lower), upper)
        if not has_forget:
            theta[4] = 0.0
    return best, last


def _fit_skill(
    sequences: Sequences,
    patterns: IntArray,
    skill: int,
    bounds: Bounds,
    has_forget: bool,
    starts: FloatArray,
    *,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
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
        _em(sequences.correct, begin, end, weights, start, lower, upper, has_forget, max_iterations, tolerance)
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


def fit_rounds(
    sequences: Sequences, start: FloatArray, rounds: int, *, is_each_alone: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Exactly so many rounds of unbounded EM without forgetting, from one start (5), on the caller's thread alone.

    For comparison with other programs at equal work; ``is_each_alone`` computes equal sequences one by one, as others
    do. Returns (parameters, skills x 5, after the last round; log-likelihoods at them); a competency without responses
    keeps the start. Raises ValueError where ``rounds`` is under 1.
    """
    if rounds < 1:
        raise ValueError(f"{rounds} rounds: ask for one at least")
    patterns = _patterns(sequences.correct, sequences.offsets, 0 if is_each_alone else PATTERN_LENGTH)
    # What EM returns stands at the beginning of its last round: one more tells the likelihood of what was asked for.
    found = [
        _fit_skill(
            sequences, patterns, skill, UNBOUNDED, False, start[None, :], max_iterations=rounds + 1, tolerance=-np.inf
        )
        for skill in range(sequences.skills)
    ]
    return np.array([one[0] for one in found]).reshape(-1, 5), np.array([one[1] for one in found])


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
