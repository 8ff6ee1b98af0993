"""The night's mastery update: touched and due pairs only, and the same tables in whatever order evidence arrived.

A pair (pupil, competency) is touched when the fingerprint of its evidence, with the versions of model and policy,
differs from the one its state was computed from; it is due when time alone changes its state. Such a pair is computed
anew from all its evidence by ``cairn.mastery.states.restate``, many pupils a call, never one group a pair.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from cairn.calendar import DistrictCalendar
from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.models import ModelTable
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import Settings
from spark_jobs import arrow_lake, lake, mastery_tables
from spark_jobs.mastery_evidence import evidence, fingerprints, pupils_of
from spark_jobs.mastery_model import collect_for_fit, fit_missing, fit_table, model_rows, write_items, write_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAIR = ["student_key", "competency_id"]
OUTPUTS = ("attempt_day", "mastery_segment", "mastery_state", "mastery_decision")
TABLES = (
    *(f"gold.{name}" for name in (*OUTPUTS, "mastery_model", "item_difficulty", "ready_to_learn")),
    *(f"silver.{name}" for name in ("learner_activity", "identity_link", "item_alignment", "enrollment", "person")),
    *(f"silver.{name}" for name in ("competency", "competency_edge")),
)
# Pupils are computed in this many calls a core: enough to balance, few enough that a call is worth its cost.
BUCKETS_PER_CORE = 2


@dataclass(frozen=True)
class _Run:
    spark: SparkSession
    settings: Settings
    config: MasteryConfig
    data_date: date
    as_of: datetime
    held_schools: tuple[str, ...]


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
    end = as_of or DistrictCalendar.load(settings).day_bounds(data_date)[1]
    run = _Run(spark, settings, config, data_date, end, tuple(held_schools))
    for name in TABLES:
        # Quicker than Spark's way, which lake.read would take for each table that is not there yet.
        arrow_lake.create(settings, name)
    newest = mastery_tables.newest_night(settings)
    if newest is not None and newest > data_date:
        return {**_result(started, 0, 0, 0, ""), "superseded_by": newest.isoformat()}
    frame = _unheld(run, evidence(spark, settings, config.evidence, end)).persist()
    prints = fingerprints(frame).persist()
    try:
        models = fit_missing(settings, config, frame, prints)
        touched = _touched(run, prints, models).persist()
        pairs, attempts = _size(touched)
        changed = _restate(run, frame, touched, models) if pairs else 0
        touched.unpersist()
    finally:
        frame.unpersist()
        prints.unpersist()
    ready = mastery_tables.nights(settings, "gold.ready_to_learn")
    if pairs or ready is None or ready[1] < data_date:
        mastery_tables.write_ready(spark, settings, data_date)
    return _result(started, pairs, attempts, changed, models.versions[-1])


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


def _size(touched: DataFrame) -> tuple[int, int]:
    """(pairs, their attempts)."""
    from pyspark.sql import functions as F

    row = touched.agg(F.count(F.lit(1)).alias("pairs"), F.sum("events").alias("attempts")).first()
    return (int(row["pairs"]), int(row["attempts"] or 0)) if row else (0, 0)


def _unheld(run: _Run, frame: DataFrame) -> DataFrame:
    """Rows of pupils whose school is not held."""
    if not run.held_schools:
        return frame
    held = pupils_of(run.spark, run.settings, run.held_schools, run.data_date)
    return frame.join(held, "student_key", "left_anti")


def _touched(run: _Run, prints: DataFrame, models: ModelTable) -> DataFrame:
    """Pairs to restate, with the evidence_hash of what is there now (null where nothing is left)."""
    from pyspark.sql import functions as F

    own = [(name, models.versions[row]) for name, row in models.row_of.items()]
    versions = run.spark.createDataFrame(own or [("", "")], "competency_id string, own_version string")
    present = prints.join(F.broadcast(versions), "competency_id", "left").select(
        *PAIR,
        "events",
        F.xxhash64(
            "events",
            "event_bits",
            F.coalesce("own_version", F.lit(models.versions[0])),
            F.lit(run.config.policy_version),
        ).alias("evidence_hash"),
    )
    standing = _unheld(run, lake.read(run.spark, run.settings, "gold.mastery_state")).select(
        *PAIR, F.col("evidence_hash").alias("standing_hash"), "next_transition_at"
    )
    is_due = F.col("next_transition_at") < F.lit(run.as_of)
    is_changed = ~F.col("evidence_hash").eqNullSafe(F.col("standing_hash"))
    return (
        present.join(standing, PAIR, "full_outer")
        .where(is_changed | F.coalesce(is_due, F.lit(False)))
        .select(*PAIR, "evidence_hash", "events")
    )


def output_ddl() -> str:
    """Columns of all outputs side by side, with the name of the table each row is for."""
    columns: dict[str, str] = {}
    for name in OUTPUTS:
        for column in load_contract(f"gold.{name}").columns:
            if column.name not in {"evidence_hash", "recorded_at"}:
                columns.setdefault(column.name, column.type)
    return "kind string, " + ", ".join(f"`{name}` {kind}" for name, kind in columns.items())


def _restate(run: _Run, frame: DataFrame, touched: DataFrame, models: ModelTable) -> int:
    """Compute the touched pairs in one pass and write them; returns rows added to the ledger. State is written last."""
    from pyspark.sql import functions as F

    night = Night(run.config, models, int(run.as_of.timestamp() * 1_000_000), run.data_date)
    buckets = run.spark.sparkContext.defaultParallelism * BUCKETS_PER_CORE
    computed = (
        frame.join(touched.select(*PAIR), PAIR, "left_semi")
        .withColumn("bucket", F.pmod(F.xxhash64("student_key"), F.lit(buckets)))
        .repartition(buckets, "bucket")
        .mapInArrow(_restater(run.spark, night), output_ddl())
        .persist()
    )
    try:
        gold = mastery_tables.Gold(run.spark, run.settings, run.data_date, touched)
        mastery_tables.write_days(gold, _of(computed, "attempt_day"))
        mastery_tables.write_segments(gold, _of(computed, "mastery_segment"))
        changed = mastery_tables.write_decisions(gold, _of(computed, "mastery_decision"))
        # Last: where a night dies before this, its pairs still differ and are restated when it runs again.
        mastery_tables.write_states(gold, _of(computed, "mastery_state"))
    finally:
        computed.unpersist()
    return changed


def _of(computed: DataFrame, table: str) -> DataFrame:
    """The rows of one table, in its columns."""
    names = set(computed.columns)
    wanted = [column for column in load_contract(f"gold.{table}").column_names if column in names]
    return computed.where(f"kind = '{table}'").select(*wanted)


def _restater(spark: SparkSession, night: Night) -> Any:
    """The function each Spark partition runs: all its rows at once, since a bucket of pupils is never split."""
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = to_arrow_schema(spark.createDataFrame([], output_ddl()).schema, timezone="UTC")

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
