"""Transactions that are over for the broker and that a partition was never told of: found, and ended as was decided.

A broker (4.3.1) notes how a transaction ends, and then tells each of its partitions. A partition that has no leader at
that moment, as when the broker has just been started again, it passes over and takes for deleted. The records there
stay open: nobody reads beyond them, and the end of the next transaction of the same producer id, whatever it is,
decides over them too. So whoever begins looks first, and ends what is open as the broker had noted it. Decision 0031.

Standard: KIP-664 (https://cwiki.apache.org/confluence/display/KAFKA/KIP-664), whose tool does the same by hand, but
only knows how to abort: of a transaction that other partitions have committed, a part would be gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kafka import errors
from kafka.protocol.admin.transactions import DescribeProducersRequest, ListTransactionsRequest
from kafka.protocol.producer import WriteTxnMarkersRequest
from kafka.structs import TopicPartition

log = logging.getLogger(__name__)

# Ends a transaction in a partition as its producer's epoch allows; later versions bind that to KIP-890.
MARKER_VERSION = 1
# What the coordinator says of an id whose last transaction is over, and how it ended. Of an id that has begun anew
# since, nobody knows how the one before ended; but whoever begins looks first, so that nothing is open then, unless
# it began when nobody looked: it was never acknowledged.
ENDED = {"CompleteCommit": True, "CompleteAbort": False, "Empty": False}

Ask = Callable[[object, Any], Any]


class Begun(NamedTuple):
    """A producer's open records in one partition, as the partition's leader knows them."""

    first_offset: int
    producer_epoch: int
    coordinator_epoch: int


class Place(NamedTuple):
    """Where they are, and whose."""

    partition: TopicPartition
    producer_id: int


def end_forgotten(ask: Ask, leaders: Mapping[TopicPartition, object], coordinator: object, family: str) -> int:
    """End what producers whose transactional id begins with ``family`` have open though it is over; how many places.

    ``ask`` puts a request to a node; ``leaders`` are those of all partitions that may be concerned. Raises
    kafka.errors.KafkaError where a node does not answer or refuses: then it is not known that nothing is open.
    """
    before = _begun(ask, leaders)
    if not before:
        return 0
    producer_ids = sorted({place.producer_id for place in before})
    is_committed = _outcomes(ask, {*leaders.values(), coordinator}, producer_ids, family)
    # Open before and after its transaction was over: no end is on its way, for all were told before it was over. What
    # a living producer has begun meanwhile has another offset, and what it begins from now on a higher epoch.
    after = _begun(ask, leaders)
    forgotten = {
        place: begun
        for place, begun in before.items()
        if place.producer_id in is_committed and after.get(place) == begun
    }
    for place, begun in forgotten.items():
        _tell(ask, leaders[place.partition], place, begun, is_committed[place.producer_id])
        log.warning(
            "%s-%d had never been told that a transaction was %s: told now",
            *place.partition,
            "committed" if is_committed[place.producer_id] else "aborted",
        )
    return len(forgotten)


def _begun(ask: Ask, leaders: Mapping[TopicPartition, object]) -> dict[Place, Begun]:
    """What is open in each partition."""
    begun = {}
    for node, topics in _by_node(leaders).items():
        topic_of = DescribeProducersRequest.TopicRequest
        request = DescribeProducersRequest(
            topics=[topic_of(name=name, partition_indexes=numbers) for name, numbers in topics.items()]
        )
        for topic in ask(node, request).topics:
            for one in topic.partitions:
                _check(one.error_code)
                for producer in one.active_producers:
                    if producer.current_txn_start_offset >= 0:
                        place = Place(TopicPartition(topic.name, one.partition_index), producer.producer_id)
                        begun[place] = Begun(
                            producer.current_txn_start_offset, producer.producer_epoch, producer.coordinator_epoch
                        )
    return begun


def _outcomes(ask: Ask, nodes: Iterable[object], producer_ids: list[int], family: str) -> dict[int, bool]:
    """Of the family's producers whose last transaction is over: whether it was committed."""
    is_committed = {}
    for node in nodes:
        answer = ask(node, ListTransactionsRequest(state_filters=[], producer_id_filters=producer_ids, max_version=0))
        _check(answer.error_code)
        for one in answer.transaction_states:
            if one.transactional_id.startswith(family) and one.transaction_state in ENDED:
                is_committed[one.producer_id] = ENDED[one.transaction_state]
    return is_committed


def _tell(ask: Ask, leader: object, place: Place, begun: Begun, is_committed: bool) -> None:
    marker_of = WriteTxnMarkersRequest.WritableTxnMarker
    topic = marker_of.WritableTxnMarkerTopic(name=place.partition.topic, partition_indexes=[place.partition.partition])
    marker = marker_of(
        producer_id=place.producer_id,
        producer_epoch=begun.producer_epoch,
        transaction_result=is_committed,
        topics=[topic],
        # A partition that was never told of any transaction knows none.
        coordinator_epoch=max(begun.coordinator_epoch, 0),
    )
    answer = ask(leader, WriteTxnMarkersRequest(markers=[marker], max_version=MARKER_VERSION))
    for told in answer.markers:
        for one in told.topics:
            for partition in one.partitions:
                _check(partition.error_code)


def _by_node(leaders: Mapping[TopicPartition, object]) -> dict[object, dict[str, list[int]]]:
    found: dict[object, dict[str, list[int]]] = {}
    for (topic, number), node in leaders.items():
        found.setdefault(node, {}).setdefault(topic, []).append(number)
    return found


def _check(code: int) -> None:
    if code:
        raise errors.for_code(code)()
