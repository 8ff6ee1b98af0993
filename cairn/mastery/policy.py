"""The states of a pupil on a competency, and where pairs stand: what a night needs to go on from the one before it.

:mod:`cairn.mastery.share.walk` applies the policy; what it says is in ``policy.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.hashing import HashArray
from cairn.mastery.share.state import PAIR, PUPIL

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

    counted: counted attempts behind each; evidence: sum of their hashes then.
    """

    pair: IntArray
    at_us: IntArray
    from_state: ByteArray
    to_state: ByteArray
    counted: IntArray
    evidence: HashArray


@dataclass(frozen=True)
class Standing:
    """Where each pair stands at an instant (pairs); what a night needs to go on from there.

    state: position in STATES. since_us is 0 where nothing has counted yet; next_us is NEVER where no time alone will
    change the state; in_a_row: right in a row up to the last, at most IN_A_ROW; without_three counts opportunities
    since three were last right in a row, or since the start; wrong: counted wrong answers since mastery was last
    reached; counted: counted attempts; last_us: the last of them, 0 where there is none; evidence: sum of the hashes of
    the counted attempts; items (pairs x as many as mastery asks for): the first different ones among them, NO_ITEM
    behind; days: local days with counted attempts; sums (pairs x PAIR.width), pupil (pairs x PUPIL.width): the states
    of the pair and of its pupil, as of its last counted attempt (:mod:`cairn.mastery.share.state`).
    """

    state: ByteArray
    since_us: IntArray
    next_us: IntArray
    in_a_row: IntArray
    without_three: IntArray
    wrong: IntArray
    counted: IntArray
    last_us: IntArray
    evidence: HashArray
    items: IntArray
    days: IntArray
    sums: FloatArray
    pupil: FloatArray


def nothing_yet(pairs: int, items: int) -> Standing:
    """Where pairs stand before any evidence, where mastery asks for so many different items."""
    zero = np.zeros(pairs, dtype=np.int64)
    return Standing(
        state=np.zeros(pairs, dtype=np.int8),
        since_us=zero,
        next_us=np.full(pairs, NEVER, dtype=np.int64),
        in_a_row=zero,
        without_three=zero,
        wrong=zero,
        counted=zero,
        last_us=zero,
        evidence=np.zeros(pairs, np.uint64),
        items=np.full((pairs, items), NO_ITEM, dtype=np.int64),
        days=zero,
        sums=PAIR.empty(pairs),
        pupil=PUPIL.empty(pairs),
    )


def is_wheel_spinning(without_three: int) -> bool:
    """Whether a pupil spins the wheels: ten opportunities or more since three were last right in a row, if ever."""
    return without_three >= WHEEL_SPINNING_OPPORTUNITIES
