"""From probability to state: the threshold policy, its transitions in order of work, and the expected share right."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from cairn.mastery.bkt import GUESS, SLIP, ByteArray, FloatArray, IntArray
from cairn.mastery.config import ThresholdPolicy
from cairn.mastery.hashing import HashArray

STATES = ("not_started", "not_enough_evidence", "developing", "mastered", "review_due")
NOT_STARTED, NOT_ENOUGH, DEVELOPING, MASTERED, REVIEW_DUE = range(5)
DAY_US = 86_400_000_000
# Wheel-spinning (Beck and Gong 2013): no three right in a row within ten opportunities; also after an early streak.
IN_A_ROW = 3
WHEEL_SPINNING_OPPORTUNITIES = 10
# From this expected share on nobody is stuck, whatever went wrong before. In the demo's district, by its true shares,
# 86 % of those under .5 are truly under .75, of those between .5 and .7 only 38 %.
STUCK_BELOW_SHARE = 0.5
NEVER = np.iinfo(np.int64).max
# No item's code: hashes are not negative, and unnamed items are codes of days.
NO_ITEM = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Transitions:
    """Changes of state, in order of pair and time (n).

    counted: counted attempts behind each; known: the model's state then; evidence: sum of their hashes then.
    """

    pair: IntArray
    at_us: IntArray
    from_state: ByteArray
    to_state: ByteArray
    counted: IntArray
    known: FloatArray
    evidence: HashArray


@dataclass(frozen=True)
class Standing:
    """Where each pair stands at an instant (pairs); what a night needs to go on from there.

    state: position in STATES. since_us is 0 where nothing has counted yet; next_us is NEVER where no time alone will
    change the state; in_a_row: right in a row up to the last, at most IN_A_ROW; without_three counts opportunities
    since three were last right in a row, or since the start; counted: counted attempts; last_us: the last of them,
    0 where there is none; evidence: sum of the hashes of the counted attempts; items (pairs x as many as mastery asks
    for): the first different ones among them, NO_ITEM behind; days: local days with counted attempts.
    """

    state: ByteArray
    since_us: IntArray
    next_us: IntArray
    in_a_row: IntArray
    without_three: IntArray
    counted: IntArray
    last_us: IntArray
    evidence: HashArray
    items: IntArray
    days: IntArray


def nothing_yet(pairs: int, items: int) -> Standing:
    """Where pairs stand before any evidence, where mastery asks for so many different items."""
    zero = np.zeros(pairs, dtype=np.int64)
    never, none = np.full(pairs, NEVER, dtype=np.int64), np.full((pairs, items), NO_ITEM, dtype=np.int64)
    no_hash = np.zeros(pairs, np.uint64)
    return Standing(np.zeros(pairs, dtype=np.int8), zero, never, zero, zero, zero, zero, no_hash, none, zero)


@numba.njit(cache=True, nogil=True)
def _note(found: IntArray, count: int, pair: int, at_us: int, old: int, new: int, counted: int) -> int:
    """Write one transition; returns how many there are now."""
    found[count, 0], found[count, 1], found[count, 2], found[count, 3], found[count, 4] = pair, at_us, old, new, counted
    return count + 1


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
def _state_after(
    state: int, is_right: bool, known: float, has_items: bool, has_days: bool, gain: float, lose: float
) -> int:
    """The state after a counted attempt; ``has_items``: counted attempts and items are enough, ``has_days``: days."""
    if not has_items:
        return 1
    if state == 4 and not is_right:
        return 2  # A review that goes wrong is what reviews are for, however sure the model was.
    if known < (lose if state >= 3 else gain):
        return 2
    if has_days or state >= 3:
        return 3
    return max(state, 1)  # What is right in one sitting is not mastered yet, and who was developing still is.


@numba.njit(cache=True, nogil=True)
def _walk(
    known: FloatArray,
    correct: ByteArray,
    time_us: IntArray,
    day: IntArray,
    item: IntArray,
    event: HashArray,
    offsets: IntArray,
    start: FloatArray,
    standing: IntArray,
    items: IntArray,
    evidence: HashArray,
    gain: float,
    lose: float,
    minimum: tuple[int, int],
    review_us: int,
    as_of_us: int,
) -> tuple[IntArray, FloatArray, HashArray, IntArray, IntArray, IntArray, HashArray]:
    """Transitions (pair, at, from, to, counted), their known and evidence; standing, items, next instant, evidence.

    ``standing`` has a row a pair: state, since, in a row, without three, counted, last, days. ``minimum``: counted
    attempts and days; that of items is the width of ``items``.
    """
    least, least_days = minimum
    pairs = offsets.size - 1
    found = np.empty((2 * known.size + pairs, 5), dtype=np.int64)
    found_known = np.empty(2 * known.size + pairs)
    found_evidence = np.empty(2 * known.size + pairs, dtype=np.uint64)
    count = 0
    final, kept = standing.copy(), items.copy()
    upcoming = np.full(pairs, np.iinfo(np.int64).max, dtype=np.int64)
    sums = evidence.copy()
    for pair in range(pairs):
        state, since, streak = standing[pair, 0], standing[pair, 1], standing[pair, 2]
        number, last, days, latest = standing[pair, 4], standing[pair, 5], standing[pair, 6], -1
        without_three = standing[pair, 3]
        p, total = start[pair], evidence[pair]
        for i in range(offsets[pair], offsets[pair + 1]):
            if state == 3 and time_us[i] >= last + review_us:
                since = last + review_us
                found_known[count], found_evidence[count] = p, total
                count = _note(found, count, pair, since, 3, 4, number)
                state = 4
            streak = streak + 1 if correct[i] else 0
            without_three = 0 if streak >= 3 else without_three + 1
            number += 1
            p, last = known[i], time_us[i]
            total += event[i]
            if day[i] != latest:  # a night goes on from an earlier day
                days, latest = days + 1, day[i]
            has_items = _seen(kept[pair], item[i]) == kept.shape[1] and number >= least
            new = _state_after(state, correct[i] != 0, p, has_items, days >= least_days, gain, lose)
            if new != state:
                since = last
                found_known[count], found_evidence[count] = p, total
                count = _note(found, count, pair, since, state, new, number)
                state = new
        if state == 3:
            due = last + review_us
            if due < as_of_us:
                since = due
                found_known[count], found_evidence[count] = p, total
                count = _note(found, count, pair, since, 3, 4, number)
                state = 4
            else:
                upcoming[pair] = due
        final[pair, 0], final[pair, 1], final[pair, 2] = state, since, min(streak, 3)
        final[pair, 3], final[pair, 4], final[pair, 5] = without_three, number, last
        final[pair, 6] = days
        sums[pair] = total
    return found[:count], found_known[:count], found_evidence[:count], final, kept, upcoming, sums


def walk(
    known: FloatArray,
    correct: ByteArray,
    time_us: IntArray,
    day: IntArray,
    item: IntArray,
    event: HashArray,
    offsets: IntArray,
    start: FloatArray,
    standing: Standing,
    policy: ThresholdPolicy,
    as_of_us: int,
) -> tuple[Transitions, Standing]:
    """Apply the policy to counted attempts in order of work, pair after pair (``offsets`` bounds them).

    ``known`` is the model's state after each attempt, ``start`` (pairs) before the first; ``day`` is the local day of
    each attempt, ``item`` the code of its item, ``event`` the hash of it and its outcome; ``standing`` where each pair
    stood, on an earlier day. Rules: below the minimum of counted attempts and of different items "not enough evidence";
    then mastered from ``gain`` on, where the minimum of days is reached too, and lost below ``lose``; who would be
    mastered but for the days stays at "not enough evidence" or developing; mastered and not shown for
    ``review_after_days`` is review due, from which the next attempt leads back to mastered (not below ``lose``) or to
    developing. Time passes up to, not including, ``as_of_us``.
    """
    before = np.stack(
        [
            standing.state.astype(np.int64),
            standing.since_us,
            standing.in_a_row,
            standing.without_three,
            standing.counted,
            standing.last_us,
            standing.days,
        ],
        axis=1,
    )
    found, found_known, found_evidence, final, items, upcoming, sums = _walk(
        known,
        correct,
        time_us,
        day,
        item,
        event,
        offsets,
        start,
        np.ascontiguousarray(before),
        standing.items,
        standing.evidence,
        policy.gain,
        policy.lose,
        (policy.minimum.attempts, policy.minimum.days),
        int(policy.review_after_days * DAY_US),
        as_of_us,
    )
    transitions = Transitions(
        found[:, 0],
        found[:, 1],
        found[:, 2].astype(np.int8),
        found[:, 3].astype(np.int8),
        found[:, 4],
        found_known,
        found_evidence,
    )
    state, since, in_a_row, without_three, counted, last, days = (np.ascontiguousarray(part) for part in final.T)
    now = Standing(state.astype(np.int8), since, upcoming, in_a_row, without_three, counted, last, sums, items, days)
    return transitions, now


def expected_share(
    known: FloatArray, counted: IntArray, parameters: FloatArray, policy: ThresholdPolicy
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected share right on the competency's reference items, now, with an interval: (share, low, high).

    share = p(1-slip) + (1-p)guess. The interval is that of a Beta distribution with this mean and a weight of
    ``prior_weight`` plus the recency-weighted number of counted attempts, so it narrows with evidence and never below
    what the newest attempts can tell. It is a construction, not a posterior of the model: a yes-or-no hidden state has
    no interval worth the name. Its coverage has to be checked against delayed retests and outside assessments.
    ``parameters`` has one row a pair.
    """
    from scipy.special import betaincinv

    share = known * (1.0 - parameters[:, SLIP]) + (1.0 - known) * parameters[:, GUESS]
    weight = policy.recency_weight
    evidence = (1.0 - weight**counted) / (1.0 - weight)
    total = policy.prior_weight + evidence
    mean = np.clip(share, 1e-6, 1.0 - 1e-6)
    tail = (1.0 - policy.interval_level) / 2.0
    low = betaincinv(mean * total, (1.0 - mean) * total, tail)
    high = betaincinv(mean * total, (1.0 - mean) * total, 1.0 - tail)
    return share, np.minimum(low, share), np.maximum(high, share)


def is_wheel_spinning(without_three: int) -> bool:
    """Whether a pupil spins the wheels: ten opportunities or more since three were last right in a row, if ever."""
    return without_three >= WHEEL_SPINNING_OPPORTUNITIES
