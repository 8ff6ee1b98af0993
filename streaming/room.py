"""Room for what is not answered yet: bodies that are read, and messages that wait for their commit.

Both are bounded, or a flood would be a memory without an end. Who finds no room is told when to come again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from streaming.http import BODY_LIMIT_BYTES, BodyError, read_body
from streaming.limits import RETRY_AFTER_SECONDS
from streaming.metrics import METRICS
from streaming.producer import Fate, GroupCommitter
from streaming.transactions import Message

ANSWER_WITHIN_SECONDS = 45.0
# Bodies that are read at once, by the length they declare.
BODIES_BYTES = 64 << 20


class Room:
    """A gateway's room, for the one thread of its event loop; ``committer`` bounds what waits for a commit."""

    def __init__(self, committer: GroupCommitter) -> None:
        self._committer = committer
        self._reading_bytes = 0
        # Whom to tell what became of their requests: by one call into the event loop for a whole group of them.
        self._settled: deque[tuple[asyncio.Future[Fate], Fate]] = deque()
        self._is_called = False

    def check(self) -> None:
        """Raise BodyError where no more may wait for a commit: a body that is not read yet need not be."""
        if self._committer.is_full:
            raise self._refusal()

    async def read(self, receive: Any, headers: dict[bytes, bytes]) -> bytes:
        """A body (``streaming.http.read_body``). Raises BodyError also where those that are being read are too much."""
        length = _declared_length(headers)
        if self._reading_bytes and self._reading_bytes + length > BODIES_BYTES:
            raise self._refusal()
        self._reading_bytes += length
        try:
            return await read_body(receive, headers)
        finally:
            self._reading_bytes -= length

    async def commit(self, messages: list[Message]) -> Fate:
        """What became of a request's messages. Raises BodyError where there is no room for them to wait."""
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[Fate] = loop.create_future()

        def tell(fate: Fate) -> None:
            self._settled.append((settled, fate))
            if not self._is_called:
                self._is_called = True
                loop.call_soon_threadsafe(self._settle)

        if not self._committer.submit(messages, tell):
            raise self._refusal()
        late = loop.call_later(ANSWER_WITHIN_SECONDS, _set, settled, Fate.UNKNOWN)
        try:
            return await settled
        finally:
            late.cancel()

    def _settle(self) -> None:
        # Before the first is taken: one that comes meanwhile is taken here, or calls again.
        self._is_called = False
        while self._settled:
            _set(*self._settled.popleft())

    def _refusal(self) -> BodyError:
        """The refusal of a request that finds too much waiting: the gateway's own fault, or the broker's."""
        again = f"nothing of the request was stored: send it again in {RETRY_AFTER_SECONDS} seconds"
        if self._committer.is_connected:
            METRICS.overloaded.inc()
            return BodyError(429, "overloaded", f"more is waiting than is taken; {again}", RETRY_AFTER_SECONDS)
        return BodyError(503, "try_again", f"the broker cannot be reached; {again}", RETRY_AFTER_SECONDS)


def _set(settled: asyncio.Future[Fate], fate: Fate) -> None:
    if not settled.done():
        settled.set_result(fate)


def _declared_length(headers: dict[bytes, bytes]) -> int:
    """Bytes that a body may need; the most that is taken where it does not say."""
    text = headers.get(b"content-length", b"")
    return min(int(text), BODY_LIMIT_BYTES) if text.isdigit() else BODY_LIMIT_BYTES
