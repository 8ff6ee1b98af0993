"""Canvas's six ways to make one score of an outcome's results, in order of work, exactly.

Source: Instructure Canvas LMS, outcome calculation methods and their published specifications. Every score is rounded
to two decimals, half up: 4.125 is 4.13, which binary floats and half-even rounding make 4.12. So results are fractions
and the arithmetic is exact. Each function gives the score after each result, in points.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

Scores = list[Decimal | None]


def half_up(points: Fraction) -> Decimal:
    """Points (0 or more) rounded to two decimals, half up."""
    return Decimal((200 * points.numerator + points.denominator) // (2 * points.denominator)).scaleb(-2)


def decaying_average(results: Sequence[Fraction], weight_pct: int) -> Scores:
    """The latest result by ``weight_pct`` per cent, the mean of the older ones by the rest; a single one as it is."""
    found: Scores = []
    older = Fraction(0)
    for number, newest in enumerate(results):
        score = (weight_pct * newest + (100 - weight_pct) * older / number) / 100 if number else newest
        found.append(half_up(score))
        older += newest
    return found


def standard_decaying_average(results: Sequence[Fraction], weight_pct: int) -> Scores:
    """Each result folded in: ``weight_pct`` per cent of it, the rest of the score so far; rounded only when shown."""
    folded = accumulate(results, lambda before, newest: (weight_pct * newest + (100 - weight_pct) * before) / 100)
    return [half_up(score) for score in folded]


def n_mastery(results: Sequence[Fraction], n: int, mastery_points: Fraction) -> Scores:
    """The mean of the results of at least ``mastery_points``, once there are ``n`` of them; nothing before."""
    found: Scores = []
    total, reached = Fraction(0), 0
    for result in results:
        if result >= mastery_points:
            total, reached = total + result, reached + 1
        found.append(half_up(total / reached) if reached >= n else None)
    return found


def latest(results: Sequence[Fraction]) -> Scores:
    """The latest result."""
    return [half_up(result) for result in results]


def highest(results: Sequence[Fraction]) -> Scores:
    """The highest result so far."""
    return [half_up(score) for score in accumulate(results, max)]


def average(results: Sequence[Fraction]) -> Scores:
    """The mean of all results so far."""
    return [half_up(total / number) for number, total in enumerate(accumulate(results), start=1)]
