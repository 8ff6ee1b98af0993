"""Small memories of the gateway: how fast a source sends, and which events it has seen lately."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable

BURST_SECONDS = 5.0
RECENT_EVENTS = 300_000


class TokenBucket:
    """``rate`` statements a second, with a burst of five seconds; a batch may overdraw it once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._level = rate * BURST_SECONDS
        self._filled_at = time.monotonic()

    def _fill(self) -> None:
        now = time.monotonic()
        self._level = min(self.rate * BURST_SECONDS, self._level + (now - self._filled_at) * self.rate)
        self._filled_at = now

    def wait_seconds(self) -> float:
        """Seconds until the source may send again; 0 where it may now."""
        self._fill()
        return 0.0 if self._level > 0 else -self._level / self.rate + 1 / self.rate

    def take(self, statements: int) -> None:
        """Count what was sent."""
        self._fill()
        self._level -= statements


class RecentEvents:
    """Bounded memory of event ids and contents, to tell a sender of repeats; intake decides, not this."""

    def __init__(self, limit: int = RECENT_EVENTS) -> None:
        self._limit = limit
        # A dict would look through the places of all that went before to find its first.
        self._seen: OrderedDict[int, int] = OrderedDict()

    def is_known(self, event_id: str) -> bool:
        """Whether an event of this id is remembered."""
        return _key(event_id) in self._seen

    def is_conflict(self, event_id: str, content_hash: str) -> bool:
        """Whether an event of this id with other content is remembered."""
        before = self._seen.get(_key(event_id))
        return before is not None and before != _content(content_hash)

    def add(self, marks: Iterable[tuple[str, str]]) -> tuple[int, int]:
        """Remember (event_id, content_hash) pairs; how many were duplicates and how many conflicts."""
        duplicates = conflicts = 0
        seen = self._seen
        for event_id, content_hash in marks:
            key, content = _key(event_id), _content(content_hash)
            before = seen.get(key)
            if before is None:
                seen[key] = content
            elif before == content:
                duplicates += 1
            else:
                conflicts += 1
        while len(seen) > self._limit:
            seen.popitem(last=False)
        return duplicates, conflicts


def _key(event_id: str) -> int:
    return int(event_id[:8] + event_id[24:], 16)


def _content(content_hash: str) -> int:
    return int(content_hash[:15], 16)
