"""Rapid guesses: the time under which nobody can have worked on an item, mostly from the item's own times.

An item's limit is a share of the mean time that first attempts at it took (the normative threshold NT10 of Wise and Ma
2012 is a tenth, at most ten seconds), within a floor and a ceiling. A time counts in the mean as CAP_OF_MEDIAN times
the item's median at most: a tablet that was put away says nothing about the item. Limits are fitted with the share
model, stored beside the items' difficulty and frozen with its version, so that an answer counts or does not whenever
it arrives; those that the district sets by hand win, and items without either have the district's general one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cairn.mastery.bkt import IntArray
from cairn.mastery.config import RapidFit
from cairn.mastery.groups import sorted_offsets
from cairn.mastery.hashing import item_keys

CAP_OF_MEDIAN = 5.0
# The duration of an attempt that tells none, and the limit of an item that has none of its own.
NOT_TIMED, NO_LIMIT = -1, 0


@dataclass(frozen=True)
class RapidLimits:
    """Milliseconds under which an attempt is a rapid guess: ``general``, or by item (item_key ascending, limit_ms)."""

    general: int
    item_key: IntArray
    limit_ms: IntArray

    @classmethod
    def of(cls, general: int, own: tuple[IntArray, IntArray], by_hand: Mapping[str, int]) -> RapidLimits:
        """``own``: keys of items (:func:`cairn.mastery.hashing.item_keys`) and their limits, NO_LIMIT for none."""
        keys, limits = own[0][own[1] != NO_LIMIT], own[1][own[1] != NO_LIMIT]
        if by_hand:
            set_keys = item_keys(pa.array(list(by_hand), pa.string()))
            is_left = ~np.isin(keys, set_keys)
            keys = np.r_[keys[is_left], set_keys]
            limits = np.r_[limits[is_left], np.array(list(by_hand.values()), dtype=np.int64)]
        if (np.diff(keys) < 0).any():  # a model's are in order: live asks for them with each fold
            order = np.argsort(keys)
            keys, limits = keys[order], limits[order]
        return cls(general, keys, limits)

    def of_items(self, item: IntArray) -> IntArray:
        """The limit of each item (keys, n)."""
        if not self.item_key.size:
            return np.full(item.size, self.general, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.item_key, item), self.item_key.size - 1)
        return np.where(self.item_key[place] == item, self.limit_ms[place], self.general).astype(np.int64)

    def are_rapid(self, item: IntArray, duration_ms: IntArray) -> npt.NDArray[np.bool_]:
        """Whether attempts (n) at items took less than these allow; NOT_TIMED is never rapid.

        Items are looked up for the few attempts alone that are quicker than the highest limit.
        """
        found = np.zeros(item.size, dtype=bool)
        highest = max(self.general, int(self.limit_ms.max(initial=0)))
        quick = np.flatnonzero((duration_ms >= 0) & (duration_ms < highest))
        found[quick] = duration_ms[quick] < self.of_items(item[quick])
        return found


# By these nothing is a rapid guess.
NOTHING_RAPID = RapidLimits(0, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def own_limits(item: IntArray, duration_ms: IntArray, items: int, rule: RapidFit | None) -> IntArray:
    """The limit of each item in milliseconds (items), from the times of first attempts, rapid ones too (n).

    ``item``: codes below ``items``; attempts without a time are passed over. NO_LIMIT for items with fewer timed
    attempts than the rule asks for, and for all of them where there is no rule.
    """
    limits = np.full(items, NO_LIMIT, dtype=np.int64)
    is_timed = duration_ms >= 0
    if rule is None or not is_timed.any():
        return limits
    item, taken = item[is_timed], duration_ms[is_timed].astype(np.float64)
    by_time = np.argsort(taken, kind="stable")
    order, offsets = sorted_offsets(item[by_time])
    item, taken = item[by_time][order], taken[by_time][order]
    begin, count = offsets[:-1], np.diff(offsets)
    median = (taken[begin + (count - 1) // 2] + taken[begin + count // 2]) / 2.0
    mean = np.add.reduceat(np.minimum(taken, np.repeat(CAP_OF_MEDIAN * median, count)), begin) / count
    limit = np.clip(np.rint(rule.share_of_mean_time * mean), rule.floor_ms, rule.most_ms).astype(np.int64)
    is_enough = count >= rule.minimum_answers
    limits[item[begin][is_enough]] = limit[is_enough]
    return limits
