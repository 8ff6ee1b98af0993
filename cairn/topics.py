"""The platform's topics by name, and positions in them: what every room that speaks of them shares."""

from __future__ import annotations

from collections.abc import Iterable

ACTIVITY = "learner.activity.v1"
RECEIPTS = "learner.activity.receipts.v1"
REJECTED = "learner.activity.rejected.v1"
ALL = (ACTIVITY, RECEIPTS, REJECTED)

# Topic, partition (as text, so that it is JSON), next offset.
Offsets = dict[str, dict[str, int]]


def merge(offsets: Iterable[Offsets]) -> Offsets:
    """The highest next offset of each partition."""
    highest: Offsets = {}
    for one in offsets:
        for topic, partitions in one.items():
            mine = highest.setdefault(topic, {})
            for partition, offset in partitions.items():
                mine[partition] = max(offset, mine.get(partition, offset))
    return highest


def lag(passed: Offsets, end: Offsets) -> dict[str, int]:
    """Records between two positions, per topic of the platform (offsets: markers of transactions count as well)."""
    return {
        topic: sum(max(0, offset - passed.get(topic, {}).get(partition, 0)) for partition, offset in partitions.items())
        for topic, partitions in end.items()
        if topic in ALL
    }


def is_passed(passed: Offsets, cut: Offsets) -> bool:
    """Whether every partition of the cut has been passed; topics that are not the platform's do not count."""
    return not any(lag(passed, cut).values())
