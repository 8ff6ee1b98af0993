"""Pupils who are a copy of another: the same answers to the same questions under a second id.

A copy on both sides of a split is predicted from its own answers. Two pupils are twins where most stretches of WINDOW
responses of the one are found, in the same order with the same outcomes, in the other. Only items can tell: many answer
alike on the same skill.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from cairn.mastery.bkt import IntArray
from cairn.mastery.hashing import HashArray, mix
from cairn.mastery.responses import Responses

WINDOW = 12
# A stretch on fewer different items says little: ten right in a row on one skill happen to many.
LEAST_ITEMS = 4
SHARE_ALIKE = 0.8
LEAST_WINDOWS = 8
# A stretch that so many pupils share is not theirs.
MOST_OWNERS = 5


def find_twins(train: Responses, test: Responses) -> list[tuple[int, int]]:
    """(test pupil, other pupil) codes of each test pupil who is a copy of somebody, once each."""
    hashes, owners = (np.concatenate(both) for both in zip(_windows(train), _windows(test), strict=True))
    if not hashes.size:
        return []
    pairs = np.unique(np.stack([owners.view(np.uint64), hashes]), axis=1)
    owner, mark = pairs[0].astype(np.int64), pairs[1]
    order = np.argsort(mark, kind="stable")
    owner, mark = owner[order], mark[order]
    starts = np.flatnonzero(np.r_[True, mark[1:] != mark[:-1]])
    ends = np.r_[starts[1:], mark.size]
    is_shared = (ends - starts > 1) & (ends - starts < MOST_OWNERS)
    tested = set(np.unique(test.user).tolist())
    alike: Counter[tuple[int, int]] = Counter()
    for start, end in zip(starts[is_shared].tolist(), ends[is_shared].tolist(), strict=True):
        members = owner[start:end].tolist()
        alike.update((one, other) for one in members if one in tested for other in members if other != one)
    size = Counter(owner.tolist())
    best: dict[int, tuple[int, int]] = defaultdict(lambda: (0, -1))
    for (one, other), count in alike.items():
        if size[one] >= LEAST_WINDOWS and count >= SHARE_ALIKE * size[one]:
            best[one] = max(best[one], (count, other))
    return sorted((one, other) for one, (_, other) in best.items())


def _windows(data: Responses) -> tuple[HashArray, IntArray]:
    """(hash, pupil) of each stretch of WINDOW responses on enough different items."""
    order = np.argsort(data.user, kind="stable")
    user = data.user[order]
    answer = (data.item[order] * (len(data.skills) + 1) + data.first_skill()[order]) * 2 + data.right[order]
    size = user.size - WINDOW + 1
    if size <= 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    hashes = np.zeros(size, np.uint64)
    for step in range(WINDOW):
        hashes = mix(hashes, answer[step : step + size].astype(np.uint64))
    windows = np.lib.stride_tricks.sliding_window_view(data.item[order], WINDOW)
    different = 1 + np.count_nonzero(np.diff(np.sort(windows, axis=1), axis=1), axis=1)
    is_one = (user[:size] == user[WINDOW - 1 :]) & (different >= LEAST_ITEMS)
    return hashes[is_one], user[:size][is_one]
