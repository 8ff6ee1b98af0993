"""How well the lake's responses on one framework can be predicted: some pupils teach the model, others judge it."""

from __future__ import annotations

import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import lake.spark
from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.responses import Responses, evaluate
from cairn.settings import Settings
from spark_jobs.mastery_evidence import evidence

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# One pupil in so many is judged, by a hash of the key: the same ones every time.
TEST_SHARE = 5
MINIMUM_STUDENTS = 10
# Later than any work.
ALL_TIME = datetime(2200, 1, 1, tzinfo=UTC)


def next_response_auc(
    settings: Settings,
    framework: str,
    spark: SparkSession | None = None,
    *,
    model: str = "bkt",
    is_bounded: bool = True,
) -> dict[str, Any]:
    """Next-response metrics of a framework's competencies (named by id, or by code or title of its top).

    All scored responses in order of work, practice included; parameters come from four fifths of the pupils and are
    judged on the others; a response with several competencies is predicted once. Returns auc, auc_within_student,
    rmse, log_loss, ece, responses, students, seconds. Raises CairnError where the framework is unknown or too small.
    """
    from spark_jobs.session import start_session

    started = time.perf_counter()
    session = spark or start_session(settings, "cairn-evaluate", is_brief=True)
    config = load_config(settings)
    wanted = _competencies(session, settings, framework)
    frame = evidence(session, settings, config.evidence, ALL_TIME)
    table = frame.join(wanted, "competency_id", "left_semi").toArrow()
    data, students = _responses(table, config)
    if len(students) < MINIMUM_STUDENTS:
        raise CairnError(
            f"framework {framework!r} has responses of {len(students)} linked pupils, {MINIMUM_STUDENTS} are needed:"
            " load the roster and its activity first"
        )
    is_test = np.array([zlib.crc32(name.encode()) % TEST_SHARE == 0 for name in students])[data.user]
    bounds = config.fit.bounds if is_bounded else None
    found = evaluate(data.of(~is_test), data.of(is_test), model, bounds, config.fit.default)
    return {**found, "seconds": round(time.perf_counter() - started, 3)}


def _competencies(spark: SparkSession, settings: Settings, framework: str) -> DataFrame:
    """Ids of the framework's competencies. Raises CairnError where no framework goes by that name."""
    from pyspark.sql import functions as F

    known = lake.spark.known_at(lake.spark.read(spark, settings, "silver.competency"))
    is_top = ~F.col("is_leaf") & ((F.col("code") == framework) | (F.col("title") == framework))
    named = known.where((F.col("framework_id") == framework) | is_top)
    ids = [row["framework_id"] for row in named.select("framework_id").distinct().collect()]
    if not ids:
        have = [row["framework_id"] for row in known.select("framework_id").distinct().limit(5).collect()]
        raise CairnError(f"no framework {framework!r} in the lake: there is {', '.join(have) or 'none'}")
    return known.where(F.col("framework_id").isin(ids)).select("competency_id")


def _responses(table: Any, config: MasteryConfig) -> tuple[Responses, list[Any]]:
    """Rows an event and competency as responses in order of work, and the pupils by code."""
    table = arrow.usable(table, config.evidence)
    user, students = arrow.coded(table["student_key"])
    skill, skills = arrow.coded(table["competency_id"])
    item, _ = arrow.coded(table["item_id"])
    event, _ = arrow.coded(table["event_id"])
    order = np.lexsort((skill, event, arrow.integers(table["event_time"])))
    sorted_events = event[order]
    is_first = np.r_[True, sorted_events[1:] != sorted_events[:-1]][: order.size]
    first = order[is_first]
    data = Responses(
        user=user[first],
        item=item[first] + 1,
        correct=table["is_correct"].to_numpy()[first].astype(np.int8),
        response=np.cumsum(is_first) - 1,
        skill=skill[order],
        skills=skills,
    )
    return data, students
