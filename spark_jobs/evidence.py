"""Evidence: every scored event resolved once, and again only where what it rests on changed. One Spark job.

A task reads some of silver's new files (or standing evidence that something changed), resolves it in Arrow and hands
its rows on by the pupil's bucket; Spark shuffles them as Arrow batches, not as rows, so that nothing crosses between
Java and Python one by one. A second task takes one bucket, keeps what is different from what stands, and writes the
bucket's file. The driver sees files and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Broadcast, SparkContext

import lake
from cairn.mastery import arrow, hashing
from cairn.mastery.evidence import BoolArray
from cairn.mastery.hashing import HashArray
from cairn.mastery.resolve import (
    EVENT_COLUMNS,
    SILVER_COLUMNS,
    Known,
    Picked,
    Resolved,
    events_of,
    net,
    resolve,
    standing,
)
from cairn.settings import Settings
from spark_jobs import tasks
from spark_jobs.evidence_sources import SILVER, Again, Sources, Unit
from spark_jobs.mastery_layout import LAYOUT
from spark_jobs.night_record import EVIDENCE, WAITING
from spark_jobs.progress import shown

# Text that many rows share is read and handed on as codes.
CODED_SILVER = ("activity_type", "item_id", "org_id", "class_id", "subject_key", "source_id")
CODED_EVIDENCE = ("student_key", "competency_id", "activity_type", "item_id", "org_id", "class_id", "subject_key")
CODED_WAITING = ("waits_for", "activity_type", "item_id", "org_id", "class_id", "subject_key")
# A task that writes gets about so many rows, and whole buckets.
ROWS_PER_WRITER = 500_000
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")

Piece = tuple[int, tuple[str, bytes]]
# Goes the way of a bucket's rows and carries, in place of a table's name, what of the bucket could not be read.
UNREADABLE = "unreadable "


@dataclass(frozen=True)
class Written:
    """What the job wrote: files by table, rows that came, and by competency how many rows came less those that went.

    ``unreadable``: (table, bucket) of what stands and could not be read, and why; it is resolved another night.
    """

    files: dict[str, list[lake.File]] = field(default_factory=dict)
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    unreadable: dict[tuple[str, int], str] = field(default_factory=dict)


def write(
    context: SparkContext,
    settings: Settings,
    sources: Sources,
    stands: list[Unit],
    buckets: int,
    night: int,
) -> Written:
    """Resolve the sources and write the changes of evidence and of what waits; files are not committed yet."""
    units = [Unit(SILVER, chunk) for chunk in sources.chunks] + stands
    if not units:
        return Written()
    known, again = context.broadcast(sources.known), sources.again
    pieces = context.parallelize(units, len(units)).flatMap(
        lambda unit: _resolve_unit(unit, settings, known, again, buckets)
    )
    rows = sum(file.rows for unit in units for file in unit.files)
    # A year's rows come to one task a bucket, a night's to a few tasks a core.
    parts = min(buckets, max(tasks.TASKS_PER_CORE * context.defaultParallelism, -(-rows // ROWS_PER_WRITER)))
    done = pieces.partitionBy(parts, lambda bucket: bucket).mapPartitions(
        lambda some: _write_buckets(some, settings, night)
    )
    with shown(context, "evidence", len(units), parts):
        written = done.collect()
    known.unpersist()
    return _together(written)


def _together(written: list[Written]) -> Written:
    files: dict[str, list[lake.File]] = {}
    counts: dict[str, int] = {}
    unreadable: dict[tuple[str, int], str] = {}
    for one in written:
        unreadable.update(one.unreadable)
        for table, made in one.files.items():
            files.setdefault(table, []).extend(made)
        for name, count in one.counts.items():
            counts[name] = counts.get(name, 0) + count
    return Written(files, sum(one.rows for one in written), counts, unreadable)


def _resolve_unit(
    unit: Unit, settings: Settings, known: Broadcast[Known], again: Again, buckets: int
) -> Iterator[Piece]:
    """Rows by bucket: +1 as resolved now, -1 as they stand."""
    tasks.settle()
    if unit.table == SILVER:
        columns = [*SILVER_COLUMNS]
        events = events_of(lake.read_files(settings, SILVER, unit.files, columns, dictionaries=CODED_SILVER))
        yield from _pieces(resolve(events, known.value), 1, buckets)
        return
    try:
        stood = _standing(unit, settings, again)
    except (OSError, pa.ArrowInvalid) as error:
        yield unit.bucket, (UNREADABLE + unit.table, str(error).splitlines()[0][:300].encode())
        return
    yield from _standing_pieces(unit.table, stood, buckets)
    if not again.is_everything:
        events = stood.select(EVENT_COLUMNS)
        once = np.unique(hashing.hash_texts(events["event_id"]), return_index=True)[1]
        yield from _pieces(resolve(events.take(pa.array(np.sort(once))), known.value), 1, buckets)


def evidence_keys(rows: pa.Table) -> HashArray:
    """A hash of event, competency and pupil: what makes evidence one and the same."""
    return hashing.mix(
        hashing.hash_texts(rows["event_id"]),
        hashing.mix(hashing.hash_texts(rows["competency_id"]), hashing.hash_texts(rows["student_key"])),
    )


def waiting_keys(rows: pa.Table) -> HashArray:
    """A hash of event and what it waits for."""
    return hashing.mix(hashing.hash_texts(rows["event_id"]), hashing.hash_texts(rows["waits_for"]))


def _standing(unit: Unit, settings: Settings, again: Again) -> pa.Table:
    """The unit's standing rows that are to be resolved again."""
    is_evidence = unit.table == EVIDENCE
    names = ["student_key", "competency_id"] if is_evidence else ["waits_for"]
    coded = CODED_EVIDENCE if is_evidence else CODED_WAITING
    columns = [*EVENT_COLUMNS, *names, "is_removed", "night"]
    rows = lake.read_files(settings, unit.table, unit.files, columns, dictionaries=coded)
    rows = standing(rows, evidence_keys(rows) if is_evidence else waiting_keys(rows))
    if again.is_everything or unit.is_whole:
        return rows
    return rows.filter(pa.array(_is_concerned(rows, again, is_evidence)))


def _is_concerned(rows: pa.Table, again: Again, is_evidence: bool) -> BoolArray:
    """Which rows are of events that something changed for; all rows of such an event."""
    concerned: BoolArray = np.isin(arrow.integers(rows["statement_key"]), again.statements)
    for column, values in (("subject_key", again.subjects), ("item_id", again.items)):
        if len(values):
            concerned |= arrow.is_in(rows[column], frozenset(values.to_pylist()))
    if len(again.competencies):
        names = frozenset(again.competencies.to_pylist())
        if is_evidence:
            concerned |= arrow.is_in(rows["competency_id"], names)
        concerned |= _names_any(rows["named_competency_ids"], again.competencies)
    if not is_evidence:
        # What waits for its day or its school is looked at every night.
        concerned |= arrow.is_in(rows["waits_for"], frozenset({"time", "school"}))
    if is_evidence and len(again.competencies):
        events = hashing.hash_texts(rows["event_id"])
        concerned = np.isin(events, np.unique(events[concerned]))
    return concerned


def _names_any(column: pa.ChunkedArray, wanted: pa.Array) -> BoolArray:
    lists = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    hit = np.zeros(len(lists), dtype=bool)
    sizes = arrow.integers(pc.list_value_length(lists))
    owner = np.repeat(np.arange(len(lists)), sizes)
    hit[owner[np.asarray(pc.is_in(lists.flatten(), value_set=wanted))]] = True
    return hit


def _pieces(resolved: Resolved, sign: int, buckets: int) -> Iterator[Piece]:
    yield from _split(EVIDENCE, resolved.evidence, buckets, sign)
    yield from _split(WAITING, resolved.waiting, buckets, sign)


def _standing_pieces(table: str, rows: pa.Table, buckets: int) -> Iterator[Piece]:
    whole = Picked(rows.drop_columns(["is_removed", "night"]), np.arange(rows.num_rows), {})
    yield from _split(table, whole, buckets, -1)


def _split(table: str, picked: Picked, buckets: int, sign: int) -> Iterator[Piece]:
    """The rows of each bucket as one compressed Arrow batch."""
    if picked.places.size == 0:
        return
    bucket = hashing.buckets_of(picked.column("student_key" if table == EVIDENCE else "subject_key"), buckets)
    order = np.argsort(bucket, kind="stable")
    rows = picked.rows(order)
    rows = rows.append_column("sign", pa.array(np.full(rows.num_rows, sign, dtype=np.int8)))
    found, starts = np.unique(bucket[order], return_index=True)
    bounds = np.r_[starts, rows.num_rows].astype(np.int64)
    # Coded columns keep only the values that occur, or each piece would carry all of a district's pupils.
    columns = {
        field.name: arrow.codes_by_stretch(rows[field.name], bounds)
        if pa.types.is_dictionary(field.type)
        else [rows[field.name].slice(begin, end - begin) for begin, end in pairwise(bounds.tolist())]
        for field in rows.schema
    }
    for place, number in enumerate(found.tolist()):
        part = pa.table({name: stretches[place] for name, stretches in columns.items()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema, options=_LZ4) as stream:
            stream.write_table(part)
        yield number, (table, sink.getvalue().to_pybytes())


def _write_buckets(pieces: Iterable[Piece], settings: Settings, night: int) -> Iterator[Written]:
    """What changed in the buckets of one partition, as files."""
    tasks.settle()
    by_bucket: dict[tuple[int, str], list[bytes]] = {}
    for bucket, (table, batch) in pieces:
        by_bucket.setdefault((bucket, table), []).append(batch)
    for (bucket, table), batches in sorted(by_bucket.items()):
        if table.startswith(UNREADABLE):
            why = f"bucket {bucket}: {batches[0].decode()}"
            yield Written(unreadable={(table.removeprefix(UNREADABLE), bucket): why})
            continue
        tables = [pa.ipc.open_stream(batch).read_all() for batch in batches]
        rows = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
        batches.clear()
        changes = _changes(table, rows)
        if changes.num_rows:
            yield _write(settings, table, bucket, changes, night)


def _changes(table: str, rows: pa.Table) -> pa.Table:
    if pc.min(rows["sign"]).as_py() > 0:  # nothing stood: everything came
        came = rows.drop_columns(["sign"])
        return came.append_column("is_removed", pa.array(np.zeros(came.num_rows, dtype=bool)))
    return net(rows, evidence_keys(rows) if table == EVIDENCE else waiting_keys(rows))


def _write(settings: Settings, table: str, bucket: int, rows: pa.Table, night: int) -> Written:
    rows = rows.append_column("night", pa.array(np.full(rows.num_rows, night, dtype=np.int64)))
    if table == WAITING:
        files = []
        for reason in pc.unique(rows["waits_for"].cast(pa.string())).to_pylist():
            part = rows.filter(pa.array(arrow.is_in(rows["waits_for"], frozenset({reason}))))
            values = {"waits_for": reason, "subject_bucket": bucket}
            files.append(
                lake.write_file(settings, WAITING, _sorted(part, "subject_key"), values, layout=LAYOUT[WAITING])
            )
        return Written({WAITING: files}, 0, {})
    codes, names = arrow.coded(rows["competency_id"])
    sign = np.where(np.asarray(rows["is_removed"]), -1, 1)
    counts = np.bincount(codes, weights=sign, minlength=len(names)).astype(int)
    ordered = _sorted(rows, "student_key", "competency_id")
    file = lake.write_file(settings, EVIDENCE, ordered, {"pupil_bucket": bucket}, layout=LAYOUT[EVIDENCE])
    return Written({EVIDENCE: [file]}, rows.num_rows, dict(zip(names, counts.tolist(), strict=True)))


def _sorted(rows: pa.Table, *names: str) -> pa.Table:
    """In order of the names and work: readers of some pupils skip the rest."""
    keys = [arrow.integers(rows["event_time"]), *(arrow.coded(rows[name])[0] for name in reversed(names))]
    return rows.take(pa.array(np.lexsort(keys)))
