"""What a policy is given of a pupil on a competency: the counted answers in order of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

# What a policy shows after an answer: points, a share, a level, a probability; None where it says nothing yet.
State = int | float | str | Decimal | Fraction | None


@dataclass(frozen=True)
class Pair:
    """One pupil's counted answers on one competency (n), in order of work time, never of grading time.

    right: whether each reads as right. credit: the share right of each, exactly; empty where ``right`` says it all
    (:attr:`shares`). day: its local day (days since 1970, ascending). is_mixed: whether the pupil worked on other
    competencies too that day (so the same for all answers of a day). known: P(known) by Bayesian Knowledge Tracing
    after each; share: the durable share after each, chance: P(the share is at least the floor) by floor, items: how
    many different items so far; empty where no policy asks for them.
    """

    right: Sequence[bool]
    day: Sequence[int]
    is_mixed: Sequence[bool]
    known: Sequence[float] = ()
    credit: Sequence[Fraction] = ()
    share: Sequence[float] = ()
    chance: Mapping[float, Sequence[float]] = field(default_factory=dict)
    items: Sequence[int] = ()

    @property
    def shares(self) -> Sequence[Fraction | int]:
        """The share right of each answer."""
        return self.credit or [int(one) for one in self.right]


@dataclass(frozen=True)
class Verdicts:
    """What a policy says after each answer of a pair: the state it shows, and whether that is mastery (n each)."""

    state: Sequence[State]
    is_mastery: Sequence[bool]

    @property
    def first_call(self) -> int | None:
        """The position of the answer after which mastery is said for the first time, from 0; None where it never is."""
        return self.is_mastery.index(True) if True in self.is_mastery else None


@dataclass(frozen=True)
class Sitting:
    """A pair's answers of one local day: those from position ``first`` up to, not including, ``end``."""

    first: int
    end: int
    share_right: Fraction


def sittings(pair: Pair) -> list[Sitting]:
    """The pair's answers by local day, in order."""
    bounds = [i for i in range(len(pair.day)) if i == 0 or pair.day[i] != pair.day[i - 1]] + [len(pair.day)]
    shares = pair.shares
    return [Sitting(first, end, Fraction(sum(shares[first:end])) / (end - first)) for first, end in pairwise(bounds)]
