"""What the topics lost before the lake had it: offsets that are gone, and of whom they were, by the receipts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import orjson
from kafka import KafkaConsumer, TopicPartition

from cairn.kafka_access import client_options
from cairn.settings import Settings
from cairn.topics import ALL, RECEIPTS
from spark_jobs import intake_state
from spark_jobs.intake_hops import GATEWAY_TO_TOPIC, UNKNOWN, Break, Scope

POLL_MS = 1_000


def topic_breaks(settings: Settings) -> list[Break]:
    """Records that left a topic before intake had taken them in; empty where every offset that it needs is there.

    Who lost what is told by what still waits: per day, source and school the receipts beside records and refusals.
    Raises kafka.errors.KafkaError where the broker does not answer, LookupError where there is none.
    """
    passed = intake_state.passed_offsets(settings)
    consumer = KafkaConsumer(isolation_level="read_committed", bootstrap_timeout_ms=5_000, **client_options(settings))
    try:
        known = consumer.topics()
        partitions = [
            TopicPartition(topic, number)
            for topic in ALL
            if topic in known
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        needed = {one: passed.get(one.topic, {}).get(str(one.partition), 0) for one in partitions}
        # A lake that begins later than its topics has no offsets to miss in them.
        gone = [
            _gone(one, needed[one], begins[one], ends[one])
            for one in partitions
            if needed[one] > ends[one] or (passed and needed[one] < begins[one])
        ]
        if not gone:
            return []
        starts = {one: min(max(needed[one], begins[one]), ends[one]) for one in partitions}
        differences = _differences(settings, _waiting(consumer, starts, ends))
    finally:
        consumer.close()
    detail = "; ".join(gone)
    if not differences:
        return [Break(GATEWAY_TO_TOPIC, None, UNKNOWN, UNKNOWN, 1, f"{detail}; no receipt that waits tells of whom")]
    return [Break(GATEWAY_TO_TOPIC, *scope, count, detail) for scope, count in sorted(differences.items(), key=str)]


def _gone(partition: TopicPartition, needed: int, begin: int, end: int) -> str:
    name = f"{partition.topic} partition {partition.partition}"
    if needed > end:
        return f"{name} was made anew: it ends at offset {end}, the lake has passed {needed}"
    return f"{name} lost offsets {needed} to {begin - 1} before the lake had them"


def _waiting(
    consumer: KafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and value of every committed record that waits."""
    consumer.assign(list(starts))
    for partition, start in starts.items():
        consumer.seek(partition, start)
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(timeout_ms=POLL_MS).values():
            for record in records:
                try:
                    value = orjson.loads(record.value)
                except orjson.JSONDecodeError:
                    continue  # intake will set it aside as unreadable, of nobody that is known
                if isinstance(value, dict):
                    yield record.topic, value


def _differences(settings: Settings, waiting: Iterator[tuple[str, dict[str, Any]]]) -> dict[Scope, int]:
    """Statements receipted less those that are there, where they differ."""
    counts: dict[Scope, int] = {}
    for topic, value in waiting:
        day, source = _day(settings, value.get("received_at")), value.get("source_id") or UNKNOWN
        schools = {value.get("org_id") or UNKNOWN: -1} if topic != RECEIPTS else value.get("statements") or {}
        for school, count in schools.items():
            scope = (day, source, school or UNKNOWN)
            counts[scope] = counts.get(scope, 0) + count
    return {scope: count for scope, count in counts.items() if count}


def _day(settings: Settings, text: Any) -> date | None:
    try:
        return datetime.fromisoformat(text).astimezone(settings.zone).date()
    except (TypeError, ValueError):
        return None
