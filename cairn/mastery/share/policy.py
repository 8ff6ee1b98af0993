"""The policy on the durable share: when a pupil counts as having mastered a competency, when no longer, when to look.

Mastered: the share is at least ``bar``, P(share >= ``floor``) at least ``chance``, and the evidence is enough. A pupil
who is mastered stays so until two counted answers since then were wrong and P(share >= ``floor``) is under
``lost_chance``: one slip of somebody who knows says little. Review is due on the instant at which the durable share,
which fades, falls under ``review_share``; then a right answer that lifts the share back over it ends the review, a
wrong one that leaves it under ends mastery, and anything else leaves the review due. Where the interval is wider than
``widest`` nothing is said yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.policy import DEVELOPING, MASTERED, NOT_ENOUGH, NOT_STARTED, REVIEW_DUE
from cairn.mastery.share.doubt import Spread, chance_above
from cairn.mastery.share.durable import GAP_DAYS, DurableShare, Evidence, reference_logits
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.state import COUNT

BoolArray = npt.NDArray[np.bool_]

# Wrong answers since mastery that it takes to lose it.
WRONG_TO_LOSE = 2
# A review date is looked for within so many days, and told to the minute.
HORIZON_DAYS = 400.0
MINUTE_DAYS = 1.0 / 1440.0


@dataclass(frozen=True)
class SharePolicy:
    """Shares and chances between 0 and 1, as the module says."""

    bar: float = 0.85
    floor: float = 0.75
    chance: float = 0.90
    lost_chance: float = 0.50
    review_share: float = 0.80
    widest: float = 0.50


@dataclass(frozen=True)
class Asked:
    """Rows of evidence asked a week later (n): logits on the reference items, doubt, share, P(share >= floor).

    is_mastered: what the policy says of these, the evidence minimum apart.
    """

    logits: FloatArray
    spread: Spread
    share: FloatArray
    chance: FloatArray
    is_mastered: BoolArray


def ask_in_a_week(model: DurableShare, evidence: Evidence, rows: IntArray, policy: SharePolicy) -> Asked:
    """What the share says behind each of the rows of evidence."""
    week = np.full(rows.size, GAP_DAYS)
    pair = evidence.after[rows]
    logits = reference_logits(model.head, pair, evidence.pupil_after[rows], evidence.skill[rows], week)
    share = chances(logits).mean(axis=1)
    spread = model.doubt.around(share, pair[:, COUNT], week)
    chance = chance_above(logits, spread, policy.floor)
    return Asked(logits, spread, share, chance, (share >= policy.bar) & (chance >= policy.chance))


@dataclass(frozen=True)
class Verdicts:
    """What the number says behind each counted attempt (n), pairs together and in order of work.

    is_over: the share and its chance reach the bar; is_lost: P(share >= floor) is under lost_chance; is_sparse: the
    interval is too wide; is_held: the share is at least review_share; has_items: counted attempts and items are enough,
    has_days: days too. is_due_before_next: the durable share falls under review_share before the next attempt of the
    pair, for the last one before the instant that is asked about.
    """

    is_over: BoolArray
    is_lost: BoolArray
    is_sparse: BoolArray
    is_held: BoolArray
    has_items: BoolArray
    has_days: BoolArray
    is_due_before_next: BoolArray


@numba.njit(cache=True, nogil=True)
def _state_after(
    state: int,
    is_right: bool,
    wrong: int,
    is_over: bool,
    is_lost: bool,
    is_sparse: bool,
    is_held: bool,
    has_items: bool,
    has_days: bool,
) -> int:
    """The state after a counted attempt; ``wrong``: wrong answers since the pair was mastered, this one too."""
    if not has_items:
        return NOT_ENOUGH
    if state == MASTERED:
        return DEVELOPING if wrong >= WRONG_TO_LOSE and is_lost else MASTERED
    if state == REVIEW_DUE:
        if is_held and is_right:
            return MASTERED
        return REVIEW_DUE if is_held or is_right else DEVELOPING
    if is_over and has_days:
        return MASTERED
    if state == DEVELOPING:
        return DEVELOPING
    return NOT_ENOUGH if is_sparse or is_over else DEVELOPING


@numba.njit(cache=True, nogil=True)
def _walk(
    offsets: IntArray,
    correct: ByteArray,
    is_over: BoolArray,
    is_lost: BoolArray,
    is_sparse: BoolArray,
    is_held: BoolArray,
    has_items: BoolArray,
    has_days: BoolArray,
    is_due: BoolArray,
) -> tuple[ByteArray, BoolArray]:
    after = np.empty(correct.size, dtype=np.int8)
    falls_due = np.zeros(correct.size, dtype=np.bool_)
    for pair in range(offsets.size - 1):
        state, wrong = NOT_STARTED, 0
        for i in range(offsets[pair], offsets[pair + 1]):
            wrong += 0 if correct[i] else 1
            new = _state_after(
                state,
                correct[i] != 0,
                wrong,
                is_over[i],
                is_lost[i],
                is_sparse[i],
                is_held[i],
                has_items[i],
                has_days[i],
            )
            if new == MASTERED and state != MASTERED:
                wrong = 0
            state = new
            after[i] = state
            if state == MASTERED and is_due[i]:
                falls_due[i] = True
                state = REVIEW_DUE
    return after, falls_due


def walk(offsets: IntArray, correct: ByteArray, verdicts: Verdicts) -> tuple[ByteArray, BoolArray]:
    """(state, falls due): each pair's state after each counted attempt, and where review falls due before the next.

    ``offsets`` (pairs + 1) bounds each pair's attempts. States are positions in :data:`cairn.mastery.policy.STATES`.
    """
    after, falls_due = _walk(
        offsets,
        correct,
        verdicts.is_over,
        verdicts.is_lost,
        verdicts.is_sparse,
        verdicts.is_held,
        verdicts.has_items,
        verdicts.has_days,
        verdicts.is_due_before_next,
    )
    return after, falls_due


def days_until_under(share_in: Callable[[FloatArray], FloatArray], rows: int, bar: float) -> FloatArray:
    """Days from now until each row's share is under ``bar`` for the first time, by bisection; infinite where never.

    ``share_in`` gives the rows' shares after so many days (rows). Forgetting is not always steady, so days are first
    tried one after the other, ever further apart, and the crossing is then halved down to a minute. 0 where the share
    is under the bar already.
    """
    low, high = np.zeros(rows), np.full(rows, np.inf)
    high[share_in(low) < bar] = 0.0
    day, last = 1.0, 0.0
    while last < HORIZON_DAYS and np.isinf(high).any():
        last = day = min(day, HORIZON_DAYS)
        is_open = np.isinf(high)
        is_under = share_in(np.full(rows, day)) < bar
        high[is_open & is_under] = day
        low[is_open & ~is_under] = day
        day *= 1.25
    is_found = np.isfinite(high) & (high > 0)
    low[~is_found] = 0.0
    while is_found.any() and float((high - low)[is_found].max()) > MINUTE_DAYS:
        middle = np.where(is_found, (low + high) / 2.0, 0.0)
        is_under = share_in(middle) < bar
        high = np.where(is_found & is_under, middle, high)
        low = np.where(is_found & ~is_under, middle, low)
    return high
