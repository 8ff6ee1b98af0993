"""How steady the states are: do pupils keep, from night to night, what the policy on the share said of them?

The test pupils' evidence is walked by the code that nights walk it with. A state that is given and taken back within
days was worth nothing, so pairs that change twice within ten nights are counted, from the first verdict (developing or
mastered) on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cairn.mastery.bkt import ByteArray, IntArray
from cairn.mastery.policy import DAY_US, DEVELOPING, MASTERED, REVIEW_DUE, Transitions, nothing_yet
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.durable import DurableShare, Evidence, formula_weights
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.schedule import Schedule
from cairn.mastery.share.walk import Answers, walk

NIGHTS = 10


@dataclass(frozen=True)
class Walked:
    """What the policy says of each pair as time goes by: changes by pair and day (UTC), from the first verdict on.

    pair, day, to_state: one a change; pairs: how many pairs there are a verdict on.
    """

    pair: IntArray
    day: IntArray
    to_state: ByteArray
    pairs: int


def transitions(model: DurableShare, evidence: Evidence, policy: SharePolicy) -> Transitions:
    """The changes of state of each pair up to the last answer of all; needs work times.

    Where no items are told the policy's clause of different items is dropped.
    """
    data = evidence.data
    minimum = policy.minimum if data.has_items else replace(policy.minimum, items=1)
    time_us = np.round(evidence.at_seconds * 1e6).astype(np.int64)
    answers = Answers(
        offsets=evidence.offsets,
        correct=evidence.correct,
        time_us=time_us,
        day=time_us // DAY_US,
        item=data.item[evidence.response],
        event=evidence.response.astype(np.uint64),
        residual=evidence.correct - chances(evidence.easiness),
        pupil=evidence.pupil_after,
    )
    general, patterns, skills = formula_weights(model.head)
    arrays = general, patterns, skills, model.head.reference, model.doubt.numbers
    pairs = evidence.offsets.size - 1
    rows = evidence.skill[evidence.offsets[:-1]]
    until = int(time_us.max(initial=0)) + 1
    found, _ = walk(
        answers,
        rows,
        nothing_yet(pairs, minimum.items),
        arrays,
        Schedule.always(replace(policy, minimum=minimum), pairs),
        data.right_from,
        until,
    )
    return found


def by_night(found: Transitions) -> Walked:
    """The changes of state from night to night: what a day leaves at its end."""
    pair, day, state = found.pair, found.at_us // DAY_US, found.to_state
    is_end = np.ones(pair.size, dtype=bool)
    is_end[:-1] = (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])
    is_told = is_end & np.isin(state, (DEVELOPING, MASTERED, REVIEW_DUE))
    pair, day, state = pair[is_told], day[is_told], state[is_told]
    is_change = np.zeros(pair.size, dtype=bool)
    is_change[1:] = (pair[1:] == pair[:-1]) & (state[1:] != state[:-1])
    return Walked(pair[is_change], day[is_change], state[is_change], int(np.unique(pair).size))


def told(changes: Walked) -> dict[str, Any]:
    """changed_pairs: pairs with a change after the first verdict; changed_twice_pct: of the pairs with a verdict, those
    with two changes within NIGHTS nights."""
    is_soon = (changes.pair[1:] == changes.pair[:-1]) & (np.diff(changes.day) < NIGHTS)
    twice = np.unique(changes.pair[1:][is_soon]).size
    return {
        "pairs_with_verdict": changes.pairs,
        "changed_pairs": int(np.unique(changes.pair).size),
        "changed_twice_pct": round(100.0 * twice / changes.pairs, 2) if changes.pairs else None,
    }
