"""When review falls due: the instant at which the fading durable share is under what the policy in force asks."""

from __future__ import annotations

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray
from cairn.mastery.policy import DAY_US, NEVER
from cairn.mastery.share.doubt import FARTHEST_LOGIT, mean_chance
from cairn.mastery.share.formula import GAP_DAYS, fading_logit, steady_logit
from cairn.mastery.share.rules import Timelines, rule_at

Arrays = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]

# A review date is looked for within so many days of the last work, ever further apart, and told to the minute. It is
# never sooner than a day after that work: what was answered today is not reviewed today.
SOONEST_DAYS, HORIZON_DAYS = 1.0, 400.0
FURTHER_APART = 1.25
MINUTE_DAYS = 1.0 / 1440.0


@numba.njit(cache=True, nogil=True)
def _lowest_logits(reference: FloatArray, share: float) -> FloatArray:
    """The lowest logit of each competency at which the share is so much: to compare logits spares sixteen chances."""
    found = np.empty(reference.shape[0])
    for row in range(found.size):
        low, high = -FARTHEST_LOGIT - np.max(reference[row]), FARTHEST_LOGIT - np.min(reference[row])
        middle = (low + high) / 2.0
        while low < middle < high:
            if mean_chance(middle, reference[row], 1.0, 0.0) >= share:
                high = middle
            else:
                low = middle
            middle = (low + high) / 2.0
        found[row] = high
    return found


@numba.njit(cache=True, nogil=True)
def lowest_of_rules(reference: FloatArray, rules: FloatArray) -> FloatArray:
    """By rule and competency the lowest logit at which no review is due: the share is the rule's review share."""
    found = np.empty((rules.shape[0], reference.shape[0]))
    for place in range(rules.shape[0]):
        found[place] = _lowest_logits(reference, rule_at(rules, place).review_share)
    return found


@numba.njit(cache=True, nogil=True)
def _days_until_under(
    pair: FloatArray, pupil: FloatArray, row: int, model: Arrays, lowest: float, from_days: float, until_days: float
) -> float:
    """Days from the last work until the logit, asked a week ahead, is under ``lowest`` for the first time from
    ``from_days`` on.

    Infinite where that is beyond the horizon or not before ``until_days``. Forgetting is not always steady, so days are
    tried one after the other, ever further apart, and the crossing is then halved down to a minute.
    """
    if until_days < SOONEST_DAYS or from_days > HORIZON_DAYS:
        return np.inf
    weights, patterns, skills, _, _ = model
    steady, with_gap = steady_logit(pair, pupil, weights, patterns, skills[row])
    lowest -= steady
    low, high = 0.0, max(SOONEST_DAYS, from_days)
    while fading_logit(pair, pupil, GAP_DAYS + high, with_gap, weights, skills[row]) >= lowest:
        if high >= HORIZON_DAYS or high >= until_days:
            return np.inf
        low, high = high, min(high * FURTHER_APART, HORIZON_DAYS)
    while low > 0.0 and high - low > MINUTE_DAYS:
        middle = (low + high) / 2.0
        if fading_logit(pair, pupil, GAP_DAYS + middle, with_gap, weights, skills[row]) < lowest:
            high = middle
        else:
            low = middle
    return high


@numba.njit(cache=True, nogil=True)
def due_us(
    pair: FloatArray,
    pupil: FloatArray,
    row: int,
    model: Arrays,
    lowest: FloatArray,
    times: Timelines,
    timeline: int,
    last_us: int,
    until_us: int,
) -> int:
    """The instant at which review falls due, NEVER where not before ``until_us``; each policy is asked for its time."""
    last_part = times.offsets[timeline + 1] - 1
    for part in range(times.offsets[timeline], last_part + 1):
        begins_us = times.begins_us[part]
        ends_us = NEVER if part == last_part else times.begins_us[part + 1]
        if ends_us <= last_us:
            continue
        if begins_us > until_us:
            break
        until = min(ends_us, until_us)
        until_days = np.inf if until == NEVER else (until - last_us) / DAY_US
        from_days = (begins_us - last_us) / DAY_US if begins_us > last_us else 0.0
        asked = lowest[times.policy_of[part], row]
        days = _days_until_under(pair, pupil, row, model, asked, from_days, until_days)
        if days == np.inf:
            continue
        at_us = begins_us if days == from_days else last_us + int(days * DAY_US)
        if at_us < ends_us:
            return at_us
    return NEVER
