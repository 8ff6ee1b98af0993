"""What each policy would have said of a history, and what came after it said "mastered".

Nobody was held to these policies while the history was made: pupils went on, or stopped, by another rule. So this tells
what a policy would have said of answers that were given anyway, not what pupils would have done under it; and who went
on after a call is no random part of those who were called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.follow_up import BROKEN
from cairn.mastery.policies.history import History, history_of
from cairn.mastery.policies.known import KnownPolicy
from cairn.mastery.policies.rules import CognitiveTutor, DurableShare
from cairn.mastery.predictors import BktRule
from cairn.mastery.responses import Responses
from cairn.mastery.share.state import DAY_SECONDS
from cairn.mastery.subgroups import NOT_TOLD
from cairn.privacy import held_back

# "A week later": the first answer of the pair so many days after the call, from the first, below the second.
WEEK_LATER_DAYS = (4.0, 14.0)
# Under-practice is told by the next answers after the call: five at most, of pairs that have at least three.
FEWEST_NEXT, MOST_NEXT = 3, 5
NOT_CALLED = -1


@dataclass(frozen=True)
class Followed:
    """What came after the call of each pair (n); NaN where nothing did, or the pair was never called.

    is_called: mastery was said. answers: counted answers until then. next_right, week_right: share right, the very next
    answer, and the first one 4 to 14 days later. after: answers after the call. is_under: whether under 60 % of the
    next three to five were right, 1 or 0.
    """

    is_called: npt.NDArray[np.bool_]
    answers: FloatArray
    next_right: FloatArray
    week_right: FloatArray
    after: FloatArray
    is_under: FloatArray


@dataclass(frozen=True)
class Summary:
    """A group under a policy. None stands for what nobody can tell, or may be told of too few pupils.

    pupils, pairs: of the group. mastered_pairs: pairs that were called mastered, mastered_share of all. next_right:
    share right of the very next answer (of next_pairs that have one), week_later_right of the first answer 4 to 14 days
    after the call (week_later_pairs). median_answers: counted answers until the call. over_practice: answers after it,
    mean a mastered pair. under_practice: share of the pairs with three or more answers after it (under_practice_pairs)
    of whose next five fewer than 60 % were right.
    """

    pupils: int | None
    pairs: int | None
    mastered_pairs: int | None = None
    mastered_share: float | None = None
    next_right: float | None = None
    next_pairs: int | None = None
    week_later_right: float | None = None
    week_later_pairs: int | None = None
    median_answers: float | None = None
    over_practice: float | None = None
    under_practice: float | None = None
    under_practice_pairs: int | None = None

    def as_json(self) -> dict[str, float | None]:
        """The summary as the command line names it: shares in percent, of one decimal."""

        def pct(share: float | None) -> float | None:
            return None if share is None else round(100.0 * share, 1)

        return {
            "pupils": self.pupils,
            "pairs": self.pairs,
            "mastered_pairs": self.mastered_pairs,
            "mastered_pct": pct(self.mastered_share),
            "next_correct_pct": pct(self.next_right),
            "next_pairs": self.next_pairs,
            "week_later_correct_pct": pct(self.week_later_right),
            "week_later_pairs": self.week_later_pairs,
            "median_items": self.median_answers,
            "over_practice_items": None if self.over_practice is None else round(self.over_practice, 2),
            "under_practice_pct": pct(self.under_practice),
            "under_practice_pairs": self.under_practice_pairs,
        }


TOO_FEW = Summary(None, None)


@dataclass(frozen=True)
class PolicyResult:
    """A policy's summary of all pairs, and by subgroup (empty where none is told)."""

    policy: KnownPolicy
    everyone: Summary
    by_subgroup: dict[str, Summary]


@dataclass(frozen=True)
class Comparison:
    """All policies on one history. left_out: policies that ask for days where the file has no times.

    pupils, pairs, answers: how large the history is; right: the share right of all its answers, None of too few pupils.
    smallest_group: fewer pupils than that are not told of.
    """

    pupils: int
    pairs: int
    answers: int
    right: float | None
    smallest_group: int
    results: list[PolicyResult]
    left_out: list[str]

    def as_json(self) -> dict[str, Any]:
        """The comparison as the command line prints it."""
        told = [
            {
                "name": one.policy.name,
                "rule": one.policy.rule.in_words(),
                **one.everyone.as_json(),
                "by_subgroup": {name: summary.as_json() for name, summary in one.by_subgroup.items()},
            }
            for one in self.results
        ]
        size = {"pupils": self.pupils, "pairs": self.pairs, "answers": self.answers}
        return {
            **size,
            "right": self.right,
            "smallest_group": self.smallest_group,
            "left_out": self.left_out,
            "policies": told,
        }


def compare(
    data: Responses,
    policies: Sequence[KnownPolicy],
    rule: BktRule,
    timezone: str,
    spacing_seconds: float,
    smallest_group: int,
    subgroup_of: Mapping[str, str] | None = None,
    on_policy: Callable[[str], None] = lambda _name: None,
) -> Comparison:
    """Replay the counted answers of ``data`` under each policy.

    ``subgroup_of`` names the subgroup of pupils, by their id in the file (who has none is in "not told");
    ``on_policy`` is told the name of each policy before its replay. A number that rests on fewer than
    ``smallest_group`` pupils is None.
    """
    left_out = [one.name for one in policies if one.rule.needs_times and not data.has_times]
    replayed = [one for one in policies if one.name not in left_out]
    has_bkt = any(isinstance(one.rule, CognitiveTutor) for one in replayed)
    floors = {one.rule.floor for one in replayed if isinstance(one.rule, DurableShare)}
    history = history_of(data, timezone, spacing_seconds, rule if has_bkt else None, floors)
    groups = _groups(history, data.users, subgroup_of)
    hidden = held_back({name: np.unique(history.user[own]).size for name, own in groups.items()}, smallest_group)
    everyone = np.ones(history.user.size, dtype=bool)
    results = []
    for one in replayed:
        on_policy(one.name)
        followed = follow(history, first_calls(history, one))
        by_group = {
            name: TOO_FEW if name in hidden else summarise(followed, history.user, own, smallest_group)
            for name, own in groups.items()
        }
        whole = summarise(followed, history.user, everyone, smallest_group)
        results.append(PolicyResult(one, whole, guard(by_group)))
    pupils = int(np.unique(history.user).size)
    right = float(history.correct.mean()) if 0 < pupils >= smallest_group else None
    return Comparison(pupils, history.user.size, history.right.size, right, smallest_group, results, left_out)


def first_calls(history: History, policy: KnownPolicy) -> IntArray:
    """Of each pair, the row after which the policy says mastered for the first time; NOT_CALLED where it never does."""
    called = []
    for pair, first in zip(history.pairs(), history.offsets.tolist(), strict=False):
        position = policy.rule.verdicts(pair).first_call
        called.append(NOT_CALLED if position is None else first + position)
    return np.array(called, dtype=np.int64)


def follow(history: History, called: IntArray) -> Followed:
    """What came after the row at which each pair was called (NOT_CALLED where it was not)."""
    answers, next_right, week_right, after, is_under = np.full((5, called.size), np.nan)
    low_seconds, high_seconds = (days * DAY_SECONDS for days in WEEK_LATER_DAYS)
    bounds = list(pairwise(history.offsets.tolist()))
    for pair in np.flatnonzero(called != NOT_CALLED).tolist():
        (first, end), row = bounds[pair], int(called[pair])
        following = history.correct[row + 1 : end]
        answers[pair], after[pair] = row + 1 - first, following.size
        if not following.size:
            continue
        next_right[pair] = following[0]
        gap = history.at_seconds[row + 1 : end] - history.at_seconds[row]
        week = np.flatnonzero((gap >= low_seconds) & (gap < high_seconds))
        if week.size:
            week_right[pair] = following[week[0]]
        if following.size >= FEWEST_NEXT:
            is_under[pair] = following[:MOST_NEXT].mean() < BROKEN - 1e-9
    return Followed(called != NOT_CALLED, answers, next_right, week_right, after, is_under)


def summarise(followed: Followed, user: IntArray, own: npt.NDArray[np.bool_], smallest_group: int) -> Summary:
    """The group whose pairs ``own`` (a mask over pairs) names; numbers of fewer pupils than ``smallest_group`` None."""
    pupils = np.unique(user[own]).size
    if pupils < smallest_group:
        return TOO_FEW

    def mean(values: FloatArray) -> float | None:
        there = own & ~np.isnan(values)
        return float(values[there].mean()) if 0 < np.unique(user[there]).size >= smallest_group else None

    def told(values: FloatArray) -> int:
        return int((own & ~np.isnan(values)).sum())

    called = own & followed.is_called
    has_median = 0 < np.unique(user[called]).size >= smallest_group
    return Summary(
        pupils=int(pupils),
        pairs=int(own.sum()),
        mastered_pairs=int(called.sum()),
        mastered_share=float(called.sum() / own.sum()) if own.any() else None,
        next_right=mean(followed.next_right),
        next_pairs=told(followed.next_right),
        week_later_right=mean(followed.week_right),
        week_later_pairs=told(followed.week_right),
        median_answers=float(np.median(followed.answers[called])) if has_median else None,
        over_practice=mean(followed.after),
        under_practice=mean(followed.is_under),
        under_practice_pairs=told(followed.is_under),
    )


def guard(by_group: dict[str, Summary]) -> dict[str, Summary]:
    """The same; where a number is missing of one group alone, it goes of the smallest other one too.

    Else all pupils less the groups that are told would tell it.
    """
    for one in fields(Summary):
        shown = {name: told.pupils or 0 for name, told in by_group.items() if getattr(told, one.name) is not None}
        if shown and len(by_group) - len(shown) == 1:
            smallest = min(shown, key=lambda name: shown[name])
            by_group = {**by_group, smallest: replace(by_group[smallest], **{one.name: None})}
    return by_group


def _groups(
    history: History, users: Sequence[str], subgroup_of: Mapping[str, str] | None
) -> dict[str, npt.NDArray[np.bool_]]:
    """Masks over pairs by the name of the subgroup, in order of the names; none without a mapping."""
    if subgroup_of is None:
        return {}
    own = np.array([subgroup_of.get(users[code]) or NOT_TOLD for code in history.user.tolist()], dtype=object)
    return {name: own == name for name in sorted(set(own.tolist()))}
