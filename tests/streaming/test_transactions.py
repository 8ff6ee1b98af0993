"""What a broker says to a commit, and what the committer may tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import errors

from streaming import transactions
from streaming.record_batch import Producer
from streaming.transactions import CommitUnknown, TransactionalProducer

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

    monkeypatch.setattr(TransactionalProducer, "_ask", ask)
    return producer


@pytest.mark.parametrize("first", AGAIN)
def test_a_commit_is_asked_for_again_where_the_broker_is_busy(first: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter((first, first, errors.NoError))
    ending(answers, monkeypatch)._end()
    assert not list(answers), "it was asked until the broker said that it is done"


@pytest.mark.parametrize("answer", [*AGAIN, *OTHER, TimeoutError(), errors.KafkaConnectionError()])
def test_a_commit_that_was_asked_for_is_never_told_as_not_done(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker may answer so behind its note of the commit, which then becomes visible: sent again, it would double."""
    monkeypatch.setattr(transactions, "BUSY_SECONDS", 0.01)
    with pytest.raises(CommitUnknown):
        ending(iter([answer] * 1_000), monkeypatch)._end()
