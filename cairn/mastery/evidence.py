"""What counts as evidence: the district's rule over arrays of attempts, in any order.

The rule (see ``schemas/district/evidence.yaml``): the first scored attempt at an item counts; a later one counts again
only when the spacing has passed since the pupil last worked on the item, however that attempt went (an attempt with
hints or a rapid guess shows the item as well). Attempts that name no item count once a local day: four of them within a
minute may be one question asked again. A rapid guess is never evidence. An attempt with hints is evidence of
not right alone, or only practice, as the rule says. An outcome is a share from 0 to 1: right, wrong, or a part of the
possible score. A total (the score of a quiz, a grade) counts where no single answer of the pupil on the competency was
sent that day: beside its questions it would count them twice. Equal work times are ordered by event_id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import EvidenceRule

BoolArray = npt.NDArray[np.bool_]

# Verdicts on an attempt: why it counts or does not.
COUNTED, PRACTICE, RAPID, AIDED, REPEATED, TOTAL = range(6)
REASONS = {
    PRACTICE: "practice: this kind of work is never evidence",
    RAPID: "a rapid guess",
    AIDED: "help was asked for",
    REPEATED: "the same item again too soon, or a second attempt of the day that names no item",
    TOTAL: "a total beside its single answers, which count by themselves",
}
# An item that is not named is one of its local day: below this, the further the later the day.
FIRST_UNNAMED = -2
# The item of a total beside its answers: nobody else's, so that it takes no answer's place.
NO_PLACE = -1
# A local day has 25 hours when clocks are put back, and never as many as this.
LONGEST_DAY_US = 26 * 3_600 * 1_000_000


@dataclass(frozen=True)
class Attempts:
    """Attempts with an outcome, as parallel arrays (n each), in any order.

    pair: code of pupil and competency. item: code or hash, unnamed_item() where none is named. time_us: work time,
    microseconds since 1970 UTC. day: local day since 1970. event_rank: order of the event_id. correct: the share right,
    0 to 1. has_hints, is_total (a score over several answers), is_practice (its kind never counts): flags. is_rapid:
    quicker than the item's limit.
    """

    pair: IntArray
    item: IntArray
    time_us: IntArray
    day: IntArray
    event_rank: IntArray
    correct: FloatArray
    has_hints: BoolArray
    is_total: BoolArray
    is_practice: BoolArray
    is_rapid: BoolArray


@dataclass(frozen=True)
class Judged:
    """The attempts in order of pair and work. order: positions in the input; the rest follow that order.

    verdict: COUNTED or a key of REASONS. correct: the share right, 0 with help where the rule calls that incorrect.
    """

    order: IntArray
    verdict: ByteArray
    correct: FloatArray


def outcomes(success: FloatArray, score_share: FloatArray) -> FloatArray:
    """The share right, 0 to 1: success (1, 0 or NaN), else the share of the possible score (or NaN); NaN for neither.

    A score under 0 (xAPI's scaled score goes down to -1) earned nothing, one above all that was possible earned it all.
    """
    # Adding 0 makes one zero of both.
    found: FloatArray = np.where(np.isnan(success), np.clip(score_share, 0.0, 1.0), success) + 0.0
    return found


def score_shares(scaled: FloatArray, raw: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The share of the possible score: the scaled score, else raw within low to high; NaN where neither says.

    A missing ``low`` is 0; a raw score without a possible score above ``low`` says nothing.
    """
    floor = np.where(np.isnan(low), 0.0, low)
    span = high - floor
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(span > 0, (raw - floor) / span, np.nan)
    share: FloatArray = np.where(np.isnan(scaled), part, scaled)
    return share


def unnamed_item(day: IntArray) -> IntArray:
    """The code of the item of attempts that name none: one a local day (days since 1970)."""
    return FIRST_UNNAMED - np.maximum(day, 0)


@numba.njit(cache=True, nogil=True)
def _follows(pair: IntArray, item: IntArray, time_us: IntArray, spacing_us: int) -> BoolArray:
    """Whether an attempt comes within the spacing after one at the same item; all in order of pair and work.

    For items that are not named the spacing is their whole day.
    """
    out = np.zeros(pair.size, dtype=np.bool_)
    for i in range(pair.size):
        within = spacing_us if item[i] >= 0 else LONGEST_DAY_US
        j = i - 1
        while j >= 0 and pair[j] == pair[i] and time_us[i] - time_us[j] < within:
            if item[j] == item[i]:
                out[i] = True
                break
            j -= 1
    return out


def work_order(pair: IntArray, time_us: IntArray, rank: IntArray | None = None) -> IntArray:
    """The places in order of pair, work time and rank. Evidence lies so: to see that is far cheaper than to sort it."""
    step, later = np.diff(pair), np.diff(time_us)
    is_next = later >= 0 if rank is None else (later > 0) | ((later == 0) & (np.diff(rank) >= 0))
    if bool(((step > 0) | ((step == 0) & is_next)).all()):
        return np.arange(pair.size, dtype=np.int64)
    return np.lexsort((time_us, pair) if rank is None else (rank, time_us, pair)).astype(np.int64)


def _shares_day(pair: IntArray, day: IntArray, is_one: BoolArray) -> BoolArray:
    """Whether any attempt of the same pair and day is one; all in order of pair and work."""
    is_next = (np.diff(pair, prepend=-1) != 0) | (np.diff(day, prepend=-1) != 0)
    stretch = np.cumsum(is_next) - 1
    has_one: BoolArray = np.bincount(stretch[is_one], minlength=int(stretch[-1]) + 1)[stretch] > 0
    return has_one


def judge(attempts: Attempts, rule: EvidenceRule) -> Judged:
    """Apply the rule. The result is the same for any order of the input."""
    order = work_order(attempts.pair, attempts.time_us, attempts.event_rank)
    spacing_us = int(rule.spacing_seconds * 1_000_000)
    is_practice, is_total = attempts.is_practice[order], attempts.is_total[order]
    is_beside = is_total.copy()
    if is_total.any():
        is_beside &= _shares_day(attempts.pair[order], attempts.day[order], ~is_total & ~is_practice)
    # A total beside its answers must not take their place: it is as if it had no item.
    item = np.where(is_beside, NO_PLACE, attempts.item[order])
    is_repeat = _follows(attempts.pair[order], item, attempts.time_us[order], spacing_us)
    has_hints = attempts.has_hints[order]
    verdict = np.full(order.size, COUNTED, dtype=np.int8)
    if not rule.are_hints_incorrect:
        verdict[has_hints] = AIDED
    verdict[is_repeat] = REPEATED
    verdict[is_practice] = PRACTICE
    verdict[attempts.is_rapid[order]] = RAPID
    verdict[is_beside] = TOTAL
    correct = attempts.correct[order]
    return Judged(order, verdict, np.where(has_hints, 0.0, correct) if rule.are_hints_incorrect else correct)
