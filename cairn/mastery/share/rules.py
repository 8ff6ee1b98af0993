"""Policies as the compiled walk takes them: each one's numbers, and which is in force when."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.doubt import normal_quantile
from cairn.mastery.share.schedule import Schedule


class Rule(NamedTuple):
    """A policy as the compiled walk takes it: levels are those that lie under the truth with such a chance."""

    bar: float
    floor: float
    over_level: float
    over_normal: float
    lost_level: float
    lost_normal: float
    review_share: float
    widest: float
    tail: float
    tail_normal: float
    wrong_to_lose: int
    attempts: int
    items: int
    days: int

    @classmethod
    def of(cls, policy: SharePolicy) -> Rule:
        """The rule of a policy."""
        over, lost, tail = 1.0 - policy.chance, 1.0 - policy.lost_chance, (1.0 - policy.interval_level) / 2.0
        return cls(
            policy.bar,
            policy.floor,
            over,
            normal_quantile(over),
            lost,
            normal_quantile(lost),
            policy.review_share,
            policy.widest,
            tail,
            normal_quantile(tail),
            policy.wrong_to_lose,
            policy.minimum.attempts,
            policy.minimum.items,
            policy.minimum.days,
        )


class Timelines(NamedTuple):
    """A schedule as the compiled walk takes it: ``rules`` has a row of numbers a policy, in the order of Rule."""

    rules: FloatArray
    offsets: IntArray
    begins_us: IntArray
    policy_of: IntArray
    of_pair: IntArray

    @classmethod
    def of(cls, schedule: Schedule) -> Timelines:
        """Those of a schedule."""
        rules = np.array([Rule.of(policy) for policy in schedule.policies], dtype=np.float64)
        return cls(rules, schedule.offsets, schedule.begins_us, schedule.policy_of, schedule.of_pair)


@numba.njit(cache=True, nogil=True)
def rule_at(rules: FloatArray, place: int) -> Rule:
    """The rule whose numbers are in a row."""
    one = rules[place]
    return Rule(
        one[0],
        one[1],
        one[2],
        one[3],
        one[4],
        one[5],
        one[6],
        one[7],
        one[8],
        one[9],
        int(one[10]),
        int(one[11]),
        int(one[12]),
        int(one[13]),
    )
