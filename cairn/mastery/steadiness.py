"""How steady the states are: do pupils keep, from night to night, what the policy on the share said of them?

The test pupils' evidence is walked as nights would walk it. A state that is given and taken back within days was worth
nothing, so pairs that change twice within ten nights are counted, from the first verdict (developing or mastered) on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.policy import DEVELOPING, MASTERED, REVIEW_DUE
from cairn.mastery.share.doubt import interval
from cairn.mastery.share.durable import GAP_DAYS, DurableShare, Evidence, durable_share, gap_to_next
from cairn.mastery.share.policy import Asked, BoolArray, SharePolicy, Verdicts, days_until_under, walk
from cairn.mastery.share.state import DAY_SECONDS

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


def verdicts(
    model: DurableShare,
    evidence: Evidence,
    asked: Asked,
    policy: SharePolicy,
    has_items: BoolArray,
    has_days: BoolArray,
) -> Verdicts:
    """What the number says behind each row of evidence; ``asked`` has all of them."""
    low, high = interval(asked.logits, asked.spread)
    until_next = GAP_DAYS + gap_to_next(evidence)
    later = durable_share(model.head, evidence.after, evidence.pupil_after, evidence.skill, until_next)
    is_last = np.zeros(later.size, dtype=bool)
    is_last[evidence.offsets[1:] - 1] = True
    return Verdicts(
        is_over=asked.is_mastered,
        is_lost=asked.chance < policy.lost_chance,
        is_sparse=high - low > policy.widest,
        is_held=asked.share >= policy.review_share,
        has_items=has_items,
        has_days=has_days,
        is_due_before_next=(later < policy.review_share) & ~is_last,
    )


def walked(model: DurableShare, evidence: Evidence, found: Verdicts, policy: SharePolicy) -> Walked:
    """The changes of state from night to night: what a day leaves at its end, and reviews on the day they fall due."""
    after, falls_due = walk(evidence.offsets, evidence.correct, found)
    pair_of = np.repeat(np.arange(evidence.offsets.size - 1), np.diff(evidence.offsets))
    day = np.floor(evidence.at_seconds / DAY_SECONDS).astype(np.int64)
    due = np.flatnonzero(falls_due)
    due_day = np.floor(evidence.at_seconds[due] / DAY_SECONDS + _days_until_due(model, evidence, due, policy))
    pair = np.r_[pair_of, pair_of[due]]
    # A review that falls due on the day of the next work is behind the row that it follows, and before that next one.
    place = np.r_[2 * np.arange(after.size), 2 * due + 1]
    order = np.lexsort((place, pair))
    pair, day = pair[order], np.r_[day, due_day.astype(np.int64)][order]
    state = np.r_[after, np.full(due.size, REVIEW_DUE, dtype=np.int8)][order]
    is_end = np.ones(pair.size, dtype=bool)
    is_end[:-1] = (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])
    is_told = is_end & np.isin(state, (DEVELOPING, MASTERED, REVIEW_DUE))
    pair, day, state = pair[is_told], day[is_told], state[is_told]
    is_change = np.zeros(pair.size, dtype=bool)
    is_change[1:] = (pair[1:] == pair[:-1]) & (state[1:] != state[:-1])
    return Walked(pair[is_change], day[is_change], state[is_change], int(np.unique(pair).size))


def _days_until_due(model: DurableShare, evidence: Evidence, rows: IntArray, policy: SharePolicy) -> FloatArray:
    pair, pupil, skill = evidence.after[rows], evidence.pupil_after[rows], evidence.skill[rows]

    def share_in(days: FloatArray) -> FloatArray:
        return durable_share(model.head, pair, pupil, skill, GAP_DAYS + days)

    # It is under the bar when the next answer comes, however far beyond the horizon that is.
    return np.minimum(days_until_under(share_in, rows.size, policy.review_share), gap_to_next(evidence)[rows])


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
