"""Rows by their owner: pupils, pairs, items. The order within an owner is that of the rows."""

from __future__ import annotations

import numpy as np

from cairn.mastery.bkt import IntArray


def sorted_offsets(owner: IntArray) -> tuple[IntArray, IntArray]:
    """(order, offsets): places by owner, and the bounds (owners + 1) of each owner's."""
    order = np.argsort(owner, kind="stable").astype(np.int64)
    by_owner = owner[order]
    starts = np.flatnonzero(np.r_[True, by_owner[1:] != by_owner[:-1]][: order.size])
    return order, np.r_[starts, order.size].astype(np.int64)


def earlier_of_owner(owner: IntArray) -> IntArray:
    """How many rows of the same owner come before each row."""
    order, offsets = sorted_offsets(owner)
    found = np.empty(order.size, dtype=np.int64)
    found[order] = np.arange(order.size) - np.repeat(offsets[:-1], np.diff(offsets))
    return found
