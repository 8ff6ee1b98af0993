"""What a broker says to a commit, and what the committer may tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import errors

from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming import transactions
from streaming.record_batch import Producer
from streaming.topics import ACTIVITY, ALL, RECEIPTS, TopicEnds, ensure_topics
from streaming.transactions import CommitUnknown, Message, TransactionalProducer

AGAIN = (
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.ConcurrentTransactionsError,
)
OTHER = (
    errors.NotCoordinatorError,
    errors.InvalidProducerEpochError,
    errors.InvalidTxnStateError,
    errors.UnknownError,
)


def ending(answers: Iterator[Any], monkeypatch: pytest.MonkeyPatch) -> TransactionalProducer:
    """A producer whose commit is answered so: an error of the broker, or one of the connection."""
    producer = TransactionalProducer.__new__(TransactionalProducer)
    producer._id, producer._producer, producer._coordinator = "cairn-test", Producer(1, 0), "coordinator"

    def ask(_producer: TransactionalProducer, _node: object, _request: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(error_code=answer.errno)

    monkeypatch.setattr(TransactionalProducer, "_put", ask)
    return producer


@pytest.mark.parametrize("first", AGAIN)
def test_a_commit_is_asked_for_again_where_the_broker_is_busy(first: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is noted, and then until all partitions have been told."""
    answers = iter((first, first, errors.NoError, errors.ConcurrentTransactionsError, errors.NoError))
    ending(answers, monkeypatch)._end()
    assert not list(answers), "it was asked until the broker said that it is done"


@pytest.mark.parametrize("answer", [*AGAIN, *OTHER, TimeoutError(), errors.KafkaConnectionError()])
def test_a_commit_that_was_asked_for_is_never_told_as_not_done(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker may answer so behind its note of the commit, which then becomes visible: sent again, it would double."""
    monkeypatch.setattr(transactions, "BUSY_SECONDS", 0.01)
    with pytest.raises(CommitUnknown):
        ending(iter([answer] * 1_000), monkeypatch)._end()


@pytest.mark.broker
def test_what_is_committed_is_at_once_there_to_be_read_in_every_partition(broker: Settings) -> None:
    """A commit that the partitions have not been told of is lost with a broker that is killed then."""
    ensure_topics(broker)
    producer = TransactionalProducer(client_options(broker), "cairn-test-told", ALL)
    places = [(ACTIVITY, number) for number in range(broker.activity_partitions)] + [(RECEIPTS, 0)]
    with closing(producer), TopicEnds(broker) as ends:
        for _ in range(50):
            before = ends.now()
            producer.commit([Message(topic, number, None, b"{}") for topic, number in places])
            # By a connection that stands: making one takes longer than telling the partitions.
            after = ends.now()
            moved = {after[topic][str(number)] - before[topic][str(number)] for topic, number in places}
            assert moved == {2}, "the record, and the note that it is committed"
