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
# Wheel-spinning (Beck and Gong 2013): no three right in a row within ten opportunities.
IN_A_ROW = 3
WHEEL_SPINNING_OPPORTUNITIES = 10
NEVER = np.iinfo(np.int64).max


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
    since the start without three right in a row, 0 once reached; counted: counted attempts; last_us: the last of them,
    0 where there is none; evidence: sum of the hashes of the counted attempts.
    """

    state: ByteArray
    since_us: IntArray
    next_us: IntArray
    in_a_row: IntArray
    without_three: IntArray
    counted: IntArray
    last_us: IntArray
    evidence: HashArray


def nothing_yet(pairs: int) -> Standing:
    """Where pairs stand before any evidence."""
    zero = np.zeros(pairs, dtype=np.int64)
    never = np.full(pairs, NEVER, dtype=np.int64)
    return Standing(np.zeros(pairs, dtype=np.int8), zero, never, zero, zero, zero, zero, np.zeros(pairs, np.uint64))


@numba.njit(cache=True, nogil=True)
def _note(found: IntArray, count: int, pair: int, at_us: int, old: int, new: int, counted: int) -> int:
    """Write one transition; returns how many there are now."""
    found[count, 0], found[count, 1], found[count, 2], found[count, 3], found[count, 4] = pair, at_us, old, new, counted
    return count + 1


@numba.njit(cache=True, nogil=True)
def _walk(
    known: FloatArray,
    correct: ByteArray,
    time_us: IntArray,
    event: HashArray,
    offsets: IntArray,
    start: FloatArray,
    standing: IntArray,
    evidence: HashArray,
    gain: float,
    lose: float,
    minimum: int,
    review_us: int,
    as_of_us: int,
) -> tuple[IntArray, FloatArray, HashArray, IntArray, IntArray, HashArray]:
    """Transitions (pair, at, from, to, counted), their known and evidence; standing, next instant, evidence a pair.

    ``standing`` has a row a pair: state, since, in a row, without three, counted, last.
    """
    pairs = offsets.size - 1
    found = np.empty((2 * known.size + pairs, 5), dtype=np.int64)
    found_known = np.empty(2 * known.size + pairs)
    found_evidence = np.empty(2 * known.size + pairs, dtype=np.uint64)
    count = 0
    final = standing.copy()
    upcoming = np.full(pairs, np.iinfo(np.int64).max, dtype=np.int64)
    sums = evidence.copy()
    for pair in range(pairs):
        state, since, streak = standing[pair, 0], standing[pair, 1], standing[pair, 2]
        number, last = standing[pair, 4], standing[pair, 5]
        has_three = number > 0 and standing[pair, 3] == 0
        p, total = start[pair], evidence[pair]
        for i in range(offsets[pair], offsets[pair + 1]):
            if state == 3 and time_us[i] >= last + review_us:
                since = last + review_us
                found_known[count], found_evidence[count] = p, total
                count = _note(found, count, pair, since, 3, 4, number)
                state = 4
            streak = streak + 1 if correct[i] else 0
            has_three = has_three or streak >= 3
            number += 1
            p, last = known[i], time_us[i]
            total += event[i]
            if number < minimum:
                new = 1
            elif state == 4 and not correct[i]:
                new = 2  # A review that goes wrong is what reviews are for, however sure the model was.
            elif state >= 3:
                new = 3 if p >= lose else 2
            else:
                new = 3 if p >= gain else 2
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
        final[pair, 3], final[pair, 4], final[pair, 5] = 0 if has_three else number, number, last
        sums[pair] = total
    return found[:count], found_known[:count], found_evidence[:count], final, upcoming, sums


def walk(
    known: FloatArray,
    correct: ByteArray,
    time_us: IntArray,
    event: HashArray,
    offsets: IntArray,
    start: FloatArray,
    standing: Standing,
    policy: ThresholdPolicy,
    as_of_us: int,
) -> tuple[Transitions, Standing]:
    """Apply the policy to counted attempts in order of work, pair after pair (``offsets`` bounds them).

    ``known`` is the model's state after each attempt, ``start`` (pairs) before the first; ``event`` the hash of each
    attempt and its outcome; ``standing`` where each pair stood. Rules: below the minimum of counted attempts "not
    enough evidence"; then mastered from ``gain`` on, and lost below ``lose``; mastered and not shown for
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
        ],
        axis=1,
    )
    found, found_known, found_evidence, final, upcoming, sums = _walk(
        known,
        correct,
        time_us,
        event,
        offsets,
        start,
        np.ascontiguousarray(before),
        standing.evidence,
        policy.gain,
        policy.lose,
        policy.minimum_counted_attempts,
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
    state, since, in_a_row, without_three, counted, last = (np.ascontiguousarray(final[:, i]) for i in range(6))
    return transitions, Standing(state.astype(np.int8), since, upcoming, in_a_row, without_three, counted, last, sums)


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
    """Whether a pupil spins the wheels: ten opportunities or more and never three right in a row."""
    return without_three >= WHEEL_SPINNING_OPPORTUNITIES
