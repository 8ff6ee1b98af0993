"""Batches as they are written are batches as kafka-python reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from kafka.record import MemoryRecords
from kafka.record.util import decode_varint

from streaming import transactions
from streaming.record_batch import Producer, record_batch, varint

PRODUCER = Producer(4_711, 3)
NOW_MS = 1_792_000_000_123
records = st.lists(st.tuples(st.none() | st.binary(max_size=40), st.binary(max_size=300)), min_size=1, max_size=80)


@examples(max_examples=40, deadline=None)
@given(records, st.integers(0, 2**31 - 1))
def test_kafkas_own_reader_finds_every_record(given_records: list[tuple[bytes | None, bytes]], sequence: int) -> None:
    read = MemoryRecords(record_batch(given_records, PRODUCER, sequence, NOW_MS))
    batch = read.next_batch()
    assert batch.validate_crc()
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (*PRODUCER, sequence)
    assert batch.is_transactional
    found = list(batch)
    assert [(record.key, record.value) for record in found] == given_records
    assert [record.offset for record in found] == list(range(len(given_records)))
    assert {record.timestamp for record in found} == {NOW_MS}
    assert not read.has_next()


@pytest.mark.parametrize("number", [0, 1, 63, 64, 8_191, 8_192, 2**31 - 1, -1, -(2**31)])
def test_numbers_are_written_as_kafka_reads_them(number: int) -> None:
    text = varint(number)
    assert decode_varint(text, 0) == (number, len(text))


def test_a_batch_is_bounded_and_a_large_record_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "BATCH_BYTES", 100)
    sizes = [40, 40, 40, 500, 10, 90, 1]
    batches = list(transactions._batches([(None, b"x" * size) for size in sizes]))
    assert [[len(value) for _, value in batch] for batch in batches] == [[40, 40], [40], [500], [10, 90], [1]]
