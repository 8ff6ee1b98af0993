"""Schools with doubt: is a school's share further from the district's than chance alone would make it?

A funnel plot in place of a league table: small schools vary more by chance, and a rank says nothing of that. Limits are
those of D. Spiegelhalter, "Funnel plots for comparing institutional performance", Statistics in Medicine 24 (2005)
1185-1202: the district's share p, give or take z times the square root of p(1-p)/n. They hold for pupils who do not
depend on each other, which pupils of a class do: a school outside is one to ask, never one that is bad.

All of it is drawn from published numbers: a school's share is an interval, and it is outside only where all of it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cairn.protection.published import PublishedCell

# Two-sided 90 % and 99.8 % of a normal distribution.
Z_INNER, Z_OUTER = 1.6449, 3.0902
ABOVE, BELOW, WITHIN, NOT_TOLD = "above", "below", "within", "not told"


@dataclass(frozen=True)
class Point:
    """A school of the funnel: its published number of pupils, the interval in which its published share lies, and
    where that is: ``above``, ``below`` or ``within`` what chance makes (``is_far``: beyond 99.8 %)."""

    school_id: str
    name: str
    pupils: float
    low: float
    high: float
    where: str
    is_far: bool = False

    @property
    def middle(self) -> float:
        """The middle of the interval: where the mark is drawn, and what schools are sorted by."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Funnel:
    """The district's share and its schools; those whose share is not told are left out."""

    share: float
    points: tuple[Point, ...]


def limits(share: float, pupils: float, z: float) -> tuple[float, float]:
    """Between which a school of so many pupils lies by chance alone, as shares within 0 to 1."""
    room = z * math.sqrt(share * (1 - share) / pupils)
    return max(0.0, share - room), min(1.0, share + room)


def funnel(schools: Sequence[tuple[str, str, PublishedCell, PublishedCell]]) -> Funnel | None:
    """The funnel of (id, name, published number of pupils, published share); None where fewer than three are told.

    The district's share is the mean of the middles, by pupils: that of what is published, and nothing else.
    """
    told = [
        (school_id, name, pupils.value, share.low, share.high)
        for school_id, name, pupils, share in schools
        if pupils.value and share.low is not None and share.high is not None
    ]
    if len(told) < 3:
        return None
    weight = sum(pupils for _, _, pupils, _, _ in told)
    district = sum(pupils * (low + high) / 2 for _, _, pupils, low, high in told) / weight
    return Funnel(district, tuple(_point(district, *one) for one in told))


def _point(district: float, school_id: str, name: str, pupils: float, low: float, high: float) -> Point:
    inner, outer = (limits(district, pupils, z) for z in (Z_INNER, Z_OUTER))
    where = ABOVE if low > inner[1] else BELOW if high < inner[0] else WITHIN
    return Point(school_id, name, pupils, low, high, where, low > outer[1] or high < outer[0])


def words(point: Point | None) -> str:
    """What the funnel says of a school."""
    if point is None:
        return "not told"
    if point.where == WITHIN:
        return "as chance alone would make it"
    more = "more" if point.where == ABOVE else "fewer"
    return f"{more} than chance would make it{', by far' if point.is_far else ''}: ask"


def by_school(found: Funnel | None) -> Mapping[str, Point]:
    """The points by school."""
    return {one.school_id: one for one in found.points} if found else {}
