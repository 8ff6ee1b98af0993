"""Months late, taken back before it came, dated by a wrong clock: by the real way in, what each night makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from pyspark.sql import SparkSession

import lake
from cairn.settings import Settings
from spark_jobs import intake, mastery
from spark_jobs.intake_ledger import ledger, totals
from spark_jobs.intake_quarantine import Wanted, list_set_aside, release
from streaming.process import Outcome, Processor
from streaming.sources import Source
from tests.spark_jobs import mastery_lake as small
from tests.streaming.xapi_bodies import answered

pytestmark = [pytest.mark.spark, pytest.mark.broker]

AUTUMN, WINTER, NEXT = date(2026, 10, 14), date(2027, 1, 14), date(2027, 1, 15)
SCHOOL = {"extensions": {"https://cairn.example/xapi/extensions/school": "school-1"}}
ITEMS = {f"https://items.example/{n}": "c0" for n in range(9)}
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
Send = Callable[[list[dict[str, Any]], datetime], Outcome]


def at(day: date, hour: int = 15) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def answer(pupil: str, number: int, when: datetime, *, is_right: bool) -> dict[str, Any]:
    who = {"account": {"homePage": "https://id.example", "name": pupil}}
    thing = {"id": f"https://items.example/{number}"}
    times = {"timestamp": when.isoformat(), "context": SCHOOL}
    return answered(actor=who, object=thing, result={"success": is_right, "duration": "PT20S"}, **times)


def void(target: str, actor: dict[str, Any], when: datetime) -> dict[str, Any]:
    thing = {"objectType": "StatementRef", "id": target}
    return {"id": answered()["id"], "actor": actor, "verb": {"id": VOIDED}, "object": thing} | {
        "timestamp": when.isoformat()
    }


@pytest.fixture
def send(intake_home: Settings) -> Iterator[Send]:
    """What a request that came at an instant becomes, on the topics."""
    producer = KafkaProducer(bootstrap_servers=intake_home.kafka_bootstrap)
    processor = Processor(intake_home)

    def produce(statements: list[dict[str, Any]], received: datetime) -> Outcome:
        outcome = processor.xapi(orjson.dumps(statements), Source("app"), "/xapi", received=received)
        assert outcome.rejections == []
        for topic, partition, key, value in outcome.messages:
            producer.send(topic, key=key, value=value, partition=partition)
        producer.flush()
        return outcome

    yield produce
    producer.close()


def states(settings: Settings) -> dict[str, str]:
    return {row["student_key"]: row["state"] for row in small.states(settings)}


def decided(settings: Settings, night: date, *, is_retraction: bool) -> set[tuple[str, str]]:
    """Who was decided on by a night's ledger, and what."""
    rows = small.rows(settings, "gold.mastery_decision")
    return {
        (row["student_key"], row["to_state"])
        for row in rows
        if row["data_date"] == night and row["is_retraction"] == is_retraction
    }


def days_written(settings: Settings, night: date) -> set[tuple[str, date]]:
    rows = small.rows(settings, "gold.attempt_day")
    return {(row["student_key"], row["work_date"]) for row in rows if row["data_date"] == night}


def test_late_voided_and_released_work_restates_what_it_should(
    spark: SparkSession, intake_home: Settings, send: Send
) -> None:
    home, keys = intake_home, Processor(intake_home).keys
    small.seed(home, [], ITEMS)
    links = [small.link(keys.subject_key("account:https://id.example", pupil), pupil) for pupil in ("p1", "p2")]
    small.write(home, "silver.identity_link", links)

    # Autumn: both master c0 in four days. One of p2's answers is taken back, by a group, before it comes; somebody
    # takes that void back, which no void can be. Two answers have clocks that cannot be right.
    first = at(AUTUMN) - timedelta(days=8)
    right = [answer(pupil, n, first + timedelta(days=2 * n), is_right=True) for pupil in ("p1", "p2") for n in range(4)]
    taken_back = answer("p2", 8, first + timedelta(days=1), is_right=False)
    group = {"objectType": "Group", "member": [{"mbox": "mailto:desk@example.org"}]}
    by_group = void(taken_back["id"], group, at(AUTUMN, 14))
    again = void(by_group["id"], group, at(AUTUMN, 14))
    ahead = answer("p1", 7, at(AUTUMN) + timedelta(days=30), is_right=False)
    reset = answer("p1", 6, datetime(2000, 1, 1, tzinfo=UTC), is_right=False)
    send([*right, again, by_group, ahead, reset], at(AUTUMN))
    intake.run_once(home, spark)
    mastery.update(spark, home, AUTUMN)
    assert states(home) == {"p1": "mastered", "p2": "mastered"}
    listed = list_set_aside(home)
    assert sorted((one.reason, one.source_id, one.records, one.first_date) for one in listed) == [
        ("before_school_year", "app", 1, "2026-10-14"),
        ("clock_ahead", "app", 1, "2026-10-14"),
    ]
    assert all("quarantine release --reason" in one.what_to_do for one in listed)

    # Winter: three wrong answers of p1 come three months late, and the answer that was taken back long ago.
    late = [answer("p1", n, first + timedelta(days=3, minutes=n), is_right=False) for n in (4, 5, 8)]
    send([*late, taken_back], at(WINTER))
    intake.run_once(home, spark)
    mastery.update(spark, home, WINTER)
    # Time goes by as well: p2's review is due, and nothing of p2's past has changed.
    assert states(home) == {"p1": "developing", "p2": "review_due"}
    assert decided(home, WINTER, is_retraction=True) == {("p1", "mastered")}
    assert days_written(home, WINTER) == {("p1", date(2026, 10, 9))}

    # Released twice before intake has seen it, and once afterwards: it counts once, on the day it first came.
    wanted = Wanted(reason="clock_ahead", source="app")
    done = {"selected": 1, "released": 1, "waits_for_its_day": 0}
    assert release(home, wanted, "received", dry_run=True) == done
    assert [release(home, wanted, "received") for _ in range(2)] == [done, done]
    intake.run_once(home, spark)
    assert release(home, wanted, "received") == dict.fromkeys(done, 0)
    rows = lake.read(home, "silver.learner_activity", partitions=lake.EVERY).to_pylist()
    (row,) = [row for row in rows if row["source_statement_id"] == ahead["id"]]
    assert (row["received_at"], row["event_time"], row["work_date"]) == (at(AUTUMN), at(AUTUMN), AUTUMN)
    assert mastery.update(spark, home, NEXT)["pairs"] == 1
    assert days_written(home, NEXT) == {("p1", AUTUMN)}
    counts = totals(ledger(home))
    # Twelve and four that came, and two releases of one: the original stays set aside, the second copy is a duplicate.
    assert counts == counts | {"received": 18, "accepted": 15, "duplicate": 1, "quarantined": 2, "unexplained": 0}
    assert [one.reason for one in list_set_aside(home)] == ["before_school_year"]
