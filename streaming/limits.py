"""Small memories of the gateway: how fast a source sends, who shows wrong tokens, which events came lately."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Protocol

BURST_SECONDS = 5.0
WRONG_TOKENS_A_SECOND = 2.0
ADDRESSES = 10_000
RECENT_EVENTS = 300_000
# When to come again where what failed may work soon.
RETRY_AFTER_SECONDS = 2


class Rates(Protocol):
    """How fast sources send: ``rate`` statements a second each, with a burst of five seconds.

    A batch may overdraw it once: what a request holds is known only when it has been read.
    """

    def wait_seconds(self, source_id: str, rate: float) -> float:
        """Seconds until the source may send again; 0 where it may now."""

    def take(self, source_id: str, rate: float, statements: int) -> None:
        """Count what was sent."""


def _filled(level: float, filled_at: float, rate: float, now: float) -> float:
    """What a bucket holds now, that held ``level`` at ``filled_at``."""
    return min(rate * BURST_SECONDS, level + (now - filled_at) * rate)


def _wait(level: float, rate: float) -> float:
    return 0.0 if level > 0 else -level / rate + 1 / rate


class OwnRates:
    """Rates of a gateway that is one process."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def _level(self, source_id: str, rate: float) -> float:
        now = time.monotonic()
        level = _filled(*self._buckets.get(source_id, (rate * BURST_SECONDS, now)), rate, now)
        self._buckets[source_id] = (level, now)
        return level

    def wait_seconds(self, source_id: str, rate: float) -> float:
        """See :class:`Rates`."""
        return _wait(self._level(source_id, rate), rate)

    def take(self, source_id: str, rate: float, statements: int) -> None:
        """See :class:`Rates`."""
        self._buckets[source_id] = (self._level(source_id, rate) - statements, self._buckets[source_id][1])


class SharedRates:
    """Rates of a gateway of several processes: one small file in memory, which all of them read and write.

    A bucket is a name, its level and when it was filled, by a clock that all processes of a machine share. Where a
    process is killed with the lock, the system lets go of it; half a bucket is at worst a wrong level for a moment.
    """

    BUCKETS = 8_192
    BUCKET = struct.Struct("<16sdd")

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        size = self.BUCKETS * self.BUCKET.size
        os.ftruncate(self._file, size)
        self._map = mmap.mmap(self._file, size)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _find(self, source_id: str, rate: float, now: float) -> tuple[int, bytes, float]:
        """Place, name and level of a bucket; where all places are taken, the first one's owner begins anew."""
        name = hashlib.blake2b(source_id.encode(), digest_size=16).digest()
        first = int.from_bytes(name[:4], "little") % self.BUCKETS
        for step in range(self.BUCKETS):
            place = (first + step) % self.BUCKETS * self.BUCKET.size
            found, level, filled_at = self.BUCKET.unpack_from(self._map, place)
            # A clock that has not come so far yet is that of another start of the machine.
            if found == name and filled_at <= now:
                return place, name, _filled(level, filled_at, rate, now)
            if found == name or not any(found):
                return place, name, rate * BURST_SECONDS
        return first * self.BUCKET.size, name, rate * BURST_SECONDS

    def wait_seconds(self, source_id: str, rate: float) -> float:
        """See :class:`Rates`."""
        with self._locked():
            return _wait(self._find(source_id, rate, time.monotonic())[2], rate)

    def take(self, source_id: str, rate: float, statements: int) -> None:
        """See :class:`Rates`."""
        now = time.monotonic()
        with self._locked():
            place, name, level = self._find(source_id, rate, now)
            self.BUCKET.pack_into(self._map, place, name, level - statements, now)


class WrongTokens:
    """How often each client address has shown a wrong token lately, to slow down who guesses.

    Asked only where a token is wrong: one that is right gets in from any address, whoever else uses that address.
    """

    def __init__(self, rate: float = WRONG_TOKENS_A_SECOND, limit: int = ADDRESSES) -> None:
        self._rate, self._limit = rate, limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Count a wrong token of an address; seconds until it should try again, 0 where it may at once."""
        network, now = _network(address), time.monotonic()
        level = _filled(*self._buckets.pop(network, (self._rate * BURST_SECONDS, now)), self._rate, now)
        wait = _wait(level, self._rate)
        self._buckets[network] = (level if wait else level - 1, now)
        while len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
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
