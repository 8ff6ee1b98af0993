"""The formula of the durable share: from the sums of pair and pupil to one number, on any date.

Written once and compiled: nights, evaluations, explanations, the marts (as a function in DuckDB) and the live table all
call it, so they hold the same number to the last digit. :mod:`.durable` fits its weights; the order of the weights is
that of the columns there (a test holds the two against each other).

With n counted attempts, w of them right, mean fading residuals ``r`` of the pair and ``p`` of the pupil (each a fading
sum over 1 plus the fading count), the pupil's weight ``v = PUPIL_WEIGHT / (PUPIL_WEIGHT + n)`` and a gap of g days, the
logit on an item of easiness 0 is

``b + b_skill + b_pattern + b1 log(1 + n) + b2 log(1 + w) + b3 log(1 + n - w) + sum (c_k + c_skill,k) r_k
+ v sum d_k p_k``

and, where times are told, with sums over days faded by g days,

``+ sum (e_k r_k(g) + f_k log(1 + count_k(g))) + v sum h_k p_k(g) + (i + i_skill) log(1 + g) + j log(1 + 24 g)
+ log(1 + g) (k log(1 + n) + l r_1)``.

The share is the mean chance over the competency's reference items (:func:`.doubt.mean_chance`).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.share.doubt import mean_chance, normal_quantile, quantile_at, spread_around
from cairn.mastery.share.state import FIXED, PAIR, PUPIL

# The share is asked about so many days ahead.
GAP_DAYS = 7.0
PUPIL_WEIGHT = 4.0
# Points that a competency's reference items are summed up in: the middles of equal parts of their easiness.
REFERENCE_POINTS = 16
PATTERNS = 64
# Columns of a competency's own weights: itself, by residual over opportunities (three), by gap.
SKILL_WEIGHTS = 5
# What a logit is made of: where the competency begins, right and wrong answers, how these were against what was
# expected at their items, practice and time since, and the pupil's other work.
PARTS = ("competency", "answers", "items", "time", "other_work")
# Which residual over opportunities goes with the gap.
WITH_GAP = 1

# What each sum over opportunities keeps, and the logarithm of that.
_PAIR_KEPT, _PUPIL_KEPT = (tuple(zip(f.kept.tolist(), np.log(f.kept).tolist(), strict=True)) for f in (PAIR, PUPIL))
_PAIR_DAYS, _PUPIL_DAYS = PAIR.days, PUPIL.days
_PAIR_FIRST_DAY, _PUPIL_FIRST_DAY = PAIR.first_day, PUPIL.first_day
# Places of the general weights; the easiness of an item comes second.
_TRIES, WINS_WEIGHT, LOSSES_WEIGHT, _RESIDUALS = 2, 3, 4, 5
_PUPIL = _RESIDUALS + len(PAIR.opportunities)
UNTIMED_WEIGHTS = _PUPIL + len(PUPIL.opportunities)
_PUPIL_BY_DAYS = UNTIMED_WEIGHTS + 2 * len(PAIR.days)
GAP_WEIGHT = _PUPIL_BY_DAYS + len(PUPIL.days)
WEIGHTS = GAP_WEIGHT + 4


@numba.njit(cache=True, nogil=True)
def _residual(total: float, count: float, keep: float, log_keep: float) -> float:
    """Mean residual over opportunities, drawn to 0 by one response."""
    found: float = total / ((1.0 - math.exp(count * log_keep)) / (1.0 - keep) + 1.0)
    return found


@numba.njit(cache=True, nogil=True)
def _steady_parts(
    pair: FloatArray, pupil: FloatArray, weights: FloatArray, patterns: FloatArray, skill: FloatArray
) -> tuple[float, float, float, float, float]:
    """What does not change with the gap: competency, answers, items, other work, and the residual that goes with it.

    Other work is not yet weighed beside the pair's own.
    """
    tries, wins = pair[0], pair[1]
    record = patterns[int(pair[2])] + weights[LOSSES_WEIGHT] * math.log1p(tries - wins)
    record += weights[_TRIES] * math.log1p(tries) + weights[WINS_WEIGHT] * math.log1p(wins)
    items, of_pupil, with_gap = 0.0, 0.0, 0.0
    for place, (keep, log_keep) in enumerate(_PAIR_KEPT):
        mean = _residual(pair[FIXED + place], tries, keep, log_keep)
        items += (weights[_RESIDUALS + place] + skill[1 + place]) * mean
        if place == WITH_GAP:
            with_gap = mean
    for place, (keep, log_keep) in enumerate(_PUPIL_KEPT):
        of_pupil += weights[_PUPIL + place] * _residual(pupil[FIXED + place], pupil[0], keep, log_keep)
    return weights[0] + skill[0], record, items, of_pupil, with_gap


@numba.njit(cache=True, nogil=True)
def _fading_parts(
    pair: FloatArray, pupil: FloatArray, days: float, with_gap: float, weights: FloatArray, skill: FloatArray
) -> tuple[float, float, float]:
    """What changes with the gap: (items, time, other work), to be added to :func:`_steady_parts`; 0 without times."""
    items, time, of_pupil = 0.0, 0.0, 0.0
    if weights.size == UNTIMED_WEIGHTS:
        return items, time, of_pupil
    days = GAP_DAYS if pair[0] == 0.0 else max(days, 0.0)
    for place, half in enumerate(_PAIR_DAYS):
        fade = 2.0 ** (-days / half)
        column = _PAIR_FIRST_DAY + 2 * place
        count = pair[column] * fade
        items += weights[UNTIMED_WEIGHTS + 2 * place] * (pair[column + 1] * fade / (count + 1.0))
        time += weights[UNTIMED_WEIGHTS + 2 * place + 1] * math.log1p(count)
    for place, half in enumerate(_PUPIL_DAYS):
        fade = 2.0 ** (-days / half)
        column = _PUPIL_FIRST_DAY + 2 * place
        of_pupil += weights[_PUPIL_BY_DAYS + place] * (pupil[column + 1] * fade / (pupil[column] * fade + 1.0))
    gap = math.log1p(days)
    time += (weights[GAP_WEIGHT] + skill[4]) * gap + weights[GAP_WEIGHT + 1] * math.log1p(24.0 * days)
    time += gap * (weights[GAP_WEIGHT + 2] * math.log1p(pair[0]) + weights[GAP_WEIGHT + 3] * with_gap)
    return items, time, of_pupil


@numba.njit(cache=True, nogil=True)
def parts_after(
    pair: FloatArray, pupil: FloatArray, days: float, weights: FloatArray, patterns: FloatArray, skill: FloatArray
) -> tuple[float, float, float, float, float]:
    """What the logit is made of (PARTS), so many days after the pair's last work, where the pupil's sums are of then.

    ``weights``: WEIGHTS numbers, or UNTIMED_WEIGHTS where no times are told; ``patterns``: PATTERNS; ``skill``:
    SKILL_WEIGHTS of the competency. A pair without counted work is asked GAP_DAYS after nothing.
    """
    competency, record, items, of_pupil, with_gap = _steady_parts(pair, pupil, weights, patterns, skill)
    more_items, time, more_of_pupil = _fading_parts(pair, pupil, days, with_gap, weights, skill)
    of_pupil = PUPIL_WEIGHT / (PUPIL_WEIGHT + pair[0]) * (of_pupil + more_of_pupil)
    return competency, record, items + more_items, time, of_pupil


@numba.njit(cache=True, nogil=True)
def logit_after(
    pair: FloatArray, pupil: FloatArray, days: float, weights: FloatArray, patterns: FloatArray, skill: FloatArray
) -> float:
    """The logit on an item of easiness 0: the sum of :func:`parts_after`."""
    competency, record, items, time, others = parts_after(pair, pupil, days, weights, patterns, skill)
    logit: float = competency + record + items + time + others
    return logit


@numba.njit(cache=True, nogil=True)
def steady_logit(
    pair: FloatArray, pupil: FloatArray, weights: FloatArray, patterns: FloatArray, skill: FloatArray
) -> tuple[float, float]:
    """What of :func:`logit_after` is the same on any day, and the residual that goes with the gap.

    Who asks about many days, as for the day on which review falls due, asks for this once.
    """
    competency, record, items, of_pupil, with_gap = _steady_parts(pair, pupil, weights, patterns, skill)
    return competency + record + items + PUPIL_WEIGHT / (PUPIL_WEIGHT + pair[0]) * of_pupil, with_gap


@numba.njit(cache=True, nogil=True)
def fading_logit(
    pair: FloatArray, pupil: FloatArray, days: float, with_gap: float, weights: FloatArray, skill: FloatArray
) -> float:
    """What of :func:`logit_after` changes with the days, to be added to :func:`steady_logit`."""
    items, time, of_pupil = _fading_parts(pair, pupil, days, with_gap, weights, skill)
    logit: float = items + time + PUPIL_WEIGHT / (PUPIL_WEIGHT + pair[0]) * of_pupil
    return logit


@numba.njit(cache=True, nogil=True)
def share_at_level(
    logit: float, reference: FloatArray, around: tuple[float, float, float, float, float], normal: float, level: float
) -> float:
    """The share that lies above the truth with chance ``level`` (``normal``: a standard normal's quantile of it)."""
    width, stretch, upper, up, down = around
    found: float = mean_chance(logit, reference, stretch, quantile_at(normal, level, width, upper, up, down))
    return found


@numba.njit(cache=True, nogil=True)
def logits_after(
    pair: FloatArray,
    pupil: FloatArray,
    days: FloatArray,
    row: IntArray,
    weights: FloatArray,
    patterns: FloatArray,
    skills: FloatArray,
) -> FloatArray:
    """:func:`logit_after` of each row (n); ``row`` names its competency in ``skills`` (rows x SKILL_WEIGHTS)."""
    found = np.empty(days.size)
    for i in range(days.size):
        found[i] = logit_after(pair[i], pupil[i], days[i], weights, patterns, skills[row[i]])
    return found


@numba.njit(cache=True, nogil=True)
def _shares(
    pair: FloatArray,
    pupil: FloatArray,
    days: FloatArray,
    row: IntArray,
    weights: FloatArray,
    patterns: FloatArray,
    skills: FloatArray,
    reference: FloatArray,
    doubt: FloatArray,
    normal: float,
    tail: float,
) -> FloatArray:
    found = np.empty((days.size, 3))
    for i in range(days.size):
        points = reference[row[i]]
        logit = logit_after(pair[i], pupil[i], days[i], weights, patterns, skills[row[i]])
        share = mean_chance(logit, points, 1.0, 0.0)
        around = spread_around(share, pair[i, 0], days[i], doubt)
        found[i, 0] = share
        found[i, 1] = share_at_level(logit, points, around, normal, tail)
        found[i, 2] = share_at_level(logit, points, around, -normal, 1.0 - tail)
    return found


def shares_with_interval(
    pair: FloatArray,
    pupil: FloatArray,
    days: FloatArray,
    row: IntArray,
    arrays: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    level: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(share, low, high) of each row (n), asked so many days after its last work, in an interval of ``level``.

    ``arrays``: weights, patterns, skills, reference (rows x REFERENCE_POINTS) and the doubt's numbers.
    """
    tail = (1.0 - level) / 2.0
    found = _shares(pair, pupil, days, row, *arrays, normal_quantile(tail), tail)
    share = np.ascontiguousarray(found[:, 0])
    # The mean lies within by the model; that it does so to the last digit is seen to here.
    return share, np.minimum(found[:, 1], share), np.maximum(found[:, 2], share)
