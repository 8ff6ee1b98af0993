"""Writing the night's gold tables so that a night run again gives the same tables.

Append-only tables hold, for a night, the difference to all nights before it; running a night again replaces exactly
what it wrote for the touched pairs, in one commit. Derived tables replace the touched pairs.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cairn.contracts import load_contract
from cairn.settings import Settings
from spark_jobs import lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAIR = ["student_key", "competency_id"]
# Matrices that differ by less are the same stretch.
SAME = 1e-12


def newest_night(spark: SparkSession, settings: Settings) -> date | None:
    """The newest night that changed a state; None before the first."""
    from pyspark.sql import functions as F

    row = lake.read(spark, settings, "gold.mastery_state").agg(F.max("data_date").alias("newest")).first()
    newest: date | None = row["newest"] if row else None
    return newest


def _replace_pairs(spark: SparkSession, settings: Settings, name: str, rows: DataFrame, touched: DataFrame) -> None:
    """Put the rows in place of all rows of the touched pairs, in one commit.

    Rewrites the table: seconds for some millions of rows; a district ten times that wants a MERGE here.
    """
    kept = lake.read(spark, settings, name).join(touched.select(*PAIR), PAIR, "left_anti")
    lake.replace(lake.conform(kept, name).unionByName(lake.conform(rows, name)), settings, name)


def _replace_night(
    spark: SparkSession, settings: Settings, name: str, data_date: date, rows: DataFrame, touched: DataFrame
) -> None:
    """Put the rows in place of what this night wrote for the touched pairs before, in one commit."""
    from pyspark.sql import functions as F

    earlier = lake.read(spark, settings, name).where(F.col("data_date") == F.lit(data_date))
    if earlier.isEmpty():
        lake.append(rows, settings, name)
        return
    kept = earlier.join(touched.select(*PAIR), PAIR, "left_anti")
    whole = lake.conform(kept, name).unionByName(lake.conform(rows, name)).coalesce(1)
    condition = f"data_date = DATE '{data_date.isoformat()}'"
    whole.write.format("delta").mode("overwrite").option("replaceWhere", condition).save(
        lake.ensure(spark, settings, name)
    )


def write_days(spark: SparkSession, settings: Settings, data_date: date, days: DataFrame, touched: DataFrame) -> None:
    """Day totals of the touched pairs."""
    _replace_pairs(spark, settings, "gold.attempt_day", days, touched)


def write_segments(
    spark: SparkSession, settings: Settings, data_date: date, segments: DataFrame, touched: DataFrame
) -> None:
    """Stretches that differ from the newest of earlier nights; one that is gone becomes an empty stretch."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    name = "gold.mastery_segment"
    day = [*PAIR, "work_date"]
    newest = Window.partitionBy(*day).orderBy(F.col("data_date").desc())
    standing = (
        lake.read(spark, settings, name)
        .where(F.col("data_date") < F.lit(data_date))
        .join(touched.select(*PAIR), PAIR, "left_semi")
        .withColumn("place", F.row_number().over(newest))
        .where((F.col("place") == 1) & (F.col("counted_attempts") > 0))
        .drop("place")
    )
    cells = ["m00", "m01", "m10", "m11", "log_scale"]
    exact = ["counted_attempts", "counted_correct", "last_event_at", "model_version"]
    old, new = standing.alias("old"), segments.alias("new")
    is_same = F.lit(True)
    for column in exact:
        is_same = is_same & F.col(f"new.{column}").eqNullSafe(F.col(f"old.{column}"))
    for column in cells:
        is_same = is_same & (F.abs(F.col(f"new.{column}") - F.col(f"old.{column}")) <= SAME)
    on_day = [F.col(f"new.{column}") == F.col(f"old.{column}") for column in day]
    changed = new.join(old, on_day, "left").where(~F.coalesce(is_same, F.lit(False))).select("new.*")
    identity = {"m00": 1.0, "m01": 0.0, "m10": 0.0, "m11": 1.0, "log_scale": 0.0}
    gone = standing.join(segments, day, "left_anti").withColumns(
        {
            "data_date": F.lit(data_date),
            "counted_attempts": F.lit(0),
            "counted_correct": F.lit(0),
            **{column: F.lit(value) for column, value in identity.items()},
        }
    )
    rows = lake.conform(changed, name).unionByName(lake.conform(gone, name))
    _replace_night(spark, settings, name, data_date, rows, touched)


def standing_decisions(spark: SparkSession, settings: Settings, before: date | None = None) -> DataFrame:
    """Decisions that stand: those whose newest row is not a retraction, of nights before ``before`` where given."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    ledger = lake.read(spark, settings, "gold.mastery_decision")
    if before is not None:
        ledger = ledger.where(F.col("data_date") < F.lit(before))
    newest = Window.partitionBy("decision_id").orderBy(F.col("data_date").desc(), F.col("recorded_at").desc())
    return (
        ledger.withColumn("place", F.row_number().over(newest)).where("place = 1 AND NOT is_retraction").drop("place")
    )


def write_decisions(
    spark: SparkSession, settings: Settings, data_date: date, decisions: DataFrame, touched: DataFrame
) -> int:
    """Append new decisions, and retractions of those that no longer follow from the evidence; returns how many rows."""
    from pyspark.sql import functions as F

    name = "gold.mastery_decision"
    standing = standing_decisions(spark, settings, data_date).join(touched.select(*PAIR), PAIR, "left_semi")
    added = decisions.join(standing, "decision_id", "left_anti")
    gone = standing.join(decisions, "decision_id", "left_anti").withColumns(
        {"is_retraction": F.lit(True), "data_date": F.lit(data_date)}
    )
    recorded = (
        lake.read(spark, settings, name)
        .where(F.col("data_date") == F.lit(data_date))
        .select("decision_id", "is_retraction", F.col("recorded_at").alias("recorded_before"))
    )
    rows = (
        lake.conform(added, name)
        .unionByName(lake.conform(gone, name))
        .drop("recorded_at")
        .join(recorded, ["decision_id", "is_retraction"], "left")
        .withColumn("recorded_at", F.coalesce("recorded_before", F.lit(datetime.now(UTC))))
        .select(*load_contract(name).column_names)
        .persist()
    )
    changed = rows.count()
    _replace_night(spark, settings, name, data_date, rows, touched)
    rows.unpersist()
    return changed


def write_states(
    spark: SparkSession, settings: Settings, data_date: date, states: DataFrame, touched: DataFrame
) -> int:
    """States of the touched pairs, with the fingerprint they were computed from; returns their attempts."""
    from pyspark.sql import functions as F

    rows = states.join(touched, PAIR, "inner").persist()
    total = rows.agg(F.sum("attempts").alias("attempts")).first()
    _replace_pairs(spark, settings, "gold.mastery_state", rows, touched)
    rows.unpersist()
    return int(total["attempts"] or 0) if total else 0


def write_ready(spark: SparkSession, settings: Settings, data_date: date) -> None:
    """Outer fringe: competencies whose direct prerequisites are all mastered and which are not mastered themselves.

    Competencies without prerequisites are left out: everybody is ready for them. Review due is not mastered: the pupil
    reviews first.
    """
    from pyspark.sql import functions as F

    edges = (
        lake.known_at(lake.read(spark, settings, "silver.competency_edge"))
        .where("edge_type = 'precedes'")
        .select(F.col("from_competency_id").alias("competency_id"), F.col("to_competency_id").alias("next_id"))
        .distinct()
    )
    needed = edges.groupBy("next_id").agg(F.count(F.lit(1)).alias("prerequisites"))
    states = lake.read(spark, settings, "gold.mastery_state").select(*PAIR, "state", "state_since_at")
    mastered = states.where("state = 'mastered'")
    reached = (
        mastered.join(F.broadcast(edges), "competency_id")
        .groupBy("student_key", "next_id")
        .agg(F.count(F.lit(1)).alias("reached"), F.max("state_since_at").alias("ready_since_at"))
    )
    has_own = states.where("state IN ('mastered', 'review_due')").select(
        "student_key", F.col("competency_id").alias("next_id")
    )
    ready = (
        reached.join(F.broadcast(needed), "next_id")
        .where("reached = prerequisites")
        .join(has_own, ["student_key", "next_id"], "left_anti")
        .select(
            "student_key",
            F.col("next_id").alias("competency_id"),
            F.col("prerequisites").cast("int"),
            "ready_since_at",
            F.lit(data_date).alias("data_date"),
        )
    )
    lake.replace(ready, settings, "gold.ready_to_learn")
