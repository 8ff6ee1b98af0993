"""The three requests of a transaction and their answers as Kafka's protocol writes them, and nothing that is not used.

Standard: https://kafka.apache.org/protocol, AddPartitionsToTxn version 3, Produce version 9, EndTxn version 3 (a test
holds each to kafka-python's own text of it). kafka-python makes an object of each part, and that was more than half of
a transaction's processor time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kafka import errors
from kafka.structs import TopicPartition

from streaming.record_batch import Producer

ALL_REPLICAS = -1
# API key, version, correlation id, length of the client's name; before them the length of all.
HEAD = struct.Struct(">ihhih")
WHO = struct.Struct(">qh")
NUMBER = struct.Struct(">i")
CODE = struct.Struct(">h")
ANSWER_HEAD = struct.Struct(">i")
PRODUCE_HOW = struct.Struct(">hi")
# Base offset, time of the append and first offset of the log: nobody asks.
OFFSETS_BYTES = 24
THROTTLE_BYTES = 4
# Fields that a later version may add, by their number.
NO_TAGS = b"\x00"


class Answer(NamedTuple):
    """The error codes of an answer, 0 where all is well: one, or one a partition."""

    codes: tuple[int, ...]

    @property
    def error_code(self) -> int:
        """The first that is an error, else 0. One that says that something was not tried stands behind the reason."""
        wrong = [code for code in self.codes if code]
        return next((one for one in wrong if one != errors.OperationNotAttemptedError.errno), next(iter(wrong), 0))


class Request(NamedTuple):
    """A request without its head, and how its answer is read."""

    api_key: int
    version: int
    body: bytes
    read: Callable[[Text], tuple[int, ...]]

    def framed(self, correlation_id: int, client_id: bytes) -> bytes:
        """All that is sent."""
        length = HEAD.size - NUMBER.size + len(client_id) + len(NO_TAGS) + len(self.body)
        head = HEAD.pack(length, self.api_key, self.version, correlation_id, len(client_id))
        return b"".join((head, client_id, NO_TAGS, self.body))

    def answer(self, text: bytes, correlation_id: int) -> Answer:
        """What is in an answer. Raises kafka.errors.CorrelationIdError where it is another request's."""
        given = Text(text)
        if given.take(ANSWER_HEAD) != correlation_id:
            raise errors.CorrelationIdError("the answer is not that of the request")
        given.skip_tags()
        return Answer(self.read(given))


class Text:
    """An answer's octets, read from their beginning."""

    def __init__(self, text: bytes) -> None:
        self._text, self._at = text, 0

    def take(self, form: struct.Struct) -> int:
        """The next number."""
        (number,) = form.unpack_from(self._text, self._at)
        self._at += form.size
        return int(number)

    def length(self) -> int:
        """The next length: one more than it is, so that 0 is what is not there; seven bits an octet."""
        found = shift = 0
        while True:
            octet = self._text[self._at]
            self._at += 1
            found |= (octet & 0x7F) << shift
            if octet < 0x80:
                return found
            shift += 7

    def skip(self, octets: int) -> None:
        """Pass over so many."""
        self._at += octets

    def skip_string(self) -> None:
        """Pass over a string, or one that is not there."""
        self.skip(max(self.length() - 1, 0))

    def skip_tags(self) -> None:
        """Pass over fields of later versions."""
        for _ in range(self.length()):
            self.length()
            self.skip(self.length())


def add_partitions(transactional_id: str, producer: Producer, topics: Mapping[str, Sequence[int]]) -> Request:
    """That a transaction has these partitions."""
    parts = [_string(transactional_id), WHO.pack(*producer), _length(len(topics))]
    for name, numbers in topics.items():
        parts += (_string(name), _length(len(numbers)), struct.pack(f">{len(numbers)}i", *numbers), NO_TAGS)
    return Request(24, 3, b"".join((*parts, NO_TAGS)), _of_add_partitions)


def produce(transactional_id: str, timeout_ms: int, batches: Mapping[TopicPartition, bytes]) -> Request:
    """One batch a partition, written when all in-sync replicas have it."""
    topics: dict[str, list[tuple[int, bytes]]] = {}
    for (topic, number), batch in batches.items():
        topics.setdefault(topic, []).append((number, batch))
    parts = [_string(transactional_id), PRODUCE_HOW.pack(ALL_REPLICAS, timeout_ms), _length(len(topics))]
    for name, partitions in topics.items():
        parts += (_string(name), _length(len(partitions)))
        for number, batch in partitions:
            parts += (NUMBER.pack(number), _length(len(batch)), batch, NO_TAGS)
        parts.append(NO_TAGS)
    return Request(0, 9, b"".join((*parts, NO_TAGS)), _of_produce)


def commit(transactional_id: str, producer: Producer) -> Request:
    """That a transaction is to be committed."""
    return Request(26, 3, b"".join((_string(transactional_id), WHO.pack(*producer), b"\x01", NO_TAGS)), _of_end)


def _of_add_partitions(text: Text) -> tuple[int, ...]:
    codes = []
    text.skip(THROTTLE_BYTES)
    for _ in range(text.length() - 1):
        text.skip_string()
        for _ in range(text.length() - 1):
            text.skip(NUMBER.size)
            codes.append(text.take(CODE))
            text.skip_tags()
        text.skip_tags()
    return tuple(codes)


def _of_produce(text: Text) -> tuple[int, ...]:
    codes = []
    for _ in range(text.length() - 1):
        text.skip_string()
        for _ in range(text.length() - 1):
            text.skip(NUMBER.size)
            codes.append(text.take(CODE))
            text.skip(OFFSETS_BYTES)
            for _ in range(text.length() - 1):
                text.skip(NUMBER.size)
                text.skip_string()
                text.skip_tags()
            text.skip_string()
            text.skip_tags()
        text.skip_tags()
    return tuple(codes)


def _of_end(text: Text) -> tuple[int, ...]:
    text.skip(THROTTLE_BYTES)
    return (text.take(CODE),)


def _length(length: int) -> bytes:
    rest = length + 1
    text = bytearray()
    while rest > 0x7F:
        text.append(rest & 0x7F | 0x80)
        rest >>= 7
    text.append(rest)
    return bytes(text)


def _string(text: str) -> bytes:
    octets = text.encode()
    return _length(len(octets)) + octets
