"""One bucket's pupils: the task that Spark runs, many at a time. It reads and writes its bucket's files by itself.

New evidence is folded on to the standing state of the pairs it touches. Of pupils whose evidence came late or was taken
away, the pairs that it may have moved are restated from all of theirs. What changed is appended; a bucket that has
nothing yet, or is to be rebuilt, is written whole as its base. Files are not committed here: the driver does that at
once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import lake
from cairn.mastery import arrow
from cairn.mastery.bkt import IntArray
from cairn.mastery.evidence import BoolArray
from cairn.mastery.ledger import DAY as DAY_KEYS
from cairn.mastery.ledger import day_changes, decision_changes, newest, set_column
from cairn.mastery.policy import NEVER, REVIEW_DUE, STATES
from cairn.mastery.resolve import standing
from cairn.mastery.states import COLUMNS, PUPIL_COLUMNS, STANDING_COLUMNS, Night, Restated, advance, restate
from cairn.settings import Settings
from spark_jobs import mastery_plan
from spark_jobs.evidence import CODED_EVIDENCE, evidence_keys
from spark_jobs.mastery_layout import LAYOUT
from spark_jobs.mastery_plan import Index, Plan, Touched, standing_rows
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE

ReasonArray = npt.NDArray[np.str_]

READ_COLUMNS = [*COLUMNS, "is_removed", "night"]
CODED = [name for name in CODED_EVIDENCE if name in COLUMNS]
CODED_DAY = ("student_key", "competency_id", "org_id", "class_id")
CODED_DECISION = ("student_key", "competency_id", "from_state", "to_state", "model_version", "policy_version", "reason")
# Why a night records a decision, as gold.mastery_decision names it.
WORK, TIME, LATE, POLICY, MODEL, REBUILD = "work", "time", "late", "policy", "model", "rebuild"


@dataclass(frozen=True)
class BucketJob:
    """What one task needs: the bucket's files by table, those of evidence that tonight added, and how to fold.

    is_rebuild: all pairs from all their evidence, in place of what stands, and ``reason`` is why. before_us: the as-of
    instant of the night before (microseconds since 1970 UTC).
    """

    bucket: int
    night: int
    files: dict[str, list[lake.File]]
    added: list[lake.File]
    is_rebuild: bool
    reason: str
    recorded_at: datetime
    before_us: int = 0


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
    reason = job.reason if job.files[DECISION] else WORK
    if reason == POLICY:
        decisions = _with_reasons(
            decisions, _of_other_policy(decisions, job, night, _read_evidence(settings, job.added))
        )
    else:
        decisions = _with_reasons(decisions, np.full(decisions.num_rows, reason))
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
    touched = mastery_plan.touched(new)
    index = mastery_plan.read_index(settings, job.files[STATE])
    plan = mastery_plan.plan(index, touched, night.as_of_us)
    if not plan.forward.size and not plan.again.size:
        return BucketResult(job.bucket)
    stood = standing_rows(settings, index, plan.forward_rows, STANDING_COLUMNS)
    pupils = standing_rows(settings, index, plan.pupil_rows, PUPIL_COLUMNS)
    parts = [_forward(job, night, new, touched, stood, pupils, plan)]
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


# The two ways.


def _forward(
    job: BucketJob, night: Night, new: pa.Table, touched: Touched, stood: pa.Table, pupils: pa.Table, plan: Plan
) -> Restated:
    rows = new.filter(pa.array(arrow.places_in(plan.forward, touched.row_key) >= 0))
    found = advance(rows.select(COLUMNS), stood, pupils, night)
    return _recorded(found, job, night, touched.keys)


def _again(
    job: BucketJob,
    settings: Settings,
    night: Night,
    new: pa.Table,
    touched: Touched,
    index: Index,
    plan: Plan,
) -> Restated:
    """Pairs from all evidence of their pupils, set against what stands of them."""
    students = pa.compute.unique(
        new["student_key"].filter(pa.array(np.isin(touched.row_pupil, plan.late_pupils))).cast(pa.string())
    )
    found = restate(current_evidence(settings, job.files[EVIDENCE], students), night)
    states, made, decided = (
        _of_keys(table, plan.again) for table in (found.mastery_state, found.attempt_day, found.mastery_decision)
    )
    days = lake.read_named(settings, DAY, job.files[DAY], "student_key", students, _columns_of(DAY), CODED_DAY)
    days = newest(_of_keys(days, plan.again), DAY_KEYS)
    days = days.filter(pa.compute.invert(days["is_removed"]))
    ledger = _of_keys(_ledger(settings, job, students), plan.again)
    decisions = decision_changes(decided, ledger, night.data_date, job.recorded_at)
    is_left = np.isin(index.key[plan.again_rows], arrow.integers(states["pair_key"]))
    gone = standing_rows(settings, index, plan.again_rows[~is_left], states.column_names)
    return Restated(
        attempt_day=day_changes(made, days, night.data_date),
        mastery_state=_with_gone(states, gone, night),
        mastery_decision=_with_reasons(
            decisions, np.where(_are_of(decisions, plan.late), LATE, _by_time(decisions, night))
        ),
    )


def _of_keys(table: pa.Table, keys: IntArray) -> pa.Table:
    """The rows of some pairs (sorted keys)."""
    return table.filter(pa.array(np.isin(arrow.integers(table["pair_key"]), keys)))


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


def _recorded(found: Restated, job: BucketJob, night: Night, touched: IntArray) -> Restated:
    """What is appended as it is: nothing of it stands yet."""
    decisions = found.mastery_decision
    by_time = _by_time(decisions, night)
    reasons = np.where(_are_of(decisions, touched) & (by_time == TIME), WORK, by_time)
    decisions = _with_reasons(decisions, reasons)
    instants = pa.array([job.recorded_at] * decisions.num_rows, pa.timestamp("us", tz="UTC"))
    return Restated(
        attempt_day=_flagged(found.attempt_day),
        mastery_state=_flagged(found.mastery_state),
        mastery_decision=decisions.append_column("recorded_at", instants),
    )


# Why.


def _by_time(decisions: pa.Table, night: Night) -> ReasonArray:
    """What no work explains: POLICY where review falls due at the very instant at which a policy begins, else TIME."""
    codes, names = arrow.coded(decisions["competency_id"])
    rows = np.arange(decisions.num_rows)
    is_beginning = night.schedule(codes, names).is_beginning(rows, arrow.integers(decisions["decided_at"]))
    return np.where(is_beginning & _are_reviews(decisions), POLICY, TIME)


def _of_other_policy(decisions: pa.Table, job: BucketJob, night: Night, new: pa.Table) -> ReasonArray:
    """Why each decision of a rebuild for another policy: tonight's work, time since the last night, else the policy.

    What a decision rests on came tonight where it is of a pair with new evidence from the first of that on.
    """
    keys, first_us = _first_of_pairs(new)
    place = arrow.places_in(keys, arrow.integers(decisions["pair_key"]))
    at_us = arrow.integers(decisions["decided_at"])
    is_since = (at_us >= job.before_us) & ~np.asarray(decisions["is_retraction"])
    of_new_work = (place >= 0) & (at_us >= np.append(first_us, 0)[place])
    by_time = _by_time(decisions, night)
    is_by_time = is_since & (by_time == TIME) & _are_reviews(decisions)
    reasons = np.where(is_by_time, TIME, POLICY)
    return np.where(of_new_work & (by_time == TIME), np.where(is_since, WORK, LATE), reasons)


def _first_of_pairs(new: pa.Table) -> tuple[IntArray, IntArray]:
    """(keys, instants): of each pair with new evidence the first instant of it."""
    row_key = mastery_plan.touched(new).row_key
    keys, row = np.unique(row_key, return_inverse=True)
    first_us = np.full(keys.size, NEVER, dtype=np.int64)
    np.minimum.at(first_us, row.reshape(-1), arrow.integers(new["event_time"]))
    return keys, first_us


def _are_reviews(decisions: pa.Table) -> BoolArray:
    found: BoolArray = np.asarray(pa.compute.equal(decisions["to_state"].cast(pa.string()), STATES[REVIEW_DUE]))
    return found


def _are_of(decisions: pa.Table, keys: IntArray) -> BoolArray:
    """Which decisions are of pairs of the keys."""
    return arrow.places_in(keys, arrow.integers(decisions["pair_key"])) >= 0


def _with_reasons(decisions: pa.Table, reasons: ReasonArray) -> pa.Table:
    return decisions.append_column("reason", pa.array(reasons.tolist(), pa.string()))


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
