"""What the durable share says behind each answer of a history, by models that the pupil did not teach."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.follow_up import different_so_far
from cairn.mastery.responses import Responses
from cairn.mastery.share.doubt import chance_above
from cairn.mastery.share.durable import Evidence, evidence_on, fit_durable
from cairn.mastery.share.model import from_rows, on, shipped_rows
from cairn.mastery.share.policy import asked_in_a_week

# Rows asked at once: each has its logits on all reference items.
PORTION = 100_000


class PromiseOfPair(TypedDict):
    """As :class:`cairn.mastery.policies.pair.Pair` has it."""

    share: list[float]
    chance: dict[float, list[float]]
    items: list[int]


@dataclass(frozen=True)
class Promised:
    """Behind each row (m): the durable share a week later, P(it is at least the floor) by floor, different items."""

    share: FloatArray
    chance: dict[float, FloatArray]
    items: IntArray

    def of_rows(self, low: int, high: int) -> PromiseOfPair:
        """The rows of one pair."""
        chance = {floor: of_floor[low:high].tolist() for floor, of_floor in self.chance.items()}
        return {"share": self.share[low:high].tolist(), "chance": chance, "items": self.items[low:high].tolist()}


def promised_after(counted: Responses, user: IntArray, floors: Collection[float]) -> Promised:
    """Behind each counted answer, pairs together and in order of work; ``user``: whose each row is.

    The model is learned from the other half of the pupils, so that no pupil taught their own; where that is empty it is
    the one that is shipped.
    """
    share, items = np.empty(user.size), np.empty(user.size, np.int64)
    chance = {floor: np.empty(user.size) for floor in floors}
    for half in (0, 1):
        own = np.flatnonzero(user % 2 == half)
        if not own.size:
            continue
        train, test = counted.of(counted.user % 2 != half), counted.of(counted.user % 2 == half)
        model = fit_durable(train) if train.user.size else on(from_rows(shipped_rows()), test)
        evidence = evidence_on(model.head, test)
        items[own] = _items_so_far(evidence)
        for first in range(0, own.size, PORTION):
            rows = np.arange(first, min(first + PORTION, own.size))
            asked = asked_in_a_week(model, evidence, rows)
            share[own[rows]] = asked.share
            for floor, of_floor in chance.items():
                of_floor[own[rows]] = chance_above(asked.logits, asked.spread, floor)
    return Promised(share, chance, items)


def _items_so_far(evidence: Evidence) -> IntArray:
    """Different items up to each row of its pair; where none is named, every answer may be on one of its own."""
    data, rows = evidence.data, np.arange(evidence.response.size)
    found: IntArray = different_so_far(evidence.offsets, data.item[evidence.response] if data.has_items else rows)
    return found
