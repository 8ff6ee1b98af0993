"""Public cases 06, 08, 15 and 16 by the real way in: gateway's processing, broker, intake, silver, evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kafka import KafkaProducer
from pyspark.sql import SparkSession

import lake
from cairn.mastery import resolve
from cairn.settings import Settings
from spark_jobs import intake
from streaming.process import Outcome, Processor
from streaming.sources import Source

pytestmark = [pytest.mark.spark, pytest.mark.broker]

AS_OF_US = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
HOME = "https://id.cedar.example"
PERSONAL = ("ilva", "004711", "192.0.2.77", "Halves for")
VOIDED = "https://items.quirk.example/vo-1"
QUESTIONS = [f"https://items.quirk.example/block-set-4?part={n}" for n in (1, 2, 3)]


@pytest.fixture
def send(intake_home: Settings) -> Iterator[Callable[[Outcome], Outcome]]:
    """Produces what a request became, as the gateway would."""
    producer = KafkaProducer(bootstrap_servers=intake_home.kafka_bootstrap)

    def produce(outcome: Outcome) -> Outcome:
        for message in outcome.messages:
            producer.send(message.topic, key=message.key, value=message.value, partition=message.partition)
        producer.flush()
        return outcome

    yield produce
    producer.close()


def evidence_of(silver: pa.Table, subject: str, items: list[str], *, without_voids: bool = False) -> resolve.Resolved:
    """What the events of one source show, were the subject a pupil and the items aligned to one competency."""
    voided = resolve.voids_of(silver)["statement_key"].to_numpy()
    links = {"subject_key": [subject], "student_key": ["p_1"], "valid_from": [None], "valid_to": [None]}
    times = pa.schema(
        [
            ("subject_key", pa.string()),
            ("student_key", pa.string()),
            *((n, pa.timestamp("us", "UTC")) for n in ("valid_from", "valid_to")),
        ]
    )
    days = pa.schema(
        [
            ("item_id", pa.string()),
            ("competency_id", pa.string()),
            *((n, pa.date32()) for n in ("valid_from_date", "valid_to_date")),
        ]
    )
    count = len(items)
    aligned = {
        "item_id": items,
        "competency_id": ["c1"] * count,
        "valid_from_date": [None] * count,
        "valid_to_date": [None] * count,
    }
    known = resolve.Known(
        resolve.Links.of(pa.table(links, schema=times)),
        resolve.Alignments.of(pa.table(aligned, schema=days)),
        pa.array(["c1"]),
        voided[:0] if without_voids else voided,
        pa.array([], pa.string()),
        AS_OF_US,
    )
    return resolve.resolve(resolve.events_of(silver), known)


def test_public_cases_come_through_as_they_should(
    spark: SparkSession,
    intake_home: Settings,
    send: Callable[[Outcome], Outcome],
    shared_fixture: Callable[[str], Path],
) -> None:
    processor = Processor(intake_home)

    def body(name: str) -> bytes:
        return (shared_fixture("fixtures/public_cases") / name).read_bytes()

    for source, order in (("void-first", (1, 2, 3, 4)), ("void-second", (2, 1, 3, 4)), ("void-last", (4, 3, 2, 1))):
        for number in order:
            sent = send(
                processor.xapi(body(f"06-xapi-void-before-target/input.{number}.json"), Source(source), "/xapi")
            )
            assert not sent.rejections, (source, number)
    assert not send(
        processor.xapi(body("08-xapi-one-submission-many-questions/input.json"), Source("questions"), "/xapi")
    ).rejections
    graded = send(processor.caliper(body("15-caliper-grade-without-attempt/input.json"), Source("grades"), "/caliper"))
    assert [told.index for told in graded.rejections] == [1, 2]
    for number in (1, 2):
        live = body(f"16-caliper-canvas-live-event/input.{number}.json")
        assert not send(processor.caliper(live, Source("canvas"), "/caliper")).rejections
    intake.run_once(intake_home, spark)

    silver = lake.read(intake_home, "silver.learner_activity")
    assert lake.read(intake_home, "silver.activity_quarantine").num_rows == 0
    by_source: dict[str, pa.Table] = {}
    for source in sorted(set(silver["source_id"].to_pylist())):
        by_source[source] = silver.filter(pc.equal(silver["source_id"], source))
    pupil = processor.keys.subject_key(f"account:{HOME}", "q-ilva")

    # 06: voided in any order; a void of the void changes nothing; a group may void, and without an identifier too.
    for source in ("void-first", "void-second", "void-last"):
        rows = by_source[source]
        assert sorted(rows["activity_type"].to_pylist()) == ["attempt", "void", "void", "void"], source
        assert evidence_of(rows, pupil, [VOIDED]).evidence.rows().num_rows == 0, source
        assert evidence_of(rows, pupil, [VOIDED], without_voids=True).evidence.rows().num_rows == 1, source

    # 08: three attempts; the parent is aligned to nothing and waits, and is not one attempt more where it is aligned.
    found = evidence_of(by_source["questions"], pupil, QUESTIONS)
    assert sorted(found.evidence.rows()["item_id"].to_pylist()) == QUESTIONS
    assert set(found.evidence.rows()["activity_type"].to_pylist()) == {"attempt"}
    waiting = found.waiting.rows()
    assert waiting["item_id"].to_pylist() == ["https://items.quirk.example/block-set-4"]
    assert waiting["waits_for"].to_pylist() == ["competency"]
    assert waiting["activity_type"].to_pylist() == ["assessment"]

    # 15: a grade is the assignee's or nobody's.
    learner = processor.keys.subject_key("caliper", f"{HOME}/users/q-thin")
    grades = by_source["grades"].select(["subject_key", "score_raw", "score_scaled", "success"]).to_pylist()
    assert {row["subject_key"] for row in grades} == {learner}
    assert sorted((row["score_raw"], row["score_scaled"], row["success"]) for row in grades if row["success"]) == [
        (1.0, 1.0, True)
    ]

    # 16: activity of somebody unlinked, never right or wrong; nothing personal lies in the lake or in the topic.
    live = by_source["canvas"].to_pylist()
    assert sorted(row["activity_type"] for row in live) == ["assessment", "engagement"]
    assert {row["success"] for row in live} == {row["score_scaled"] for row in live} == {None}
    linked = evidence_of(by_source["canvas"], pupil, [])
    assert linked.evidence.rows().num_rows == 0
    for table in ("bronze.activity", "bronze.rejected", "silver.learner_activity", "silver.activity_quarantine"):
        held = json.dumps(lake.read(intake_home, table).to_pylist(), default=repr)
        assert not [word for word in PERSONAL if word in held], table
