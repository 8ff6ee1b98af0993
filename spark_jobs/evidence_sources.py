"""What a night must resolve: the events that are new since the last one, and those that something else changed.

Events are new by the versions of silver's log, never by their time. Links, alignments and competencies are compared as
they are known now with how the last night knew them. Where the log cannot say any more what is new (it is older than
the table's retention, or rows of silver were deleted), everything is resolved again and compared with what stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.evidence.times import microseconds
from cairn.mastery import arrow, hashing
from cairn.mastery.bkt import IntArray
from cairn.mastery.resolve import VOID as VOID_TYPE
from cairn.mastery.resolve import Alignments, Known, Links, voids_of
from cairn.settings import Settings
from spark_jobs.night_record import EVIDENCE, VOID, WAITING, NightRecord

SILVER = "silver.learner_activity"
LINK_COLUMNS = ("subject_key", "student_key", "valid_from", "valid_to")
ALIGNMENT_COLUMNS = ("item_id", "competency_id", "valid_from_date", "valid_to_date")
VOID_ON_RECORD = ("event_id", "statement_key", "event_time")
VOID_COLUMNS = ("event_id", "activity_type", "source_id", "voids_statement_id", "event_time")
# A task reads about so many rows of silver.
ROWS_PER_TASK = 1_500_000


@dataclass(frozen=True)
class Again:
    """Standing events to resolve again: those of which one of these holds."""

    subjects: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    students: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    items: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    competencies: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    statements: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    is_everything: bool = False

    @property
    def is_scan(self) -> bool:
        """Whether the events may lie in any bucket."""
        return self.is_everything or bool(len(self.items) or len(self.competencies) or self.statements.size)


@dataclass(frozen=True)
class Unit:
    """One task's reading: new files of silver, or one bucket's files of what stands (all of them, in every partition).

    ``is_whole``: all rows are resolved again, whatever changed.
    """

    table: str
    files: list[lake.File]
    is_whole: bool = False

    @property
    def bucket(self) -> int:
        """The bucket, of pupils or of subjects, that the files of what stands are of."""
        column = "pupil_bucket" if self.table == EVIDENCE else "subject_bucket"
        return int(self.files[0].partitions[column] or 0)


@dataclass(frozen=True)
class Sources:
    """Chunks of silver's new files, what stands and is resolved again, and new voids."""

    chunks: list[list[lake.File]]
    again: Again
    voids: pa.Table
    known: Known
    new_rows: int


def find(
    settings: Settings, last: NightRecord | None, versions: dict[str, int], held: pa.Array, as_of_us: int
) -> Sources:
    """What to resolve for a night as of an instant, with the tables at ``versions``."""
    files, is_everything = _new_files(settings, last, versions)
    links, aligned, competencies = known_tables(settings, versions)
    standing_voids = lake.read(settings, VOID, VOID_ON_RECORD, version=last.versions[VOID] if last else None)
    if is_everything:  # most files have none, and the log says so
        holding = ("activity_type", VOID_TYPE)
        with_voids = lake.table_files(settings, SILVER, lake.EVERY, versions[SILVER], holding=holding)
    else:
        with_voids = files
    voids = _new_voids(settings, with_voids, standing_voids)
    voided = voided_before(pa.concat_tables([standing_voids, voids]), as_of_us)
    known = Known(Links.of(links), Alignments.of(aligned), competencies, voided, held, as_of_us)
    if last is None:
        again = Again()
    elif is_everything:
        again = Again(is_everything=True)
    else:
        # Taken back since: also by a void that was on record already, and whose own time has come.
        statements = voided[~np.isin(voided, voided_before(standing_voids, microseconds(last.as_of)))]
        again = _again(settings, last, versions, links, aligned, competencies, statements)
    return Sources(_chunks(files), again, voids, known, sum(file.rows for file in files))


def _new_files(settings: Settings, last: NightRecord | None, versions: dict[str, int]) -> tuple[list[lake.File], bool]:
    """Silver's files to resolve, and whether they are all of it."""
    present = lake.table_files(settings, SILVER, lake.EVERY, versions[SILVER])
    added = lake.files_added(settings, SILVER, last.versions[SILVER], versions[SILVER]) if last is not None else None
    if added is None or not added.is_append_only:
        return present, True
    by_path = {file.path: file for file in present}
    # A file that came and was compacted since is read as it was written: all its rows are new.
    return [by_path.get(path) or lake.file_at(settings, SILVER, path) for path in added.files], False


def known_tables(settings: Settings, versions: dict[str, int]) -> tuple[pa.Table, pa.Table, pa.Array]:
    """Links, alignments and ids of competencies as they are known at some versions of their tables."""
    links = _known(settings, "silver.identity_link", LINK_COLUMNS, versions)
    aligned = _known(settings, "silver.item_alignment", ALIGNMENT_COLUMNS, versions)
    return links, aligned, _competencies(settings, versions)


def _known(settings: Settings, name: str, columns: tuple[str, ...], versions: dict[str, int]) -> pa.Table:
    """Rows of a two-time table that hold at the version."""
    return lake.read(settings, name, columns, pc.field("recorded_to").is_null(), version=versions[name])


def _competencies(settings: Settings, versions: dict[str, int]) -> pa.Array:
    known = _known(settings, "silver.competency", ("competency_id",), versions)
    return pc.unique(known["competency_id"]).sort()


def _new_voids(settings: Settings, files: list[lake.File], standing: pa.Table) -> pa.Table:
    """Voids among the new events that are not on record."""
    rows = lake.read_files(settings, SILVER, files, VOID_COLUMNS, pc.field("activity_type") == VOID_TYPE)
    if not rows.num_rows:
        return standing.schema.empty_table()
    found = voids_of(rows)
    return found.filter(pc.invert(pc.is_in(found["event_id"], value_set=pc.unique(standing["event_id"]))))


def voided_before(voids: pa.Table, as_of_us: int) -> IntArray:
    """Keys of statements taken back before an instant."""
    keys = arrow.integers(voids["statement_key"])
    return np.unique(keys[arrow.integers(voids["event_time"]) < as_of_us])


def _again(
    settings: Settings,
    last: NightRecord,
    versions: dict[str, int],
    links: pa.Table,
    aligned: pa.Table,
    competencies: pa.Array,
    statements: IntArray,
) -> Again:
    """What changed beside the events."""
    changed: dict[str, pa.Table] = {}
    both = (("silver.identity_link", LINK_COLUMNS, links), ("silver.item_alignment", ALIGNMENT_COLUMNS, aligned))
    for name, columns, now in both:
        if last.versions[name] != versions[name]:
            changed[name] = _difference(_known(settings, name, columns, last.versions), now, columns)
    of_links = changed.get("silver.identity_link")
    of_items = changed.get("silver.item_alignment")
    new_ids = pa.array([], pa.string())
    if last.versions["silver.competency"] != versions["silver.competency"]:
        before = _competencies(settings, last.versions)
        new_ids = pa.array(sorted(set(competencies.to_pylist()) ^ set(before.to_pylist())), pa.string())
    nothing = pa.array([], pa.string())
    if of_items is not None:
        # A competency that only an alignment named becomes known, or unknown, with it.
        new_ids = pc.unique(pa.chunked_array([new_ids, *of_items["competency_id"].chunks]))
    return Again(
        subjects=nothing if of_links is None else pc.unique(of_links["subject_key"]),
        students=nothing if of_links is None else pc.unique(of_links["student_key"]),
        items=nothing if of_items is None else pc.unique(of_items["item_id"]),
        competencies=new_ids,
        statements=statements,
    )


def _difference(before: pa.Table, now: pa.Table, columns: tuple[str, ...]) -> pa.Table:
    """Rows that only one of the tables has."""
    keys = [_row_hash(table, columns) for table in (before, now)]
    gone = before.filter(pa.array(~np.isin(keys[0], keys[1])))
    come = now.filter(pa.array(~np.isin(keys[1], keys[0])))
    return pa.concat_tables([gone, come])


def _row_hash(table: pa.Table, columns: tuple[str, ...]) -> hashing.HashArray:
    key = np.zeros(table.num_rows, dtype=np.uint64)
    for name in columns:
        key = hashing.mix(key, hashing.hash_texts(table[name].cast(pa.string())))
    return key


def _chunks(files: list[lake.File]) -> list[list[lake.File]]:
    """Files in groups of about equally many rows, about ROWS_PER_TASK at most."""
    total = sum(file.rows for file in files)
    wanted = -(-total // ROWS_PER_TASK)
    groups: list[list[lake.File]] = []
    rows = 0
    for file in files:
        if rows * wanted >= len(groups) * total:
            groups.append([])
        groups[-1].append(file)
        rows += file.rows
    return groups


def standing_units(settings: Settings, last: NightRecord | None, again: Again) -> list[Unit]:
    """What stands and is resolved again, one unit a bucket of evidence and one a bucket of what waits for one thing.

    What waits for its day or its school is looked at every night; what waits for a link only where a link of its
    subject changed, by the subject's bucket. A bucket that the last night could not bring up is resolved whole.
    """
    if last is None:
        return []
    behind = set(last.unfinished_buckets)
    of_pupils = set(np.unique(hashing.buckets_of(again.students, last.pupil_buckets)).tolist())
    of_subjects = set(np.unique(hashing.buckets_of(again.subjects, last.pupil_buckets)).tolist())
    waiting = lake.table_files(settings, WAITING, lake.EVERY, last.versions[WAITING])
    evidence = []
    if again.is_scan or of_pupils or behind:
        evidence = lake.table_files(settings, EVIDENCE, lake.EVERY, last.versions[EVIDENCE])
    both = ((EVIDENCE, evidence), (WAITING, waiting))
    units = []
    # A partition's files are read together: what stands is told by all of them.
    groups = [(table, files) for table, listed in both for files in lake.by_partition(listed).values()]
    for unit in (Unit(table, files) for table, files in groups):
        is_behind = unit.bucket in behind
        if unit.table == EVIDENCE:
            is_wanted = again.is_scan or unit.bucket in of_pupils
        else:
            is_always = unit.files[0].partitions["waits_for"] in ("time", "school")
            is_wanted = again.is_scan or is_always or unit.bucket in of_subjects
        if is_wanted or is_behind:
            units.append(replace(unit, is_whole=is_behind))
    return units
