"""What intake set aside: listed by reason and source, and released where only the clock was wrong.

A release publishes the record again as it was kept, with the instant when it first came, under a receipt of its own:
the books of that day count it as received once more, and intake takes it in as late evidence, or as a duplicate where
it was released before. The row that was set aside stays: it says what came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError, UsageError
from cairn.evidence import clock
from cairn.evidence.clock import AS_RECEIVED, AS_SENT, RELEASED, WORK_TIMES
from cairn.settings import Settings
from spark_jobs.key_index import find_events
from streaming.process import Processor
from streaming.producer import Fate, GroupCommitter
from streaming.transactions import Message

TABLE = "silver.activity_quarantine"
ENDPOINT = "release"
# Records that are published together, and rows that are looked at together.
GROUP, ROWS = 1_000, 16_384
_LISTED = ("event_id", "source_id", "org_id", "received_date", "fate", "reason", "detail")
CONFLICT = "the first one stands; ask the sender to give changed work a new id"
BREACH = "tell whoever produces to the topic what the detail says, and have it sent again corrected"
RELEASE = "see what its times should be, then 'cairn intake quarantine release --reason {reason} --source {source}'"


@dataclass(frozen=True)
class Wanted:
    """Which of the rows: all where nothing is named."""

    reason: str | None = None
    source: str | None = None
    school: str | None = None

    def condition(self) -> Any:
        """As a pyarrow expression, or None."""
        condition: Any = None
        for column, value in (("reason", self.reason), ("source_id", self.source), ("org_id", self.school)):
            if value is not None:
                one = pc.field(column) == value
                condition = one if condition is None else condition & one
        return condition


EVERYTHING = Wanted()


@dataclass
class SetAside:
    """Records that stand set aside, of one source for one reason; days are those of receipt."""

    source_id: str
    reason: str
    fate: str
    records: int
    schools: int
    first_date: str
    last_date: str
    detail: str

    @property
    def can_be_released(self) -> bool:
        """Whether the clock is all that is wrong."""
        return self.reason in clock.REASONS

    @property
    def what_to_do(self) -> str:
        """The next step."""
        if self.can_be_released:
            return RELEASE.format(reason=self.reason, source=self.source_id)
        return CONFLICT if self.fate == "conflict" else BREACH


def _standing(settings: Settings, wanted: Wanted, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """Rows set aside, some thousands at a time, without those whose event silver took in after all."""
    if not lake.exists(settings, TABLE):
        return
    found = lake.dataset(settings, TABLE, lake.EVERY)
    for batch in found.to_batches(columns=list(columns), filter=wanted.condition(), batch_size=ROWS):
        rows = pa.Table.from_batches([batch])
        # A conflict stands although its event was taken in: that is what it is in conflict with.
        ids = rows.filter(pc.equal(rows["fate"], "quarantined"))["event_id"].drop_null()
        if len(ids):
            released = find_events(settings, ids)["event_id"]
            is_gone = pc.and_(
                pc.equal(rows["fate"], "quarantined"), pc.fill_null(pc.is_in(rows["event_id"], released), False)
            )
            rows = rows.filter(pc.invert(is_gone))
        if rows.num_rows:
            yield rows


def list_set_aside(settings: Settings, wanted: Wanted = EVERYTHING) -> list[SetAside]:
    """What stands set aside, by reason and source, the most frequent first."""
    groups: dict[tuple[str, str], SetAside] = {}
    schools: dict[tuple[str, str], set[str]] = {}
    for rows in _standing(settings, wanted, _LISTED):
        for row in rows.to_pylist():
            key, day = (row["reason"], row["source_id"]), row["received_date"].isoformat()
            one = groups.get(key)
            if one is None:
                one = groups[key] = SetAside(row["source_id"], row["reason"], row["fate"], 0, 0, day, day, "")
            one.records += 1
            schools.setdefault(key, set()).add(row["org_id"])
            one.schools = len(schools[key])
            one.first_date = min(one.first_date, day)
            if day >= one.last_date:
                one.last_date, one.detail = day, row["detail"] or ""
    return sorted(groups.values(), key=lambda one: (-one.records, one.reason, one.source_id))


def release(settings: Settings, wanted: Wanted, work_time: str = AS_SENT, *, dry_run: bool = False) -> dict[str, int]:
    """Publish what was set aside for its clock again. Returns selected, released, waits_for_its_day.

    ``work_time``: AS_SENT leaves the time of the work as it came (work of a day to come waits for it), AS_RECEIVED
    dates it when it first came. Released twice it is a duplicate and changes nothing. Raises UsageError for a reason
    that is not the clock's, CairnError where Kafka does not take it; what was released until then stays released.
    """
    if wanted.reason is not None and wanted.reason not in clock.REASONS:
        raise UsageError(f"{wanted.reason!r} cannot be released, only {' and '.join(clock.REASONS)}")
    if work_time not in WORK_TIMES:
        raise UsageError(f"{work_time!r} is no time of work: --work-time {' or '.join(WORK_TIMES)}")
    counts = {"selected": 0, "released": 0, "waits_for_its_day": 0}
    processor = Processor(settings)
    committer: GroupCommitter | None = None
    now = datetime.now(UTC)
    try:
        for records in _groups(settings, wanted):
            if committer is None and not dry_run:
                committer = GroupCommitter(settings, role=ENDPOINT).start()
            mended = [_mended(settings, record, work_time) for record in records]
            received = min(datetime.fromisoformat(record["received_at"]) for record in mended)
            messages: list[Message] = processor.released(mended, mended[0]["source_id"], ENDPOINT, received).messages
            if committer is not None and committer.send(messages) is not Fate.COMMITTED:
                raise CairnError(f"Kafka took {counts['released']} records: release again for the rest")
            counts["selected"] += len(records)
            counts["released"] += len(records)
            counts["waits_for_its_day"] += sum(datetime.fromisoformat(one["event_time"]) > now for one in mended)
    finally:
        if committer is not None:
            committer.stop()
    return counts


def _mended(settings: Settings, record: dict[str, Any], work_time: str) -> dict[str, Any]:
    """The record as it is published again."""
    extensions = {**(record.get("extensions") or {}), RELEASED: work_time}
    if work_time != AS_RECEIVED:
        return {**record, "extensions": extensions}
    day = datetime.fromisoformat(record["received_at"]).astimezone(settings.zone).date().isoformat()
    return {**record, "event_time": record["received_at"], "work_date": day, "extensions": extensions}


def _groups(settings: Settings, wanted: Wanted) -> Iterator[list[dict[str, Any]]]:
    """Records to release, of one source and one day of receipt together, each event once in some thousands of rows."""
    columns = ("event_id", "source_id", "received_date", "fate", "reason", "record_value")
    reasons = pa.array(list(clock.REASONS))
    for rows in _standing(settings, wanted, columns):
        groups: dict[tuple[str, Any], dict[str, dict[str, Any]]] = {}
        for row in rows.filter(pc.is_in(rows["reason"], reasons)).to_pylist():
            group = groups.setdefault((row["source_id"], row["received_date"]), {})
            group.setdefault(row["event_id"], orjson.loads(row["record_value"]))
        for group in groups.values():
            records = list(group.values())
            for start in range(0, len(records), GROUP):
                yield records[start : start + GROUP]
