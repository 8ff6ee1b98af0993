"""A transaction that is over and that a partition was never told of is ended there as it was everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition, errors

from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming import forgotten
from streaming.forgotten import Begun, Place, end_forgotten
from streaming.record_batch import Producer
from streaming.topics import ACTIVITY, ALL, TopicEnds, ensure_topics
from streaming.transactions import Message, TransactionalProducer
from tests.streaming.forgotten_state import TOLD, UNTOLD, begin, end, forget, set_check


@pytest.fixture(scope="module")
def lenient(broker: Settings) -> Iterator[Settings]:
    """The broker, which takes records for partitions that their transaction does not name."""
    ensure_topics(broker)
    set_check(broker, "false")
    yield broker
    set_check(broker, "true")


def open_records(broker: Settings) -> int:
    """How many offsets are beyond what is decided, in the partition that was not told."""
    ends = []
    for level in ("read_uncommitted", "read_committed"):
        consumer = KafkaConsumer(isolation_level=level, **client_options(broker))
        ends.append(consumer.end_offsets([UNTOLD])[UNTOLD])
        consumer.close()
    return ends[0] - ends[1]


def seen(broker: Settings, text: bytes) -> dict[TopicPartition, int]:
    """How often a reader of committed records finds a text in each partition, up to what is decided."""
    consumer = KafkaConsumer(isolation_level="read_committed", **client_options(broker))
    consumer.assign([TOLD, UNTOLD])
    consumer.seek_to_beginning()
    ends = consumer.end_offsets([TOLD, UNTOLD])
    found = dict.fromkeys(ends, 0)
    while any(consumer.position(partition) < ends[partition] for partition in ends):
        for partition, records in consumer.poll(timeout_ms=200).items():
            found[partition] += sum(record.value == text for record in records)
    consumer.close()
    return found


@pytest.mark.broker
@pytest.mark.parametrize("is_committed", [True, False])
def test_the_next_producer_ends_it_as_it_was_decided_before_it_does_anything(
    lenient: Settings, is_committed: bool
) -> None:
    """Whole or not at all: the books count statements and receipts."""
    text = f"whole-{is_committed}".encode()
    name = f"cairn-forgotten-{is_committed}"
    forget(lenient, name, text, is_committed)
    assert seen(lenient, text) == {TOLD: is_committed, UNTOLD: 0}, "in part, as the broker left it"
    assert open_records(lenient) == 1, "nobody reads beyond it"

    with closing(TransactionalProducer(client_options(lenient), name, ALL)) as producer:
        assert open_records(lenient) == 0
        assert seen(lenient, text) == {TOLD: is_committed, UNTOLD: is_committed}
        # What it does next has no hand in it, and is not hindered by it.
        producer.commit([Message(*UNTOLD, None, b"next"), Message(*TOLD, None, b"next")])
    with closing(begin(lenient, name, b"aborted")) as producer:
        end(producer, is_committed=False)
    with closing(TransactionalProducer(client_options(lenient), name, ALL)):
        assert seen(lenient, text) == {TOLD: is_committed, UNTOLD: is_committed}


@pytest.mark.broker
def test_another_of_the_family_ends_it_and_a_stranger_does_not(lenient: Settings) -> None:
    """A command that died with the broker may never be started again."""
    forget(lenient, "cairn-family-replay", b"of the family", is_committed=True)
    TransactionalProducer(client_options(lenient), "cairn-stranger", ALL, "cairn-stranger").close()
    assert open_records(lenient) == 1
    TransactionalProducer(client_options(lenient), "cairn-family-gateway", ALL, "cairn-family-").close()
    assert open_records(lenient) == 0
    assert seen(lenient, b"of the family") == {TOLD: 1, UNTOLD: 1}


@pytest.mark.broker
def test_what_a_living_producer_has_under_way_stays_its_own(lenient: Settings) -> None:
    producer = TransactionalProducer(client_options(lenient), "cairn-family-1", ALL, "cairn-family-")
    with closing(producer):
        producer._add_partitions([TOLD, UNTOLD])
        producer._produce({TOLD: [(None, b"mine")], UNTOLD: [(None, b"mine")]})
        TransactionalProducer(client_options(lenient), "cairn-family-2", ALL, "cairn-family-").close()
        assert open_records(lenient) == 1
        producer._end()
    assert seen(lenient, b"mine") == {TOLD: 1, UNTOLD: 1}


@pytest.mark.broker
def test_after_an_end_in_order_nothing_is_written_for_it(broker: Settings) -> None:
    ensure_topics(broker)
    for _ in range(2):
        with closing(TransactionalProducer(client_options(broker), "cairn-in-order", ALL)) as producer:
            producer.commit([Message(*UNTOLD, None, b"{}")])
        with TopicEnds(broker) as ends:
            before = ends.now()
            TransactionalProducer(client_options(broker), "cairn-in-order", ALL).close()
            assert ends.now() == before


def answers(begun: Iterator[dict[Place, Begun]], state: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A broker that says what is open, look for look, and how the transactions of producer 7 stand; what was told."""
    told: list[Any] = []
    listed = SimpleNamespace(transactional_id="cairn-x-gateway", producer_id=7, transaction_state=state)
    monkeypatch.setattr(forgotten, "_begun", lambda *_given: next(begun))
    monkeypatch.setattr(forgotten, "_tell", lambda *given: told.append(given[2:]))

    def ask(_node: object, _request: object) -> Any:
        return SimpleNamespace(error_code=0, transaction_states=[listed])

    assert end_forgotten(ask, {UNTOLD: 1}, 1, "cairn-x-") == len(told)
    return told


@pytest.mark.parametrize("state", ["Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence", "Dead", "New"])
def test_only_what_is_over_is_ended(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    still = {Place(UNTOLD, 7): Begun(4, 0, 0)}
    assert answers(iter([still, still]), state, monkeypatch) == []


@pytest.mark.parametrize("later", [{}, {Place(UNTOLD, 7): Begun(6, 0, 0)}, {Place(UNTOLD, 7): Begun(4, 1, 0)}])
def test_what_moved_on_meanwhile_is_not_forgotten(later: dict[Place, Begun], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended, or ended and the next one begun: the coordinator's word is of another transaction than what was open."""
    assert answers(iter([{Place(UNTOLD, 7): Begun(4, 0, 0)}, later]), "CompleteCommit", monkeypatch) == []


@pytest.mark.parametrize(("state", "outcome"), [("CompleteCommit", True), ("CompleteAbort", False), ("Empty", False)])
def test_it_is_ended_as_the_coordinator_says(state: str, outcome: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    place, begun = Place(UNTOLD, 7), Begun(4, 2, 5)
    other = {Place(UNTOLD, 8): Begun(9, 0, 0)}
    assert answers(iter([{place: begun} | other] * 2), state, monkeypatch) == [(place, begun, outcome)]


def starting(states: list[str], monkeypatch: pytest.MonkeyPatch, leader: int | None = 1) -> list[str]:
    """What a producer does that starts while the coordinator says this of its last transaction, ask for ask."""
    done: list[str] = []
    producer = TransactionalProducer.__new__(TransactionalProducer)
    producer._id, producer._family, producer._topics, producer._coordinator = "cairn-x-1", "cairn-x-", [ACTIVITY], 1
    cluster = SimpleNamespace(partitions_for_topic=lambda _topic: {0}, leader_for_partition=lambda _one: leader)
    producer._client = SimpleNamespace(cluster=cluster)
    monkeypatch.setattr("streaming.transactions.end_forgotten", lambda *_given: done.append("look"))

    def ask(_producer: object, _node: object, request: Any) -> Any:
        if type(request).__name__ == "DescribeTransactionsRequest":
            done.append(states[0])
            return SimpleNamespace(transaction_states=[SimpleNamespace(error_code=0, transaction_state=states.pop(0))])
        done.append("init")
        code = errors.ConcurrentTransactionsError.errno if done[-3] == "Ongoing" else 0
        return SimpleNamespace(error_code=code, producer_id=7, producer_epoch=1)

    monkeypatch.setattr(TransactionalProducer, "_ask", ask)
    assert producer._init() == Producer(7, 1)
    return done


def test_it_is_looked_when_the_end_is_decided_and_before_the_broker_forgets_how(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert starting(["PrepareCommit", "CompleteCommit"], monkeypatch) == [
        *("PrepareCommit", "CompleteCommit", "look", "init")
    ]
    assert starting(["Ongoing", "PrepareAbort", "CompleteAbort"], monkeypatch) == [
        *("Ongoing", "look", "init", "PrepareAbort", "CompleteAbort", "look", "init")
    ]


@pytest.mark.parametrize("leader", [None, -1])
def test_a_partition_without_a_leader_is_not_passed_over(leader: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the broker does."""
    with pytest.raises(errors.LeaderNotAvailableError):
        starting(["CompleteCommit"], monkeypatch, leader)
