"""The topics of the platform on the broker: creation, and how far each has come (names: cairn.topics)."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

from cairn.settings import Settings
from cairn.topics import ACTIVITY, ALL, RECEIPTS, REJECTED, Offsets

__all__ = ["ACTIVITY", "ALL", "RECEIPTS", "REJECTED", "Offsets", "TopicEnds", "end_offsets", "ensure_topics"]

DAY_MS = 86_400_000
# Activity and receipts are kept until the lake has long passed them; refusals for as long as they can be replayed.
RETENTION_MS = {ACTIVITY: 400 * DAY_MS, RECEIPTS: 400 * DAY_MS, REJECTED: -1}


def ensure_topics(settings: Settings, bootstrap: str | None = None) -> None:
    """Create the topics that are not there; safe to call from several processes at once.

    Raises kafka.errors.KafkaError where the broker does not answer.
    """
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


class TopicEnds:
    """Asks how far the topics have come, by one connection; a context manager.

    Raises kafka.errors.KafkaError where the broker does not answer.
    """

    def __init__(self, bootstrap: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level="read_committed", bootstrap_timeout_ms=5_000
        )

    def __enter__(self) -> TopicEnds:
        return self

    def __exit__(self, *_error: object) -> None:
        self._consumer.close()

    def now(self) -> Offsets:
        """Next offset of each partition of each topic; a topic that is not there yet is left out."""
        known = self._consumer.topics()
        partitions = [
            TopicPartition(topic, partition)
            for topic in ALL
            if topic in known
            for partition in sorted(self._consumer.partitions_for_topic(topic) or ())
        ]
        ends = self._consumer.end_offsets(partitions) if partitions else {}
        found: Offsets = {}
        for partition in partitions:
            found.setdefault(partition.topic, {})[str(partition.partition)] = int(ends[partition])
        return found


def end_offsets(bootstrap: str) -> Offsets:
    """Next offset of each partition of each topic, as a reader of committed records sees it; JSON-able.

    A topic that is not there yet is left out. Raises kafka.errors.KafkaError where the broker does not answer.
    """
    with TopicEnds(bootstrap) as ends:
        return ends.now()
