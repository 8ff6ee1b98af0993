"""The topics of the platform: names, creation, and how far each has come."""

from __future__ import annotations

from cairn.settings import Settings

ACTIVITY = "learner.activity.v1"
RECEIPTS = "learner.activity.receipts.v1"
REJECTED = "learner.activity.rejected.v1"
ALL = (ACTIVITY, RECEIPTS, REJECTED)

DAY_MS = 86_400_000
# Activity and receipts are kept until the lake has long passed them; refusals for as long as they can be replayed.
RETENTION_MS = {ACTIVITY: 400 * DAY_MS, RECEIPTS: 400 * DAY_MS, REJECTED: -1}


def ensure_topics(settings: Settings, bootstrap: str | None = None) -> None:
    """Create the topics that are not there; safe to call from several processes at once.

    Raises kafka.errors.KafkaError where the broker does not answer.
    """
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import TopicAlreadyExistsError

    admin = KafkaAdminClient(
        bootstrap_servers=bootstrap or settings.address("broker"),
        client_id="cairn-topics",
        request_timeout_ms=10_000,
        bootstrap_timeout_ms=5_000,
    )
    try:
        missing = set(ALL) - set(admin.list_topics())
        for name in sorted(missing):
            partitions = settings.activity_partitions if name == ACTIVITY else 1
            topic = NewTopic(
                name=name,
                num_partitions=partitions,
                replication_factor=-1,
                topic_configs={"retention.ms": str(RETENTION_MS[name]), "max.message.bytes": "8388608"},
            )
            try:
                admin.create_topics([topic], timeout_ms=10_000)
            except TopicAlreadyExistsError:
                continue
        if missing:
            admin.wait_for_topics(sorted(missing))
    finally:
        admin.close()


def end_offsets(bootstrap: str) -> dict[str, dict[str, int]]:
    """Next offset of each partition of each topic, as a reader of committed records sees it; JSON-able.

    A topic that is not there yet is left out.
    """
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", bootstrap_timeout_ms=5_000)
    try:
        known = consumer.topics()
        partitions = [
            TopicPartition(topic, partition)
            for topic in ALL
            if topic in known
            for partition in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        ends = consumer.end_offsets(partitions) if partitions else {}
        found: dict[str, dict[str, int]] = {}
        for partition in partitions:
            found.setdefault(partition.topic, {})[str(partition.partition)] = int(ends[partition])
        return found
    finally:
        consumer.close()
