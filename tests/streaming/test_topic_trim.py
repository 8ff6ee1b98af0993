"""The topic of activity lets go, by its days, of what the lake holds and of nothing else; on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from pydantic import ValidationError

from cairn.settings import Settings
from infra.broker import start_broker
from streaming import topics
from streaming.topics import ACTIVITY

NOW = datetime(2026, 10, 30, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A broker whose topic nobody else reads, with records of 0, 10 and 20 days ago on its one partition."""
    home = tmp_path_factory.mktemp("trim")
    running = start_broker(home, Settings().cache_dir)
    settings = Settings(home=home, kafka_bootstrap=running.bootstrap, activity_partitions=1)
    topics.ensure_topics(settings)
    producer = KafkaProducer(bootstrap_servers=running.bootstrap)
    for days in (20, 20, 10, 0):
        at = int((NOW - timedelta(days=days)).timestamp() * 1000)
        producer.send(ACTIVITY, key=b"s1_x", value=b"{}", partition=0, timestamp_ms=at)
        producer.flush()
    producer.close()
    yield settings
    running.stop()


def first_offset(settings: Settings) -> int:
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    partition = TopicPartition(ACTIVITY, 0)
    begins = consumer.beginning_offsets([partition])[partition]
    consumer.close()
    return int(begins)


@pytest.mark.broker
def test_what_is_old_and_in_the_lake_goes_and_nothing_else(own_broker: Settings) -> None:
    settings = own_broker
    assert topics.oldest_at(settings) == NOW - timedelta(days=20)
    # Old, but the lake does not hold it: nothing is lost while intake stands still.
    assert topics.trim(settings, {}, NOW) == 0
    assert topics.trim(settings, {ACTIVITY: {"0": 1}}, NOW) == 1
    assert first_offset(settings) == 1
    assert topics.trim(settings, {ACTIVITY: {"0": 4}}, NOW) == 1
    assert first_offset(settings) == 2
    assert topics.oldest_at(settings) == NOW - timedelta(days=10)
    assert topics.trim(settings, {ACTIVITY: {"0": 4}}, NOW) == 0
    assert topics.trim(settings, {ACTIVITY: {"0": 4}}, NOW + timedelta(days=5)) == 1


@pytest.mark.broker
def test_a_closed_segment_is_never_older_than_a_day(own_broker: Settings) -> None:
    """Also of a topic from before there was such a rule; what else was set on it stays."""
    admin = KafkaAdminClient(bootstrap_servers=own_broker.kafka_bootstrap)
    topic = ConfigResource(ConfigResourceType.TOPIC, ACTIVITY)

    def found() -> dict[str, str]:
        return {key: each["value"] for key, each in admin.describe_configs([topic])["topic"][ACTIVITY].items()}

    created = found()
    assert created["segment.ms"] == "86400000"
    of_before = ConfigResource(
        ConfigResourceType.TOPIC, ACTIVITY, {"segment.ms": ("DELETE", ""), "retention.ms": "86400001"}
    )
    admin.alter_configs([of_before])
    assert "segment.ms" not in found()
    topics.ensure_topics(own_broker)
    assert found() == created | {"retention.ms": "86400001"}
    admin.close()


def test_it_is_gone_within_fourteen_days(settings: Settings) -> None:
    last = topics.gone_by(settings, datetime(2026, 10, 1, 15, tzinfo=UTC))
    assert (last - datetime(2026, 10, 1).date()).days <= 14
    with pytest.raises(ValidationError):
        Settings(activity_retention_days=13)
