"""Evidence as mastery reads it: silver activity joined to pupils and competencies, voided statements left out."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from cairn.mastery.config import EvidenceRule
from cairn.mastery.states import COLUMNS
from cairn.settings import Settings
from spark_jobs import lake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession


def evidence(spark: SparkSession, settings: Settings, rule: EvidenceRule, as_of: datetime) -> DataFrame:
    """One row an event and competency, columns COLUMNS: scored activity of linked pupils before ``as_of``.

    The competencies of an event are those its item was aligned to on the day of the work and those the source named
    that the district knows. Activity whose subject has no link yet, or whose item has no competency, waits: it is
    found when the link or the alignment arrives, because every night looks at all of silver.
    """
    from pyspark.sql import functions as F

    activity = lake.read(spark, settings, "silver.learner_activity").where(F.col("event_time") < F.lit(as_of))
    voided = (
        activity.where("activity_type = 'void' AND voids_statement_id IS NOT NULL")
        .select("source_id", F.col("voids_statement_id").alias("source_statement_id"))
        .distinct()
    )
    has_outcome = (
        "success IS NOT NULL OR score_scaled IS NOT NULL"
        " OR (score_raw IS NOT NULL AND score_max > coalesce(score_min, 0D))"
    )
    scored = (
        activity.where(F.col("activity_type").isin(sorted(rule.counted_types | rule.practice_types)))
        .where(has_outcome)
        .join(voided, ["source_id", "source_statement_id"], "left_anti")
    )
    return _with_competencies(spark, settings, _with_pupils(spark, settings, scored)).select(*COLUMNS)


def _with_pupils(spark: SparkSession, settings: Settings, scored: DataFrame) -> DataFrame:
    """Join the link that held when the work was done, as known now."""
    from pyspark.sql import functions as F

    links = lake.known_at(lake.read(spark, settings, "silver.identity_link")).select(
        "subject_key", "student_key", "valid_from", "valid_to"
    )
    holds = (F.col("event_time") >= F.col("valid_from")) & (
        F.col("valid_to").isNull() | (F.col("event_time") < F.col("valid_to"))
    )
    return scored.join(links, "subject_key", "inner").where(holds).drop("valid_from", "valid_to")


def _with_competencies(spark: SparkSession, settings: Settings, events: DataFrame) -> DataFrame:
    """One row an event and competency. Small tables ride along as arrays: no shuffle of the events."""
    from pyspark.sql import functions as F

    alignment = (
        lake.known_at(lake.read(spark, settings, "silver.item_alignment"))
        .groupBy("item_id")
        .agg(F.collect_list(F.struct("competency_id", "valid_from_date", "valid_to_date")).alias("aligned"))
    )
    known = lake.known_at(lake.read(spark, settings, "silver.competency")).agg(
        F.collect_set("competency_id").alias("known_competencies")
    )
    on_day = F.filter(
        F.col("aligned"),
        lambda a: (
            (a["valid_from_date"].isNull() | (a["valid_from_date"] <= F.col("work_date")))
            & (a["valid_to_date"].isNull() | (a["valid_to_date"] >= F.col("work_date")))
        ),
    )
    none = F.array().cast("array<string>")
    by_item = F.coalesce(F.transform(on_day, lambda a: a["competency_id"]), none)
    by_source = F.coalesce(F.array_intersect("competency_ids", "known_competencies"), none)
    return (
        events.join(alignment, "item_id", "left")
        .crossJoin(F.broadcast(known))
        .withColumn("competency_id", F.explode(F.array_distinct(F.concat(by_item, by_source))))
        .drop("aligned", "known_competencies")
    )


def fingerprints(frame: DataFrame) -> DataFrame:
    """One row a pair: events, event_bits (exclusive or of the events' hashes): equal where the evidence is the same.

    One pass over all evidence each night: seconds for a million events, minutes for a district's year on one machine.
    In exchange a late event, a void, a new link and a changed alignment are all found, however they came.
    """
    from pyspark.sql import functions as F

    return frame.groupBy("student_key", "competency_id").agg(
        F.count(F.lit(1)).alias("events"), F.bit_xor(F.xxhash64("event_id")).alias("event_bits")
    )


def pupils_of(spark: SparkSession, settings: Settings, schools: Sequence[str], day: date) -> DataFrame:
    """Keys of pupils of the schools: enrolled there on the day, or with it as their primary school."""
    from pyspark.sql import functions as F

    enrolled = lake.known_at(lake.read(spark, settings, "silver.enrollment")).where(
        (F.col("role") == "student")
        & F.col("school_id").isin(list(schools))
        & (F.col("valid_from_date").isNull() | (F.col("valid_from_date") <= F.lit(day)))
        & (F.col("valid_to_date").isNull() | (F.col("valid_to_date") >= F.lit(day)))
    )
    primary = lake.known_at(lake.read(spark, settings, "silver.person")).where(F.col("school_id").isin(list(schools)))
    return enrolled.select("student_key").union(primary.select("student_key")).distinct()
