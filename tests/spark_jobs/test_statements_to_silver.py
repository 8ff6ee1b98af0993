"""Any accepted statement comes out of silver once, with the meaning that it was sent with."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyspark.sql import SparkSession

import lake
from cairn.evidence.activity import EXTENSION
from cairn.evidence.clock import ClockRule
from cairn.settings import Settings
from spark_jobs import intake, intake_batch, intake_parse
from spark_jobs.intake_check import check
from spark_jobs.intake_ledger import ledger, totals
from spark_jobs.key_index import KeyIndex
from spark_jobs.xxhash import xxhash64
from streaming.process import Processor
from streaming.sources import Source
from streaming.topics import ACTIVITY
from streaming.transactions import Message
from tests.spark_jobs.parsed_fields import INSTANT, parsed_fields

SOURCE = Source("tilewise", frozenset({"sch-01", "sch-02"}))
VERBS = {
    "http://adlnet.gov/expapi/verbs/answered": "attempt",
    "http://adlnet.gov/expapi/verbs/completed": "completion",
    "http://adlnet.gov/expapi/verbs/experienced": "engagement",
    "https://verbs.example/never-heard-of": "engagement",
}
Meant = dict[str, Any]

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Work of the last weeks, at the instant that a clock anywhere shows.
NOW = datetime.now(UTC).replace(microsecond=0)
instants = st.tuples(st.integers(86_400_000_000, 20 * 86_400_000_000), zones).map(
    lambda drawn: (NOW - timedelta(microseconds=drawn[0])).astimezone(drawn[1])
)
ids = st.uuids(version=4).map(str)
actors = st.sampled_from(
    [
        {"mbox": "mailto:juniper.vale@example.org", "name": "Juniper Vale"},
        {"mbox": "mailto:juniper.vale@EXAMPLE.org"},
        {"account": {"homePage": "https://apps.example", "name": "0041"}},
        {"account": {"homePage": "https://apps.example", "name": "41"}, "objectType": "Agent"},
    ]
)


@st.composite
def scores(draw: st.DrawFn) -> dict[str, float]:
    low, high = sorted(draw(st.tuples(st.integers(-5, 5), st.integers(6, 100))))
    raw = draw(st.integers(low, high))
    return {"raw": raw, "min": low, "max": high}


@st.composite
def statements(draw: st.DrawFn) -> tuple[dict[str, Any], Meant]:
    """A valid statement, and what silver must say of it."""
    own_id, verb, at = draw(ids), draw(st.sampled_from(sorted(VERBS))), draw(instants)
    item = f"https://items.example/{draw(st.integers(0, 9))}"
    meant: Meant = {"source_statement_id": own_id, "activity_type": VERBS[verb], "item_id": item}
    meant |= {"event_time": at.astimezone(UTC), "success": None, "duration_ms": None, "org_id": None}
    result: dict[str, Any] = {}
    if draw(st.booleans()):
        result["success"] = meant["success"] = draw(st.booleans())
    score = draw(st.none() | scores())
    if score is not None:
        result["score"] = score
    meant |= {f"score_{name}": None if score is None else float(score[name]) for name in ("raw", "min", "max")}
    if (milliseconds := draw(st.none() | st.integers(0, 10_000_000))) is not None:
        result["duration"], meant["duration_ms"] = f"PT{milliseconds / 1000:.3f}S", milliseconds
    if draw(st.booleans()):
        result["response"] = draw(words)
    statement: dict[str, Any] = {"actor": draw(actors), "verb": {"id": verb}, "object": {"id": item}}
    # In capitals it is the same id.
    statement |= {"id": own_id.upper() if draw(st.booleans()) else own_id, "timestamp": at.isoformat()}
    if draw(st.booleans()):
        statement["object"]["definition"] = {"name": {"en": draw(words)}}
    if (school := draw(st.none() | st.sampled_from(sorted(SOURCE.schools)))) is not None:
        statement["context"] = {"extensions": {EXTENSION + "school": school}}
        meant["org_id"] = school
    if result:
        statement["result"] = result
    meant["actor"] = orjson.dumps(statement["actor"].get("mbox", statement["actor"].get("account"))).lower()
    return statement, meant


def records_of(outcome_messages: Sequence[Message]) -> list[Message]:
    return [message for message in outcome_messages if message.topic == ACTIVITY]


def parsed(messages: Sequence[Message]) -> pa.Table:
    """Records as intake's ``from_json`` reads them, by Python: the test below holds both against each other."""
    fields = parsed_fields()
    rows = []
    for offset, message in enumerate(messages):
        value = orjson.loads(message.value)
        row = {name: value.get(name) for name in fields}
        row |= {name: datetime.fromisoformat(row[name]) for name in ("event_time", "received_at")}
        row["extensions"] = None if row["extensions"] is None else list(row["extensions"].items())
        place = {"kafka_topic": ACTIVITY, "kafka_partition": message.partition, "kafka_offset": offset}
        key = (message.key or b"").decode()
        rows.append(row | place | {"record_key": key, "record_value": message.value.decode(), "is_unreadable": False})
    fields |= {"kafka_topic": pa.string(), "kafka_partition": pa.int32(), "kafka_offset": pa.int64()}
    fields |= {"kafka_timestamp": INSTANT, "record_key": pa.string(), "record_value": pa.string()}
    table = pa.Table.from_pylist(rows, schema=pa.schema([*fields.items(), ("is_unreadable", pa.bool_())]))
    return table.append_column("event_hash", pa.array(xxhash64(table["event_id"])))


def judged(settings: Settings, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Rows that silver would get of the records, in one batch."""
    batch = intake_batch.Batch(settings, "app", 0, {}, KeyIndex(settings), ClockRule.load(settings))
    table = intake_batch.judge(intake_batch.stamp(check(parsed(messages), batch.clock), batch), batch)
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["fate"], "accepted")).to_pylist()
    return rows


def held(rows: Sequence[dict[str, Any]], meant: Sequence[Meant]) -> None:
    """Each statement once, each as it was meant, and one key a learner."""
    assert sorted(row["source_statement_id"] for row in rows) == sorted(one["source_statement_id"] for one in meant)
    by_id = {row["source_statement_id"]: row for row in rows}
    learners: dict[bytes, set[str]] = {}
    for one in meant:
        row = by_id[one["source_statement_id"]]
        assert {name: row[name] for name in one if name != "actor"} == {
            name: value for name, value in one.items() if name != "actor"
        }
        learners.setdefault(one["actor"], set()).add(row["subject_key"])
        assert row["event_id"] == str(uuid.UUID(row["event_id"]))
    keys = [key for found in learners.values() for key in found]
    assert all(len(found) == 1 for found in learners.values()) and len(set(keys)) == len(learners)


requests = st.lists(
    st.tuples(statements(), st.integers(1, 2)),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one[0][1]["source_statement_id"],
)


@pytest.mark.spark
@pytest.mark.broker
def test_any_accepted_statement_is_in_silver_once_with_its_meaning(
    spark: SparkSession, intake_home: Settings, sender: Any, tmp_path: Path
) -> None:
    processor = Processor(intake_home)
    empty = Settings(home=tmp_path / "empty")
    sent: list[Message] = []
    all_meant: dict[str, Meant] = {}

    @examples(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(requests)
    def property_of_a_request(request: list[tuple[tuple[dict[str, Any], Meant], int]]) -> None:
        body = orjson.dumps([statement for (statement, _), times in request for _ in range(times)])
        outcome = processor.xapi(body, SOURCE, "/xapi/statements")
        assert not outcome.rejections
        meant = [one for (_, one), _ in request]
        held(judged(empty, records_of(outcome.messages)), meant)
        if not all_meant.keys() & {one["source_statement_id"] for one in meant}:
            all_meant.update((one["source_statement_id"], one) for one in meant)
            sent.extend(outcome.messages)

    property_of_a_request()
    # The same through the topic, Spark and the tables, all in one batch.
    for topic, partition, key, value in sent:
        sender.producer.send(topic, value=value, key=key, partition=partition)
    sender.producer.flush()
    intake.run_once(intake_home, spark)
    rows = lake.read(intake_home, "silver.learner_activity", partitions=lake.EVERY).to_pylist()
    held(rows, list(all_meant.values()))
    columns = [column.name for column in intake_parse.event_columns()]
    alike = {row["event_id"]: row for row in judged(empty, records_of(sent))}
    other = [
        (name, row[name], alike[row["event_id"]][name])
        for row in rows
        for name in columns
        if row[name] != alike[row["event_id"]][name]
    ]
    assert other == [], "Python reads a record as Spark does"
    counts = totals(ledger(intake_home))
    assert counts["received"] == len(records_of(sent)) and counts["unexplained"] == 0
    assert counts["duplicate"] == len(records_of(sent)) - len(rows)
