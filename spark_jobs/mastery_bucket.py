"""One bucket's pupils: the task that Spark runs, many at a time. It reads and writes its bucket's files by itself.

New evidence is folded on to the standing state of the pairs it touches. Pairs whose evidence came late or was taken
away, or whose parameters changed, are restated from all of theirs. What changed is appended; a bucket that has nothing
yet, or is to be rebuilt, is written whole as its base. Files are not committed here: the driver does that at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

import lake
from cairn.mastery import arrow, hashing
from cairn.mastery.bkt import IntArray
from cairn.mastery.evidence import BoolArray
from cairn.mastery.ledger import DAY as DAY_KEYS
from cairn.mastery.ledger import day_changes, decision_changes, newest, set_column
from cairn.mastery.resolve import standing
from cairn.mastery.states import COLUMNS, STANDING_COLUMNS, Night, Restated, advance, restate
from cairn.settings import Settings
from spark_jobs.evidence import CODED_EVIDENCE, evidence_keys
from spark_jobs.mastery_layout import LAYOUT
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE

READ_COLUMNS = [*COLUMNS, "is_removed", "night"]
CODED = [name for name in CODED_EVIDENCE if name in COLUMNS]
CODED_STATE = ("student_key", "competency_id", "state", "model_version", "policy_version")
CODED_DAY = ("student_key", "competency_id", "org_id", "class_id", "model_version")
CODED_DECISION = ("student_key", "competency_id", "from_state", "to_state", "model_version", "policy_version", "reason")
# Why a night records a decision, as gold.mastery_decision names it.
WORK, TIME, LATE, MODEL, REBUILD = "work", "time", "late", "model", "rebuild"
INDEX_COLUMNS = ("pair_key", "night", "is_removed", "next_transition_at", "last_work_date", "model_version")


@dataclass(frozen=True)
class BucketJob:
    """What one task needs: the bucket's files by table, those of evidence that tonight added, and how to fold.

    is_rebuild: all pairs from all their evidence, in place of what stands. changed: competencies whose parameters
    changed since the last night.
    """

    bucket: int
    night: int
    files: dict[str, list[lake.File]]
    added: list[lake.File]
    is_rebuild: bool
    changed: frozenset[str]
    recorded_at: datetime


@dataclass(frozen=True)
class BucketResult:
    """What a task wrote: files by table, files to take out, counts.

    ``healed`` says what could not be read and was rebuilt; ``problem`` why the bucket could not be brought up.
    """

    bucket: int
    written: dict[str, list[lake.File]] = field(default_factory=dict)
    removed: dict[str, list[lake.File]] = field(default_factory=dict)
    pairs: int = 0
    attempts: int = 0
    decisions: int = 0
    problem: str = ""
    healed: str = ""


def fold_bucket(job: BucketJob, settings: Settings, night: Night) -> BucketResult:
    """Bring a bucket up to the night.

    Where a file of states or days cannot be read, the bucket is rebuilt from its evidence, which replaces the file.
    Where the evidence or the ledger cannot be read either, that is named in the result, not raised.
    """
    is_whole = job.is_rebuild or not job.files[STATE]
    try:
        return _rebuild(job, settings, night) if is_whole else _go_on(job, settings, night)
    except (OSError, pa.ArrowInvalid) as error:
        if is_whole:
            return BucketResult(job.bucket, problem=_named(job, error))
        try:
            return replace(_rebuild(job, settings, night), healed=_named(job, error))
        except (OSError, pa.ArrowInvalid) as deeper:
            return BucketResult(job.bucket, problem=_named(job, deeper))


def _named(job: BucketJob, error: Exception) -> str:
    return f"bucket {job.bucket}: {str(error).splitlines()[0][:300]}"


def _rebuild(job: BucketJob, settings: Settings, night: Night) -> BucketResult:
    """All pairs from all their evidence; what stood is replaced, decisions that stood are kept or taken back."""
    attempts = current_evidence(settings, job.files[EVIDENCE])
    found = restate(attempts, night)
    decisions = found.mastery_decision
    if job.files[DECISION]:
        decisions = decision_changes(decisions, _ledger(settings, job, None), night.data_date, job.recorded_at)
    reason = REBUILD if job.files[DECISION] else WORK
    decisions = _with_reason(decisions, np.zeros(0, dtype=np.int64), reason, reason)
    written = {
        STATE: _write(settings, job, STATE, _flagged(found.mastery_state), is_base=True),
        DAY: _write(settings, job, DAY, _flagged(found.attempt_day), is_base=True),
        DECISION: _write(settings, job, DECISION, decisions),
    }
    removed = {name: job.files[name] for name in (STATE, DAY)}
    pairs, rows = found.mastery_state.num_rows, attempts.num_rows
    return BucketResult(job.bucket, written, removed, pairs, rows, decisions.num_rows)


def _go_on(job: BucketJob, settings: Settings, night: Night) -> BucketResult:
    new = _read_evidence(settings, job.added)
    touched = _touched(new)
    index = _read_index(settings, job.files[STATE])
    plan = _plan(index, touched, job, night)
    if not plan.forward.size and not plan.again.size:
        return BucketResult(job.bucket)
    stood = _standing_rows(settings, index, plan.forward_rows, STANDING_COLUMNS)
    parts = [_forward(job, night, new, touched, stood, plan)]
    if plan.again.size:
        parts.append(_again(job, settings, night, new, touched, index, plan))
    states, days, decisions = (
        pa.concat_tables([arrow.plain(getattr(part, name)) for part in parts], promote_options="permissive")
        if len(parts) > 1
        else getattr(parts[0], name)
        for name in ("mastery_state", "attempt_day", "mastery_decision")
    )
    written = {
        STATE: _write(settings, job, STATE, states),
        DAY: _write(settings, job, DAY, days),
        DECISION: _write(settings, job, DECISION, decisions),
    }
    return BucketResult(job.bucket, written, {}, states.num_rows, new.num_rows, decisions.num_rows)


# What is touched and what stands.


@dataclass(frozen=True)
class _Touched:
    """Tonight's rows of evidence by pair: key of each row, and of each pair its first new day and whether rows went."""

    row_key: IntArray
    keys: IntArray
    first_day: IntArray
    has_removed: BoolArray


@dataclass(frozen=True)
class _Index:
    """The standing pairs of a bucket (n), narrow: where each one's row is, and what decides how it is restated.

    ``row`` counts through the files, one after the other; ``sizes`` are their rows. In no order: to sort a bucket's
    year for a night's few pairs cost more than the night.
    """

    files: list[lake.File]
    sizes: list[int]
    row: IntArray
    key: IntArray
    next_us: IntArray
    last_day: IntArray
    model: IntArray
    model_names: list[str]


@dataclass(frozen=True)
class _Plan:
    """Keys to go on with from where they stand, and keys to restate from all their evidence; all sorted.

    late: of those to restate, the ones whose evidence came late or was taken away. The rows are places in the index of
    those that stand, in its order; of changed ones those restated for their parameters' sake.
    """

    forward: IntArray
    again: IntArray
    late: IntArray
    forward_rows: IntArray
    again_rows: IntArray
    changed_rows: IntArray


def _read_evidence(settings: Settings, files: list[lake.File]) -> pa.Table:
    return lake.read_files(settings, EVIDENCE, files, READ_COLUMNS, dictionaries=CODED)


def current_evidence(settings: Settings, files: list[lake.File], students: pa.Array | None = None) -> pa.Table:
    """Evidence that stands in some files of one bucket, columns COLUMNS; of some pupils where named."""
    if students is None:
        rows = lake.read_files(settings, EVIDENCE, files, READ_COLUMNS, dictionaries=CODED)
    else:
        rows = lake.read_named(settings, EVIDENCE, files, "student_key", students, READ_COLUMNS, CODED)
    if len({file.path for file in files}) > 1:
        rows = standing(rows, evidence_keys(rows))
    return rows.select(COLUMNS)


def row_pair_keys(rows: pa.Table) -> IntArray:
    """The pair of each row."""
    student, competency = hashing.hash_texts(rows["student_key"]), hashing.hash_texts(rows["competency_id"])
    return hashing.pair_keys(student, competency)


def _touched(new: pa.Table) -> _Touched:
    row_key = row_pair_keys(new)
    keys, pair = np.unique(row_key, return_inverse=True)
    first_day = np.full(keys.size, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(first_day, pair.reshape(-1), arrow.integers(new["work_date"]))
    has_removed = np.zeros(keys.size, dtype=bool)
    has_removed[pair.reshape(-1)[np.asarray(new["is_removed"])]] = True
    return _Touched(row_key, keys, first_day, has_removed)


def _read_index(settings: Settings, files: list[lake.File]) -> _Index:
    """The newest row of each pair; a pair of which nothing is left has none."""
    # One at a time, or a file's places would not be known. The base is the biggest in nearly every night.
    files = sorted(files, key=lambda file: -file.rows)
    tables = [lake.read_files(settings, STATE, [file], INDEX_COLUMNS, dictionaries=["model_version"]) for file in files]
    whole = pa.concat_tables(tables, promote_options="permissive")
    key, night = arrow.integers(whole["pair_key"]), arrow.integers(whole["night"])
    kept = _newest(key, night, tables[0].num_rows)
    kept = kept[~np.asarray(whole["is_removed"])[kept]]
    next_us = arrow.integers(whole["next_transition_at"], missing=np.iinfo(np.int64).max)
    last_day = arrow.integers(whole["last_work_date"])
    model, names = arrow.coded(whole["model_version"])
    if kept.size < key.size:
        key, next_us, last_day, model = key[kept], next_us[kept], last_day[kept], model[kept]
    return _Index(files, [table.num_rows for table in tables], kept, key, next_us, last_day, model, names)


def _newest(key: IntArray, night: IntArray, first: int) -> IntArray:
    """Places of each key's row of the newest night; the ``first`` rows are of one file, which holds a key once."""
    rest = np.arange(first, key.size)
    rest = rest[np.lexsort((night[rest], key[rest]))]
    is_last = np.ones(rest.size, dtype=bool)
    is_last[:-1] = key[rest][1:] != key[rest][:-1]
    rest = rest[is_last]
    at = arrow.places_in(key[rest], key[:first])
    # A file of the first ones that is newer than the others wins over them.
    is_older = (at >= 0) & (night[:first] < night[rest][at]) if rest.size else np.zeros(first, dtype=bool)
    is_beaten = np.zeros(rest.size, dtype=bool)
    is_beaten[at[(at >= 0) & ~is_older]] = True
    found: IntArray = np.r_[np.flatnonzero(~is_older), rest[~is_beaten]]
    return found


def _plan(index: _Index, touched: _Touched, job: BucketJob, night: Night) -> _Plan:
    """Which pairs are restated and how."""
    # The one search among all that stand: everything after it is about the few rows that it finds.
    at = arrow.places_in(touched.keys, index.key)
    stands = np.flatnonzero(at >= 0)
    of_touched = at[stands]
    is_late = touched.has_removed.copy()
    is_late[of_touched] |= touched.first_day[of_touched] <= index.last_day[stands]
    late, due = touched.keys[is_late], np.flatnonzero(index.next_us < night.as_of_us)
    changed = np.zeros(0, dtype=np.int64)
    if job.changed:
        current = set(night.models.versions)
        is_old = np.array([name not in current for name in index.model_names], dtype=bool)
        changed = np.flatnonzero(is_old[index.model])
    again = np.union1d(late, index.key[changed])
    forward = np.setdiff1d(np.union1d(touched.keys, index.key[due]), again, assume_unique=True)
    again_rows = np.union1d(stands[is_late[of_touched]], changed)
    forward_rows = np.setdiff1d(np.union1d(stands, due), again_rows, assume_unique=True)
    return _Plan(forward, again, late, forward_rows, again_rows, changed)


def _standing_rows(settings: Settings, index: _Index, rows: IntArray, columns: Sequence[str]) -> pa.Table:
    """The standing rows at some places of the index."""
    wanted = np.sort(index.row[rows])
    parts, first = [lake.read_schema(STATE, columns, CODED_STATE).empty_table()], 0
    for file, size in zip(index.files, index.sizes, strict=True):
        begin, end = np.searchsorted(wanted, [first, first + size])
        if begin < end:  # a file of which no row is wanted is not opened
            parts.append(lake.read_rows(settings, STATE, file, wanted[begin:end] - first, columns, CODED_STATE))
        first += size
    return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()


# The two ways.


def _forward(job: BucketJob, night: Night, new: pa.Table, touched: _Touched, stood: pa.Table, plan: _Plan) -> Restated:
    rows = new.filter(pa.array(arrow.places_in(plan.forward, touched.row_key) >= 0))
    found = advance(rows.select(COLUMNS), stood, night)
    return _recorded(found, job, touched.keys)


def _again(
    job: BucketJob,
    settings: Settings,
    night: Night,
    new: pa.Table,
    touched: _Touched,
    index: _Index,
    plan: _Plan,
) -> Restated:
    """Pairs from all their evidence, set against what stands of them."""
    is_theirs = pa.array(np.isin(touched.row_key, plan.late))
    changed = _standing_rows(settings, index, plan.changed_rows, ["student_key"])
    named = [rows["student_key"].cast(pa.string()) for rows in (changed, new.filter(is_theirs))]
    students = pa.compute.unique(pa.chunked_array([chunk for one in named for chunk in one.chunks], pa.string()))
    evidence = current_evidence(settings, job.files[EVIDENCE], students)
    found = restate(evidence.filter(pa.array(np.isin(row_pair_keys(evidence), plan.again))), night)
    days = lake.read_named(settings, DAY, job.files[DAY], "student_key", students, _columns_of(DAY), CODED_DAY)
    days = newest(days.filter(pa.array(np.isin(arrow.integers(days["pair_key"]), plan.again))), DAY_KEYS)
    days = days.filter(pa.compute.invert(days["is_removed"]))
    ledger = _ledger(settings, job, students)
    ledger = ledger.filter(pa.array(np.isin(arrow.integers(ledger["pair_key"]), plan.again)))
    decisions = decision_changes(found.mastery_decision, ledger, night.data_date, job.recorded_at)
    is_left = np.isin(index.key[plan.again_rows], arrow.integers(found.mastery_state["pair_key"]))
    gone = _standing_rows(settings, index, plan.again_rows[~is_left], found.mastery_state.column_names)
    return Restated(
        attempt_day=day_changes(found.attempt_day, days, night.data_date),
        mastery_state=_with_gone(found.mastery_state, gone, night),
        mastery_decision=_with_reason(decisions, plan.late, LATE, MODEL),
    )


def _with_gone(states: pa.Table, gone: pa.Table, night: Night) -> pa.Table:
    """The states, and for pairs of which nothing is left, as they stood, a row that says so."""
    parts = [_flagged(states), _flagged(set_column(gone, "data_date", night.data_date), is_removed=True)]
    return pa.concat_tables([arrow.plain(part) for part in parts], promote_options="permissive")


def _ledger(settings: Settings, job: BucketJob, students: pa.Array | None) -> pa.Table:
    files, columns = job.files[DECISION], _columns_of(DECISION)
    if students is None:
        return lake.read_files(settings, DECISION, files, columns)
    return lake.read_named(settings, DECISION, files, "student_key", students, columns, CODED_DECISION)


def _columns_of(name: str) -> list[str]:
    return [column for column in lake.file_schema(name).names if column != "pupil_bucket"]


def _recorded(found: Restated, job: BucketJob, touched: IntArray) -> Restated:
    """What is appended as it is: nothing of it stands yet."""
    decisions = _with_reason(found.mastery_decision, touched, WORK, TIME)
    instants = pa.array([job.recorded_at] * decisions.num_rows, pa.timestamp("us", tz="UTC"))
    return Restated(
        attempt_day=_flagged(found.attempt_day),
        mastery_state=_flagged(found.mastery_state),
        mastery_decision=decisions.append_column("recorded_at", instants),
    )


def _with_reason(decisions: pa.Table, keys: IntArray, named: str, others: str) -> pa.Table:
    """Decisions with their ``reason``: ``named`` for pairs of the keys (ascending), ``others`` for the rest."""
    is_other = arrow.places_in(keys, arrow.integers(decisions["pair_key"])) < 0
    reasons = pa.DictionaryArray.from_arrays(pa.array(is_other.astype(np.int8)), pa.array([named, others]))
    return decisions.append_column("reason", reasons.cast(pa.string()))


def _flagged(table: pa.Table, *, is_removed: bool = False) -> pa.Table:
    return table.append_column("is_removed", pa.array(np.full(table.num_rows, is_removed)))


def _write(settings: Settings, job: BucketJob, name: str, rows: pa.Table, *, is_base: bool = False) -> list[lake.File]:
    if rows.num_rows == 0:
        return []
    size = rows.num_rows
    rows = rows.append_column("night", pa.array(np.full(size, job.night, dtype=np.int64)))
    if name != DECISION:
        rows = rows.append_column("is_base", pa.array(np.full(size, is_base)))
    elif "recorded_at" not in rows.column_names:
        instants = pa.array([job.recorded_at] * size, pa.timestamp("us", tz="UTC"))
        rows = rows.append_column("recorded_at", instants)
    return [lake.write_file(settings, name, rows, {"pupil_bucket": job.bucket}, layout=LAYOUT[name])]
