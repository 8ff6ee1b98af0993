"""Each kind of policy with its parameters: its rule in plain words, and what it says after each answer of a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from cairn.mastery.policies import aleks, canvas, counts, khan
from cairn.mastery.policies.pair import Pair, State, Verdicts, sittings


class Rule(Protocol):
    """A kind of policy with its parameters."""

    @property
    def needs_times(self) -> bool:
        """Whether the rule asks on which day an answer was given."""

    def in_words(self) -> str:
        """The rule as a sentence, with the district's own parameters in it."""

    def verdicts(self, pair: Pair) -> Verdicts:
        """What the rule says after each answer of the pair."""


@dataclass(frozen=True)
class Threshold:
    """Mastered from a share right among all answers on (Edmentum: 80 %), of so many answers at least."""

    share: Fraction
    minimum_answers: int
    needs_times = False

    def in_words(self) -> str:
        """As :class:`Rule`."""
        return (
            f"Mastered while at least {float(100 * self.share):g} % of all answers so far are right, "
            f"of {self.minimum_answers} answers or more."
        )

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is the share right so far."""
        shares = counts.shares_right(pair.shares)
        return Verdicts(shares, [n >= self.minimum_answers and one >= self.share for n, one in enumerate(shares, 1)])


@dataclass(frozen=True)
class InARow:
    """Mastered at ``n`` right in a row (ASSISTments Skill Builder: 3)."""

    n: int
    needs_times = False

    def in_words(self) -> str:
        """As :class:`Rule`."""
        return f"Mastered at {self.n} right in a row."

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is how many were right in a row."""
        streaks = counts.streaks(pair.right)
        return Verdicts(streaks, [one >= self.n for one in streaks])


@dataclass(frozen=True)
class MOfN:
    """Mastered at ``m`` right among the last ``n`` answers (Kolibri); fewer answers than n may do."""

    m: int
    n: int
    needs_times = False

    def in_words(self) -> str:
        """As :class:`Rule`."""
        return f"Mastered at {self.m} right among the last {self.n} answers."

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is how many of the last ``n`` were right."""
        right = counts.right_of_last(pair.right, self.n)
        return Verdicts(right, [one >= self.m for one in right])


@dataclass(frozen=True)
class Results:
    """What Canvas takes for results: scores in points out of ``points_possible``, mastered from ``mastery_points`` on.

    by_day: a result is the share right of a local day, and there when the day's last answer is; else each answer is a
    result by itself, by its share of the points.
    """

    points_possible: Fraction
    mastery_points: Fraction
    by_day: bool

    def in_words(self) -> str:
        """What a result is, as a sentence."""
        one = "the share right of a day" if self.by_day else "an answer"
        least, most = f"{float(self.mastery_points):g}", f"{float(self.points_possible):g}"
        return f"Mastered from {least} of {most} points on; a result is {one}, rounded to two decimals, half up."

    def verdicts(self, pair: Pair, method: Callable[[list[Fraction]], canvas.Scores]) -> Verdicts:
        """The scores that ``method`` makes of the pair's results, held from one result to the next."""
        if not self.by_day:
            scores = method([self.points_possible * share for share in pair.shares])
            return Verdicts(scores, [self._is_mastery(score) for score in scores])
        days = sittings(pair)
        state: list[State] = []
        is_mastery: list[bool] = []
        before: Decimal | None = None
        for day, score in zip(days, method([self.points_possible * day.share_right for day in days]), strict=True):
            held = [before] * (day.end - day.first - 1) + [score]
            state += held
            is_mastery += [self._is_mastery(one) for one in held]
            before = score
        return Verdicts(state, is_mastery)

    def _is_mastery(self, score: Decimal | None) -> bool:
        return score is not None and Fraction(score) >= self.mastery_points


@dataclass(frozen=True)
class Canvas:
    """One of Canvas's six methods. parameter: weight of the latest in per cent, or n for n_mastery; else unused (0)."""

    method: str
    results: Results
    parameter: int = 0

    @property
    def needs_times(self) -> bool:
        """As :class:`Rule`."""
        return self.results.by_day

    def in_words(self) -> str:
        """As :class:`Rule`."""
        rest = 100 - self.parameter
        said = {
            "decaying_average": f"The latest result weighs {self.parameter} %, the mean of the older ones {rest} %.",
            "standard_decaying_average": f"Each result weighs {self.parameter} %, the score before it {rest} %.",
            "n_mastery": f"The mean of the results that reach mastery, once there are {self.parameter} of them.",
            "latest": "The latest result.",
            "highest": "The highest result so far.",
            "average": "The mean of all results.",
        }
        return f"{said[self.method]} {self.results.in_words()}"

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is the score in points, None where Canvas shows none."""
        least = self.results.mastery_points
        methods: dict[str, Callable[[list[Fraction]], canvas.Scores]] = {
            "decaying_average": lambda results: canvas.decaying_average(results, self.parameter),
            "standard_decaying_average": lambda results: canvas.standard_decaying_average(results, self.parameter),
            "n_mastery": lambda results: canvas.n_mastery(results, self.parameter, least),
            "latest": canvas.latest,
            "highest": canvas.highest,
            "average": canvas.average,
        }
        return self.results.verdicts(pair, methods[self.method])


@dataclass(frozen=True)
class Khan:
    """Khan Academy's levels; familiar from a share of an exercise on."""

    familiar_from: Fraction
    needs_times = True

    def in_words(self) -> str:
        """As :class:`Rule`."""
        share = f"{float(100 * self.familiar_from):g} %"
        return (
            f"A day's work on this competency alone is an exercise: attempted under {share}, familiar from there, "
            "proficient at 100 %. An answer on a day with other competencies too is one on a mixed test: right is one "
            "level up, from proficient to mastered, and wrong is one level down."
        )

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is the level's name."""
        levels = khan.levels(pair, self.familiar_from)
        return Verdicts([khan.LEVELS[level] for level in levels], [level == khan.MASTERED for level in levels])


@dataclass(frozen=True)
class Aleks:
    """ALEKS's points, learned, and mastered by the check of a later day."""

    points: aleks.Points
    needs_times = True

    def in_words(self) -> str:
        """As :class:`Rule`."""
        one = self.points
        return (
            f"Right is {one.right} point, {one.right_again} after another right one, wrong takes {one.wrong}, never "
            f"below 0; learned at {one.learned_at}; mastered when the first answer of a later day is right, to be "
            "learned again when it is wrong."
        )

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is the points, "learned" or "mastered"."""
        states = aleks.standings(pair, self.points)
        return Verdicts(states, [state == aleks.MASTERED for state in states])


@dataclass(frozen=True)
class CognitiveTutor:
    """Mastered from a P(known) of Bayesian Knowledge Tracing on (Corbett and Anderson 1995: .95)."""

    known: float
    needs_times = False

    def in_words(self) -> str:
        """As :class:`Rule`."""
        return (
            f"Mastered while the probability that the skill is known is at least {self.known:g} (Bayesian Knowledge "
            "Tracing, within the district's bounds, its parameters learned from the other half of the pupils)."
        )

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is P(known) after the answer, which the pair has to bring."""
        return Verdicts(pair.known, [one >= self.known for one in pair.known])


@dataclass(frozen=True)
class DurableShare:
    """Cairn's own: mastered from a durable share on, and surely above a floor, with a minimum of evidence."""

    share: float
    floor: float
    chance: float
    attempts: int
    items: int
    days: int

    @property
    def needs_times(self) -> bool:
        """As :class:`Rule`: one day is no question of days."""
        return self.days > 1

    def in_words(self) -> str:
        """As :class:`Rule`."""
        sure = f", and {100 * self.floor:g} % or more with a chance of {100 * self.chance:g} %" if self.chance else ""
        days = f" on {self.days} days" if self.days > 1 else ""
        return (
            f"Mastered while the durable share (expected right a week later) is at least {100 * self.share:g} %{sure}; "
            f"from {self.attempts} answers on {self.items} different items{days} on (its model learned from the other "
            "half of the pupils)."
        )

    def verdicts(self, pair: Pair) -> Verdicts:
        """As :class:`Rule`; the state is the share after the answer, which the pair has to bring."""
        days, chances = counts.different(pair.day), pair.chance[self.floor]
        has_enough = [
            n >= self.attempts and items >= self.items and on >= self.days
            for n, (items, on) in enumerate(zip(pair.items, days, strict=True), 1)
        ]
        is_mastery = [
            enough and share >= self.share and chance >= self.chance
            for enough, share, chance in zip(has_enough, pair.share, chances, strict=True)
        ]
        return Verdicts(pair.share, is_mastery)
