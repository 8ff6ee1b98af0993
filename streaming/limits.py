"""Small memories of the gateway: how fast a source sends, who shows wrong tokens, which events came lately."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

BURST_SECONDS = 5.0
WRONG_TOKENS_A_SECOND = 2.0
ADDRESSES = 10_000
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


class WrongTokens:
    """How often each client address has shown a wrong token lately, to slow down who guesses.

    Asked only where a token is wrong: one that is right gets in from any address, whoever else uses that address.
    """

    def __init__(self, rate: float = WRONG_TOKENS_A_SECOND, limit: int = ADDRESSES) -> None:
        self._rate, self._limit = rate, limit
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Count a wrong token of an address; seconds until it should try again, 0 where it may at once."""
        network = _network(address)
        bucket = self._buckets.pop(network, None) or TokenBucket(self._rate)
        self._buckets[network] = bucket
        while len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
        if (wait := bucket.wait_seconds()) == 0:
            bucket.take(1)
        return wait


def _network(address: str) -> str:
    """Whom an address stands for: itself, or the /64 that one customer has of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else address


def retry_after(wait_seconds: float) -> tuple[bytes, bytes]:
    """The header that says when to come again."""
    return b"retry-after", str(max(1, round(wait_seconds))).encode()


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
