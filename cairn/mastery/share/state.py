"""What is kept of a pupil's work, on one competency or on all of it: counts, last outcomes, and sums that fade.

A state is one row of numbers. Every part is a semigroup: the states of two stretches of work that follow each other
merge into the state of both (:func:`merge`), in any grouping. So a night goes on from yesterday's row, a late event
redoes one stretch, and nights, a rebuild and the live table hold the same numbers.

A sum that fades over opportunities keeps the share ``d = 2 ** (-1 / half_life)`` with each later one:
``S = S1 * d ** n2 + S2``. One that fades over days keeps ``2 ** (-days / half_life)``: ``S = S1 * fade(t2 - t1) + S2``.
An outcome is a share from 0 to 1; the last five are kept as right or wrong, by one stated reading (``right_from``).
A residual is the outcome minus what was expected at the item's frozen difficulty, so that easy items flatter nobody.
Fading sums of the plain outcomes are not kept: beside those of residuals neither head reads them (decision 14).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.groups import sorted_offsets

# Columns of every state. WINS: the sum of the outcomes. LAST_FIVE: these read as right or wrong, as bits behind a
# leading one, newest last (1 is none, 32 to 63 five).
COUNT, WINS, LAST_FIVE, LAST_AT = range(4)
FIXED = 4
NO_OUTCOMES = 1
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Fading:
    """Half-lives of a state's sums, over opportunities and over days.

    Behind the fixed columns lies, for each half-life over opportunities, the sum of residuals; then, for each over
    days, the sums of ones and of residuals, as they stood at LAST_AT.
    """

    opportunities: tuple[float, ...]
    days: tuple[float, ...]

    @property
    def width(self) -> int:
        """Columns of a state."""
        return FIXED + len(self.opportunities) + 2 * len(self.days)

    @property
    def first_day(self) -> int:
        """The column where the sums over days begin."""
        return FIXED + len(self.opportunities)

    @property
    def kept(self) -> FloatArray:
        """The share that each sum over opportunities keeps with a later one."""
        kept: FloatArray = 2.0 ** (-1.0 / np.array(self.opportunities, dtype=np.float64))
        return kept

    @property
    def seconds(self) -> FloatArray:
        """The half-lives over days, in seconds."""
        return np.array(self.days, dtype=np.float64) * DAY_SECONDS

    def empty(self, size: int) -> FloatArray:
        """States before any work (size x width)."""
        states = np.zeros((size, self.width))
        states[:, LAST_FIVE], states[:, LAST_AT] = NO_OUTCOMES, np.nan
        return states


# Of a pupil on one competency, and of a pupil on all of them.
PAIR = Fading(opportunities=(3.0, 10.0, 30.0), days=(1.0, 3.0, 14.0, 60.0))
PUPIL = Fading(opportunities=(5.0, 20.0, 100.0), days=(1.0, 14.0, 60.0))


@numba.njit(cache=True, nogil=True)
def append(
    state: FloatArray,
    at: float,
    outcome: float,
    is_right: bool,
    residual: float,
    kept: FloatArray,
    halves: FloatArray,
) -> None:
    """Put one response behind a state, in place."""
    passed = at - state[3]
    state[0] += 1.0
    state[1] += outcome
    five = int(state[2]) * 2 + int(is_right)
    state[2] = 32 + (five & 31) if five >= 64 else five
    state[3] = at
    column = 4
    for keep in kept:
        state[column] = state[column] * keep + residual
        column += 1
    for half in halves:
        fade = 2.0 ** (-passed / half) if passed == passed else 0.0
        state[column] = state[column] * fade + 1.0
        state[column + 1] = state[column + 1] * fade + residual
        column += 2


@numba.njit(cache=True, nogil=True)
def _fold(
    start: FloatArray,
    offsets: IntArray,
    at: FloatArray,
    outcome: FloatArray,
    residual: FloatArray,
    right_from: float,
    kept: FloatArray,
    halves: FloatArray,
    before: FloatArray,
) -> FloatArray:
    after = start.copy()
    for owner in range(offsets.size - 1):
        for i in range(offsets[owner], offsets[owner + 1]):
            if before.shape[0]:
                before[i] = after[owner]
            append(after[owner], at[i], outcome[i], outcome[i] >= right_from, residual[i], kept, halves)
    return after


def fold(
    start: FloatArray,
    offsets: IntArray,
    at_seconds: FloatArray,
    outcome: FloatArray,
    residual: FloatArray,
    fading: Fading,
    right_from: float,
) -> FloatArray:
    """The states (owners x width) after each owner's responses, from where they stood at ``start``.

    ``offsets`` (owners + 1) bounds each owner's responses, which lie in order of work: at_seconds since 1970 UTC,
    outcome from 0 to 1, residual the outcome minus what was expected. An outcome of ``right_from`` or more reads as
    right in the pattern of the last five.
    """
    nothing = np.empty((0, fading.width))
    halves = fading.seconds
    after: FloatArray = _fold(start, offsets, at_seconds, outcome, residual, right_from, fading.kept, halves, nothing)
    return after


def fold_each(
    start: FloatArray,
    offsets: IntArray,
    at_seconds: FloatArray,
    outcome: FloatArray,
    residual: FloatArray,
    fading: Fading,
    right_from: float,
) -> FloatArray:
    """As :func:`fold`, but the state before each response (responses x width), as its owner's last work left it."""
    before = np.empty((at_seconds.size, fading.width))
    _fold(start, offsets, at_seconds, outcome, residual, right_from, fading.kept, fading.seconds, before)
    return before


def states_before(
    owner: IntArray,
    at_seconds: FloatArray,
    outcome: FloatArray,
    residual: FloatArray,
    fading: Fading,
    right_from: float,
) -> FloatArray:
    """The state before each response, as :func:`fold_each` from nothing; responses in order of work, owners mixed."""
    order, offsets = sorted_offsets(owner)
    found = np.empty((owner.size, fading.width))
    start = fading.empty(offsets.size - 1)
    found[order] = fold_each(start, offsets, at_seconds[order], outcome[order], residual[order], fading, right_from)
    return found


def appended(
    states: FloatArray,
    at_seconds: FloatArray,
    outcome: FloatArray,
    residual: FloatArray,
    fading: Fading,
    right_from: float,
) -> FloatArray:
    """Each state with one response behind it."""
    one_each = np.arange(states.shape[0] + 1, dtype=np.int64)
    return fold(states, one_each, at_seconds, outcome, residual, fading, right_from)


def aged(states: FloatArray, at_seconds: FloatArray, fading: Fading) -> FloatArray:
    """The states as they stand at an instant each, no earlier than their last work: sums over days have faded.

    LAST_AT stays, so that the gap can still be told.
    """
    found = states.copy()
    passed = np.nan_to_num(at_seconds - states[:, LAST_AT], nan=0.0)
    for place, half in enumerate(fading.seconds):
        column = fading.first_day + 2 * place
        found[:, column : column + 2] *= (2.0 ** (-passed / half))[:, None]
    return found


def merge(first: FloatArray, second: FloatArray, fading: Fading) -> FloatArray:
    """The state of two stretches of work that follow each other, for each row: ``first``, then ``second``."""
    merged = second.copy()
    later, passed = second[:, COUNT], second[:, LAST_AT] - first[:, LAST_AT]
    merged[:, COUNT] += first[:, COUNT]
    merged[:, WINS] += first[:, WINS]
    merged[:, LAST_FIVE] = _followed(first[:, LAST_FIVE].astype(np.int64), second[:, LAST_FIVE].astype(np.int64))
    for place, keep in enumerate(fading.kept):
        merged[:, FIXED + place] += first[:, FIXED + place] * keep**later
    for place, half in enumerate(fading.seconds):
        columns = slice(fading.first_day + 2 * place, fading.first_day + 2 * place + 2)
        fade = np.nan_to_num(2.0 ** (-passed / half), nan=0.0)
        merged[:, columns] += first[:, columns] * fade[:, None]
    is_alone = later == 0
    merged[is_alone] = first[is_alone]
    return merged


def _followed(first: IntArray, second: IntArray) -> IntArray:
    """The outcomes of the second behind those of the first, the last five of them."""
    length = np.floor(np.log2(second)).astype(np.int64)
    both = (first << length) | (second - (np.int64(1) << length))
    return np.where(both >= 64, 32 + (both & 31), both)


def outcome_count(states: FloatArray, place: int, fading: Fading) -> FloatArray:
    """How many responses the sums over opportunities of half-life ``place`` stand for, faded as they are."""
    keep = fading.kept[place]
    count: FloatArray = (1.0 - keep ** states[:, COUNT]) / (1.0 - keep)
    return count


def residual_over_opportunities(states: FloatArray, place: int, fading: Fading) -> FloatArray:
    """Mean residual, faded over opportunities, drawn to 0 by one response."""
    mean: FloatArray = states[:, FIXED + place] / (outcome_count(states, place, fading) + 1.0)
    return mean


def residual_over_days(states: FloatArray, place: int, fading: Fading) -> FloatArray:
    """Mean residual, faded over days (of :func:`aged` states), drawn to 0 by one response."""
    column = fading.first_day + 2 * place
    mean: FloatArray = states[:, column + 1] / (states[:, column] + 1.0)
    return mean
