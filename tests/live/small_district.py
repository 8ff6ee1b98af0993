"""A few pupils whose records arrive late, twice and are taken back; and nights over them, without Spark and Kafka.

The nights are an oracle of their own: each resolves and restates all that intake would have accepted, from nothing, and
writes the tables and the row of ops.night as a night leaves them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.keys import event_id
from cairn.mastery import arrow, hashing
from cairn.mastery.config import load_config
from cairn.mastery.resolve import SILVER_COLUMNS, Alignments, Known, Links, events_of, resolve, voids_of
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from cairn.topics import ACTIVITY
from live.records import Record
from spark_jobs import evidence_sources, mastery_model, night_record
from spark_jobs.night_record import EVIDENCE, STATE, VOID, WAITING, NightRecord
from tests.cairn.mastery.rich_model import VERSION, rich_items, rich_rows
from tests.spark_jobs.mastery_lake import alignment, competency, link, write

START = datetime(2026, 9, 1, 14, tzinfo=UTC)
DAYS, BUCKETS, PARTITIONS = 40, 2, 2
PUPILS = 5


def seed(settings: Settings) -> None:
    """Links, competencies, alignments and a model in which everything counts. Pupil 0 has two subjects."""
    night_record.present_versions(settings)
    lake.create(settings, "silver.activity_quarantine")
    lake.create(settings, "silver.activity_key")
    links = [link(f"s1_{number}", f"pupil-{number}") for number in range(PUPILS)]
    write(settings, "silver.identity_link", [*links, link("s1_other", "pupil-0")])
    write(settings, "silver.competency", [competency(name) for name in ("c1", "c2", "c3")])
    aligned = [alignment(f"item-{number}", f"c{1 + number % 2}") for number in range(1, 7)]
    write(settings, "silver.item_alignment", [*aligned, alignment("item-1", "c2")])
    write(settings, "gold.mastery_model", rich_rows(("c1", "c2", "c3")))
    write(settings, "gold.item_difficulty", rich_items())


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Sender:
    """Makes records in the topic's contract; each partition counts its offsets, with holes as markers leave them."""

    seed: int
    records: list[Record] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.ends = dict.fromkeys(range(PARTITIONS), 0)
        self.number = 0
        self.first_day, self.last_day = 0, DAYS

    def send(self, value: dict[str, Any]) -> None:
        """Append a record, in the partition of its subject."""
        partition = sum(value["subject_key"].encode()) % PARTITIONS
        offset = self.ends[partition]
        self.ends[partition] += self.chance.choice([1, 1, 2])
        body = orjson.dumps(value)
        self.records.append(Record(partition, offset, 0, value["subject_key"].encode(), body))

    def event(self, **changes: Any) -> dict[str, Any]:
        """A new sound value, of a random pupil's work on a random day."""
        chance, number = self.chance, self.number
        self.number += 1
        subject = chance.choice([*(f"s1_{one}" for one in range(PUPILS)), "s1_other", "s1_unknown"])
        at = START + timedelta(
            days=chance.randrange(self.first_day, self.last_day), minutes=chance.randrange(0, 300, 5)
        )
        value = {
            "content_hash": f"content-{number}",
            "schema_version": "1.0.0",
            "source_id": "practice-app",
            "source_statement_id": f"statement-{self.seed}-{number}",
            "received_at": iso(at + timedelta(seconds=2)),
            "event_time": iso(at),
            "subject_key": subject,
            "org_id": "school-1",
            "class_id": "class-1",
            "activity_type": chance.choice(["attempt"] * 6 + ["assessment", "completion", "engagement"]),
            "item_id": chance.choice([f"item-{one}" for one in range(1, 7)] * 2 + ["nowhere", None]),
            "competency_ids": chance.choice([[], [], [], ["c3"], ["unknown"]]),
            "success": chance.choice([True, True, True, False, None]),
            "score_scaled": chance.choice([None, None, 0.3, 1.0]),
            "hints": chance.choice([None, 0, 1]),
            "duration_ms": chance.choice([200, 20_000, 30_000]),
            **changes,
        }
        value.setdefault("event_id", event_id(value["source_id"], value["source_statement_id"]))
        return value

    def some(self, count: int) -> None:
        """Send new events, repeats of old ones, conflicts, voids of old ones, and what breaks the contract."""
        for _ in range(count):
            chance = self.chance.random()
            old = self.chance.choice(self.values) if self.values else None
            if old is not None and chance < 0.1:
                self.send(old)
            elif old is not None and chance < 0.15:
                self.send({**old, "success": not old.get("success"), "content_hash": f"other-{self.number}"})
            elif old is not None and chance < 0.25 and old["activity_type"] != "void":
                taken = {"activity_type": "void", "voids_statement_id": old["source_statement_id"], "item_id": None}
                self._keep(self.event(subject_key=old["subject_key"], success=None, score_scaled=None, **taken))
            elif chance < 0.3:
                self.send(self.event(activity_type="dance"))
            else:
                self._keep(self.event())

    def _keep(self, value: dict[str, Any]) -> None:
        self.values.append(value)
        self.send(value)


def accepted(records: Sequence[Record]) -> pa.Table:
    """What intake accepts of records: sound, each id once. Written apart from live, from the senders' own values."""
    rows, seen = [], set()
    for record in sorted(records, key=lambda one: (one.partition, one.offset)):
        value = orjson.loads(record.value or b"")
        if value["activity_type"] == "dance" or value["event_id"] in seen:
            continue
        seen.add(value["event_id"])
        at, received = (datetime.fromisoformat(value[name]) for name in ("event_time", "received_at"))
        local = at.astimezone(Settings().zone).date()
        own = {"event_time": at, "received_at": received, "work_date": local, "received_date": local}
        place = {"kafka_partition": record.partition, "kafka_offset": record.offset, "ingest_date": date(2026, 10, 1)}
        rows.append({**value, **own, **place, "intake_app_id": "test", "batch_id": 0})
    return pa.Table.from_pylist(rows, lake.file_schema("silver.learner_activity"))


def set_aside(settings: Settings, records: Sequence[Record]) -> None:
    """Write down, as intake does, the events whose id was accepted before with other content."""
    first: dict[str, str] = {}
    rows = []
    for record in sorted(records, key=lambda one: (one.partition, one.offset)):
        value = orjson.loads(record.value or b"")
        if first.setdefault(value["event_id"], value["content_hash"]) != value["content_hash"]:
            place = {"kafka_topic": ACTIVITY, "kafka_partition": record.partition, "kafka_offset": record.offset}
            why = {"fate": "conflict", "reason": "content_conflict", "detail": "given other content"}
            day = datetime.fromisoformat(value["received_at"]).date()
            rows.append({**place, **why, "received_date": day, "source_id": "practice-app", "org_id": "school-1"})
    rows = [{**row, "intake_app_id": "test", "batch_id": 0} for row in rows]
    name = "silver.activity_quarantine"
    lake.overwrite(settings, name, pa.Table.from_pylist(rows, lake.file_schema(name)))


def states_of(settings: Settings, records: Sequence[Record], as_of: datetime) -> pa.Table:
    """All states of all pupils: one fold of everything accepted."""
    return _fold(settings, accepted(records), as_of)[2]


def _fold(settings: Settings, silver: pa.Table, as_of: datetime) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(evidence, waiting, states) of all that was accepted."""
    links, aligned, competencies = evidence_sources.known_tables(settings, night_record.present_versions(settings))
    as_of_us = int(as_of.timestamp()) * 1_000_000 + as_of.microsecond
    voided = evidence_sources.voided_before(voids_of(silver), as_of_us)
    none_held = pa.array([], pa.string())
    known = Known(Links.of(links), Alignments.of(aligned), competencies, voided, none_held, as_of_us)
    found = resolve(events_of(silver.select(SILVER_COLUMNS)), known)
    # As text: a pupil of two subjects is two codes here, and one in a file.
    evidence, model = arrow.plain(found.evidence.rows()), mastery_model.model_of(settings, VERSION)
    night = Night(load_config(settings), model, as_of_us, as_of.date())
    return evidence, found.waiting.rows(), restate(evidence.select(COLUMNS), night).mastery_state


def run_night(settings: Settings, records: Sequence[Record], number: int, as_of: datetime) -> NightRecord:
    """Write silver, evidence, what waits, voids and gold as of an instant, and the night's row."""
    silver = accepted(records)
    evidence, waiting, states = _fold(settings, silver, as_of)
    lake.overwrite(settings, "silver.learner_activity", silver)
    keys = silver.select(["event_id", "subject_key", "content_hash", "intake_app_id", "batch_id"])
    hashes = night_keys(keys["event_id"])
    lake.overwrite(settings, "silver.activity_key", keys.append_column("event_hash", hashes))
    lake.overwrite(settings, EVIDENCE, _numbered(evidence, number, "pupil_bucket", "student_key"))
    lake.overwrite(settings, WAITING, _numbered(waiting, number, "subject_bucket", "subject_key"))
    voids = voids_of(silver)
    lake.overwrite(settings, VOID, voids.append_column("night", pa.array([number] * voids.num_rows, pa.int64())))
    lake.overwrite(settings, STATE, _numbered(states, number, "pupil_bucket", "student_key"))
    record = NightRecord(
        night=number,
        kind="night",
        data_date=as_of.date(),
        as_of=as_of,
        versions=night_record.present_versions(settings),
        policy_version=load_config(settings).policy_version,
        model_versions={"*": VERSION},
        pupil_buckets=BUCKETS,
    )
    night_record.record(settings, record)
    return record


def night_keys(ids: pa.ChunkedArray) -> pa.Array:
    from spark_jobs.xxhash import xxhash64

    return pa.array(xxhash64(ids))


def _numbered(rows: pa.Table, number: int, bucket: str, key: str) -> pa.Table:
    rows, size = arrow.plain(rows), rows.num_rows
    buckets = hashing.buckets_of(rows[key], BUCKETS).astype(np.int32)
    added = {
        "night": pa.array([number] * size, pa.int64()),
        "is_removed": pa.array([False] * size, pa.bool_()),
        "is_base": pa.array([True] * size, pa.bool_()),
        bucket: pa.array(buckets),
    }
    for name, values in added.items():
        rows = rows.append_column(name, values)
    return rows.sort_by([(key, "ascending"), ("event_time" if "event_time" in rows.column_names else key, "ascending")])


def end_of(day: int) -> datetime:
    """Midnight (UTC) after so many days of work."""
    return datetime.combine(date(2026, 9, 1) + timedelta(days=day + 1), datetime.min.time(), UTC)


def current(table: pa.Table) -> pa.Table:
    """Rows in order of their pair."""
    return table.take(pc.sort_indices(table["pair_key"]))
