"""What the newest night left: what counts, what waits, what is known, which model and rule; and up to which offsets.

All of it at the versions that the night's row in ops.night names. A pupil's standing events are read when they are
asked for, by bucket and row group, and the last used are kept in memory up to a bound.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import arrow, hashing
from cairn.mastery.bkt import IntArray
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.resolve import EVENT_COLUMNS, Alignments, Known, Links, standing
from cairn.mastery.share.model import GENERAL, ShareModel
from cairn.settings import Settings
from live.states import StandingStates
from spark_jobs import evidence_sources, mastery_model, policies
from spark_jobs.evidence import CODED_EVIDENCE, CODED_WAITING, evidence_keys
from spark_jobs.night_record import EVIDENCE, STATE, VOID, WAITING, NightRecord

SILVER = evidence_sources.SILVER
# Rows of silver of so many newest days of intake say how far each partition has come.
NEWEST_DAYS = 7
NO_TEXT = pa.array([], pa.string())


def offsets_at(settings: Settings, version: int) -> dict[int, int]:
    """The offset after the last event that silver holds at a version, of each partition of the activity topic.

    Intake commits whole batches, so that everything before is judged. A partition without an event in the newest days
    is left out: what is read of it again is known by its id.
    """
    files = lake.table_files(settings, SILVER, lake.EVERY, version)
    days = sorted({str(file.partitions["ingest_date"]) for file in files})[-NEWEST_DAYS:]
    newest = [file for file in files if str(file.partitions["ingest_date"]) in days]
    rows = lake.read_files(settings, SILVER, newest, ["kafka_partition", "kafka_offset"])
    last = rows.group_by("kafka_partition").aggregate([("kafka_offset", "max")]).to_pylist()
    return {int(row["kafka_partition"]): int(row["kafka_offset_max"]) + 1 for row in last}


@dataclass
class Base:
    """One night as a base to fold on. ``offsets`` are those that it has counted, next of each partition.

    held: pupils whose events wait because a gate holds their school back. ``evidence`` and ``waiting`` are files by
    bucket. ``subject_of``: competency to subject. most_bytes: bound of what is kept in memory of pupils' events.
    """

    settings: Settings
    record: NightRecord
    links: Links
    alignments: Alignments
    competencies: pa.Array
    voids: pa.Table
    held: frozenset[str]
    model: ShareModel
    config: MasteryConfig
    offsets: dict[int, int]
    evidence: dict[int, list[lake.File]]
    waiting: dict[int, list[lake.File]]
    states: StandingStates
    subject_of: dict[str, str]
    most_bytes: int
    _kept: OrderedDict[str, pa.Table] = field(default_factory=OrderedDict)
    _kept_bytes: int = 0
    loads: int = 0

    @classmethod
    def of(cls, settings: Settings, record: NightRecord) -> Base:
        """The base that a night on record is. Raises CairnError where its model is not there."""
        links, aligned, competencies = evidence_sources.known_tables(settings, record.versions)
        waiting = lake.table_files(settings, WAITING, lake.EVERY, record.versions[WAITING])
        evidence = lake.table_files(settings, EVIDENCE, lake.EVERY, record.versions[EVIDENCE])
        base = cls(
            settings=settings,
            record=record,
            links=Links.of(links),
            alignments=Alignments.of(aligned),
            competencies=competencies,
            voids=lake.read(settings, VOID, evidence_sources.VOID_ON_RECORD, version=record.versions[VOID]),
            held=frozenset(),
            model=mastery_model.model_of(settings, record.model_versions[GENERAL]),
            config=load_config(settings),
            offsets=offsets_at(settings, record.versions[SILVER]),
            evidence=lake.by_number(evidence, "pupil_bucket"),
            waiting=lake.by_number(waiting, "subject_bucket"),
            states=StandingStates(settings, record.versions[STATE], settings.live_memory_mb << 19),
            subject_of=policies.subject_of(settings, record.versions[policies.COMPETENCY]),
            most_bytes=settings.live_memory_mb << 19,
        )
        held = base.waiting_for("school", ("subject_key",))["subject_key"].to_pylist()
        base.held = frozenset(base.students_of(held))
        return base

    def under(self, later: Base) -> Base:
        """This night's evidence under what a later night knows: links, alignments, competencies, model and rules."""
        return replace(
            self,
            links=later.links,
            alignments=later.alignments,
            competencies=later.competencies,
            model=later.model,
            config=later.config,
            subject_of=later.subject_of,
            _kept=OrderedDict(),
            _kept_bytes=0,
        )

    def relinked(self, later: Base) -> set[str]:
        """Pupils one of whose identity links another night knows otherwise."""
        ours, theirs = _link_rows(self.links), _link_rows(later.links)
        return {student for _, student, *_ in ours ^ theirs}

    def known(self, as_of_us: int, voids: Iterable[tuple[int, int]]) -> Known:
        """What resolving rests on at an instant, with statements taken back since the night (key, when)."""
        since = np.array([key for key, at_us in voids if at_us < as_of_us], dtype=np.int64)
        voided = np.union1d(evidence_sources.voided_before(self.voids, as_of_us), since)
        return Known(self.links, self.alignments, self.competencies, voided, NO_TEXT, as_of_us)

    def students_of(self, subjects: Sequence[str]) -> list[str]:
        """Pupils that the subjects were at any time."""
        return _linked(self.links.subjects, self.links.students, subjects)

    def subjects_of(self, students: Sequence[str]) -> list[str]:
        """Subjects that the pupils were at any time."""
        return _linked(self.links.students, self.links.subjects, students)

    def waiting_for(self, reason: str, columns: Sequence[str] = EVENT_COLUMNS) -> pa.Table:
        """Events that wait for one thing."""
        files = [file for some in self.waiting.values() for file in some if file.partitions["waits_for"] == reason]
        return self._waiting_rows(files, None).select(columns)

    def standing_events(self, students: Sequence[str]) -> pa.Table:
        """Events of the pupils that the night counted or left waiting, each once, in columns EVENT_COLUMNS."""
        missing = [student for student in students if student not in self._kept]
        loaded = self._load(missing) if missing else {}
        parts = []
        for student in students:
            part = loaded.get(student)
            if part is None:
                part = self._kept[student]
                self._kept.move_to_end(student)
            parts.append(part)
        for student, part in loaded.items():
            self._keep(student, part)
        found = pa.concat_tables(parts) if parts else _event_schema().empty_table()
        return _once(found)

    def _keep(self, student: str, part: pa.Table) -> None:
        """Keep a pupil's events in place of those not asked for longest, within the bound."""
        self._kept[student] = part
        self._kept_bytes += part.nbytes
        while self._kept_bytes > self.most_bytes and self._kept:
            _, gone = self._kept.popitem(last=False)
            self._kept_bytes -= gone.nbytes

    @property
    def is_under_its_rules(self) -> bool:
        """Whether the district's rules are still those that the night's states were made by."""
        return self.config.policy_version == self.record.policy_version

    @property
    def kept(self) -> dict[str, int]:
        """How many pupils' events are in memory, their bytes, and those of standing states."""
        return {"pupils": len(self._kept), "bytes": self._kept_bytes, "state_bytes": self.states.bytes}

    def _load(self, students: Sequence[str]) -> dict[str, pa.Table]:
        self.loads += len(students)
        subjects = self.subjects_of(students)
        counted = self._evidence_rows(students)
        owner = counted["student_key"].cast(pa.string())
        rows = arrow.plain(counted.select(EVENT_COLUMNS)).append_column("owner", owner)
        waits = arrow.plain(self._subject_rows(subjects).select(EVENT_COLUMNS))
        # A subject may have been several pupils: what waits is looked at for each.
        places, owners = _owners(self.links, waits["subject_key"], students)
        waits = waits.take(pa.array(places)).append_column("owner", pa.array(owners, pa.string()))
        whole = pa.concat_tables([rows.cast(_event_schema(owner=True)), waits.cast(_event_schema(owner=True))])
        codes, names = arrow.coded(whole["owner"])
        order = np.argsort(codes, kind="stable")
        found, starts = np.unique(codes[order], return_index=True)
        parts = dict.fromkeys(students, _event_schema().empty_table())
        events = whole.select(EVENT_COLUMNS)
        for code, some in zip(found.tolist(), np.split(order, starts[1:]), strict=False):
            # Taken, not cut: a slice would keep the whole of what was read in memory.
            parts[names[code]] = _once(events.take(pa.array(some))).combine_chunks()
        return parts

    def _evidence_rows(self, students: Sequence[str]) -> pa.Table:
        columns = [*EVENT_COLUMNS, "student_key", "competency_id", "is_removed", "night"]
        parts = [lake.read_schema(EVIDENCE, columns, CODED_EVIDENCE).empty_table()]
        for bucket, some in by_bucket(students, self.record.pupil_buckets).items():
            files = self.evidence.get(bucket, [])
            names = pa.array(some, pa.string())
            rows = lake.read_named(self.settings, EVIDENCE, files, "student_key", names, columns, CODED_EVIDENCE)
            parts.append(standing(rows, evidence_keys(rows)))
        return pa.concat_tables(parts).unify_dictionaries()

    def _subject_rows(self, subjects: Sequence[str]) -> pa.Table:
        parts = [self._waiting_rows([], None)]
        for bucket, some in by_bucket(subjects, self.record.pupil_buckets).items():
            parts.append(self._waiting_rows(self.waiting.get(bucket, []), pa.array(some, pa.string())))
        return pa.concat_tables(parts).unify_dictionaries()

    def _waiting_rows(self, files: Sequence[lake.File], subjects: pa.Array | None) -> pa.Table:
        columns = [*EVENT_COLUMNS, "is_removed", "night"]
        parts = [lake.read_schema(WAITING, columns, CODED_WAITING).empty_table()]
        # A partition at a time: that of which thing an event waits for is no column of the file.
        for some in lake.by_partition(files).values():
            if subjects is None:
                rows = lake.read_files(self.settings, WAITING, some, columns, dictionaries=CODED_WAITING)
            else:
                rows = lake.read_named(self.settings, WAITING, some, "subject_key", subjects, columns, CODED_WAITING)
            parts.append(standing(rows, hashing.hash_texts(rows["event_id"])))
        return pa.concat_tables(parts).unify_dictionaries()


def _link_rows(links: Links) -> set[tuple[str, str, int, int]]:
    columns = links.subjects.to_pylist(), links.students.to_pylist(), links.from_us.tolist(), links.to_us.tolist()
    return set(zip(*columns, strict=True))


def _linked(ours: pa.Array, theirs: pa.Array, wanted: Sequence[str]) -> list[str]:
    is_wanted = pc.is_in(ours, value_set=pa.array(sorted(set(wanted)), pa.string()))
    found: list[str] = sorted(pc.unique(theirs.filter(is_wanted)).to_pylist())
    return found


def _owners(links: Links, subjects: pa.ChunkedArray, students: Sequence[str]) -> tuple[IntArray, list[str]]:
    """(place of the event, pupil) of each of the pupils that an event's subject ever was."""
    chosen = pc.is_in(links.students, value_set=pa.array(students, pa.string()))
    of_subject: dict[str, set[str]] = {}
    for subject, student in zip(
        links.subjects.filter(chosen).to_pylist(), links.students.filter(chosen).to_pylist(), strict=True
    ):
        of_subject.setdefault(subject, set()).add(student)
    pairs = [
        (place, student)
        for place, subject in enumerate(subjects.to_pylist())
        for student in sorted(of_subject.get(subject, ()))
    ]
    return np.array([place for place, _ in pairs], dtype=np.int64), [student for _, student in pairs]


def by_bucket(keys: Sequence[str], buckets: int) -> dict[int, list[str]]:
    """Keys of pupils or subjects by their bucket."""
    found: dict[int, list[str]] = {}
    numbers = hashing.buckets_of(pa.array(keys, pa.string()), buckets)
    for key, bucket in zip(keys, numbers.tolist(), strict=True):
        found.setdefault(bucket, []).append(key)
    return found


def _once(events: pa.Table) -> pa.Table:
    """Each event once."""
    first = np.unique(hashing.hash_texts(events["event_id"]), return_index=True)[1]
    return events if first.size == events.num_rows else events.take(pa.array(np.sort(first)))


def _event_schema(*, owner: bool = False) -> pa.Schema:
    schema = lake.read_schema(EVIDENCE, EVENT_COLUMNS, ())
    return schema.append(pa.field("owner", pa.string())) if owner else schema


def events_table(contents: Sequence[dict[str, object]]) -> pa.Table:
    """Contents of kept events (instants in microseconds, days since 1970) as a table of EVENT_COLUMNS."""
    schema = _event_schema()
    numbers = {"event_time": pa.int64(), "work_date": pa.int32()}
    raw = pa.schema([pa.field(one.name, numbers.get(one.name, one.type)) for one in schema])
    return pa.Table.from_pylist(list(contents), raw).cast(schema)
