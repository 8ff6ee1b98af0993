"""A transaction's requests are, octet for octet, what kafka-python writes; the answers are read as it reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from kafka import errors
from kafka.protocol.producer import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    EndTxnRequest,
    EndTxnResponse,
    ProduceRequest,
    ProduceResponse,
)
from kafka.structs import TopicPartition

from streaming.record_batch import Producer
from streaming.transaction_requests import Answer, Request, add_partitions, commit, produce

CLIENT, NUMBER = "cairn-0123-gateway", 4_711
names = st.text(st.characters(codec="ascii", min_codepoint=45), min_size=1, max_size=150)
producers = st.builds(Producer, st.integers(0, 2**62), st.integers(0, 2**15 - 1))
topics = st.dictionaries(names, st.lists(st.integers(0, 10_000), min_size=1, max_size=200, unique=True), max_size=4)
codes = st.dictionaries(names, st.dictionaries(st.integers(0, 10_000), st.integers(-1, 130), max_size=5), max_size=4)
some = examples(max_examples=60, deadline=None)


def theirs(request: Any, version: int) -> bytes:
    request.API_VERSION = version
    request.with_header(correlation_id=NUMBER, client_id=CLIENT)
    return bytes(request.encode(framed=True, header=True))


def ours(request: Request) -> bytes:
    return request.framed(NUMBER, CLIENT.encode())


def answered(request: Request, response: Any) -> Answer:
    return request.answer(NUMBER.to_bytes(4, "big") + b"\x00" + bytes(response.encode()), NUMBER)


def in_order(given_codes: dict[str, dict[int, int]]) -> tuple[int, ...]:
    return tuple(code for partitions in given_codes.values() for code in partitions.values())


@some
@given(names, producers, topics, codes)
def test_partitions_are_added(
    name: str, producer: Producer, given_topics: dict[str, list[int]], given_codes: dict[str, dict[int, int]]
) -> None:
    topic_of = AddPartitionsToTxnRequest.AddPartitionsToTxnTopic
    request = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer.producer_id,
        v3_and_below_producer_epoch=producer.epoch,
        v3_and_below_topics=[topic_of(name=topic, partitions=numbers) for topic, numbers in given_topics.items()],
    )
    mine = add_partitions(name, producer, given_topics)
    assert ours(mine) == theirs(request, 3)
    result_of = AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult
    one_of = result_of.AddPartitionsToTxnPartitionResult
    results = [
        result_of(
            name=topic,
            results_by_partition=[
                one_of(partition_index=number, partition_error_code=code) for number, code in partitions.items()
            ],
        )
        for topic, partitions in given_codes.items()
    ]
    response = AddPartitionsToTxnResponse[3](throttle_time_ms=5, results_by_topic_v3_and_below=results)
    assert answered(mine, response).codes == in_order(given_codes)


@some
@given(names, topics, st.binary(max_size=20_000), codes, st.none() | names)
def test_batches_are_produced(
    name: str,
    given_topics: dict[str, list[int]],
    batch: bytes,
    given_codes: dict[str, dict[int, int]],
    message: str | None,
) -> None:
    topic_of = ProduceRequest.TopicProduceData
    data_of = topic_of.PartitionProduceData
    request = ProduceRequest(
        transactional_id=name,
        acks=-1,
        timeout_ms=5_000,
        topic_data=[
            topic_of(name=topic, partition_data=[data_of(index=number, records=batch) for number in numbers])
            for topic, numbers in given_topics.items()
        ],
    )
    places = {TopicPartition(topic, number): batch for topic, numbers in given_topics.items() for number in numbers}
    mine = produce(name, 5_000, places)
    assert ours(mine) == theirs(request, 9)
    answer_of = ProduceResponse.TopicProduceResponse
    one_of = answer_of.PartitionProduceResponse
    record_error = one_of.BatchIndexAndErrorMessage(batch_index=3, batch_index_error_message=message)
    responses = [
        answer_of(
            name=topic,
            partition_responses=[
                one_of(
                    index=number,
                    error_code=code,
                    base_offset=2**40,
                    log_append_time_ms=-1,
                    log_start_offset=7,
                    record_errors=[record_error] * (code > 0),
                    error_message=message,
                )
                for number, code in partitions.items()
            ],
        )
        for topic, partitions in given_codes.items()
    ]
    response = ProduceResponse[9](responses=responses, throttle_time_ms=0)
    assert answered(mine, response).codes == in_order(given_codes)


@some
@given(names, producers, st.integers(-1, 130))
def test_it_is_committed(name: str, producer: Producer, code: int) -> None:
    request = EndTxnRequest(
        transactional_id=name, producer_id=producer.producer_id, producer_epoch=producer.epoch, committed=True
    )
    assert ours(commit(name, producer)) == theirs(request, 3)
    response = EndTxnResponse[3](throttle_time_ms=0, error_code=code)
    assert answered(commit(name, producer), response) == Answer((code,))


def test_fields_of_later_versions_are_passed_over() -> None:
    tags = b"\x02\x00\x03abc\x81\x01\x00"
    head = NUMBER.to_bytes(4, "big") + tags
    text = head + b"\0\0\0\0" + b"\x02" + b"\x02t" + b"\x03" + (b"\0\0\0\1\0\3" + tags) * 2 + tags + tags
    assert add_partitions("id", Producer(1, 0), {"t": [1]}).answer(text, NUMBER).codes == (3, 3)


def test_an_answer_to_another_request_is_none() -> None:
    with pytest.raises(errors.CorrelationIdError):
        commit("id", Producer(1, 0)).answer(b"\0\0\0\1\0\0\0\0\0\0\0\0", NUMBER)


def test_what_was_not_tried_is_not_the_reason() -> None:
    not_tried = errors.OperationNotAttemptedError.errno
    assert Answer((0, not_tried, 51, not_tried)).error_code == 51
    assert Answer((0, not_tried)).error_code == not_tried
    assert Answer((0, 0)).error_code == Answer(()).error_code == 0
