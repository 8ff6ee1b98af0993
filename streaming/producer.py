"""Group commit: the messages of many requests in one Kafka transaction, each request told only once it is committed.

A request's records, refusals and receipt are all in one transaction or in none, so that the books cannot be torn.
When it is not known whether a transaction was committed (the broker died in the middle), the requests of that group
are told so and nothing is sent again from here: the sender repeats, as a new request with a new receipt, and what was
there already shows as duplicate.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming.topics import ALL, ensure_topics
from streaming.transactions import CommitUnknown, Message, TransactionalProducer

log = logging.getLogger(__name__)

GROUP_MESSAGES = 4_000
# What may wait for its commit: a request over either is not taken, so that no flood of them fills the memory.
QUEUE_MESSAGES, QUEUE_BYTES = 60_000, 64 << 20
# A group begins so long after the last was committed at the earliest: those who were answered send again, and the
# broker finishes with the last transaction. At once where nobody was answered just before.
GATHER_SECONDS = 0.003
# An idle connection is looked at now and then, so that one which the broker ended is not found when it is needed.
IDLE_SECONDS = 5.0
# Before a commit is asked for, nothing can have become visible: the group may be sent again for this long.
RETRY_SECONDS = 20.0
# Most that one more try takes behind it, and so how long a caller has to wait to be told for certain.
LONGEST_TRY_SECONDS = 20.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0


class Fate(Enum):
    """What became of a request's messages."""

    COMMITTED = "committed"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass
class _Ticket:
    messages: list[Message]
    size: int  # bytes of the messages' values
    done: Callable[[Fate], None]
    submitted_at: float = field(default_factory=time.monotonic)


class GroupCommitter:
    """One thread with one transactional producer.

    ``transactional_id`` is of the stack's folder and ``role``: a gateway that starts again ends what its
    predecessor left open. Two gateways on one folder would fence each other; give each a role of its own.
    """

    def __init__(self, settings: Settings, role: str = "gateway") -> None:
        self._settings = settings
        folder = hashlib.sha256(str(settings.home).encode()).hexdigest()[:16]
        self._family = f"cairn-{folder}-"
        self.transactional_id = self._family + role
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._waiting = self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._producer: TransactionalProducer | None = None
        self._committed_at = 0.0
        self._stopping = False
        self.is_connected = False
        self.transactions = 0
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)

    def start(self) -> GroupCommitter:
        """Begin; connects in the background."""
        self._thread.start()
        return self

    def submit(self, messages: list[Message], done: Callable[[Fate], None]) -> bool:
        """Queue a request's messages; ``done`` is called once, from the committer's thread.

        False, and ``done`` is never called, where too much is waiting already or the committer is stopping.
        """
        size = sum([len(message.value) for message in messages])
        with self._lock:
            if self._stopping or (self._waiting and self._is_over(len(messages), size)):
                return False
            self._waiting += len(messages)
            self._waiting_bytes += size
        self._queue.put(_Ticket(messages, size, done))
        return True

    def _is_over(self, messages: int, size: int) -> bool:
        return self._waiting + messages > QUEUE_MESSAGES or self._waiting_bytes + size > QUEUE_BYTES

    @property
    def is_full(self) -> bool:
        """Whether as much is waiting as may: what is not taken apart yet need not be."""
        return self._is_over(1, 1)

    def send(self, messages: list[Message], timeout_seconds: float = RETRY_SECONDS + LONGEST_TRY_SECONDS) -> Fate:
        """Submit and wait; for callers that are not asynchronous."""
        outcome: queue.SimpleQueue[Fate] = queue.SimpleQueue()
        if not self.submit(messages, outcome.put):
            return Fate.NOT_SENT
        try:
            return outcome.get(timeout=timeout_seconds)
        except queue.Empty:
            return Fate.UNKNOWN

    def stop(self, timeout_seconds: float = 15.0) -> None:
        """Commit what is queued, then end."""
        with self._lock:
            self._stopping = True
            self.is_connected = False
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        self._drop_producer()

    def _run(self) -> None:
        while not self._stopping and not self.is_connected:
            self._try_connect(time.monotonic() + RETRY_SECONDS)
            if self._queue.qsize() and not self.is_connected:
                break
        while True:
            group, is_last = self._next_group()
            if group:
                fate = self._settle(group)
                with self._lock:
                    self._waiting -= sum(len(ticket.messages) for ticket in group)
                    self._waiting_bytes -= sum(ticket.size for ticket in group)
                for ticket in group:
                    # A caller that is gone (its event loop closed) must not end this thread.
                    with contextlib.suppress(Exception):
                        ticket.done(fate)
            if is_last:
                return

    def _next_group(self) -> tuple[list[_Ticket], bool]:
        """All that is waiting, up to a group's size; waits for the first, and a little for those behind it."""
        group: list[_Ticket] = []
        size = 0
        while size < GROUP_MESSAGES:
            try:
                ticket = self._queue.get(block=not group, timeout=IDLE_SECONDS)
            except queue.Empty:
                if group:
                    break
                self._look_after()
                continue
            if ticket is None:
                return group, True
            if not group and (early := self._committed_at + GATHER_SECONDS - time.monotonic()) > 0:
                time.sleep(early)
            group.append(ticket)
            size += len(ticket.messages)
        return group, False

    def _look_after(self) -> None:
        """Nothing is to be done: make a new connection where the broker has ended the one that was idle."""
        try:
            if self._producer is not None:
                self._producer.look_after()
        except Exception:
            self._drop_producer()
        self._try_connect(time.monotonic())

    def _settle(self, group: list[_Ticket]) -> Fate:
        """Commit a group: again and again while it is certain that nothing of it became visible."""
        messages = [message for ticket in group for message in ticket.messages]
        deadline = group[0].submitted_at + RETRY_SECONDS
        while True:
            try:
                if (producer := self._try_connect(deadline)) is not None:
                    producer.commit(messages)
                    self.transactions += 1
                    self._committed_at = time.monotonic()
                    return Fate.COMMITTED
            except CommitUnknown as error:
                log.warning("outcome of a commit is unknown (%s); senders are asked to repeat", error.__cause__)
                self._drop_producer()
                return Fate.UNKNOWN
            except Exception as error:
                # Whatever it was, no commit was asked for: the next producer of this id aborts what is open.
                log.warning("a transaction failed before its commit: %s", type(error).__name__)
                self._drop_producer()
            if time.monotonic() >= deadline:
                return Fate.NOT_SENT

    def _try_connect(self, deadline: float) -> TransactionalProducer | None:
        """The producer, ready for transactions; tries until ``deadline``, at least once, and then gives None."""
        pause = FIRST_PAUSE_SECONDS
        while self._producer is None:
            try:
                self._producer = self._connect()
                self.is_connected = True
            except Exception as error:
                self.is_connected = False
                log.warning("no broker to produce to yet: %s", type(error).__name__)
                if time.monotonic() + pause >= deadline or self._stopping:
                    return None
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return self._producer

    def _connect(self) -> TransactionalProducer:
        # Read anew each time: after a restart the stack may have given the broker another port.
        options = client_options(self._settings)
        ensure_topics(self._settings)
        return TransactionalProducer(options, self.transactional_id, ALL, self._family)

    def _drop_producer(self) -> None:
        producer, self._producer, self.is_connected = self._producer, None, False
        if producer is not None:
            with contextlib.suppress(Exception):
                producer.close()
