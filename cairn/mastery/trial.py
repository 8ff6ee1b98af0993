"""A challenger's parameters against the champion's, on the evidence that counts: is anything worse?

Three things must not get worse, each by the upper end of a 95 % interval over draws of pupils (of the difference,
challenger minus champion): the log-loss of the next answer, the gap between what is promised at the call of mastery and
the next answer, and the gap of false mastery between subgroups. What a few thousand answers cannot tell apart is not
worse by less than a margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cairn.mastery.accuracy import DRAWS, INTERVAL, SEED, surprise
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import ThresholdPolicy
from cairn.mastery.follow_up import Calls, calls_at_gain, first_of_pairs, has_enough
from cairn.mastery.predictors import predict_bkt
from cairn.mastery.responses import Responses
from cairn.mastery.share.durable import evidence_of, following
from cairn.mastery.subgroups import pupils_of_groups

# Nats an answer; and shares of answers right.
LOSS_MARGIN, SHARE_MARGIN = 0.002, 0.02
FEWEST_PUPILS = 30


@dataclass(frozen=True)
class Measure:
    """One of the three, of both: low and high are the 95 % interval of challenger minus champion.

    None where there is nothing to tell it from: nobody is called mastered, or no subgroups are told.
    """

    name: str
    champion: float | None
    challenger: float | None
    low: float | None
    high: float | None
    margin: float

    @property
    def is_worse(self) -> bool:
        """Whether the challenger may be worse by more than the margin."""
        return self.high is not None and self.high > self.margin


@dataclass(frozen=True)
class Trial:
    """How a challenger did; reasons are what speaks against it, in words."""

    pupils: int
    responses: int
    measures: tuple[Measure, ...]
    reasons: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


def hold_trial(
    data: Responses,
    champion: FloatArray,
    challenger: FloatArray,
    policy: ThresholdPolicy,
    subgroups: Mapping[str, Sequence[str]],
) -> Trial:
    """Judge both sets of parameters (skills x 5) on counted answers of pupils.

    ``policy`` says when nights call a pupil mastered (days in UTC here). ``subgroups``: by name of a grouping each
    pupil's group ("" for not told); groups that are too small (:mod:`cairn.mastery.subgroups`) are left out.
    """
    pupils = np.unique(data.user)
    if pupils.size < FEWEST_PUPILS:
        return Trial(int(pupils.size), int(data.user.size), (), (f"only {pupils.size} pupils to judge by",))
    sides = [_Side.of(data, parameters, policy) for parameters in (champion, challenger)]
    measures = [_measure("log_loss", data, sides, lambda side, weight: side.loss(weight), LOSS_MARGIN)]
    measures.append(_measure("threshold_gap", data, sides, lambda side, weight: side.gap(weight), SHARE_MARGIN))
    for name, groups in subgroups.items():
        of_group = list(pupils_of_groups(groups, pupils).values())
        if len(of_group) > 1:

            def between(side: _Side, weight: FloatArray, members: list[IntArray] = of_group) -> float:
                return side.between(weight, members)

            measures.append(_measure(f"false_mastery_gap by {name}", data, sides, between, SHARE_MARGIN))
    reasons = [
        f"{one.name}: {one.challenger:.4f} against {one.champion:.4f}, worse by up to {one.high:.4f}"
        for one in measures
        if one.is_worse
    ]
    return Trial(int(pupils.size), int(data.user.size), tuple(measures), tuple(reasons))


@dataclass(frozen=True)
class _Side:
    """One set of parameters: surprise of each answer; of each call with a next answer, what was promised and came."""

    data: Responses
    surprise: FloatArray
    pupil: IntArray
    promised: FloatArray
    came: FloatArray

    @classmethod
    def of(cls, data: Responses, parameters: FloatArray, policy: ThresholdPolicy) -> _Side:
        calls: Calls = calls_at_gain(evidence_of(data, np.zeros(data.user.size)), parameters, policy.gain)
        evidence = calls.evidence
        first = first_of_pairs(evidence, calls.is_mastered & has_enough(evidence, policy.minimum))
        first = first[following(evidence, 1)[1][first] > 0]
        return cls(
            data,
            surprise(data.correct, predict_bkt(data, parameters)),
            data.user[evidence.response[first]],
            calls.promised[first],
            evidence.correct[first + 1].astype(np.float64),
        )

    def loss(self, weight: FloatArray) -> float:
        """Mean surprise, pupils weighted."""
        return _mean(self.surprise, weight[self.data.user])

    def gap(self, weight: FloatArray) -> float:
        """How far the promise at the call is from what came next."""
        return abs(_mean(self.promised - self.came, weight[self.pupil]))

    def between(self, weight: FloatArray, members: list[IntArray]) -> float:
        """Largest less smallest share of calls after which the next answer was wrong, over groups of pupils."""
        shares = []
        for pupils in members:
            mine = np.isin(self.pupil, pupils)
            shares.append(_mean(1.0 - self.came[mine], weight[self.pupil[mine]]))
        told = [one for one in shares if not np.isnan(one)]
        return max(told) - min(told) if len(told) > 1 else float("nan")


def _mean(values: FloatArray, weight: FloatArray) -> float:
    total = float(weight.sum())
    return float((values * weight).sum()) / total if total else float("nan")


def _measure(
    name: str,
    data: Responses,
    sides: list[_Side],
    told: Callable[[_Side, FloatArray], float],
    margin: float,
) -> Measure:
    """The measure of both sides, and the interval of its difference over draws of pupils with replacement."""
    pupils, random = np.unique(data.user), np.random.default_rng(SEED)
    everyone = np.zeros(len(data.users))
    everyone[pupils] = 1.0
    champion, challenger = (told(side, everyone) for side in sides)
    if np.isnan(champion) or np.isnan(challenger):
        return Measure(name, _known(champion), _known(challenger), None, None, margin)
    differences = []
    for _ in range(DRAWS):
        weight = np.zeros(len(data.users))
        weight[pupils] = np.bincount(random.integers(0, pupils.size, pupils.size), minlength=pupils.size)
        differences.append(told(sides[1], weight) - told(sides[0], weight))
    low, high = np.nanpercentile(differences, INTERVAL)
    return Measure(name, champion, challenger, float(low), float(high), margin)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
