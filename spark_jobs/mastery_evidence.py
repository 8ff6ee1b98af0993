"""Evidence as mastery reads it: silver activity joined to pupils and competencies, voided statements left out.

Links, alignments and competencies are small beside the activity: they are read as Arrow and ride along in broadcast
joins, so that the events are never shuffled for them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import lake.spark
from cairn.mastery.config import EvidenceRule
from cairn.mastery.states import COLUMNS
from cairn.settings import Settings
from spark_jobs.mastery_tables import dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

ALIGNMENT = "competency_id string, first date, last date"


def evidence(spark: SparkSession, settings: Settings, rule: EvidenceRule, as_of: datetime) -> DataFrame:
    """One row an event and competency, columns COLUMNS: scored activity of linked pupils before ``as_of``.

    The competencies of an event are those its item was aligned to on the day of the work and those the source named
    that the district knows. Activity whose subject has no link yet, or whose item has no competency, waits: it is
    found when the link or the alignment arrives, because every night looks at all of silver.
    """
    from pyspark.sql import functions as F

    has_outcome = (
        "success IS NOT NULL OR score_scaled IS NOT NULL"
        " OR (score_raw IS NOT NULL AND score_max > coalesce(score_min, 0D))"
    )
    scored = (
        lake.spark.read(spark, settings, "silver.learner_activity")
        .where(F.col("event_time") < F.lit(as_of))
        .where(F.col("activity_type").isin(sorted(rule.counted_types | rule.practice_types)))
        .where(has_outcome)
    )
    voided = _voided(settings, as_of)
    if voided.num_rows:
        scored = scored.join(F.broadcast(_frame(spark, voided)), voided.column_names, "left_anti")
    return _with_competencies(spark, settings, _with_pupils(spark, settings, scored)).select(*COLUMNS)


def _frame(spark: SparkSession, table: Any) -> DataFrame:
    """A small Arrow table as a frame."""
    return spark.createDataFrame(table)


def _current(settings: Settings, name: str, columns: Sequence[str]) -> Any:
    """Rows of a two-time table as they are known now."""
    import pyarrow.compute as pc

    return dataset(settings, name).to_table(columns=list(columns), filter=pc.field("recorded_to").is_null())


def _voided(settings: Settings, as_of: datetime) -> Any:
    """Statements taken back before ``as_of``: source_id and source_statement_id, each once."""
    import pyarrow.compute as pc

    is_void = (
        (pc.field("activity_type") == "void")
        & pc.field("voids_statement_id").is_valid()
        & (pc.field("event_time") < as_of)
    )
    columns = {"source_id": pc.field("source_id"), "source_statement_id": pc.field("voids_statement_id")}
    voids = dataset(settings, "silver.learner_activity").to_table(columns=columns, filter=is_void)
    return voids.group_by(["source_id", "source_statement_id"]).aggregate([])


def _with_pupils(spark: SparkSession, settings: Settings, scored: DataFrame) -> DataFrame:
    """Join the link that held when the work was done, as known now."""
    from pyspark.sql import functions as F

    columns = ("subject_key", "student_key", "valid_from", "valid_to")
    links = _frame(spark, _current(settings, "silver.identity_link", columns))
    holds = (F.col("event_time") >= F.col("valid_from")) & (
        F.col("valid_to").isNull() | (F.col("event_time") < F.col("valid_to"))
    )
    return scored.join(F.broadcast(links), "subject_key", "inner").where(holds).drop("valid_from", "valid_to")


def _alignments(settings: Settings) -> tuple[Any, set[str]]:
    """(item_id and the list of what it is aligned to and when, all competencies named there)."""
    import pyarrow as pa

    columns = ("item_id", "competency_id", "valid_from_date", "valid_to_date")
    rows = _current(settings, "silver.item_alignment", columns).to_pylist()
    by_item: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        entry = {"competency_id": row["competency_id"], "first": row["valid_from_date"], "last": row["valid_to_date"]}
        by_item.setdefault(row["item_id"], []).append(entry)
    entry_type = pa.struct([("competency_id", pa.string()), ("first", pa.date32()), ("last", pa.date32())])
    schema = pa.schema([("item_id", pa.string()), ("aligned", pa.list_(entry_type))])
    table = pa.table([list(by_item), list(by_item.values())], schema=schema)
    return table, {row["competency_id"] for row in rows}


def _with_competencies(spark: SparkSession, settings: Settings, events: DataFrame) -> DataFrame:
    """One row an event and competency."""
    import pyarrow as pa
    from pyspark.sql import functions as F

    aligned, named = _alignments(settings)
    named |= set(_current(settings, "silver.competency", ["competency_id"])["competency_id"].to_pylist())
    known = _frame(spark, pa.table({"competency_id": pa.array(sorted(named), pa.string())}))
    on_day = F.filter(
        F.col("aligned"),
        lambda a: (
            (a["first"].isNull() | (a["first"] <= F.col("work_date")))
            & (a["last"].isNull() | (a["last"] >= F.col("work_date")))
        ),
    )
    none = F.array().cast("array<string>")
    by_item = F.coalesce(F.transform(on_day, lambda a: a["competency_id"]), none)
    by_source = F.coalesce(F.col("competency_ids"), none)
    return (
        events.join(F.broadcast(_frame(spark, aligned)), "item_id", "left")
        .withColumn("competency_id", F.explode(F.array_distinct(F.concat(by_item, by_source))))
        .join(F.broadcast(known), "competency_id", "left_semi")
    )


def fingerprints(frame: DataFrame) -> Any:
    """One row a pair, as Arrow: events, event_bits (exclusive or of their hashes); equal where the evidence is.

    One pass over all evidence each night: seconds for a million events, minutes for a district's year on one machine.
    In exchange a late event, a void, a new link and a changed alignment are all found, however they came.
    """
    from pyspark.sql import functions as F

    prints = frame.groupBy("student_key", "competency_id").agg(
        F.count(F.lit(1)).alias("events"), F.bit_xor(F.xxhash64("event_id")).alias("event_bits")
    )
    return prints.toArrow()


def pupils_of(settings: Settings, schools: Sequence[str], day: date) -> set[str]:
    """Keys of pupils of the schools: enrolled there on the day, or with it as their primary school."""
    import pyarrow.compute as pc

    def holds(name: str, begins: bool) -> Any:
        field = pc.field(name)
        return field.is_null() | ((field <= day) if begins else (field >= day))

    is_theirs = pc.field("recorded_to").is_null() & pc.field("school_id").isin(list(schools))
    enrolled = (
        is_theirs & (pc.field("role") == "student") & holds("valid_from_date", True) & holds("valid_to_date", False)
    )
    found: set[str] = set()
    for name, condition in (("silver.enrollment", enrolled), ("silver.person", is_theirs)):
        found |= set(
            dataset(settings, name).to_table(columns=["student_key"], filter=condition)["student_key"].to_pylist()
        )
    return found
