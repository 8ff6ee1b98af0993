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
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming.topics import ensure_topics

log = logging.getLogger(__name__)

GROUP_MESSAGES = 4_000
QUEUE_MESSAGES = 60_000
# Before a commit is asked for, nothing can have become visible: the group may be sent again for this long.
RETRY_SECONDS = 20.0
FLUSH_SECONDS = 10.0
COMMIT_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0


class Message(NamedTuple):
    """One Kafka record; the sender names the partition."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


class Fate(Enum):
    """What became of a request's messages."""

    COMMITTED = "committed"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class CommitUnknown(Exception):
    """A commit was asked for and its outcome cannot be learned."""


@dataclass
class _Ticket:
    messages: list[Message]
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
        self.transactional_id = f"cairn-{folder}-{role}"
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._producer: Any = None
        self._commits = ThreadPoolExecutor(1, "commit")
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
        with self._lock:
            if self._stopping or (self._waiting and self._waiting + len(messages) > QUEUE_MESSAGES):
                return False
            self._waiting += len(messages)
        self._queue.put(_Ticket(messages, done))
        return True

    def send(self, messages: list[Message], timeout_seconds: float = RETRY_SECONDS + COMMIT_SECONDS + 10) -> Fate:
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
                for ticket in group:
                    # A caller that is gone (its event loop closed) must not end this thread.
                    with contextlib.suppress(Exception):
                        ticket.done(fate)
            if is_last:
                return

    def _next_group(self) -> tuple[list[_Ticket], bool]:
        """All that is waiting, up to a group's size; waits for the first."""
        group: list[_Ticket] = []
        size = 0
        while size < GROUP_MESSAGES:
            try:
                ticket = self._queue.get(block=not group)
            except queue.Empty:
                break
            if ticket is None:
                return group, True
            group.append(ticket)
            size += len(ticket.messages)
        return group, False

    def _settle(self, group: list[_Ticket]) -> Fate:
        """Commit a group: again and again while it is certain that nothing of it became visible."""
        messages = [message for ticket in group for message in ticket.messages]
        deadline = group[0].submitted_at + RETRY_SECONDS
        while True:
            try:
                if self._try_connect(deadline):
                    self._transact(messages)
                    self.transactions += 1
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

    def _transact(self, messages: list[Message]) -> None:
        producer = self._producer
        producer.begin_transaction()
        sent = [
            producer.send(topic, value=value, key=key, partition=partition) for topic, partition, key, value in messages
        ]
        producer.flush(FLUSH_SECONDS)
        for future in sent:
            if not future.succeeded():
                raise future.exception or TimeoutError("a record was not acknowledged")
        try:
            # In a thread of its own because kafka-python waits for a commit without any limit.
            self._commits.submit(producer.commit_transaction).result(COMMIT_SECONDS)
        except FutureTimeoutError as error:
            self._commits.shutdown(wait=False)
            self._commits = ThreadPoolExecutor(1, "commit")
            raise CommitUnknown from error
        except Exception as error:
            raise CommitUnknown from error

    def _try_connect(self, deadline: float) -> bool:
        """Whether there is a producer ready for transactions; tries until ``deadline``, at least once."""
        pause = FIRST_PAUSE_SECONDS
        while self._producer is None:
            try:
                self._producer = self._connect()
                self.is_connected = True
            except Exception as error:
                self.is_connected = False
                log.warning("no broker to produce to yet: %s", type(error).__name__)
                if time.monotonic() + pause >= deadline or self._stopping:
                    return False
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return True

    def _connect(self) -> Any:
        """A producer whose id is initialised: whatever its predecessor left open is aborted, or completed."""
        from kafka import KafkaProducer

        # Read anew each time: after a restart the stack may have given the broker another port.
        options = client_options(self._settings)
        ensure_topics(self._settings)
        producer = KafkaProducer(
            **options,
            client_id=self.transactional_id,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=30_000,
            delivery_timeout_ms=int(FLUSH_SECONDS * 1000),
            request_timeout_ms=5_000,
            max_block_ms=10_000,
            bootstrap_timeout_ms=3_000,
            reconnect_backoff_max_ms=500,
            retry_backoff_ms=2,
            batch_size=262_144,
            max_request_size=8_388_608,
            compression_type="zstd",
            metrics_enabled=False,
        )
        self._producer = producer
        try:
            producer.init_transactions()
        except BaseException:
            self._drop_producer()
            raise
        return producer

    def _drop_producer(self) -> None:
        producer, self._producer, self.is_connected = self._producer, None, False
        if producer is None:
            return
        # close() first waits for what is unsent and gives up before it ends the sender thread; a thread left alive
        # would go on under the old epoch and could fence its successor.
        producer._sender.force_close()
        with contextlib.suppress(Exception):
            producer.close(timeout=0)
