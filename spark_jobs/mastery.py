"""The night's mastery update: touched and due pairs only, and the same tables in whatever order evidence arrived.

A pair (pupil, competency) is touched when the fingerprint of its evidence, with the versions of model and policy,
differs from the one its state was computed from; it is due when time alone changes its state. Such a pair is computed
anew from all its evidence by ``cairn.mastery.states.restate``, many pupils a call, never one group a pair. Spark reads
and joins the evidence and computes; what a night changes is small and committed from Arrow (``mastery_tables``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import lake
from cairn.calendar import DistrictCalendar
from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.mastery import arrow, ledger
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.models import ModelTable
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from spark_jobs import mastery_tables
from spark_jobs.mastery_evidence import evidence, fingerprints, pupils_of
from spark_jobs.mastery_model import collect_for_fit, fit_missing, fit_table, model_rows, write_items, write_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAIR = ["student_key", "competency_id"]
OUTPUTS = ("attempt_day", "mastery_segment", "mastery_state", "mastery_decision")
# Touched pairs are computed and written in portions of about so many attempts: what the driver holds at once.
PORTION = 2_000_000


@dataclass(frozen=True)
class _Run:
    spark: SparkSession
    settings: Settings
    config: MasteryConfig
    data_date: date
    as_of: datetime
    held: frozenset[str]

    @property
    def as_of_us(self) -> int:
        """The as-of instant in microseconds since 1970 UTC."""
        return int(self.as_of.timestamp()) * 1_000_000 + self.as_of.microsecond


def update(
    spark: SparkSession,
    settings: Settings,
    data_date: date,
    held_schools: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """Bring gold up to the end of ``data_date`` (a local day), or to ``as_of`` within it.

    Returns pairs (restated), attempts (theirs), decisions_changed (rows added to the ledger), seconds, model_version.
    Pairs of pupils of ``held_schools`` are left as they were and found again when the school is released. Run again
    for the same night it changes nothing. A night older than what gold stands at is left alone (superseded_by says
    which night that is): going back would take later evidence out again.
    """
    started = time.perf_counter()
    config = load_config(settings)
    for name in OUTPUTS:
        # Also where a first night finds nothing to decide: the gate after it reads what is there, not what is missing.
        lake.create(settings, f"gold.{name}")
    end = as_of or DistrictCalendar.load(settings).day_bounds(data_date)[1]
    newest = mastery_tables.newest_night(settings)
    if newest is not None and newest > data_date:
        return {**_result(started, 0, 0, 0, ""), "superseded_by": newest.isoformat()}
    held = pupils_of(settings, held_schools, data_date) if held_schools else set()
    run = _Run(spark, settings, config, data_date, end, frozenset(held))
    frame = evidence(spark, settings, config.evidence, end)
    with _kept(frame, lake.count_rows(settings, "silver.learner_activity")):
        return _update(run, frame, started)


@contextmanager
def _kept(frame: DataFrame, rows: int) -> Iterator[None]:
    """Keep evidence that memory holds: fingerprints, fit and states read it in turn. More is joined again each time."""
    if rows > PORTION:
        yield
        return
    frame.persist()
    try:
        yield
    finally:
        frame.unpersist()


def _update(run: _Run, frame: DataFrame, started: float) -> dict[str, Any]:
    settings, config, data_date, held = run.settings, run.config, run.data_date, run.held
    prints = _unheld(run, fingerprints(frame))
    models = fit_missing(settings, config, frame, prints, run.held)
    touched = _touched(run, prints, models)
    is_all = touched.num_rows == prints.num_rows and not held
    changed = sum(
        mastery_tables.write(settings, data_date, _compute(run, frame, pairs, models, is_all=is_all), pairs)
        for pairs in _portions(touched)
    )
    ready = mastery_tables.nights(settings, mastery_tables.READY)
    if touched.num_rows or ready is None or ready[1] < data_date:
        mastery_tables.write_ready(settings, data_date)
    attempts = int(arrow.integers(touched["events"]).sum())
    return _result(started, touched.num_rows, attempts, changed, models.versions[-1])


def warm(spark: SparkSession) -> None:
    """Start Spark's Python workers with the kernels loaded: seconds that can pass while other steps work."""

    def load(batches: Iterator[Any]) -> Iterator[Any]:
        import cairn.mastery.states  # noqa: F401  # what is wanted is the import

        return batches

    partitions = spark.sparkContext.defaultParallelism
    spark.range(partitions, numPartitions=partitions).mapInArrow(load, "id bigint").toArrow()


def refit(spark: SparkSession, settings: Settings, model: str = "bkt") -> dict[str, Any]:
    """Fit every competency that has enough evidence anew and make the result active; ``model`` bkt or bkt_forget.

    Returns model, log_likelihood, responses, skills, degenerate, seconds, model_version. The next night restates the
    pairs concerned. Raises CairnError where no competency has enough evidence yet.
    """
    started = time.perf_counter()
    config = load_config(settings)
    fit_rule = replace(config.fit, has_forget=model == "bkt_forget")
    frame = evidence(spark, settings, config.evidence, datetime.now(UTC))
    sizes = {row["competency_id"]: row["count"] for row in frame.groupBy("competency_id").count().collect()}
    table = collect_for_fit(frame, sorted(sizes), sum(sizes.values()))
    found = fit_table(table, config.evidence, fit_rule)
    if found is None:
        raise CairnError(
            f"no competency has {fit_rule.minimum_responses} counted responses of {fit_rule.minimum_pupils} pupils yet:"
            " load more activity, or lower model.minimum_responses in evidence.yaml"
        )
    write_items(settings, found)
    write_rows(settings, model_rows(found, fit_rule, datetime.now(UTC)))
    return {
        "model": model,
        "log_likelihood": float(found.fit.log_likelihood.sum()),
        "responses": int(found.fit.responses.sum()),
        "skills": len(found.competencies),
        "degenerate": int(found.fit.is_degenerate.sum()),
        "seconds": round(time.perf_counter() - started, 3),
        "model_version": found.version,
    }


def _result(started: float, pairs: int, attempts: int, changed: int, version: str) -> dict[str, Any]:
    return {
        "pairs": pairs,
        "attempts": attempts,
        "decisions_changed": changed,
        "seconds": round(time.perf_counter() - started, 3),
        "model_version": version,
    }


def _unheld(run: _Run, table: Any) -> Any:
    """Rows of pupils whose school is not held."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not run.held:
        return table
    return table.filter(pc.invert(pc.is_in(table["student_key"], value_set=pa.array(sorted(run.held), pa.string()))))


def _touched(run: _Run, prints: Any, models: ModelTable) -> Any:
    """Pairs to restate: student_key, competency_id, events, evidence_hash (of those of which nothing is left: 0)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    hashes = _evidence_hashes(run, prints, models)
    present = prints.select([*PAIR, "events"]).append_column("evidence_hash", pa.array(hashes))
    columns = [*PAIR, "evidence_hash", "next_transition_at"]
    standing = _unheld(run, mastery_tables.dataset(run.settings, mastery_tables.STATE).to_table(columns=columns))
    place = ledger.places(present, standing)
    is_new = np.asarray(pc.is_null(place))
    is_changed, is_due = np.ones(is_new.size, dtype=bool), np.zeros(is_new.size, dtype=bool)
    if standing.num_rows:
        twin = standing.take(pc.fill_null(place, 0))
        is_changed = arrow.integers(twin["evidence_hash"]) != hashes
        never = np.iinfo(np.int64).max
        is_due = arrow.integers(twin["next_transition_at"], missing=never) < run.as_of_us
    gone = ledger.without(standing, present).select(PAIR)
    nothing = pa.array(np.zeros(gone.num_rows, dtype=np.int64))
    gone = gone.append_column("events", nothing).append_column("evidence_hash", nothing)
    return pa.concat_tables([present.filter(pa.array(is_new | is_changed | is_due)), gone.cast(present.schema)])


def _evidence_hashes(run: _Run, prints: Any, models: ModelTable) -> Any:
    """64-bit fingerprints of evidence, model version and policy version (the mixing of splitmix64)."""
    import hashlib

    versions = [f"{version}|{run.config.policy_version}" for version in models.versions]
    seeds = np.array(
        [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in versions], np.uint64
    )
    competency, names = arrow.coded(prints["competency_id"])
    rows = models.rows(names)
    mixed = arrow.integers(prints["event_bits"]).view(np.uint64) ^ seeds[rows[competency]]
    for value in (arrow.integers(prints["events"]).view(np.uint64), np.uint64(0)):
        mixed = mixed + value * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed.view(np.int64)


def _portions(touched: Any) -> Iterator[Any]:
    """The touched pairs, whole pupils together, in portions of about PORTION attempts."""
    import pyarrow as pa

    if touched.num_rows == 0:
        return
    ordered = touched.sort_by([("student_key", "ascending"), ("competency_id", "ascending")])
    student, _ = arrow.coded(ordered["student_key"])
    events = np.cumsum(arrow.integers(ordered["events"]))
    first_of_student = np.searchsorted(student, student)
    portion = events[first_of_student] // PORTION
    for number in np.unique(portion):
        yield ordered.filter(pa.array(portion == number))


def output_ddl() -> str:
    """Columns of all outputs side by side, with the name of the table each row is for."""
    columns: dict[str, str] = {}
    for name in OUTPUTS:
        for column in load_contract(f"gold.{name}").columns:
            if column.name not in {"evidence_hash", "recorded_at"}:
                columns.setdefault(column.name, column.type)
    return "kind string, " + ", ".join(f"`{name}` {kind}" for name, kind in columns.items())


def _compute(run: _Run, frame: DataFrame, pairs: Any, models: ModelTable, *, is_all: bool) -> dict[str, Any]:
    """Restate the pairs in one pass; tables by name. ``is_all``: the evidence holds no other pairs."""
    import pyarrow.compute as pc
    from pyspark.sql import functions as F

    if not is_all:
        wanted = run.spark.createDataFrame(pairs.select(PAIR))
        frame = frame.join(F.broadcast(wanted), PAIR, "left_semi")
    night = Night(run.config, models, run.as_of_us, run.data_date)
    partitions = run.spark.sparkContext.defaultParallelism
    computed = frame.repartition(partitions, "student_key").mapInArrow(_restater(night), output_ddl()).toArrow()
    found = {}
    for name in OUTPUTS:
        columns = [c for c in load_contract(f"gold.{name}").column_names if c in computed.column_names]
        found[name] = computed.filter(pc.equal(computed["kind"], name)).select(columns)
    return found


def _restater(night: Night) -> Any:
    """The function each Spark partition runs: all its rows at once, since a pupil is never split."""
    import pyarrow as pa

    names = [f"gold.{name}" for name in OUTPUTS]
    types = {field.name: field.type for name in reversed(names) for field in lake.file_schema(name)}
    wanted = [part.split()[0].strip("`") for part in output_ddl().split(", ")]
    schema = pa.schema([pa.field(name, types.get(name, pa.string())) for name in wanted])

    def compute(batches: Iterable[Any]) -> Iterable[Any]:
        import pyarrow as pa

        received = list(batches)
        if not received:
            return
        table = pa.Table.from_batches(received).select(list(COLUMNS))
        for name, rows in restate(table, night).items():
            columns = [
                rows[field.name].cast(field.type)
                if field.name in rows.column_names
                else pa.array([name] * rows.num_rows, pa.string())
                if field.name == "kind"
                else pa.nulls(rows.num_rows, field.type)
                for field in schema
            ]
            yield from pa.Table.from_arrays(columns, schema=schema).combine_chunks().to_batches()

    return compute
