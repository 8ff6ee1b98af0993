"""Did what was done help? A pupil's next answers beside those of comparable pupils for whom it was not done.

Comparable to a pupil on the evening of an action: pupils on the same competency, at any school, in the same state, with
the same number of counted attempts and a similar durable share, without any action on it. It is no proof of cause: help
is given to those who need it, and an adult sees more of that than these numbers do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from cairn.mastery.bkt import FloatArray, IntArray

# Counted answers that are looked at after the day of an action, and how few are still something to look at.
NEXT_ANSWERS, LEAST_ANSWERS = 5, 2
# Shares at most so far apart are similar. Where fewer pupils than may be told of are, the nearest up to the second.
SIMILAR_SHARE, FARTHEST_SHARE = 0.05, 0.15
INTERVAL_LEVEL = 0.90
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evening:
    """Pupils on one competency at the end of one day, as parallel arrays (n).

    share: durable share, NaN where there is none. counted: counted attempts so far. answers: how many of the next ones
    are known, NEXT_ANSWERS at most; right (n x NEXT_ANSWERS): their outcomes in order, 0 behind the last. is_helped:
    for whom something was done on the competency on any day.
    """

    student: list[str]
    state: list[str]
    share: FloatArray
    counted: IntArray
    answers: IntArray
    right: IntArray
    is_helped: BoolArray


@dataclass(frozen=True)
class Comparison:
    """One pupil's next answers and how many were right, beside those of comparable pupils.

    comparables: how many; comparable_share: the mean share of their answers that was right, with its interval
    (INTERVAL_LEVEL) and standard error; farthest_share: how far the farthest durable share is from the pupil's. None
    where they are fewer than may be told of, or the pupil's answers fewer than LEAST_ANSWERS.
    """

    answers: int
    right: int
    comparables: int | None = None
    comparable_share: float | None = None
    comparable_low: float | None = None
    comparable_high: float | None = None
    comparable_error: float | None = None
    farthest_share: float | None = None


def compare(evening: Evening, place: int, smallest_group: int) -> Comparison:
    """The pupil at ``place`` against comparable pupils; of fewer than ``smallest_group`` nothing is told.

    Of them as many of the next answers are looked at as the pupil has; who has fewer than LEAST_ANSWERS is left out.
    """
    answers = int(evening.answers[place])
    own = Comparison(answers, int(evening.right[place, :answers].sum()))
    if answers < LEAST_ANSWERS or np.isnan(evening.share[place]):
        return own
    chosen, distance = _comparable(evening, place, smallest_group)
    if chosen.size < max(smallest_group, 2):
        return own
    taken = np.minimum(evening.answers[chosen], answers)
    is_taken = np.arange(NEXT_ANSWERS) < taken[:, None]
    shares = (evening.right[chosen] * is_taken).sum(axis=1) / taken
    mean, error = float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(shares.size))
    reach = float(stats.t.ppf((1 + INTERVAL_LEVEL) / 2, shares.size - 1)) * error
    return Comparison(
        own.answers,
        own.right,
        comparables=int(chosen.size),
        comparable_share=mean,
        comparable_low=max(0.0, mean - reach),
        comparable_high=min(1.0, mean + reach),
        comparable_error=error,
        farthest_share=float(distance.max()),
    )


def _comparable(evening: Evening, place: int, smallest_group: int) -> tuple[IntArray, FloatArray]:
    """Places of the comparable pupils, the nearest first, and how far each one's share is."""
    is_same = (evening.counted == evening.counted[place]) & ~evening.is_helped & (evening.answers >= LEAST_ANSWERS)
    is_same &= np.array([state == evening.state[place] for state in evening.state], dtype=bool)
    distance = np.abs(evening.share - evening.share[place])
    # Rounded: what is five hundredths apart is similar, whatever the last bit says.
    within = np.round(distance, 9)
    found = np.flatnonzero(is_same & (within <= FARTHEST_SHARE))
    found = found[np.lexsort((np.array(evening.student)[found], within[found]))].astype(np.int64)
    similar = int((within[found] <= SIMILAR_SHARE).sum())
    found = found[: max(similar, smallest_group)]
    return found, distance[found]
