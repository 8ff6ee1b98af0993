"""A challenger against the champion, on the evidence that counts: is anything worse, in any subject?

Both are models of the whole district, for a pupil's sums span subjects; each is told of subject by subject, so that
what one subject gains does not hide what another loses. Three things must not get worse, each by the upper end of a
95 % interval over draws of pupils (of the difference, challenger minus champion): the log-loss of the next answer at
the models' frozen easiness, the gap between what is promised where mastery is called and the next answer, and the gap
of false mastery between subgroups. What a few thousand answers cannot tell apart is not worse by less than a margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cairn.mastery.accuracy import DRAWS, INTERVAL, SEED, surprise
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.follow_up import first_of_pairs, has_enough
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.responses import Responses
from cairn.mastery.share.durable import (
    DurableShare,
    durable_share,
    evidence_on,
    following,
    gap_to_next,
    predict_next,
)
from cairn.mastery.share.policy import ask_in_a_week
from cairn.mastery.share.state import COUNT
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
    """How a challenger did in a subject; reasons are what speaks against it, in words."""

    pupils: int
    responses: int
    measures: tuple[Measure, ...]
    reasons: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


@dataclass(frozen=True)
class Side:
    """What one model said of counted answers, and what came.

    Of each answer that follows others of its pair (n): pupil, skill and surprise. Of each pair that was called mastered
    and has a next answer (m): the same, the share promised for the day of that answer, and whether it was right.
    """

    pupil: IntArray
    skill: IntArray
    surprise: FloatArray
    called_pupil: IntArray
    called_skill: IntArray
    promised: FloatArray
    came: FloatArray

    @classmethod
    def of(cls, model: DurableShare, data: Responses, policy: SharePolicy) -> Side:
        """Judge a model on all counted answers of pupils. ``policy`` says when a pupil is mastered (days in UTC)."""
        evidence = evidence_on(model.head, data)
        pupil = data.user[evidence.response]
        follows = np.flatnonzero(evidence.before[:, COUNT] > 0)
        lost = surprise(evidence.correct[follows], predict_next(model.head, evidence, follows))
        asked = ask_in_a_week(model, evidence, np.arange(pupil.size), policy)
        first = first_of_pairs(evidence, asked.is_mastered & has_enough(evidence, policy.minimum))
        first = first[following(evidence, 1)[1][first] > 0]
        # As the share stood on the day of the answer: between a call and a late answer some is forgotten.
        states = evidence.after[first], evidence.pupil_after[first], evidence.skill[first]
        promised = durable_share(model.head, *states, gap_to_next(evidence)[first])
        came = evidence.correct[first + 1]
        return cls(pupil[follows], evidence.skill[follows], lost, pupil[first], evidence.skill[first], promised, came)

    def sums(self, skills: IntArray, pupils: int) -> _Sums:
        """Of some competencies, by pupil."""
        rows, called = np.isin(self.skill, skills), np.isin(self.called_skill, skills)
        pupil, of_call = self.pupil[rows], self.called_pupil[called]
        off = self.promised[called] - self.came[called]
        return _Sums(
            answers=_by_pupil(pupil, np.ones(pupil.size), pupils),
            surprise=_by_pupil(pupil, self.surprise[rows], pupils),
            calls=_by_pupil(of_call, np.ones(of_call.size), pupils),
            off=_by_pupil(of_call, off, pupils),
            wrong=_by_pupil(of_call, 1.0 - self.came[called], pupils),
        )


def _by_pupil(pupil: IntArray, values: FloatArray, pupils: int) -> FloatArray:
    """The sum of each pupil's values."""
    return np.bincount(pupil, weights=values, minlength=pupils).astype(np.float64)


@dataclass(frozen=True)
class _Sums:
    """By pupil (one entry each): answers and their surprise; calls, promised less came, wrong next answers."""

    answers: FloatArray
    surprise: FloatArray
    calls: FloatArray
    off: FloatArray
    wrong: FloatArray

    def loss(self, weight: FloatArray) -> float:
        """Mean surprise, pupils weighted."""
        return _ratio(self.surprise, self.answers, weight)

    def gap(self, weight: FloatArray) -> float:
        """How far what was promised at the call is from what came next."""
        return abs(_ratio(self.off, self.calls, weight))

    def between(self, weight: FloatArray, members: list[IntArray]) -> float:
        """Largest less smallest share of calls after which the next answer was wrong, over groups of pupils."""
        shares = [_ratio(self.wrong[own], self.calls[own], weight[own]) for own in members]
        told = [one for one in shares if not np.isnan(one)]
        return max(told) - min(told) if len(told) > 1 else float("nan")


def hold_trial(
    data: Responses,
    champion: Side,
    challenger: Side,
    skills: IntArray,
    subgroups: Mapping[str, Sequence[str]],
    smallest_group: int,
) -> Trial:
    """Hold both against each other on a subject: its competencies by code.

    ``data``: the answers that both sides were judged on. ``subgroups``: by name of a grouping each pupil's group, ""
    for not told; groups that are too small (``smallest_group``, :mod:`cairn.mastery.subgroups`) are left out.
    """
    responses = np.unique(data.response[np.isin(data.skill, skills)])
    pupils = np.unique(data.user[responses])
    if pupils.size < FEWEST_PUPILS:
        return Trial(int(pupils.size), int(responses.size), (), (f"only {pupils.size} pupils to judge by",))
    sides = [side.sums(skills, len(data.users)) for side in (champion, challenger)]
    measures = [_measure("log_loss", pupils, sides, _Sums.loss, LOSS_MARGIN)]
    measures.append(_measure("threshold_gap", pupils, sides, _Sums.gap, SHARE_MARGIN))
    for name, groups in subgroups.items():
        of_group = list(pupils_of_groups(groups, pupils, smallest_group).values())
        if len(of_group) > 1:

            def between(side: _Sums, weight: FloatArray, members: list[IntArray] = of_group) -> float:
                return side.between(weight, members)

            measures.append(_measure(f"false_mastery_gap by {name}", pupils, sides, between, SHARE_MARGIN))
    reasons = [
        f"{one.name}: {one.challenger:.4f} against {one.champion:.4f}, worse by up to {one.high:.4f}"
        for one in measures
        if one.is_worse
    ]
    return Trial(int(pupils.size), int(responses.size), tuple(measures), tuple(reasons))


def _ratio(totals: FloatArray, counts: FloatArray, weight: FloatArray) -> float:
    count = float(np.dot(counts, weight))
    return float(np.dot(totals, weight)) / count if count else float("nan")


def _measure(
    name: str, pupils: IntArray, sides: list[_Sums], told: Callable[[_Sums, FloatArray], float], margin: float
) -> Measure:
    """The measure of both sides, and the interval of its difference over draws of pupils with replacement."""
    size, random = sides[0].answers.size, np.random.default_rng(SEED)
    everyone = np.zeros(size)
    everyone[pupils] = 1.0
    champion, challenger = (told(side, everyone) for side in sides)
    if np.isnan(champion) or np.isnan(challenger):
        return Measure(name, _known(champion), _known(challenger), None, None, margin)
    differences = []
    for _ in range(DRAWS):
        weight = np.zeros(size)
        weight[pupils] = np.bincount(random.integers(0, pupils.size, pupils.size), minlength=pupils.size)
        differences.append(told(sides[1], weight) - told(sides[0], weight))
    low, high = np.nanpercentile(differences, INTERVAL)
    return Measure(name, champion, challenger, float(low), float(high), margin)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
