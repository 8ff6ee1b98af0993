"""One transactional producer of Kafka that its caller's thread drives: three requests a transaction, and nothing more.

kafka-python finds the brokers, makes the connections (TLS and authentication with them) and knows the protocol. Its
producer is not used, which is made for records that come one by one from many threads: it hands each of them, and each
step of a transaction, from thread to thread, and that was most of what a single statement cost. Decision 0031 says what
that gives and what it takes.

Nothing is repaired here. Whatever goes wrong before a commit was asked for is an error of the transaction: its caller
makes a new producer of the same id, which has the broker abort what was open, and does all of it again.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kafka import errors
from kafka.net.compat import KafkaNetClient
from kafka.protocol.admin.transactions import DescribeTransactionsRequest
from kafka.protocol.metadata import CoordinatorType, FindCoordinatorRequest
from kafka.protocol.producer import InitProducerIdRequest
from kafka.structs import TopicPartition

from streaming.forgotten import end_forgotten
from streaming.record_batch import Producer, record_batch
from streaming.transaction_requests import Answer, Request, add_partitions, commit, produce

REQUEST_SECONDS = 5.0
# For how long the broker may be busy with the transaction before this one, or with finding its feet after a start.
BUSY_SECONDS = 10.0
BUSY_PAUSE_SECONDS = 0.001
# What telling the partitions takes it at the least: asked sooner, it is busy.
TELLING_SECONDS = 0.001
TRANSACTION_TIMEOUT_MS = 30_000
# The length before an answer.
FRAME = struct.Struct(">i")
# Uncompressed; a single record may be larger. Topics take 8 MiB a batch.
BATCH_BYTES = 2 << 20
# What the broker says of a transaction whose end is decided, while it tells the partitions.
BEING_ENDED = ("PrepareCommit", "PrepareAbort", "PrepareEpochFence")
# Transactions as they have been since Kafka 0.11, in the last version of each request before those of KIP-890.
INIT_VERSION = 4


class CommitUnknown(Exception):
    """A commit was asked for and its outcome cannot be learned."""


class Message(NamedTuple):
    """One Kafka record; the sender names the partition."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


class _Line:
    """A connection that kafka-python has made ready, from then on used by one thread that waits for each answer."""

    def __init__(self, client: KafkaNetClient, node: object, client_id: str) -> None:
        client.await_ready(node, timeout_ms=int(REQUEST_SECONDS * 1000))
        # The client forgets it, and would make another one where it needs one itself.
        connection = client._manager._conns.pop(node)
        transport = connection.transport
        client._net.cancel(transport._read_task)
        client._net.unregister_event(transport._sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        self._connection, self._socket = connection, transport._sock
        self._socket.settimeout(REQUEST_SECONDS)
        self._client_id, self._asked = client_id.encode(), 0

    def ask(self, request: Any) -> Any:
        """The broker's answer. Raises OSError, or kafka.errors.KafkaError, where none came that can be read."""
        parser = self._connection.parser
        if request.API_VERSION is None:
            request.API_VERSION = self._connection.broker_version_data.api_version(request)
        parser.send_request(request)
        self._socket.sendall(parser.send_bytes())
        while True:
            text = self._socket.recv(65_536)
            if not text:
                raise errors.KafkaConnectionError("the broker ended the connection")
            for _, answer in parser.receive_bytes(text):
                return answer

    def put(self, request: Request) -> Answer:
        """As :meth:`ask`, for what each transaction asks."""
        self._asked += 1
        self._socket.sendall(request.framed(self._asked, self._client_id))
        text = b""
        while len(text) < FRAME.size or len(text) < FRAME.size + FRAME.unpack_from(text)[0]:
            more = self._socket.recv(65_536)
            if not more:
                raise errors.KafkaConnectionError("the broker ended the connection")
            text += more
        return request.answer(text[FRAME.size :], self._asked)

    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for, such as the connection's end."""
        return not select.select([self._socket], [], [], 0)[0]

    def close(self) -> None:
        """End it."""
        self._socket.close()


class TransactionalProducer:
    """Connected, and the only living producer of its id, from its making to :meth:`close`. For one thread at a time.

    Raises kafka.errors.KafkaError, at its making too, where the broker does not answer or refuses.
    """

    def __init__(
        self, options: Mapping[str, Any], transactional_id: str, topics: Iterable[str], family: str = ""
    ) -> None:
        """``options``: where the broker is and how to get in (``cairn.kafka_access``).

        ``topics``: all that the id has ever written to. ``family``: what the ids begin with whose forgotten
        transactions are ended as well as this one's, which belongs to it.
        """
        self._id, self._topics, self._family = transactional_id, list(topics), family or transactional_id
        self._client = KafkaNetClient(
            **options,
            client_id=transactional_id,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            reconnect_backoff_max_ms=500,
        )
        self._lines: dict[object, _Line] = {}
        try:
            self._client._manager.bootstrap(3_000)
            self._wait(self._client.cluster.set_topics(self._topics))
            self._coordinator = self._find_coordinator()
            self._producer = self._init()
        except BaseException:
            self.close()
            raise
        self._sequences: dict[TopicPartition, int] = {}

    def close(self) -> None:
        """End the connections; what is open stays open until the id's next producer or its time is over."""
        with contextlib.suppress(OSError):
            for line in self._lines.values():
                line.close()
        self._client.close()

    def look_after(self) -> None:
        """While nothing is to be done: raises KafkaConnectionError where a connection is used up, as idle ones are."""
        if not all(line.is_quiet() for line in self._lines.values()):
            raise errors.KafkaConnectionError("the broker ended the connection")

    def commit(self, messages: Sequence[Message]) -> None:
        """Commit the messages, in all in-sync replicas when this returns.

        Raises CommitUnknown where they may be committed or not, anything else where they certainly are not.
        """
        by_partition: dict[TopicPartition, list[tuple[bytes | None, bytes]]] = {}
        for topic, partition, key, value in messages:
            by_partition.setdefault(TopicPartition(topic, partition), []).append((key, value))
        self._add_partitions(by_partition)
        rests = {partition: _batches(records) for partition, records in by_partition.items()}
        # A request may hold one batch a partition.
        while batches := {partition: batch for partition, rest in rests.items() if (batch := next(rest, None))}:
            self._produce(batches)
        self._end()

    def _line(self, node: object) -> _Line:
        line = self._lines.get(node)
        if line is None:
            line = self._lines[node] = _Line(self._client, node, self._id)
        return line

    def _ask(self, node: object, request: Any) -> Any:
        return self._line(node).ask(request)

    def _put(self, node: object, request: Request) -> Answer:
        return self._line(node).put(request)

    def _wait(self, future: Any) -> None:
        self._client.poll(timeout_ms=int(REQUEST_SECONDS * 1000), future=future)
        if not future.succeeded():
            raise future.exception or errors.KafkaTimeoutError("the broker did not answer in time")

    def _find_coordinator(self) -> object:
        request = FindCoordinatorRequest(
            key=self._id, key_type=CoordinatorType.TRANSACTION.value, coordinator_keys=[self._id]
        )
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            answer = self._client.send_and_receive(self._client.least_loaded_node(), request)
            found = answer.coordinators[0] if answer.coordinators else answer
            if not _is_busy(found.error_code, deadline):
                return self._client.cluster.add_coordinator(found, CoordinatorType.TRANSACTION, self._id)

    def _init(self) -> Producer:
        """Have the broker end whatever the id's last producer left open, and name this one.

        Whether partitions were told of the last transaction is looked at while the broker still knows how it ended,
        and once that has been decided: a producer that is named has nothing open behind it.
        """
        describe = DescribeTransactionsRequest(transactional_ids=[self._id])
        request = InitProducerIdRequest(
            transactional_id=self._id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            producer_id=-1,
            producer_epoch=-1,
            max_version=INIT_VERSION,
        )
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            (last,) = self._ask(self._coordinator, describe).transaction_states
            code = last.error_code
            if last.transaction_state in BEING_ENDED:
                code = errors.ConcurrentTransactionsError.errno
            elif code in (0, errors.TransactionalIdNotFoundError.errno):
                end_forgotten(self._ask, self._leaders(), self._coordinator, self._family)
                # One that is under way is now aborted, and that it is busy with that is the answer.
                answer = self._ask(self._coordinator, request)
                code = answer.error_code
            if code == errors.NotCoordinatorError.errno and time.monotonic() < deadline:
                # A broker that has just started does not know yet which transactions are its own.
                time.sleep(BUSY_PAUSE_SECONDS)
                self._coordinator = self._find_coordinator()
            elif not _is_busy(code, deadline):
                return Producer(answer.producer_id, answer.producer_epoch)

    def _leaders(self) -> dict[TopicPartition, object]:
        """Of all partitions. A broker that has just started may not know all: then this is an error."""
        found: dict[TopicPartition, object] = {}
        for topic in self._topics:
            numbers = self._client.cluster.partitions_for_topic(topic)
            if not numbers:
                raise errors.LeaderNotAvailableError(topic)
            for number in numbers:
                partition = TopicPartition(topic, number)
                found[partition] = self._leader(partition)
        return found

    def _leader(self, partition: TopicPartition) -> object:
        leader = self._client.cluster.leader_for_partition(partition)
        if leader is None or leader < 0:
            raise errors.LeaderNotAvailableError(partition.topic)
        return leader

    def _add_partitions(self, partitions: Iterable[TopicPartition]) -> None:
        topics: dict[str, list[int]] = {}
        for topic, partition in partitions:
            topics.setdefault(topic, []).append(partition)
        request = add_partitions(self._id, self._producer, topics)
        deadline = time.monotonic() + BUSY_SECONDS
        while _is_busy(self._put(self._coordinator, request).error_code, deadline):
            pass

    def _produce(self, batches: dict[TopicPartition, list[tuple[bytes | None, bytes]]]) -> None:
        """Append one batch a partition to its leader. Raises the first error that a leader tells."""
        now_ms = int(time.time() * 1000)
        by_leader: dict[object, dict[TopicPartition, bytes]] = {}
        for partition, records in batches.items():
            sequence = self._sequences.get(partition, 0)
            text = record_batch(records, self._producer, sequence, now_ms)
            self._sequences[partition] = (sequence + len(records)) % (1 << 31)
            by_leader.setdefault(self._leader(partition), {})[partition] = text
        for leader, texts in by_leader.items():
            _check(self._put(leader, produce(self._id, int(REQUEST_SECONDS * 1000), texts)).error_code)

    def _end(self) -> None:
        request = commit(self._id, self._producer)
        deadline = time.monotonic() + BUSY_SECONDS
        try:
            # Asked again it is the same commit: the broker does what is not done, and says of what is done that it is.
            # The first yes means that the commit is noted; the partitions are told after it. A broker (4.3.1) that was
            # killed between has, once started again, lost what it had said yes to: it took the note for done, and the
            # partitions never heard of it. The second yes comes when all of them have.
            for pause_seconds in (0.0, TELLING_SECONDS):
                time.sleep(pause_seconds)
                while _is_busy(self._put(self._coordinator, request).error_code, deadline):
                    pass
        except Exception as error:
            # No answer but success is certain: each of them may come behind the broker's own note of the commit.
            raise CommitUnknown from error


# The coordinator is loading, is waiting for its own replicas, or is at another transaction of this producer.
BUSY = frozenset(
    one.errno
    for one in (
        errors.CoordinatorLoadInProgressError,
        errors.CoordinatorNotAvailableError,
        errors.ConcurrentTransactionsError,
    )
)


def _check(code: int) -> None:
    if code:
        raise errors.for_code(code)()


def _is_busy(code: int, deadline: float) -> bool:
    """Whether to ask again, after a pause. Raises the error where it is another one, or the time is over."""
    if code not in BUSY or time.monotonic() >= deadline:
        _check(code)
        return False
    time.sleep(BUSY_PAUSE_SECONDS)
    return True


def _batches(records: list[tuple[bytes | None, bytes]]) -> Iterator[list[tuple[bytes | None, bytes]]]:
    """The records in order, as batches of at most ``BATCH_BYTES``, or of one record."""
    batch: list[tuple[bytes | None, bytes]] = []
    size = 0
    for record in records:
        size += len(record[1])
        if batch and size > BATCH_BYTES:
            yield batch
            batch, size = [], len(record[1])
        batch.append(record)
    yield batch
