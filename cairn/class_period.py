"""One period of a class: who sits in which small group, and what everybody else works on meanwhile.

Pure. Groups are those of :mod:`cairn.grouping`, which has whom they help most, their sizes and their memory; here each
pupil of the class gets one place, so that the groups of a class can be held in one period. What holds, whatever comes
in (property tests):

- each pupil of the class has exactly one place, in a group or in one line of the others;
- a group's places are its members of this class; whoever memory has in two groups keeps the one she joined first;
- who is in no group gets the first that there is of: what she moves on to, a short review, what she worked on last and
  has not got yet, what most of the class works on. What she is stuck on is for an adult: it comes last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cairn.language import noted

Why = Literal["moves_on", "quick_check", "goes_on", "with_class", "waits", "teachers_choice"]
# In the words of a page, and in the order in which one is tried.
WORDS: Mapping[Why, str] = {
    "moves_on": noted("moves on to"),
    "quick_check": noted("does a short review of"),
    "goes_on": noted("goes on with"),
    "with_class": noted("joins the class on"),
    "waits": noted("practises until an adult is free"),
    "teachers_choice": noted("works on what the teacher chooses"),
}


@dataclass(frozen=True)
class Place:
    """A pupil's place in a group."""

    group_id: str
    student_key: str
    joined_date: date | None


@dataclass(frozen=True)
class WorksOn:
    """What a pupil in no group does in the period; no competency where there is nothing to name."""

    student_key: str
    why: Why
    competency_id: str | None


@dataclass(frozen=True)
class Period:
    """Members by group, in the order they came; and everybody else, in the class's order."""

    groups: Mapping[str, tuple[str, ...]]
    others: tuple[WorksOn, ...]


@dataclass(frozen=True)
class Ways:
    """By pupil, what she could do alone, the best first; ``stuck`` holds pairs that are for an adult."""

    moves_on: Mapping[str, Sequence[str]]
    reviews: Mapping[str, Sequence[str]]
    open_work: Mapping[str, Sequence[str]]
    with_class: Mapping[str, Sequence[str]]
    stuck: Collection[tuple[str, str]] = frozenset()


def period(pupils: Iterable[str], places: Iterable[Place], ways: Ways) -> Period:
    """One place for each pupil of the class. ``places`` of pupils who are not in the class are left out."""
    of_class = list(dict.fromkeys(pupils))
    seats: dict[str, Place] = {}
    for place in sorted(places, key=lambda one: (one.joined_date or date.max, one.group_id, one.student_key)):
        if place.student_key in of_class:
            seats.setdefault(place.student_key, place)
    groups: dict[str, list[str]] = {}
    for key in seats:
        groups.setdefault(seats[key].group_id, []).append(key)
    others = tuple(_works_on(key, ways) for key in of_class if key not in seats)
    return Period({group_id: tuple(keys) for group_id, keys in sorted(groups.items())}, others)


def _works_on(key: str, ways: Ways) -> WorksOn:
    tried: tuple[tuple[Why, Mapping[str, Sequence[str]]], ...] = (
        ("moves_on", ways.moves_on),
        ("quick_check", ways.reviews),
        ("goes_on", ways.open_work),
        ("with_class", ways.with_class),
    )
    for why, found in tried:
        for competency_id in found.get(key, ()):
            if (key, competency_id) not in ways.stuck:
                return WorksOn(key, why, competency_id)
    for competency_id in ways.open_work.get(key, ()):
        return WorksOn(key, "waits", competency_id)
    return WorksOn(key, "teachers_choice", None)


def double_booked(places: Iterable[Place]) -> int:
    """Places that cannot be held in one period: those of pupils who stand in more than one group of the class."""
    found: dict[str, set[str]] = {}
    for place in places:
        found.setdefault(place.student_key, set()).add(place.group_id)
    return sum(len(groups) for groups in found.values() if len(groups) > 1)
