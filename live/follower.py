"""One thread that follows the activity topic into the live table, for as long as the service runs.

It asks for committed records alone and keeps no place at the broker (no consumer group): where it has read to stands in
the store, beside what it has read.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from cairn.errors import CairnError
from cairn.kafka_access import client_options
from cairn.settings import Settings
from cairn.topics import ACTIVITY
from live import report
from live.engine import Engine
from live.records import Record
from live.store import Store, path_of

log = logging.getLogger(__name__)

POLL_MS = 200
# What is folded before the topic is asked again: the next rows do not wait for all before them.
MOST_RECORDS = 2_000
FOLD_SECONDS = 2.0
# Records gather for so long before they are folded: a fold of few pupils costs nearly as much as one of many.
GATHER_SECONDS = 0.5
PAUSE_SECONDS = 1.0
# How often the topic's end is asked for, and how often the lake: for a newer night, and for what intake has set aside.
ENDS_SECONDS, LAKE_SECONDS = 1.0, 10.0


@dataclass
class Status:
    """How live is doing, as ``/health`` and the pages tell it. behind_records: offsets from the topic's end."""

    word: str = "starting"
    problem: str = ""
    base_night: int | None = None
    base_data_date: str = ""
    behind_records: int | None = None
    behind_pupils: int = 0
    last_received_at: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    taken: int = 0
    folded: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether the live table follows the topic."""
        return self.word == "ready"


class Follower:
    """The thread, and what it says of itself."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.status = Status()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-mastery", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not committed is read again."""
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with _alone(self.settings), Store(self.settings) as store:
                    self._follow(Engine(self.settings, store))
            except CairnError as error:
                self._is_waiting("waiting", str(error))
            except Exception as error:
                log.warning("live mastery cannot follow the topic yet: %s", type(error).__name__, exc_info=True)
                self._is_waiting("waiting", type(error).__name__)
            self._stopping.wait(PAUSE_SECONDS)

    def _is_waiting(self, word: str, problem: str) -> None:
        self.status.word, self.status.problem = word, problem

    def _follow(self, engine: Engine) -> None:
        positions = engine.begin()
        if positions is None:
            self._is_waiting("waiting", "no night has run yet: live stands on what the last night left")
            return
        with _consumer(self.settings) as consumer:
            partitions = _assigned(consumer, positions)
            engine.warm()
            asked_ends = asked_lake = folded_at = 0.0
            while not self._stopping.is_set():
                self._take(engine, consumer, partitions)
                if time.monotonic() - folded_at > GATHER_SECONDS:
                    self._fold(engine)
                    folded_at = time.monotonic()
                now = time.monotonic()
                if now - asked_ends > ENDS_SECONDS:
                    asked_ends = now
                    self._tell(engine, consumer, partitions)
                if now - asked_lake > LAKE_SECONDS:
                    asked_lake = now
                    self._look_at_lake(engine)

    def _fold(self, engine: Engine) -> None:
        until = time.monotonic() + FOLD_SECONDS
        while (folded := engine.fold_waiting()) and time.monotonic() < until:
            self.status.folded += folded

    def _take(self, engine: Engine, consumer: Any, partitions: list[Any]) -> None:
        found = consumer.poll(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
        records = [
            Record(one.partition, one.offset, one.timestamp, one.key, one.value)
            for some in found.values()
            for one in some
        ]
        if records:
            # Behind them may be markers of transactions, which the consumer has passed as well.
            self.status.taken += engine.take(records, {each.partition: consumer.position(each) for each in partitions})

    def _tell(self, engine: Engine, consumer: Any, partitions: list[Any]) -> None:
        ends = consumer.end_offsets(partitions)
        assert engine.base is not None
        status, record = self.status, engine.base.record
        status.behind_records = sum(max(0, ends[each] - consumer.position(each)) for each in partitions)
        status.behind_pupils = engine.store.count_waiting()
        received_us = engine.newest_received_us
        status.last_received_at = datetime.fromtimestamp(received_us / 1e6, UTC).isoformat() if received_us else None
        status.base_night, status.base_data_date = record.night, record.data_date.isoformat()
        status.counts, status.memory = engine.store.counts(), engine.base.kept
        status.word, status.problem = "ready", ""

    def _look_at_lake(self, engine: Engine) -> None:
        engine.take_out_set_aside()
        look = engine.look()
        if look is None:
            return
        # Live is mostly ahead of what a night has counted; where it is not, it reads on first, and looks again.
        if not engine.has_read(look) and self.status.behind_records != 0:
            return
        engine.move_on(look)
        found = engine.compared
        if found is not None:
            report.write_down(self.settings, found)
            log.info("night %s: %s pairs compared, %s different", found.night, found.pairs, found.differences)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the store's lock. Raises CairnError where another live service has it."""
    path = path_of(settings).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CairnError("another live service keeps the live table of this home: end it first") from error
        yield


@contextmanager
def _consumer(settings: Settings) -> Iterator[Any]:
    consumer = KafkaConsumer(
        **client_options(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        # Positions are the store's: where the topic no longer has one, that is an error and no place to go on from.
        auto_offset_reset="none",
        bootstrap_timeout_ms=5_000,
        request_timeout_ms=10_000,
        reconnect_backoff_max_ms=1_000,
        fetch_max_wait_ms=POLL_MS,
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _assigned(consumer: Any, positions: Mapping[int, int]) -> list[Any]:
    """The topic's partitions, each at its position. Raises CairnError where the topic no longer goes back so far."""
    partitions = [TopicPartition(ACTIVITY, number) for number in sorted(consumer.partitions_for_topic(ACTIVITY) or ())]
    if not partitions:
        raise CairnError(f"no topic {ACTIVITY} yet: 'cairn up' makes it")
    consumer.assign(partitions)
    first, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    for each in partitions:
        wanted = positions.get(each.partition, first[each])
        if wanted < first[each]:
            raise CairnError(
                f"the topic begins at {first[each]} in partition {each.partition}, live has read up to {wanted}: run a "
                "night, which has the rest from the lake, and live stands on it"
            )
        if wanted > ends[each]:
            raise CairnError(
                f"the topic ends at {ends[each]} in partition {each.partition}, before {wanted} that the lake has: "
                "is this the broker that the lake was filled from?"
            )
        consumer.seek(each, wanted)
    return partitions
