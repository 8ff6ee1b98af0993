"""A district's history as policies read it: the counted answers of each pupil on each competency, with local days."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import bkt
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.groups import sorted_offsets
from cairn.mastery.policies.pair import Pair
from cairn.mastery.policies.promise import Promised, promised_after
from cairn.mastery.predictors import BktRule, fitted_parameters
from cairn.mastery.responses import Responses

# Shares are fractions of so many points at most: .6666666666666666 was two of three.
MOST_POINTS = 1_000


@dataclass(frozen=True)
class History:
    """Counted answers, one row an answer and competency (m), pair after pair, in order of work.

    offsets (pairs + 1) bounds the pairs; user, skill (pairs): whose they are. right: 0 or 1; correct: the share right.
    at_seconds: work time, NaN without times. day: local days since 1970, 0 without times. is_mixed: the pupil worked on
    other competencies too that day. known: P(known) after each answer, empty where no policy asks for it; promised:
    what the durable share says behind each, None where no policy asks for it.
    """

    offsets: IntArray
    user: IntArray
    skill: IntArray
    right: ByteArray
    correct: FloatArray
    at_seconds: FloatArray
    day: IntArray
    is_mixed: npt.NDArray[np.bool_]
    known: FloatArray
    promised: Promised | None = None

    def pairs(self) -> Iterator[Pair]:
        """Each pair's answers, in the order of ``offsets``."""
        right, day, mixed = (self.right == 1).tolist(), self.day.tolist(), self.is_mixed.tolist()
        known = self.known.tolist()
        has_parts = bool(((self.correct > 0.0) & (self.correct < 1.0)).any())
        credit = [Fraction(one).limit_denominator(MOST_POINTS) for one in self.correct.tolist()] if has_parts else []
        for low, high in pairwise(self.offsets.tolist()):
            pair = Pair(right[low:high], day[low:high], mixed[low:high], known[low:high], credit[low:high])
            yield pair if self.promised is None else replace(pair, **self.promised.of_rows(low, high))


def history_of(
    data: Responses, timezone: str, spacing_seconds: float, rule: BktRule | None, floors: Collection[float] = ()
) -> History:
    """The counted first attempts of a file of responses (:meth:`Responses.first_attempts` by the district's spacing).

    ``timezone`` (IANA) says which day an answer falls on; ``rule`` how BKT is fitted, None where nobody asks for it;
    ``floors`` over which the durable share is asked how surely it lies, none where nobody asks for it. A response with
    several competencies is an answer on each of them, as it is one opportunity of each in BKT.
    """
    counted = data.of(data.first_attempts(spacing_seconds))
    order, offsets = sorted_offsets(counted.user[counted.response] * len(counted.skills) + counted.skill)
    response, skill = counted.response[order], counted.skill[order]
    user, right = counted.user[response], counted.right[response]
    firsts = offsets[:-1]
    day = local_days(counted.at_seconds, timezone)[response]
    return History(
        offsets=offsets,
        user=user[firsts],
        skill=skill[firsts],
        right=right,
        correct=counted.correct[response],
        at_seconds=counted.at_seconds[response],
        day=day,
        is_mixed=_has_other_skills(user, day, skill),
        known=np.empty(0) if rule is None else known_after(counted, right, offsets, user[firsts], skill[firsts], rule),
        promised=promised_after(counted, np.repeat(user[firsts], np.diff(offsets)), floors) if floors else None,
    )


def local_days(at_seconds: FloatArray, timezone: str) -> IntArray:
    """The local day (days since 1970) of instants in seconds since 1970 UTC; 0 for NaN."""
    instants = pa.array((np.nan_to_num(at_seconds) * 1e6).astype(np.int64)).cast(pa.timestamp("us", timezone))
    days = pc.local_timestamp(instants).cast(pa.date32(), safe=False).cast(pa.int32()).to_numpy().astype(np.int64)
    return np.where(np.isnan(at_seconds), 0, days)


def _has_other_skills(user: IntArray, day: IntArray, skill: IntArray) -> npt.NDArray[np.bool_]:
    """Of each row, whether its pupil has rows of another skill on its day."""
    _, cell = np.unique(np.stack([user, day]), axis=1, return_inverse=True)
    of_skill = np.unique(np.stack([cell.ravel(), skill]), axis=1)[0]
    has_others: npt.NDArray[np.bool_] = np.bincount(of_skill)[cell.ravel()] > 1
    return has_others


def known_after(
    counted: Responses, right: ByteArray, offsets: IntArray, user: IntArray, skill: IntArray, rule: BktRule
) -> FloatArray:
    """P(known) after each row, by parameters from the other half of the pupils, so that no pupil taught their own."""
    known = np.empty(right.size)
    sizes = np.diff(offsets)
    for half in (0, 1):
        train, test = (counted.of(counted.user % 2 == part) for part in (1 - half, half))
        parameters = fitted_parameters(train, test, rule, "bkt")
        own = user % 2 == half
        rows = np.repeat(own, sizes)
        bounds = np.r_[0, np.cumsum(sizes[own])].astype(np.int64)
        known[rows] = bkt.forward(right[rows], bounds, skill[own], parameters)[2]
    return known
