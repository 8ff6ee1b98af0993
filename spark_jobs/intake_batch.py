"""One micro-batch into the lake: parse once, judge, write each table once, and the batch's own row last.

Spark reads and parses the batch in one job and hands it over as Arrow; checks, verdicts and commits follow on the
driver, column by column. Every append carries the batch as a Delta transaction (application id and version), so that
a batch which was interrupted anywhere can be run again from the top: what is written already is skipped, what is not
is written, and the verdicts come out the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

import lake
from cairn import topics
from cairn.contracts import load_contract
from cairn.evidence.clock import ClockRule
from cairn.settings import Settings
from cairn.topics import Offsets
from spark_jobs import intake_dedupe
from spark_jobs.intake_check import check
from spark_jobs.intake_parse import parse
from spark_jobs.key_index import KeyIndex

CONFLICT_DETAIL = "an event with this id was accepted with other content; give changed work a new id"
# Two writers keep two cores busy; more would only hold more buffers.
_WRITERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="intake-write")


@dataclass(frozen=True)
class Batch:
    """A micro-batch: the checkpoint's application id, its number, its end offsets, and the events accepted before.

    ``clock`` judges the times of work.
    """

    settings: Settings
    app_id: str
    batch_id: int
    end_offsets: Offsets
    keys: KeyIndex
    clock: ClockRule

    @property
    def transaction(self) -> tuple[str, int]:
        """Delta's txnAppId and txnVersion of the batch."""
        return self.app_id, self.batch_id


@dataclass(frozen=True)
class BatchResult:
    """What a batch held: records of all topics, and how many statements met which fate."""

    batch_id: int
    records: int
    fates: dict[str, int]
    seconds: float

    @property
    def events(self) -> int:
        """Activity records, whatever became of them (refusals come by a topic of their own)."""
        return sum(count for fate, count in self.fates.items() if fate != "rejected")

    def line(self) -> str:
        """One line for the log."""
        fates = " ".join(f"{fate}={count}" for fate, count in sorted(self.fates.items()))
        return f"batch {self.batch_id} records={self.records} {fates} seconds={self.seconds:.1f}".replace("  ", " ")


def write_batch(records: DataFrame, batch: Batch) -> BatchResult:
    """Write one micro-batch (Kafka's columns) to bronze, silver and ops."""
    started = time.monotonic()
    stamped = stamp(check(parse(records).toArrow(), batch.clock), batch)
    # What came is kept as it came, whatever is made of it: it is written while the events are looked up.
    name, rows = _rows(stamped, "bronze.activity", pc.equal(stamped.column("kafka_topic"), topics.ACTIVITY))
    kept = _WRITERS.submit(lake.append_once, batch.settings, name, rows, batch.transaction)
    try:
        judged = judge(stamped, batch)
    finally:
        kept.result()
    _write_tables(judged, batch)
    counts = count(judged)
    _write_books(batch, counts, judged.num_rows)
    fates: dict[str, int] = {}
    for row in counts:
        fates[row["fate"]] = fates.get(row["fate"], 0) + int(row["records"])
    return BatchResult(batch.batch_id, judged.num_rows, fates, time.monotonic() - started)


def stamp(parsed: pa.Table, batch: Batch) -> pa.Table:
    """The checked records with what says which batch they are of, and on which local day it came."""
    size = parsed.num_rows
    stamps = {
        "intake_app_id": pa.repeat(batch.app_id, size),
        "batch_id": pa.repeat(pa.scalar(batch.batch_id, pa.int64()), size),
        "ingest_date": pa.repeat(pa.scalar(datetime.now(batch.settings.zone).date(), pa.date32()), size),
    }
    for name, values in stamps.items():
        parsed = parsed.append_column(name, values)
    return parsed


def judge(parsed: pa.Table, batch: Batch) -> pa.Table:
    """The stamped records with ``fate`` (null for a sound receipt, which is not a statement)."""
    size = parsed.num_rows
    topic = parsed.column("kafka_topic")
    is_sound = pc.is_null(parsed.column("problem"))
    # Columns are chosen before rows: a filter copies what it is given, and the raw records are most of it.
    numbered = parsed.select(["kafka_partition", "kafka_offset", "event_hash", "event_id", "content_hash"])
    numbered = numbered.append_column("row_index", pa.array(np.arange(size)))
    events = numbered.filter(pc.and_(is_sound, pc.equal(topic, topics.ACTIVITY)))
    known = batch.keys.accepted(events.column("event_hash").to_numpy())
    repeated = intake_dedupe.repeats(events, known, batch.app_id, batch.batch_id)
    fate = pc.if_else(
        pc.invert(is_sound),
        "quarantined",
        pc.if_else(
            pc.equal(topic, topics.RECEIPTS),
            pa.scalar(None, pa.string()),
            pc.if_else(pc.equal(topic, topics.REJECTED), "rejected", "accepted"),
        ),
    )
    if repeated:
        fates = fate.to_pylist()
        for index, verdict in repeated.items():
            fates[index] = verdict
        fate = pa.array(fates, pa.string())
    return parsed.append_column("fate", fate)


def count(judged: pa.Table) -> list[dict[str, Any]]:
    """Records per receipt date, source, school and fate, in the columns of ops.intake_ledger."""
    keys = ["received_date", "scope_source", "scope_org", "fate"]
    told = judged.select(keys)
    grouped = told.filter(pc.is_valid(told.column("fate"))).group_by(keys).aggregate([([], "count_all")])
    names = [*("received_date", "source_id", "org_id", "fate"), "records"]
    rows: list[dict[str, Any]] = grouped.select([*keys, "count_all"]).rename_columns(names).to_pylist()
    return rows


def _write_tables(judged: pa.Table, batch: Batch) -> None:
    """What the verdicts sort, two tables at a time; those that the batch does not touch cost nothing."""
    topic, fate = judged.column("kafka_topic"), judged.column("fate")
    accepted = pc.equal(fate, "accepted")
    sound_receipt = pc.and_(pc.equal(topic, topics.RECEIPTS), pc.is_null(fate))
    set_aside = judged.filter(pc.or_(pc.equal(fate, "conflict"), pc.equal(fate, "quarantined")))
    frames = [
        _rows(judged, "silver.learner_activity", accepted),
        _rows(judged, "silver.activity_key", accepted),
        ("bronze.receipts", _receipts(judged.filter(sound_receipt))),
        ("bronze.rejected", _scoped(judged.filter(pc.equal(fate, "rejected")))),
        ("silver.activity_quarantine", _quarantine(set_aside)),
    ]
    jobs: list[Callable[[], bool]] = [
        partial(lake.append_once, batch.settings, name, frame, batch.transaction)
        for name, frame in frames
        if frame.num_rows
    ]
    for running in [_WRITERS.submit(job) for job in jobs]:
        running.result()


def _rows(judged: pa.Table, name: str, chosen: Any) -> tuple[str, pa.Table]:
    """The table's name, and its columns of the chosen rows."""
    present = set(judged.column_names)
    return name, judged.select([c for c in load_contract(name).column_names if c in present]).filter(chosen)


def _set(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _receipts(sound: pa.Table) -> pa.Table:
    """One row a receipt and school."""
    statements = sound.column("statements").combine_chunks()
    if sound.num_rows == 0:
        return sound
    pairs = [(row, *pair) for row, schools in enumerate(statements.to_pylist()) for pair in schools]
    exploded = sound.take(pa.array([pair[0] for pair in pairs], pa.int64()))
    exploded = _set(exploded, "org_id", pa.array([pair[1] or "unknown" for pair in pairs], pa.string()))
    return exploded.append_column("statements_received", pa.array([pair[2] for pair in pairs], pa.int32()))


def _scoped(table: pa.Table) -> pa.Table:
    """Source and school as the books name them: 'unknown' where there is none."""
    return _set(_set(table, "source_id", table.column("scope_source")), "org_id", table.column("scope_org"))


def _quarantine(table: pa.Table) -> pa.Table:
    scoped = _scoped(table)
    problems = pc.coalesce(table.column("problem"), f"content_conflict: {CONFLICT_DETAIL}").to_pylist()
    parts = [problem.partition(": ") for problem in problems]
    with_reason = _set(scoped, "reason", pa.array([part[0] for part in parts], pa.string()))
    return _set(with_reason, "detail", pa.array([part[2] for part in parts], pa.string()))


def _write_books(batch: Batch, counts: list[dict[str, Any]], records: int) -> None:
    """The ledger's counts, then the row that says the batch is in the lake."""
    identity = {"intake_app_id": batch.app_id, "batch_id": batch.batch_id}
    lake.append_rows(batch.settings, "ops.intake_ledger", [row | identity for row in counts], batch.transaction)
    now = datetime.now(UTC)
    written = identity | {
        "end_offsets": json.dumps(batch.end_offsets, sort_keys=True),
        "records": records,
        "written_at": now,
        "written_date": now.date(),
    }
    lake.append_rows(batch.settings, "ops.intake_batch", [written], batch.transaction)
