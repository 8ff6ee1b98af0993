"""What came in today, per school, from the topic as it is written.

Counts and active learners; mastery is ``live/``'s, whose service shows both. Reads committed records of the last two
days from the start, keeps only numbers and keys in memory, and needs no state of its own: after a crash it reads again.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from cairn.evidence.activity import UNKNOWN_SCHOOL
from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming.topics import ACTIVITY

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=2)
POLL_MS = 500
PAUSE_SECONDS = 1.0
# An event counts once although it was sent twice; bounded, because this is for looking, not for the books.
MOST_EVENTS = 500_000


@dataclass
class _School:
    """One school's day."""

    received: int = 0
    pupils: set[str] = field(default_factory=set)
    by_work_date: dict[str, int] = field(default_factory=dict)
    last_event_at: str | None = None
    last_received_at: str | None = None


class Day:
    """Counts of one district day of receipt; thread-safe. A new day begins empty."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._lock = threading.Lock()
        self._date = ""
        self._schools: dict[str, _School] = {}
        self._seen: set[str] = set()

    def today(self) -> date:
        """The district's day now."""
        return datetime.now(UTC).astimezone(self._zone).date()

    def add(self, record: dict[str, Any]) -> None:
        """Count a record of today; others are passed over."""
        today = self.today().isoformat()
        with self._lock:
            self._turn(today)
            if record.get("received_date") != today or record["event_id"] in self._seen:
                return
            if len(self._seen) < MOST_EVENTS:
                self._seen.add(record["event_id"])
            school = self._schools.setdefault(record.get("org_id") or UNKNOWN_SCHOOL, _School())
            school.received += 1
            school.pupils.add(record["subject_key"])
            work_date = record.get("work_date") or today
            school.by_work_date[work_date] = school.by_work_date.get(work_date, 0) + 1
            school.last_event_at = max(school.last_event_at or "", record["event_time"])
            school.last_received_at = max(school.last_received_at or "", record["received_at"])

    def _turn(self, today: str) -> None:
        if today != self._date:
            self._date = today
            self._schools.clear()
            self._seen.clear()

    def school(self, school_id: str) -> dict[str, Any]:
        """Numbers of a school; zeros where nothing came from it today."""
        with self._lock:
            self._turn(self.today().isoformat())
            found = self._schools.get(school_id, _School())
            return {
                "school_id": school_id,
                "events_today": found.received,
                "pupils_active": len(found.pupils),
                "events_by_work_date": dict(sorted(found.by_work_date.items())),
                "last_event_at": found.last_event_at,
                "last_received_at": found.last_received_at,
            }

    def school_ids(self) -> list[str]:
        """Schools from which something came today."""
        with self._lock:
            return sorted(self._schools)


class Reader:
    """One thread that follows the topic into a :class:`Day`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.day = Day(settings.zone)
        self.is_connected = False
        self.lag_records = 0
        self._last_received_at: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(5)

    def lag_seconds(self) -> float | None:
        """How far behind the topic's end this is: 0 when nothing is waiting, None while there is no broker."""
        if not self.is_connected:
            return None
        if self.lag_records == 0 or self._last_received_at is None:
            return 0.0
        last = datetime.fromisoformat(self._last_received_at)
        return max(0.0, round((datetime.now(UTC) - last).total_seconds(), 1))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except Exception as problem:
                self.is_connected = False
                log.warning("the topic cannot be followed yet: %s", type(problem).__name__)
                self._stopping.wait(PAUSE_SECONDS)

    def _follow(self) -> None:
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(
            **client_options(self._settings),
            isolation_level="read_committed",
            bootstrap_timeout_ms=5_000,
            request_timeout_ms=10_000,
            reconnect_backoff_max_ms=1_000,
        )
        try:
            partitions = [TopicPartition(ACTIVITY, number) for number in consumer.partitions_for_topic(ACTIVITY) or ()]
            if not partitions:
                raise LookupError(ACTIVITY)
            consumer.assign(partitions)
            since = int((time.time() - LOOK_BACK.total_seconds()) * 1000)
            for partition, found in consumer.offsets_for_times(dict.fromkeys(partitions, since)).items():
                if found is None:
                    consumer.seek_to_end(partition)
                else:
                    consumer.seek(partition, found.offset)
            # Begin again from nothing: what is read now was perhaps read before the connection broke.
            self.day = Day(self._settings.zone)
            self.is_connected = True
            checked_at = 0.0
            while not self._stopping.is_set():
                for records in consumer.poll(timeout_ms=POLL_MS).values():
                    for record in records:
                        self._take(record.value)
                if time.monotonic() - checked_at > PAUSE_SECONDS:
                    checked_at = time.monotonic()
                    ends = consumer.end_offsets(partitions)
                    self.lag_records = sum(max(0, ends[each] - consumer.position(each)) for each in partitions)
        finally:
            self.is_connected = False
            consumer.close()

    def _take(self, value: bytes) -> None:
        try:
            record = orjson.loads(value)
            self.day.add(record)
            self._last_received_at = record["received_at"]
        except (ValueError, KeyError, TypeError, AttributeError):
            # A record that breaks the contract is for intake to quarantine; here it is passed over.
            return
