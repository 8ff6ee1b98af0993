"""From probability to state: the threshold policy, its transitions in order of work, and the expected share right."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from cairn.mastery.bkt import GUESS, SLIP, ByteArray, FloatArray, IntArray
from cairn.mastery.config import ThresholdPolicy

STATES = ("not_started", "not_enough_evidence", "developing", "mastered", "review_due")
NOT_STARTED, NOT_ENOUGH, DEVELOPING, MASTERED, REVIEW_DUE = range(5)
DAY_US = 86_400_000_000
# Wheel-spinning (Beck and Gong 2013): no three right in a row within ten opportunities.
IN_A_ROW = 3
WHEEL_SPINNING_OPPORTUNITIES = 10
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Transitions:
    """Changes of state, in order of pair and time. event: position of the newest counted attempt behind each."""

    pair: IntArray
    event: IntArray
    at_us: IntArray
    from_state: ByteArray
    to_state: ByteArray


@dataclass(frozen=True)
class Standing:
    """Where each pair stands at the as-of instant.

    since_us is 0 where nothing has counted yet; next_us is NEVER where no time alone will change the state;
    without_three counts opportunities since the start without three right in a row, 0 once reached.
    """

    state: ByteArray
    since_us: IntArray
    next_us: IntArray
    without_three: IntArray


@numba.njit(cache=True, nogil=True)
def _note(found: IntArray, count: int, pair: int, event: int, at_us: int, old: int, new: int) -> int:
    """Write one transition; returns how many there are now."""
    found[count, 0], found[count, 1], found[count, 2], found[count, 3], found[count, 4] = pair, event, at_us, old, new
    return count + 1


@numba.njit(cache=True, nogil=True)
def _walk(
    known: FloatArray,
    correct: ByteArray,
    time_us: IntArray,
    offsets: IntArray,
    gain: float,
    lose: float,
    minimum: int,
    review_us: int,
    as_of_us: int,
) -> tuple[IntArray, ByteArray, IntArray]:
    """Transitions (pair, event, at, from, to), final states, and (since, next, without three) a pair."""
    pairs = offsets.size - 1
    found = np.empty((2 * known.size + pairs, 5), dtype=np.int64)
    count = 0
    final = np.empty(pairs, dtype=np.int8)
    facts = np.empty((pairs, 3), dtype=np.int64)
    for pair in range(pairs):
        state, since, streak, has_three = 0, 0, 0, False
        begin, end = offsets[pair], offsets[pair + 1]
        for i in range(begin, end):
            if state == 3 and time_us[i] >= time_us[i - 1] + review_us:
                since = time_us[i - 1] + review_us
                count = _note(found, count, pair, i - 1, since, 3, 4)
                state = 4
            streak = streak + 1 if correct[i] else 0
            has_three = has_three or streak >= 3
            if i - begin + 1 < minimum:
                new = 1
            elif state >= 3:
                new = 3 if known[i] >= lose else 2
            else:
                new = 3 if known[i] >= gain else 2
            if new != state:
                since = time_us[i]
                count = _note(found, count, pair, i, since, state, new)
                state = new
        upcoming = np.iinfo(np.int64).max
        if state == 3:
            upcoming = time_us[end - 1] + review_us
            if upcoming < as_of_us:
                since = upcoming
                count = _note(found, count, pair, end - 1, since, 3, 4)
                state = 4
                upcoming = np.iinfo(np.int64).max
        final[pair] = state
        facts[pair, 0] = since
        facts[pair, 1] = upcoming
        facts[pair, 2] = 0 if has_three else end - begin
    return found[:count], final, facts


def walk(
    known: FloatArray, correct: ByteArray, time_us: IntArray, offsets: IntArray, policy: ThresholdPolicy, as_of_us: int
) -> tuple[Transitions, Standing]:
    """Apply the policy to counted attempts in order of work, pair after pair (``offsets`` bounds them).

    ``known`` is P(known) after each attempt. Rules: below the minimum of counted attempts "not enough evidence"; then
    mastered from ``gain`` on, and lost below ``lose``; mastered and not shown for ``review_after_days`` is review due,
    from which the next attempt leads back to mastered (not below ``lose``) or to developing. Time passes up to, not
    including, ``as_of_us``.
    """
    found, final, facts = _walk(
        known,
        correct,
        time_us,
        offsets,
        policy.gain,
        policy.lose,
        policy.minimum_counted_attempts,
        int(policy.review_after_days * DAY_US),
        as_of_us,
    )
    transitions = Transitions(
        found[:, 0], found[:, 1], found[:, 2], found[:, 3].astype(np.int8), found[:, 4].astype(np.int8)
    )
    return transitions, Standing(final, facts[:, 0], facts[:, 1], facts[:, 2])


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
