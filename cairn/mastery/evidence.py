"""What counts as evidence: the district's rule over arrays of attempts, in any order.

The rule (see ``schemas/district/evidence.yaml``): the first scored attempt at an item counts; a later one counts again
only when the spacing has passed since the pupil last worked on the item, however that attempt went (an attempt with
hints or a rapid guess shows the item as well). A rapid guess is never evidence. An attempt with hints is evidence of
not right alone, or only practice, as the rule says. Equal work times are ordered by event_id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import EvidenceRule

BoolArray = npt.NDArray[np.bool_]

# Verdicts on an attempt.
COUNTED, PRACTICE, RAPID, AIDED = range(4)
NO_ITEM = -1


@dataclass(frozen=True)
class Attempts:
    """Attempts with an outcome, as parallel arrays (n each), in any order.

    pair: code of pupil and competency. item: code, NO_ITEM where none is named. time_us: work time, microseconds since
    1970 UTC. event_rank: order of the event_id. is_correct, has_hints, is_practice (its kind never counts): flags.
    is_rapid: quicker than the item's threshold.
    """

    pair: IntArray
    item: IntArray
    time_us: IntArray
    event_rank: IntArray
    is_correct: BoolArray
    has_hints: BoolArray
    is_practice: BoolArray
    is_rapid: BoolArray


@dataclass(frozen=True)
class Judged:
    """The attempts in order of pair and work. order: positions in the input; the rest follow that order.

    verdict: COUNTED, PRACTICE, RAPID or AIDED. is_right: right, unaided where the rule asks for it.
    """

    order: IntArray
    verdict: ByteArray
    is_right: BoolArray


def outcomes(
    success: FloatArray, scaled: FloatArray, raw: FloatArray, low: FloatArray, high: FloatArray, share: float
) -> ByteArray:
    """1 right, 0 wrong, -1 no outcome, from success (1, 0 or NaN), else scaled score, else raw within low to high.

    A missing ``low`` is 0; a raw score without a possible score above ``low`` says nothing.
    """
    floor = np.where(np.isnan(low), 0.0, low)
    span = high - floor
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(span > 0, (raw - floor) / span, np.nan)
    value = np.where(np.isnan(scaled), part, scaled)
    reached = np.where(np.isnan(value), -1.0, value >= share - 1e-12)
    return np.where(np.isnan(success), reached, success).astype(np.int8)


def judge(attempts: Attempts, rule: EvidenceRule) -> Judged:
    """Apply the rule. The result is the same for any order of the input."""
    size = attempts.pair.size
    # An attempt without an item is a place of its own: it never follows another.
    item = np.where(attempts.item == NO_ITEM, -1 - np.arange(size), attempts.item)
    by_item = np.lexsort((attempts.event_rank, attempts.time_us, item, attempts.pair))
    pairs, items, times = attempts.pair[by_item], item[by_item], attempts.time_us[by_item]
    follows = np.zeros(size, dtype=bool)
    if size:
        spacing_us = int(rule.spacing_seconds * 1_000_000)
        is_same = (pairs[1:] == pairs[:-1]) & (items[1:] == items[:-1])
        follows[1:] = is_same & (times[1:] - times[:-1] < spacing_us)
    is_repeat = np.empty(size, dtype=bool)
    is_repeat[by_item] = follows
    verdict = np.full(size, COUNTED, dtype=np.int8)
    if not rule.are_hints_incorrect:
        verdict[attempts.has_hints] = AIDED
    verdict[is_repeat | attempts.is_practice] = PRACTICE
    verdict[attempts.is_rapid] = RAPID
    is_right = attempts.is_correct & ~attempts.has_hints if rule.are_hints_incorrect else attempts.is_correct
    order = np.lexsort((attempts.event_rank, attempts.time_us, attempts.pair)).astype(np.int64)
    return Judged(order, verdict[order], is_right[order])
