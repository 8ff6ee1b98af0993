"""The policy on the durable share, walked over counted attempts in order of work: states and their transitions.

Mastered: the share, asked a week ahead, is at least ``bar``, P(share >= ``floor``) at least ``chance``, and the
evidence is enough. A pupil who is mastered stays so until ``wrong_to_lose`` counted answers since then were wrong and
P(share >= ``floor``) is under ``lost_chance``: one slip of somebody who knows says little. Review is due on the instant
at which the durable share, which fades, falls under ``review_share``, at the earliest a day after the last work; then
a right answer that lifts the share back over it ends the review, a wrong one that leaves it under ends mastery, and
anything else leaves the review due. Where the interval is wider than ``widest`` nothing is said yet, unless the pupil
is likelier not there: where P(share >= ``floor``) is under ``lost_chance``, "developing" is said however wide it is.

Each instant has the policy that is in force then for the pair (:class:`.schedule.Schedule`). When one begins that asks
for more nothing is taken back: a mastered pupil whose share is under the new review share falls due, once a day has
passed since the last work; everything else waits for the next counted answer, and what was said once is not unsaid for
want of evidence.

Nights and evaluations walk alike: this is the one place where the rule is written. What is asked of the formula is
asked only where the rule needs it: it is most of a night's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.hashing import HashArray
from cairn.mastery.policy import (
    DAY_US,
    DEVELOPING,
    IN_A_ROW,
    MASTERED,
    NEVER,
    NO_ITEM,
    NOT_ENOUGH,
    REVIEW_DUE,
    Standing,
    Transitions,
)
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.doubt import FARTHEST_LOGIT, mean_chance, normal_quantile, spread_around
from cairn.mastery.share.formula import GAP_DAYS, fading_logit, logit_after, share_at_level, steady_logit
from cairn.mastery.share.schedule import Schedule
from cairn.mastery.share.state import PAIR, append

Arrays = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]

# A review date is looked for within so many days of the last work, ever further apart, and told to the minute. It is
# never sooner than a day after that work: what was answered today is not reviewed today.
SOONEST_DAYS, HORIZON_DAYS = 1.0, 400.0
FURTHER_APART = 1.25
MINUTE_DAYS = 1.0 / 1440.0
_KEPT, _HALVES = PAIR.kept, PAIR.seconds
_US = 1e6


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


@dataclass(frozen=True)
class Answers:
    """Counted attempts in order of pair and work (n); ``offsets`` (pairs + 1) bounds each pair's.

    correct: the share right, 0 to 1; time_us: microseconds since 1970 UTC; day: local day; item: code; event: hash of
    the event and its outcome; residual: outcome less what was expected at the item; pupil (n x PUPIL.width): the
    pupil's state behind it.
    """

    offsets: IntArray
    correct: FloatArray
    time_us: IntArray
    day: IntArray
    item: IntArray
    event: HashArray
    residual: FloatArray
    pupil: FloatArray


@numba.njit(cache=True, nogil=True)
def _ask(pair: FloatArray, pupil: FloatArray, days: float, row: int, model: Arrays) -> tuple[float, float]:
    """(logit, share) asked so many days after the last work."""
    weights, patterns, skills, reference, _ = model
    logit = logit_after(pair, pupil, days, weights, patterns, skills[row])
    return logit, mean_chance(logit, reference[row], 1.0, 0.0)


@numba.njit(cache=True, nogil=True)
def _at_level(
    pair: FloatArray, logit: float, share: float, row: int, model: Arrays, normal: float, level: float
) -> float:
    """The share, asked a week ahead, that lies above the truth with chance ``level``."""
    _, _, _, reference, doubt = model
    around = spread_around(share, pair[0], GAP_DAYS, doubt)
    found: float = share_at_level(logit, reference[row], around, normal, level)
    return found


@numba.njit(cache=True, nogil=True)
def _rule(rules: FloatArray, place: int) -> Rule:
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
def _lowest_of_rules(reference: FloatArray, rules: FloatArray) -> FloatArray:
    """The same by rule and competency, at the share under which each rule's review falls due."""
    found = np.empty((rules.shape[0], reference.shape[0]))
    for place in range(rules.shape[0]):
        found[place] = _lowest_logits(reference, _rule(rules, place).review_share)
    return found


@numba.njit(cache=True, nogil=True)
def days_until_under(
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
def _due_us(
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
        days = days_until_under(pair, pupil, row, model, asked, from_days, until_days)
        if days == np.inf:
            continue
        due_us = begins_us if days == from_days else last_us + int(days * DAY_US)
        if due_us < ends_us:
            return due_us
    return NEVER


@numba.njit(cache=True, nogil=True)
def _state_after(
    state: int,
    is_right: bool,
    wrong: int,
    has_items: bool,
    has_days: bool,
    pair: FloatArray,
    pupil: FloatArray,
    row: int,
    model: Arrays,
    rule: Rule,
) -> int:
    """The state after a counted attempt; ``wrong``: wrong answers since the pair was mastered, this one too.

    A policy that asks for more evidence than the one before it asks that of who is to be called mastered from then on.
    """
    if not has_items and state <= NOT_ENOUGH:
        return NOT_ENOUGH
    if state == MASTERED and (is_right or wrong < rule.wrong_to_lose):
        return MASTERED
    logit, share = _ask(pair, pupil, GAP_DAYS, row, model)
    if state == MASTERED:
        is_lost = _at_level(pair, logit, share, row, model, rule.lost_normal, rule.lost_level) < rule.floor
        return DEVELOPING if is_lost else MASTERED
    if state == REVIEW_DUE:
        is_held = share >= rule.review_share
        if is_held and is_right and has_items and has_days:
            return MASTERED
        return REVIEW_DUE if is_held or is_right else DEVELOPING
    is_over = share >= rule.bar
    is_over = is_over and (_at_level(pair, logit, share, row, model, rule.over_normal, rule.over_level) >= rule.floor)
    if is_over and has_items and has_days:
        return MASTERED
    if state == DEVELOPING or is_over:
        # What is right in one sitting is not mastered yet, and who was developing still is.
        return DEVELOPING if state == DEVELOPING else NOT_ENOUGH
    if _at_level(pair, logit, share, row, model, rule.lost_normal, rule.lost_level) < rule.floor:
        return DEVELOPING
    low = _at_level(pair, logit, share, row, model, rule.tail_normal, rule.tail)
    high = _at_level(pair, logit, share, row, model, -rule.tail_normal, 1.0 - rule.tail)
    return NOT_ENOUGH if high - low > rule.widest else DEVELOPING


@numba.njit(cache=True, nogil=True)
def _seen(items: IntArray, item: int) -> int:
    """How many different items a pair has with this one, which is noted where it is new and there is room."""
    for place in range(items.size):
        if items[place] == item:
            break
        if items[place] == NO_ITEM:
            items[place] = item
            break
    for place in range(items.size):
        if items[place] == NO_ITEM:
            return place
    return items.size


@numba.njit(cache=True, nogil=True)
def _note(transition: IntArray, pair: int, at_us: int, old: int, new: int, counted: int) -> None:
    """Write one transition down."""
    transition[0], transition[1], transition[2], transition[3], transition[4] = pair, at_us, old, new, counted


# Columns of the whole numbers that a pair stands at, in the walk.
_STATE, _SINCE, _STREAK, _WITHOUT, _WRONG, _COUNTED, _LAST, _DAYS, _NEXT = range(9)
# The same as Standing names them.
_STOOD = ("state", "since_us", "in_a_row", "without_three", "wrong", "counted", "last_us", "days", "next_us")


@numba.njit(cache=True, nogil=True)
def _walk(
    offsets: IntArray,
    correct: FloatArray,
    time_us: IntArray,
    day: IntArray,
    item: IntArray,
    event: HashArray,
    residual: FloatArray,
    pupils: FloatArray,
    rows: IntArray,
    stood: IntArray,
    items: IntArray,
    sums: FloatArray,
    pupil: FloatArray,
    evidence: HashArray,
    model: Arrays,
    times: Timelines,
    right_from: float,
    kept: FloatArray,
    halves: FloatArray,
    as_of_us: int,
) -> tuple[IntArray, HashArray]:
    """Transitions (pair, at, from, to, counted) and their evidence; what stood is brought up to now."""
    found = np.empty((2 * correct.size + stood.shape[0], 5), dtype=np.int64)
    hashes = np.empty(found.shape[0], dtype=np.uint64)
    lowest = _lowest_of_rules(model[3], times.rules)
    count = 0
    for p in range(stood.shape[0]):
        now, row, timeline = stood[p], rows[p], times.of_pair[p]
        part, last_part = times.offsets[timeline], times.offsets[timeline + 1] - 1
        rule = _rule(times.rules, times.policy_of[part])
        due, latest = now[_NEXT], -1
        for i in range(offsets[p], offsets[p + 1]):
            if now[_STATE] == MASTERED:
                if due == 0:  # not looked for yet
                    due = _due_us(sums[p], pupil[p], row, model, lowest, times, timeline, now[_LAST], time_us[i])
                if time_us[i] >= due:
                    _note(found[count], p, due, MASTERED, REVIEW_DUE, now[_COUNTED])
                    hashes[count] = evidence[p]
                    count += 1
                    now[_STATE], now[_SINCE] = REVIEW_DUE, due
            while part < last_part and times.begins_us[part + 1] <= time_us[i]:
                part += 1
                rule = _rule(times.rules, times.policy_of[part])
            is_right = correct[i] >= right_from
            append(sums[p], time_us[i] / _US, correct[i], is_right, residual[i], kept, halves)
            pupil[p] = pupils[i]
            now[_STREAK] = min(now[_STREAK] + 1, IN_A_ROW) if is_right else 0
            now[_WITHOUT] = 0 if now[_STREAK] >= IN_A_ROW else now[_WITHOUT] + 1
            now[_WRONG] += 0 if is_right else 1
            now[_COUNTED] += 1
            now[_LAST] = time_us[i]
            evidence[p] += event[i]
            if day[i] != latest:  # a night goes on from an earlier day
                now[_DAYS], latest = now[_DAYS] + 1, day[i]
            has_items = _seen(items[p], item[i]) >= rule.items and now[_COUNTED] >= rule.attempts
            has_days = now[_DAYS] >= rule.days
            state = now[_STATE]
            new = _state_after(state, is_right, now[_WRONG], has_items, has_days, sums[p], pupil[p], row, model, rule)
            if new == MASTERED:
                due = 0
                if state != MASTERED:
                    now[_WRONG] = 0
            if new != state:
                _note(found[count], p, time_us[i], state, new, now[_COUNTED])
                hashes[count] = evidence[p]
                count += 1
                now[_STATE], now[_SINCE] = new, time_us[i]
        now[_NEXT] = NEVER
        if now[_STATE] == MASTERED:
            if due == 0:
                due = _due_us(sums[p], pupil[p], row, model, lowest, times, timeline, now[_LAST], NEVER)
            if due < as_of_us:
                _note(found[count], p, due, MASTERED, REVIEW_DUE, now[_COUNTED])
                hashes[count] = evidence[p]
                count += 1
                now[_STATE], now[_SINCE] = REVIEW_DUE, due
            else:
                now[_NEXT] = due
    return found[:count], hashes[:count]


def walk(
    answers: Answers,
    rows: IntArray,
    standing: Standing,
    model: Arrays,
    schedule: Schedule,
    right_from: float,
    as_of_us: int,
) -> tuple[Transitions, Standing]:
    """Apply the policies to counted attempts, pair after pair, from where the pairs stood on an earlier day.

    ``rows`` names each pair's competency in the model's arrays (``ShareModel.arrays``), ``schedule`` has the pairs'
    policies. Below the minimum of counted attempts and of different items a pair is at "not enough evidence". Answers
    of ``right_from`` or more read as right. Time passes up to, not including, ``as_of_us``.
    """
    stood = np.stack([getattr(standing, name).astype(np.int64) for name in _STOOD], axis=1)
    items, sums, pupil = standing.items.copy(), standing.sums.copy(), standing.pupil.copy()
    evidence = standing.evidence.copy()
    found, hashes = _walk(
        answers.offsets,
        answers.correct,
        answers.time_us,
        answers.day,
        answers.item,
        answers.event,
        answers.residual,
        answers.pupil,
        rows,
        stood,
        items,
        sums,
        pupil,
        evidence,
        model,
        Timelines.of(schedule),
        right_from,
        _KEPT,
        _HALVES,
        as_of_us,
    )
    transitions = Transitions(
        found[:, 0], found[:, 1], found[:, 2].astype(np.int8), found[:, 3].astype(np.int8), found[:, 4], hashes
    )
    state, since, in_a_row, without, wrong, counted, last, days, upcoming = (
        np.ascontiguousarray(part) for part in stood.T
    )
    now = Standing(
        state=state.astype(np.int8),
        since_us=since,
        next_us=upcoming,
        in_a_row=in_a_row,
        without_three=without,
        wrong=wrong,
        counted=counted,
        last_us=last,
        evidence=evidence,
        items=items,
        days=days,
        sums=sums,
        pupil=pupil,
    )
    return transitions, now
