"""Writing the night's gold tables so that a night run again gives the same tables.

Append-only tables hold, for a night, the difference to all nights before it; running a night again replaces exactly
what it wrote for the touched pairs, in one commit. Derived tables replace the touched pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cairn.settings import Settings
from spark_jobs import lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAIR = ["student_key", "competency_id"]
# Matrices that differ by less are the same stretch.
SAME = 1e-12


@dataclass(frozen=True)
class Gold:
    """Where and for which night rows are written. touched: the pairs restated."""

    spark: SparkSession
    settings: Settings
    data_date: date
    touched: DataFrame

    def of_touched(self, frame: DataFrame) -> DataFrame:
        """The rows of touched pairs."""
        return frame.join(self.touched.select(*PAIR), PAIR, "left_semi")

    def of_others(self, frame: DataFrame) -> DataFrame:
        """The rows of all other pairs."""
        return frame.join(self.touched.select(*PAIR), PAIR, "left_anti")


def nights(settings: Settings, name: str) -> tuple[date, date] | None:
    """First and last data_date of a table, from the statistics in Delta's log: no query; None where it has no rows."""
    import pyarrow as pa
    from deltalake import DeltaTable

    from cairn.tables import exists, read, table_uri

    if not exists(settings, name):
        return None
    files = pa.table(DeltaTable(table_uri(settings, name)).get_add_actions(flatten=True))
    rows = [row for row in files.to_pylist() if row["num_records"] != 0]
    if not rows:
        return None
    if all(isinstance(row.get("min.data_date"), date) for row in rows):
        return min(row["min.data_date"] for row in rows), max(row["max.data_date"] for row in rows)
    dates = read(settings, name, ["data_date"])["data_date"].to_pylist()
    return (min(dates), max(dates)) if dates else None


def newest_night(settings: Settings) -> date | None:
    """The newest night that changed a state; None before the first."""
    span = nights(settings, "gold.mastery_state")
    return span[1] if span else None


def _replace_pairs(gold: Gold, name: str, rows: DataFrame) -> None:
    """Put the rows in place of all rows of the touched pairs, in one commit.

    Rewrites the table: seconds for some millions of rows; a district ten times that wants a MERGE here.
    """
    if nights(gold.settings, name) is None:
        lake.append(rows, gold.settings, name)
        return
    kept = gold.of_others(lake.read(gold.spark, gold.settings, name))
    lake.replace(lake.conform(kept, name).unionByName(lake.conform(rows, name)), gold.settings, name)


def _replace_night(gold: Gold, name: str, rows: DataFrame) -> int:
    """Put the rows in place of what this night wrote for the touched pairs before, in one commit; returns how many."""
    from deltalake import DeltaTable
    from pyspark.sql import functions as F

    from cairn.tables import table_uri

    span = nights(gold.settings, name)
    if span is None or span[1] < gold.data_date:
        lake.append(rows, gold.settings, name)
        commit = DeltaTable(table_uri(gold.settings, name)).history(1)[0]
        return int(commit["operationMetrics"]["numOutputRows"])
    rows = lake.conform(rows, name).persist()
    count = rows.count()
    earlier = lake.read(gold.spark, gold.settings, name).where(F.col("data_date") == F.lit(gold.data_date))
    whole = lake.conform(gold.of_others(earlier), name).unionByName(rows).coalesce(1)
    condition = f"data_date = DATE '{gold.data_date.isoformat()}'"
    whole.write.format("delta").mode("overwrite").option("replaceWhere", condition).save(
        lake.ensure(gold.spark, gold.settings, name)
    )
    rows.unpersist()
    return count


def _has_earlier(gold: Gold, name: str) -> bool:
    """Whether nights before this one wrote to the table."""
    span = nights(gold.settings, name)
    return span is not None and span[0] < gold.data_date


def write_days(gold: Gold, days: DataFrame) -> None:
    """Day totals of the touched pairs."""
    _replace_pairs(gold, "gold.attempt_day", days)


def write_segments(gold: Gold, segments: DataFrame) -> None:
    """Stretches that differ from the newest of earlier nights; one that is gone becomes an empty stretch."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    name = "gold.mastery_segment"
    if not _has_earlier(gold, name):
        _replace_night(gold, name, segments)
        return
    day = [*PAIR, "work_date"]
    newest = Window.partitionBy(*day).orderBy(F.col("data_date").desc())
    earlier = lake.read(gold.spark, gold.settings, name).where(F.col("data_date") < F.lit(gold.data_date))
    standing = (
        gold.of_touched(earlier)
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
            "data_date": F.lit(gold.data_date),
            "counted_attempts": F.lit(0),
            "counted_correct": F.lit(0),
            **{column: F.lit(value) for column, value in identity.items()},
        }
    )
    rows = lake.conform(changed, name).unionByName(lake.conform(gone, name))
    _replace_night(gold, name, rows)


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


def write_decisions(gold: Gold, decisions: DataFrame) -> int:
    """Append new decisions, and retractions of those that no longer follow from the evidence; returns how many rows."""
    from pyspark.sql import functions as F

    name = "gold.mastery_decision"
    rows = decisions
    if _has_earlier(gold, name):
        standing = gold.of_touched(standing_decisions(gold.spark, gold.settings, gold.data_date))
        added = decisions.join(standing, "decision_id", "left_anti")
        gone = standing.join(decisions, "decision_id", "left_anti").withColumns(
            {"is_retraction": F.lit(True), "data_date": F.lit(gold.data_date)}
        )
        rows = lake.conform(added, name).unionByName(lake.conform(gone, name)).drop("recorded_at")
    stamped = rows.withColumn("recorded_at", F.lit(datetime.now(UTC)))
    span = nights(gold.settings, name)
    if span is not None and span[1] >= gold.data_date:
        # A night run again keeps the instant at which a row was first recorded.
        recorded = (
            lake.read(gold.spark, gold.settings, name)
            .where(F.col("data_date") == F.lit(gold.data_date))
            .select("decision_id", "is_retraction", F.col("recorded_at").alias("recorded_before"))
        )
        stamped = stamped.join(recorded, ["decision_id", "is_retraction"], "left").withColumn(
            "recorded_at", F.coalesce("recorded_before", "recorded_at")
        )
    return _replace_night(gold, name, stamped)


def write_states(gold: Gold, states: DataFrame) -> None:
    """States of the touched pairs, with the fingerprint they were computed from."""
    _replace_pairs(gold, "gold.mastery_state", states.join(gold.touched.select(*PAIR, "evidence_hash"), PAIR, "inner"))


def write_ready(spark: SparkSession, settings: Settings, data_date: date) -> None:
    """Outer fringe: competencies whose direct prerequisites are all mastered and which are not mastered themselves.

    Competencies without prerequisites are left out: everybody is ready for them. Review due is not mastered: the pupil
    reviews first.
    """
    from pyspark.sql import functions as F

    states = lake.read(spark, settings, "gold.mastery_state").select(*PAIR, "state", "state_since_at")
    edges = (
        lake.known_at(lake.read(spark, settings, "silver.competency_edge"))
        .where("edge_type = 'precedes'")
        .select(F.col("from_competency_id").alias("competency_id"), F.col("to_competency_id").alias("next_id"))
        .distinct()
    )
    needed = edges.groupBy("next_id").agg(F.count(F.lit(1)).alias("prerequisites"))
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
