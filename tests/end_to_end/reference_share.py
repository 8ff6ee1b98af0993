"""The durable share worked out a second time: plain Python, from the definition of each part.

Shares no code with the product. The sums are what they mean, one weight an answer, where the product carries them from
answer to answer; P(share at least so much) is asked for where the product asks for a share at a level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import exp, fsum, log, log1p, pi, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

NORMAL = NormalDist()
DAY_SECONDS = 86_400.0
GAP_DAYS = 7.0
# Half-lives of the sums of a pair and of a pupil; how many tries of the pair's own weigh as much as its pupil's work.
PAIR_TRIES, PAIR_DAYS = (3, 10, 30), (1, 3, 14, 60)
PUPIL_TRIES, PUPIL_DAYS = (5, 20, 100), (1, 14, 60)
PUPIL_WEIGHT = 4.0
# Of the doubt: the stretch of a logistic curve over a normal, the widths and shares it is told for, how softly two
# groups meet the mean and how far apart they are at least.
STRETCH = (16 * sqrt(3) / (15 * pi)) ** 2
NARROWEST, WIDEST, EDGE = 0.05, 3.0, 1e-3
SOFTENED, APART = 0.25, 1e-6
# No pupil is further off the average than this, on the logit.
FARTHEST = 100.0


class Answer(NamedTuple):
    """A counted answer; share: so much was right; is_right: as it reads; residual: the share less what was expected."""

    at: datetime
    share: float
    is_right: bool
    residual: float


@dataclass(frozen=True)
class Model:
    """One version: its general row, rows by competency, difficulty and own limit for rapid guesses by item."""

    general: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    difficulty: Mapping[str, float]
    limit_ms: Mapping[str, int]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]) -> Model:
        """From one version's rows of gold.mastery_model and gold.item_difficulty."""
        by_name = {row["competency_id"]: row for row in rows}
        known = list(items)
        difficulty = {row["item_id"]: row["difficulty_logit"] for row in known}
        limits = {row["item_id"]: row["rapid_guess_ms"] for row in known if row["rapid_guess_ms"] is not None}
        return cls(by_name["*"], by_name, difficulty, limits)

    def row(self, competency: str) -> Mapping[str, Any]:
        """What is told of a competency: the general row where the fit did not meet it."""
        return self.own.get(competency, self.general)

    def slopes(self, competency: str) -> Sequence[float]:
        """A competency's own weights, all 0 where the fit did not meet it."""
        return self.own[competency]["weights"] if competency in self.own else (0.0,) * 5

    def expected(self, item: str, competency: str) -> float:
        """The chance that was expected at an item, at its competency's easiness where the fit did not meet it."""
        is_known = item in self.difficulty
        return chance(-self.difficulty[item] if is_known else self.row(competency)["easiness"])


def chance(logit: float) -> float:
    """The probability of a logit."""
    return 1 / (1 + exp(-logit)) if logit > -500 else 0.0


class Faded(NamedTuple):
    """Answers that fade: how many of them are left, and what is left of their residuals."""

    left: float
    residual: float

    @property
    def mean(self) -> float:
        """The mean residual, drawn to 0 by one answer."""
        return self.residual / (1 + self.left)

    def later(self, days: float, half_life: float) -> Faded:
        """What is left so many days later."""
        fade = 0.5 ** (days / half_life)
        return Faded(self.left * fade, self.residual * fade)


@dataclass(frozen=True)
class Work:
    """What is left of some answers in order, just after the last of them, by half-life in tries and in days."""

    answers: Sequence[Answer]
    by_tries: dict[int, Faded] = field(default_factory=dict)
    by_days: dict[int, Faded] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: Sequence[Answer], tries: Sequence[int], days: Sequence[int]) -> Work:
        """Each answer weighs half as much after so many later ones, or so many days."""
        ages = [(answers[-1].at - answer.at).total_seconds() / DAY_SECONDS for answer in answers]
        later = list(range(len(answers)))[::-1]
        return cls(
            answers,
            {half: _faded(answers, [0.5 ** (steps / half) for steps in later]) for half in tries},
            {half: _faded(answers, [0.5 ** (age / half) for age in ages]) for half in days},
        )


def _faded(answers: Sequence[Answer], weights: Sequence[float]) -> Faded:
    residuals = fsum(weight * answer.residual for weight, answer in zip(weights, answers, strict=True))
    return Faded(fsum(weights), residuals)


@dataclass(frozen=True)
class Standing:
    """A pupil's work on a competency, and all of the pupil's work as it was at the last of it."""

    model: Model
    competency: str
    pair: Work
    pupil: Work

    def logit(self, days: float) -> float:
        """On an item of easiness 0, so many days after the last work on the competency."""
        weights, own = self.model.general["weights"], self.model.slopes(self.competency)
        general, patterns = weights[:-64], weights[-64:]
        base, _, tries, wins, losses, c1, c2, c3, d1, d2, d3, *timed = general
        by_days, others, forgetting = timed[:8], timed[8:11], timed[11:]
        right = fsum(answer.share for answer in self.pair.answers)
        count = len(self.pair.answers)
        total = base + own[0] + patterns[_pattern(self.pair.answers)]
        total += tries * log1p(count) + wins * log1p(right) + losses * log1p(count - right)
        for slope, mine, faded in zip((c1, c2, c3), own[1:4], self.pair.by_tries.values(), strict=True):
            total += (slope + mine) * faded.mean
        pairs = zip(by_days[::2], by_days[1::2], strict=True)
        for (residual, work), (half, faded) in zip(pairs, self.pair.by_days.items(), strict=True):
            now = faded.later(days, half)
            total += residual * now.mean + work * log1p(now.left)
        other_work = [
            slope * faded.mean for slope, faded in zip((d1, d2, d3), self.pupil.by_tries.values(), strict=True)
        ]
        for slope, (half, faded) in zip(others, self.pupil.by_days.items(), strict=True):
            other_work.append(slope * faded.later(days, half).mean)
        total += PUPIL_WEIGHT / (PUPIL_WEIGHT + count) * sum(other_work)
        gap, short, by_count, by_residual = forgetting
        total += (gap + own[4]) * log1p(days) + short * log1p(24 * days)
        total += log1p(days) * (by_count * log1p(count) + by_residual * self.pair.by_tries[10].mean)
        return float(total)

    def share(self, days: float) -> float:
        """The mean chance over the competency's reference items."""
        return self._mean(self.logit(days), 1.0, 0.0)

    def _mean(self, logit: float, stretch: float, off: float) -> float:
        points = self.model.row(self.competency)["reference"]
        return fsum(chance((logit + point) * stretch + off) for point in points) / len(points)

    def chance_of_at_least(self, floor: float) -> float:
        """P(the share a week ahead is at least so much)."""
        doubt = doubt_around(self.model.general["doubt"], self.share(GAP_DAYS), len(self.pair.answers), GAP_DAYS)
        logit = self.logit(GAP_DAYS)
        return 1 - doubt.below(_crossing(lambda off: self._mean(logit, doubt.stretch, off), floor))

    def interval(self, level: float) -> tuple[float, float]:
        """The equal-tailed interval of the share a week ahead, which holds the share."""
        share, logit = self.share(GAP_DAYS), self.logit(GAP_DAYS)
        doubt = doubt_around(self.model.general["doubt"], share, len(self.pair.answers), GAP_DAYS)
        tails = ((1 - level) / 2, (1 + level) / 2)
        low, high = (self._mean(logit, doubt.stretch, _crossing(doubt.below, tail)) for tail in tails)
        return min(low, share), max(high, share)


def standing(model: Model, competency: str, pair: Sequence[Answer], pupil: Sequence[Answer]) -> Standing:
    """After these answers, in order."""
    own, others = Work.of(pair, PAIR_TRIES, PAIR_DAYS), Work.of(pupil, PUPIL_TRIES, PUPIL_DAYS)
    return Standing(model, competency, own, others)


def _pattern(answers: Sequence[Answer]) -> int:
    """The last five outcomes as bits behind a leading one."""
    return int("1" + "".join("1" if answer.is_right else "0" for answer in answers[-5:]), 2)


class Doubt(NamedTuple):
    """Where a pupil may be, off the average: two normals of ``width``, at ``up`` with ``chance`` and at ``down``."""

    width: float
    stretch: float
    chance: float
    up: float
    down: float

    def below(self, off: float) -> float:
        """P(the pupil is off the average by at most so much)."""
        can, cannot = (NORMAL.cdf((off - middle) / self.width) for middle in (self.up, self.down))
        return self.chance * can + (1 - self.chance) * cannot


def doubt_around(numbers: Sequence[float], share: float, tries: int, gap_days: float) -> Doubt:
    """The doubt around a share after so many tries, asked after so many days; of one group or of two."""
    level, by_tries, by_spread, by_gap, *groups = numbers
    inside = min(max(share, EDGE), 1 - EDGE)
    width = (
        level + by_tries * log(max(tries, 1)) + by_spread * log(4 * inside * (1 - inside)) + by_gap * log1p(gap_days)
    )
    width = min(max(exp(width), NARROWEST), WIDEST)
    stretch = sqrt(1 + STRETCH * width**2)
    if not groups:
        return Doubt(width, stretch, 1.0, 0.0, 0.0)
    high, low = groups
    mean = log(inside / (1 - inside))
    can = mean + SOFTENED * log1p(exp((high - mean) / SOFTENED)) + APART
    cannot = mean - SOFTENED * log1p(exp((mean - low) / SOFTENED)) - APART
    likely = (inside - chance(cannot)) / (chance(can) - chance(cannot))
    return Doubt(width, stretch, likely, (can - mean) * stretch, (cannot - mean) * stretch)


def _crossing(rising: Callable[[float], float], value: float) -> float:
    """Where what rises reaches a value, by halving."""
    low, high = -FARTHEST, FARTHEST
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (low, middle) if rising(middle) >= value else (middle, high)
    return high
