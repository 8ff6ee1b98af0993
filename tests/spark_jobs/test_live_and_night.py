"""Real nights over real intake on a real broker: live, which read the topic itself, stands where each night stands."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from pyspark.sql import SparkSession

from cairn.settings import Settings
from cairn.topics import ACTIVITY
from live.engine import Engine
from live.records import Record
from live.store import Store
from spark_jobs import intake, mastery
from streaming.topics import end_offsets
from tests.spark_jobs.conftest import RECEIVED_AT, Sender, iso
from tests.spark_jobs.mastery_lake import seed

pytestmark = [pytest.mark.spark, pytest.mark.broker, pytest.mark.timeout(900)]

LEARNERS = 97
DAY = date(2026, 10, 14)


def records_from(settings: Settings, engine: Engine) -> None:
    """Read the topic from where the engine stands to its present end, as the service does."""
    ends = {int(number): end for number, end in end_offsets(settings.kafka_bootstrap)[ACTIVITY].items()}
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, isolation_level="read_committed")
    try:
        partitions = [TopicPartition(ACTIVITY, number) for number in sorted(ends)]
        consumer.assign(partitions)
        for each in partitions:
            consumer.seek(each, engine.positions()[each.partition])
        while any(consumer.position(each) < ends[each.partition] for each in partitions):
            found = consumer.poll(timeout_ms=500).values()
            records = [Record(r.partition, r.offset, r.timestamp, r.key, r.value) for some in found for r in some]
            engine.take(records, {each.partition: consumer.position(each) for each in partitions})
            while engine.fold_waiting():
                pass
    finally:
        consumer.close()


def today(make_event: Any, numbers: range) -> list[dict[str, Any]]:
    """Work of the next day, with some that is late, some sent again, some changed, some taken back."""
    events = []
    for number in numbers:
        at = RECEIVED_AT + timedelta(days=0 if number % 11 == 0 else 1, minutes=number % 300)
        events.append(make_event(number, event_time=iso(at), received_at=iso(at)))
        if number % 7 == 0:
            events.append(events[-1])
        if number % 13 == 0:
            old = make_event(number - 400)
            events.append({**old, "success": not old["success"], "content_hash": f"other-{number}"})
        if number % 17 == 0:
            statement = f"statement-{number - 300}"
            taken = {"activity_type": "void", "voids_statement_id": statement, "success": None, "item_id": None}
            subject = make_event(number - 300)["subject_key"]
            scores = dict.fromkeys(("score_raw", "score_min", "score_max", "score_scaled"))
            times = {"event_time": iso(at), "received_at": iso(at)}
            events.append(make_event(number + 5_000, subject_key=subject, **times, **taken, **scores))
        if number % 19 == 0:
            events.append(make_event(number + 9_000, activity_type="dance"))
    return events


def test_live_stands_where_real_nights_stand(
    spark: SparkSession, intake_home: Settings, sender: Sender, make_event: Any
) -> None:
    home = intake_home
    learners = [f"learner{number:04d}" for number in range(LEARNERS)]
    # Subjects are s1_learnerNNNN in the records; the seed links s-<student>.
    seed(home, learners, {f"https://items.example/{number}": f"c{number % 4}" for number in range(50)})
    everybody = [make_event(number) for number in range(600)]
    as_seeded = [{**event, "subject_key": event["subject_key"].replace("s1_", "s-")} for event in everybody]
    sender.events(as_seeded)
    intake.run_once(home, spark)
    mastery.update(spark, home, DAY)
    with Store(home) as store:
        engine = Engine(home, store)
        assert engine.begin() is not None
        more = today(make_event, range(600, 1_000))
        sender.events([{**event, "subject_key": event["subject_key"].replace("s1_", "s-")} for event in more])
        records_from(home, engine)
        assert store.counts()["pairs"] > 100
        intake.run_once(home, spark)
        done = mastery.update(spark, home, DAY + timedelta(days=1))
        assert done["pairs"] > 100
        look = engine.look()
        assert look is not None and engine.has_read(look)
        engine.move_on(look)
        assert engine.compared is not None
        assert (engine.compared.differences, engine.compared.by_column, engine.compared.note) == (0, {}, "")
        assert engine.compared.pairs > 100
        assert store.counts()["pupils"] == 0, "the night counted all that live had"
