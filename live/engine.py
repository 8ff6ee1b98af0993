"""Live without a broker: records in, the live table kept, the base moved on when a night is there.

:mod:`live.follower` brings the records of the topic; tests bring their own. One engine writes a store at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.evidence.clock import ClockRule
from cairn.evidence.times import microseconds
from cairn.mastery import arrow
from cairn.settings import Settings
from cairn.topics import ACTIVITY
from live.base import Base, offsets_at
from live.fold import fold, stand
from live.reconcile import Reconciliation, reconcile
from live.records import Event, Record, sound_events
from live.store import FROM_LAKE, NEVER_US, Folded, Store
from spark_jobs import key_index, night_record
from spark_jobs.night_record import NightRecord

log = logging.getLogger(__name__)

QUARANTINE = "silver.activity_quarantine"
# Pupils that are folded and committed together: what is held at once stays small, and rows show soon.
PUPILS_AT_ONCE = 1_000
# A night's instant may be the end of a day that was not over when it ran.
LOOK_BACK = timedelta(days=1)
Positions = dict[int, int]


@dataclass(frozen=True)
class Look:
    """The newest night beside the base: ``offsets`` are those it has counted."""

    record: NightRecord
    offsets: Positions


class Engine:
    """The live table of one home."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self.clock = ClockRule.load(settings)
        self.base: Base | None = None
        self.compared: Reconciliation | None = None
        # When the newest event was received by the gateway.
        self.newest_received_us = store.newest_received_us()
        self._looked_at: set[str] = set()

    # The base.

    def begin(self) -> Positions | None:
        """Stand on the night that the store stands on, else on the newest; where to read the topic from.

        None before the first night.
        """
        newest = night_record.newest(self.settings)
        if newest is None:
            return None
        stood = self.store.base_night()
        record = night_record.numbered(self.settings, stood) if stood is not None else None
        if record is None:
            self._stand_on(Base.of(self.settings, newest))
        else:
            self.base = Base.of(self.settings, record)
        return self.positions()

    def positions(self) -> Positions:
        """Next offset of each partition: how far the topic has been read, the base's where it was not yet."""
        assert self.base is not None
        return {**self.base.offsets, **self.store.positions()}

    def look(self) -> Look | None:
        """A night that is newer than the base; None where there is none."""
        assert self.base is not None
        newest = night_record.newest(self.settings)
        if newest is None or newest.night <= self.base.record.night:
            return None
        silver = newest.versions["silver.learner_activity"]
        is_same = silver == self.base.record.versions["silver.learner_activity"]
        return Look(newest, self.base.offsets if is_same else offsets_at(self.settings, silver))

    def has_read(self, look: Look) -> bool:
        """Whether live has read as far as the night has counted."""
        positions = self.positions()
        return all(positions.get(partition, 0) >= offset for partition, offset in look.offsets.items())

    def move_on(self, look: Look) -> None:
        """Compare with a newer night where live has read as far as it counted, then stand on it."""
        assert self.base is not None
        self.compared = None
        after = Base.of(self.settings, look.record)
        if self.has_read(look) and look.record.kind == "night":
            self.take_out_set_aside()
            self.compared = reconcile(self.base, self.store, after)
        self._stand_on(after)

    def _stand_on(self, base: Base) -> None:
        events = [_of_lake(row) for row in _rows(base)]
        with self.store.writing():
            self.store.rebase(base.record.night, base.offsets)
            self.store.add_events(events)
            read = self.store.positions()
            behind = {place: offset for place, offset in base.offsets.items() if read.get(place, -1) < offset}
            self.store.set_positions(behind)
            self.base = base
            self._mark(self.store.scored_subjects())
            self._mark_voided(self.store.voided_events())

    # Records.

    def take(self, records: Sequence[Record], positions: Mapping[int, int]) -> int:
        """Take in records and note how far the topic has been read, in one commit; how many events are new."""
        events = sound_events(records, self.clock)
        with self.store.writing():
            new = self.store.add_events(events)
            self._mark([event.subject_key for event in new if event.content is not None])
            self._mark_voided([(event.voids, event.voids_event or "") for event in new if event.voids is not None])
            self.store.set_positions(positions)
        self.newest_received_us = max([self.newest_received_us or 0, *(event.received_us for event in new)]) or None
        return len(new)

    def _mark(self, subjects: Sequence[str], *, is_whole: bool = False) -> None:
        assert self.base is not None
        now_us = microseconds(datetime.now(UTC))
        self.store.mark(self.base.students_of(subjects), now_us, is_whole=is_whole)

    def _mark_voided(self, voids: Sequence[tuple[int, str]]) -> None:
        """Mark the pupils whose work was taken back: of events that came since the night, and of older ones by id."""
        if not voids:
            return
        self._mark(self.store.subjects_of_statements([statement for statement, _ in voids]))
        if lake.exists(self.settings, key_index.TABLE):
            found = key_index.find_events(self.settings, [event for _, event in voids])
            self._mark(found["subject_key"].to_pylist(), is_whole=True)

    def take_out_set_aside(self) -> int:
        """Take out what intake, whose word it is, has set aside since the last call; how many events.

        A conflict with what was accepted long ago cannot be told from here.
        """
        assert self.base is not None
        since_ms = microseconds(self.base.record.as_of - LOOK_BACK) // 1000
        files = [
            file
            for file in lake.table_files(self.settings, QUARANTINE)
            if file.written_ms >= since_ms and file.path not in self._looked_at
        ]
        of_topic = pc.field("kafka_topic") == ACTIVITY
        rows = lake.read_files(self.settings, QUARANTINE, files, ["kafka_partition", "kafka_offset"], of_topic)
        places = zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True)
        with self.store.writing():
            subjects = self.store.take_out(places)
            self._mark(subjects)
        self._looked_at.update(file.path for file in files)
        return len(subjects)

    # Folding.

    def warm(self) -> None:
        """Fold one pupil both ways for nothing, so that no event waits until kernels are compiled or loaded."""
        assert self.base is not None
        some = self.base.links.students.slice(0, 1).to_pylist()
        if some:
            fold(self.base, self.store, some, datetime.now(UTC))
            stand(self.base, self.store, some, datetime.now(UTC))

    def fold_waiting(self, now: datetime | None = None) -> int:
        """Fold pupils that something came for, and those whose time has come; how many. One stretch at a time."""
        assert self.base is not None
        instant = now or datetime.now(UTC)
        students = self.store.waiting(microseconds(instant), PUPILS_AT_ONCE)
        if not students:
            return 0
        free = [student for student in students if student not in self.base.held]
        folded = Folded({}, [])
        if free:
            folded = fold(self.base, self.store, free, instant)
        # A school that is held back is shown as the night left it.
        pupils = {**folded.pupils, **dict.fromkeys(set(students) - set(free), NEVER_US)}
        with self.store.writing():
            self.store.put(Folded(pupils, folded.rows), microseconds(instant))
        return len(students)


def _rows(base: Base) -> list[dict[str, Any]]:
    """Events that waited for their day when the night ran: live counts them when it comes."""
    rows: list[dict[str, Any]] = arrow.plain(base.waiting_for("time")).to_pylist()
    return rows


def _of_lake(row: dict[str, Any]) -> Event:
    time_us = microseconds(row["event_time"])
    days = (row["work_date"] - date(1970, 1, 1)).days
    return Event(
        event_id=row["event_id"],
        content_hash="",
        partition=FROM_LAKE,
        offset=FROM_LAKE,
        subject_key=row["subject_key"],
        time_us=time_us,
        received_us=time_us,
        statement_key=row["statement_key"],
        voids=None,
        voids_event=None,
        content={**row, "event_time": time_us, "work_date": days},
    )
