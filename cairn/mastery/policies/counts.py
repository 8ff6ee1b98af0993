"""Policies that count right answers: a share of all, so many in a row, m of the last n."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate


def shares_right(shares: Sequence[Fraction | int]) -> list[Fraction]:
    """After each answer, the share right of all so far."""
    return [Fraction(total) / number for number, total in enumerate(accumulate(shares), start=1)]


def streaks(right: Sequence[bool]) -> list[int]:
    """After each answer, how many right in a row up to it."""
    return list(accumulate(map(int, right), lambda streak, one: (streak + 1) * one))


def different(values: Sequence[int]) -> list[int]:
    """After each answer, how many different values (its day, its item) so far."""
    first = {value: place for place, value in reversed(list(enumerate(values)))}
    return list(accumulate(int(first[value] == place) for place, value in enumerate(values)))


def right_of_last(right: Sequence[bool], n: int) -> list[int]:
    """After each answer, how many of the last ``n`` were right (of all, while there are fewer)."""
    total = [0, *accumulate(map(int, right))]
    return [total[end] - total[max(0, end - n)] for end in range(1, len(total))]
