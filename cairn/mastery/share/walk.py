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

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.hashing import HashArray
from cairn.mastery.policy import (
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
from cairn.mastery.share.doubt import mean_chance, spread_around
from cairn.mastery.share.formula import GAP_DAYS, logit_after, share_at_level
from cairn.mastery.share.review_date import Arrays, due_us, lowest_of_rules
from cairn.mastery.share.rules import Rule, Timelines, rule_at
from cairn.mastery.share.schedule import Schedule
from cairn.mastery.share.state import PAIR, append

_KEPT, _HALVES = PAIR.kept, PAIR.seconds
_US = 1e6


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
    lowest = lowest_of_rules(model[3], times.rules)
    count = 0
    for p in range(stood.shape[0]):
        now, row, timeline = stood[p], rows[p], times.of_pair[p]
        part, last_part = times.offsets[timeline], times.offsets[timeline + 1] - 1
        rule = rule_at(times.rules, times.policy_of[part])
        due, latest = now[_NEXT], -1
        for i in range(offsets[p], offsets[p + 1]):
            if now[_STATE] == MASTERED:
                if due == 0:  # not looked for yet
                    due = due_us(sums[p], pupil[p], row, model, lowest, times, timeline, now[_LAST], time_us[i])
                if time_us[i] >= due:
                    _note(found[count], p, due, MASTERED, REVIEW_DUE, now[_COUNTED])
                    hashes[count] = evidence[p]
                    count += 1
                    now[_STATE], now[_SINCE] = REVIEW_DUE, due
            while part < last_part and times.begins_us[part + 1] <= time_us[i]:
                part += 1
                rule = rule_at(times.rules, times.policy_of[part])
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
                due = due_us(sums[p], pupil[p], row, model, lowest, times, timeline, now[_LAST], NEVER)
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
