"""The night's mastery: one Spark job over the buckets of pupils, and the same tables in whatever order evidence came.

A night resolves what is new into evidence, folds it on to where the touched pairs stand, bucket by bucket, and commits
each table once; one row of ops.night then makes the night exist. The driver sees files and counts, never rows that
grow with pupils.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TypedDict

import pyarrow as pa
from pyspark.sql import SparkSession

import lake
from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.evidence.times import microseconds
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.share.model import GENERAL, ShareModel
from cairn.mastery.states import Night
from cairn.settings import Settings
from spark_jobs import evidence, evidence_sources, mastery_model, night_record, policies, tasks
from spark_jobs.gold_migration import migrate_if_needed, widen_if_needed
from spark_jobs.mastery_bucket import MODEL, POLICY, REBUILD, BucketJob, BucketResult, fold_bucket
from spark_jobs.mastery_upkeep import compact_if_due
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE, VOID, WAITING, NightRecord
from spark_jobs.pupils import pupils_of, schools_of

LEASE = "mastery"
# A second night waits so long for the first.
WAIT_SECONDS = 5.0


class Outcome(TypedDict, total=False):
    """What a night did, as ``cairn mastery update --json`` shows it."""

    pairs: int
    attempts: int
    decisions_changed: int
    seconds: float
    model_version: str
    challenger: str
    superseded_by: str
    unreadable: list[str]
    held_schools: list[str]
    healed: list[str]


@dataclass(frozen=True)
class _Run:
    spark: SparkSession
    settings: Settings
    config: MasteryConfig
    data_date: date
    as_of: datetime
    last: NightRecord | None
    buckets: int
    subject_of: dict[str, str]

    @property
    def number(self) -> int:
        """The night's number."""
        return self.last.night + 1 if self.last else 1

    @property
    def as_of_us(self) -> int:
        """The as-of instant in microseconds since 1970 UTC."""
        return microseconds(self.as_of)


def update(
    spark: SparkSession,
    settings: Settings,
    data_date: date,
    held_schools: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
) -> Outcome:
    """Bring gold up to the end of ``data_date`` (a local day), or to ``as_of`` within it.

    New evidence of pupils of ``held_schools`` waits until the school is released. Run again for the same night it
    changes nothing. A night older than what gold stands at is left alone (superseded_by says which night that is):
    going back would take later evidence out again. Buckets with states that could not be read are rebuilt from their
    evidence and named in ``healed``; those whose evidence or ledger could not be read in ``unreadable``: they stay as
    they were and are rebuilt by the next night, and ``held_schools`` are the schools of their pupils. Raises CairnError
    where another night is running, or where policy.yaml names a subject that no competency is of.
    """
    started = time.perf_counter()
    with _alone(settings):
        last = night_record.newest(settings)
        if last is not None and last.data_date > data_date:
            return Outcome(
                pairs=0,
                attempts=0,
                decisions_changed=0,
                seconds=round(time.perf_counter() - started, 3),
                model_version="",
                challenger="",
                superseded_by=last.data_date.isoformat(),
                unreadable=[],
                held_schools=[],
                healed=[],
            )
        last = migrate_if_needed(settings) if last is None else widen_if_needed(settings, last)
        night_record.roll_back(settings, last)
        end = as_of or DistrictCalendar.load(settings).day_bounds(data_date)[1]
        buckets = night_record.pupil_buckets(settings, last)
        config, subject_of = load_config(settings), policies.subject_of(settings)
        policies.check_subjects(settings, config, subject_of)
        run = _Run(spark, settings, config, data_date, end, last, buckets, subject_of)
        return _update(run, held_schools, started)


def _update(run: _Run, held_schools: Sequence[str], started: float) -> Outcome:
    settings, last = run.settings, run.last
    versions = night_record.present_versions(settings)
    held = pa.array(sorted(pupils_of(settings, held_schools, run.data_date)) if held_schools else [], pa.string())
    sources = evidence_sources.find(settings, last, versions, held, run.as_of_us)
    stands = evidence_sources.standing_units(settings, last, sources.again)
    context = run.spark.sparkContext
    written = evidence.write(context, settings, sources, stands, run.buckets, run.number)
    for name in (EVIDENCE, WAITING):
        _commit(settings, name, written.files.get(name, []), [], versions)
    if sources.voids.num_rows:
        numbered = sources.voids.append_column("night", pa.array([run.number] * sources.voids.num_rows, pa.int64()))
        lake.append(settings, VOID, numbered)
        versions[VOID] = lake.current_version(settings, VOID)
    counts = _counted(last, written.counts)
    model, fit_tried = mastery_model.model_for_night(
        context, settings, run.config, counts, last.fit_tried if last else {}, versions[EVIDENCE]
    )
    behind = {bucket: why for (table, bucket), why in written.unreadable.items() if table == EVIDENCE}
    results = _fold(run, model, written.files.get(EVIDENCE, []), versions, behind)
    subjects_behind = {bucket: why for (table, bucket), why in written.unreadable.items() if table == WAITING}
    for name in (DAY, DECISION, STATE):
        files = [file for one in results for file in one.written.get(name, [])]
        gone = [file for one in results for file in one.removed.get(name, [])]
        _commit(settings, name, files, gone, versions)
    record = NightRecord(
        night=run.number,
        kind="night",
        data_date=run.data_date,
        as_of=run.as_of,
        versions=versions,
        policy_version=run.config.policy_version,
        model_versions={GENERAL: model.version},
        pupil_buckets=run.buckets,
        pairs=sum(one.pairs for one in results),
        attempts=sum(one.attempts for one in results),
        decisions=sum(one.decisions for one in results),
        evidence_counts=counts,
        fit_tried=fit_tried,
        # The first night fits everything there is.
        refit_date=last.refit_date if last else run.data_date,
        refit_evidence=last.refit_evidence if last else sum(counts.values()),
        unfinished_buckets=sorted({one.bucket for one in results if one.problem} | set(subjects_behind)),
        policies=policies.on_record(run.config),
    )
    unmerged: list[str] = []
    challenger = ""
    if _has_changed(record, last):
        night_record.record(settings, record)
        if not record.unfinished_buckets:
            unmerged = compact_if_due(context, settings, record)
            challenger = _challenge_if_due(run, record)
    return Outcome(
        pairs=record.pairs,
        attempts=record.attempts,
        decisions_changed=record.decisions,
        seconds=round(time.perf_counter() - started, 3),
        model_version=model.version,
        challenger=challenger,
        unreadable=[*(one.problem for one in results if one.problem), *subjects_behind.values(), *unmerged],
        healed=[one.healed for one in results if one.healed],
        held_schools=schools_of(
            settings, [one.bucket for one in results if one.problem], list(subjects_behind), run.buckets
        ),
    )


def _has_changed(record: NightRecord, last: NightRecord | None) -> bool:
    """Whether the night did anything that the one before it did not: a night run again adds no record."""
    if last is None or record.versions != last.versions or record.data_date > last.data_date:
        return True
    return record.pairs > 0 or record.unfinished_buckets != last.unfinished_buckets


def _commit(
    settings: Settings, name: str, files: list[lake.File], gone: list[lake.File], versions: dict[str, int]
) -> None:
    """One commit of a table; its new version is noted."""
    base = lake.open_table(settings, name, versions[name]) if gone else None
    done = lake.commit_files(settings, name, files, removed=gone, base=base)
    if done is not None:
        versions[name] = done


def _counted(last: NightRecord | None, came: dict[str, int]) -> dict[str, int]:
    """Rows of evidence that stand, by competency."""
    counts = dict(last.evidence_counts) if last else {}
    for name, count in came.items():
        counts[name] = counts.get(name, 0) + count
    return {name: count for name, count in sorted(counts.items()) if count}


def _fold(
    run: _Run, model: ShareModel, added: list[lake.File], versions: dict[str, int], behind: dict[int, str]
) -> list[BucketResult]:
    """Every bucket by a task of its own, the fullest first; those that are ``behind`` are not, and say why."""
    settings, last = run.settings, run.last
    here = {
        name: lake.by_number(lake.table_files(settings, name, lake.EVERY, versions[name]), "pupil_bucket")
        for name in (EVIDENCE, STATE, DAY, DECISION)
    }
    fresh = lake.by_number(added, "pupil_bucket")
    is_other_policy = (
        last is None
        or last.policy_version != run.config.policy_version
        or policies.has_moved(settings, run.config, last, run.subject_of)
    )
    is_other_model = last is not None and last.model_versions.get(GENERAL) != model.version
    unfinished = set(last.unfinished_buckets) if last else set()
    now = datetime.now(UTC)
    jobs = [
        BucketJob(
            bucket=bucket,
            night=run.number,
            files={name: files.get(bucket, []) for name, files in here.items()},
            added=fresh.get(bucket, []),
            is_rebuild=is_other_policy or is_other_model or bucket in unfinished,
            reason=_reason(last, is_other_policy=is_other_policy, is_other_model=is_other_model),
            recorded_at=now,
            before_us=microseconds(last.as_of) if last else 0,
        )
        for bucket in sorted((set(here[EVIDENCE]) | set(here[STATE])) - set(behind))
    ]
    left_out = [BucketResult(bucket, problem=why) for bucket, why in behind.items()]
    jobs.sort(key=lambda job: -sum(file.rows for file in (job.files[EVIDENCE] if job.is_rebuild else job.added)))
    context = run.spark.sparkContext
    night = context.broadcast(Night(run.config, model, run.as_of_us, run.data_date, run.subject_of))
    is_small = not any(job.is_rebuild or not job.files[STATE] for job in jobs)
    results = tasks.run(
        context, "mastery", jobs, lambda job: fold_bucket(job, settings, night.value), is_small=is_small
    )
    night.unpersist()
    return results + left_out


def _reason(last: NightRecord | None, *, is_other_policy: bool, is_other_model: bool) -> str:
    """Why pairs are rebuilt. Where policy and model are other ones it is the model, which moves every share."""
    if last is None or not last.policy_version:  # a record that names none asks for a rebuild
        return REBUILD
    if is_other_model:
        return MODEL
    return POLICY if is_other_policy else REBUILD


def _challenge_if_due(run: _Run, record: NightRecord) -> str:
    """Fit the model anew where the rule asks for it; the challenger's version, "" where there is none.

    It comes after the night is on record, and changes nothing of it: a challenger waits until it is promoted.
    """
    evidence = sum(record.evidence_counts.values())
    if not mastery_model.is_refit_due(record, evidence):
        return ""
    version = ""
    with suppress(mastery_model.TooFewError):
        version = mastery_model.refit(run.spark.sparkContext, run.settings, run.config, record).version
    # Compaction may have put a record of its own after the night's.
    newest = night_record.newest(run.settings) or record
    kept = replace(newest, night=newest.night + 1, kind="refit", refit_date=run.data_date, refit_evidence=evidence)
    night_record.record(run.settings, replace(kept, pairs=0, attempts=0, decisions=0))
    return version


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lease of mastery. Raises CairnError where another has it."""
    with lake.lease(settings, LEASE, wait_seconds=WAIT_SECONDS) as is_ours:
        if not is_ours:
            raise CairnError("another night of mastery is running: wait for it ('cairn night status'), then try again")
        yield


def use_version(settings: Settings, version: str) -> None:
    """Make the version the one that nights use.

    The next night restates every pair, with the reason "model". Raises CairnError where there is no such version or a
    night is running.
    """
    with _alone(settings):
        mastery_model.use_version(settings, version)


def refit(spark: SparkSession, settings: Settings) -> dict[str, object]:
    """Fit the share model anew on the lake's evidence, as a challenger.

    Returns model, log_likelihood, responses, skills, degenerate, seconds, model_version. Nights go on with the model
    that they have until the version is promoted. Raises CairnError where no night has run, one is running, or there is
    not evidence enough.
    """
    started = time.perf_counter()
    config = load_config(settings)
    with _alone(settings):
        last = night_record.newest(settings)
        if last is None:
            raise CairnError("no night of mastery has run yet: run 'cairn mastery update' first")
        found = mastery_model.refit(spark.sparkContext, settings, config, last)
    return {
        "model": "share",
        "log_likelihood": found.log_likelihood,
        "responses": found.responses,
        "skills": found.skills,
        "degenerate": 0,
        "seconds": round(time.perf_counter() - started, 3),
        "model_version": found.version,
    }
