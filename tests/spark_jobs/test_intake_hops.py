"""Damage to what was taken in turns the books red, and they name hop, day, source, school and count."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from pyspark.sql import SparkSession

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.topics import ACTIVITY
from spark_jobs import intake, intake_state
from spark_jobs.intake_hops import (
    BRONZE_TO_SILVER,
    GATEWAY_TO_TOPIC,
    STILL_WRITTEN,
    TOPIC_TO_BRONZE,
    TORN_BATCH,
    Break,
    breaks,
)
from spark_jobs.intake_ledger import ledger
from spark_jobs.intake_topic import topic_breaks
from streaming.topics import end_offsets
from tests.spark_jobs.conftest import Sender, make_event
from tests.spark_jobs.intake_start import begin_at_present_end

pytestmark = [pytest.mark.spark, pytest.mark.broker]

DAY = date(2026, 10, 14)
APP = "practice-app"
Named = tuple[str, date | None, str, str, int]


def named(found: list[Break]) -> list[Named]:
    """What a break names, without its words."""
    return [(one.hop, one.received_date, one.source_id, one.org_id, one.statements) for one in found]


@pytest.fixture(scope="module")
def taken(spark: SparkSession, broker: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A lake of two batches: 60 events of three schools, then ten new ones, two repeats, a conflict, a refusal and a
    record of no known kind. Nothing in it is wrong."""
    settings = Settings(home=tmp_path_factory.mktemp("taken"), kafka_bootstrap=broker.kafka_bootstrap)
    begin_at_present_end(settings)
    sender = Sender(broker.kafka_bootstrap)
    sender.events([make_event(n) for n in range(60)])
    intake.run_once(settings, spark)
    odd = [make_event(3), make_event(4), make_event(5, content_hash="other"), make_event(99, activity_type="daydream")]
    sender.events([*(make_event(n) for n in range(60, 70)), *odd])
    sender.refusal("school-1")
    intake.run_once(settings, spark)
    sender.producer.close()
    assert breaks(settings) == topic_breaks(settings) == []
    yield settings


@pytest.fixture
def damaged(taken: Settings, tmp_path: Path) -> Callable[[], Settings]:
    """``damaged()``: a copy of the lake to do damage to."""
    numbers = itertools.count()

    def copy() -> Settings:
        home = tmp_path / f"damaged-{next(numbers)}"
        shutil.copytree(taken.home, home)
        return taken.model_copy(update={"home": home})

    return copy


def test_each_damage_is_named(damaged: Callable[[], Settings]) -> None:
    one = make_event(61)
    school = one["org_id"]

    # A row of silver is gone.
    lost = damaged()
    assert lake.delete_rows(lost, "silver.learner_activity", pc.field("event_id") == one["event_id"]) == 1
    assert named(breaks(lost)) == [(BRONZE_TO_SILVER, DAY, APP, school, 1)]
    assert named(breaks(lost, [DAY])) == named(breaks(lost))
    assert breaks(lost, [DAY - timedelta(days=1)]) == []
    assert f"bronze to silver: 2026-10-14 practice-app {school}: 1 missing" in breaks(lost)[0].line()
    assert sum(row["unexplained"] for row in ledger(lost)) == 1

    # A row of bronze is gone: no book misses it, since silver has the event.
    lost = damaged()
    is_its = pc.match_substring(pc.field("record_value"), one["event_id"])
    assert lake.delete_rows(lost, "bronze.activity", is_its) == 1
    assert named(breaks(lost)) == [(TOPIC_TO_BRONZE, DAY, APP, school, 1)]
    # A duplicate is in bronze alone.
    repeat = pc.match_substring(pc.field("record_value"), make_event(3)["event_id"]) & (pc.field("batch_id") == 1)
    assert lake.delete_rows(lost, "bronze.activity", repeat) == 1
    assert (TOPIC_TO_BRONZE, None, "unknown", "unknown", 1) in named(breaks(lost))

    # A record set aside is gone, and a row is there twice.
    lost = damaged()
    assert lake.delete_rows(lost, "silver.activity_quarantine", pc.field("fate") == "conflict") == 1
    row = lake.read(lost, "silver.learner_activity", None, pc.field("event_id") == one["event_id"], lake.EVERY)
    lake.append(lost, "silver.learner_activity", row)
    found = {(hop, count) for hop, _, _, _, count in named(breaks(lost))}
    assert found == {(BRONZE_TO_SILVER, 1), (BRONZE_TO_SILVER, -1)}

    # Receipts are gone.
    lost = damaged()
    assert lake.delete_rows(lost, "bronze.receipts", pc.field("org_id") == "school-0") >= 1
    receipted = sum(make_event(n)["org_id"] == "school-0" for n in (*range(70), 3, 4, 5, 99))
    assert named(breaks(lost)) == [(GATEWAY_TO_TOPIC, DAY, APP, "school-0", -receipted)]


def test_a_torn_batch_is_named(damaged: Callable[[], Settings]) -> None:
    """Its row is gone, so that the ledger counts nothing of it on either side."""
    torn = damaged()
    assert lake.delete_rows(torn, "ops.intake_batch", pc.field("batch_id") == 1) == 1
    assert all(row["unexplained"] == 0 for row in ledger(torn))
    assert breaks(torn) == [], "it may be being written"
    later = datetime.now(UTC) + STILL_WRITTEN + timedelta(seconds=5)
    found = breaks(torn, now=later)
    schools = [make_event(n)["org_id"] for n in (*range(60, 70), 3, 4, 5, 99)] + ["school-1"]
    assert named(found) == [(TORN_BATCH, DAY, APP, school, schools.count(school)) for school in sorted(set(schools))]
    assert all("batch 1 of intake-" in one.detail for one in found)

    # Only the first of its tables was written.
    for name in ("silver.learner_activity", "silver.activity_quarantine", "bronze.receipts", "bronze.rejected"):
        lake.delete_rows(torn, name, pc.field("batch_id") == 1)
    lake.delete_rows(torn, "ops.intake_ledger", pc.field("batch_id") == 1)
    assert sum(one.statements for one in breaks(torn, now=later)) == len(schools) - 1  # refusals never are in bronze


def test_an_emptied_topic_is_named_stops_intake_and_is_accepted_by_a_person(
    spark: SparkSession, damaged: Callable[[], Settings]
) -> None:
    emptied = damaged()
    sender = Sender(emptied.kafka_bootstrap)
    sender.events([make_event(n) for n in range(100, 130)])
    admin = KafkaAdminClient(bootstrap_servers=emptied.kafka_bootstrap)
    ends = end_offsets(emptied.kafka_bootstrap)[ACTIVITY]
    admin.delete_records({TopicPartition(ACTIVITY, int(number)): end for number, end in ends.items()})
    admin.close()
    sender.events([make_event(n) for n in range(130, 140)])
    sender.producer.close()

    expected = [
        (GATEWAY_TO_TOPIC, DAY, APP, school, sum(make_event(n)["org_id"] == school for n in range(100, 130)))
        for school in ("school-0", "school-1", "school-2")
    ]
    assert named(topic_breaks(emptied)) == expected
    assert "lost offsets" in topic_breaks(emptied)[0].detail
    with pytest.raises(CairnError, match="intake stopped: "):
        intake.run_once(emptied, spark)

    intake_state.accept_loss(emptied)
    intake.run_once(emptied, spark)
    assert topic_breaks(emptied) == []
    assert named(breaks(emptied)) == expected, "what the topic had is in the lake, and the books say what it lost"
    kept = set(lake.read(emptied, "silver.learner_activity", ["event_id"])["event_id"].to_pylist())
    assert {make_event(n)["event_id"] for n in (*range(70), *range(130, 140))} == kept
    assert not intake_state.loss_path(emptied).exists()
