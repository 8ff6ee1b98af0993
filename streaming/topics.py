"""The topics of the platform on the broker: creation, and how far each has come (names: cairn.topics)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from cairn.kafka_access import client_options
from cairn.settings import Settings
from cairn.topics import ACTIVITY, ALL, RECEIPTS, REJECTED, Offsets

__all__ = [
    "ACTIVITY",
    "ALL",
    "RECEIPTS",
    "REJECTED",
    "Offsets",
    "TopicEnds",
    "committed",
    "end_offsets",
    "ensure_topics",
    "gone_by",
    "oldest_at",
    "trim",
]

DAY_MS = 86_400_000
# Activity and receipts are kept until the lake has long passed them; refusals for as long as they can be replayed.
# Activity goes much earlier, but only what the lake holds: see trim.
RETENTION_MS = {ACTIVITY: 400 * DAY_MS, RECEIPTS: 400 * DAY_MS, REJECTED: -1}
# What was trimmed is deleted with its segment: one is closed after a day at most.
MORE_CONFIGS = {ACTIVITY: {"segment.ms": str(DAY_MS)}}
# A record is trimmed by the night after its last day, and its segment was closed a day after it came.
LONGEST_DELAY_DAYS = 2
POLL_MS = 1_000


def ensure_topics(settings: Settings) -> None:
    """Create the topics that are not there, configure those from before; safe to call from several processes at once.

    Raises kafka.errors.KafkaError where the broker does not answer, or does not let a topic be configured.
    """
    admin = KafkaAdminClient(
        client_id="cairn-topics", request_timeout_ms=10_000, bootstrap_timeout_ms=5_000, **client_options(settings)
    )
    try:
        missing = set(ALL) - set(admin.list_topics())
        for name in sorted(MORE_CONFIGS.keys() - missing):
            _configure(admin, name, MORE_CONFIGS[name])
        for name in sorted(missing):
            partitions = settings.activity_partitions if name == ACTIVITY else 1
            topic = NewTopic(
                name=name,
                num_partitions=partitions,
                replication_factor=-1,
                topic_configs={
                    "retention.ms": str(RETENTION_MS[name]),
                    "max.message.bytes": "8388608",
                    **MORE_CONFIGS.get(name, {}),
                },
            )
            try:
                admin.create_topics([topic], timeout_ms=10_000)
            except TopicAlreadyExistsError:
                continue
        if missing:
            admin.wait_for_topics(sorted(missing))
    finally:
        admin.close()


def _configure(admin: KafkaAdminClient, name: str, wanted: dict[str, str]) -> None:
    """Give a topic the configuration that it has not; whatever else was set on it stays."""
    asked = ConfigResource(ConfigResourceType.TOPIC, name, list(wanted))
    # Listed are only keys that differ from the broker's own.
    found = admin.describe_configs([asked])["topic"][name]
    if any(found.get(key, {}).get("value") != value for key, value in wanted.items()):
        done = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(wanted))])["topic"][name]
        if done != "OK":
            raise KafkaError(f"topic {name} cannot be configured: {done}")


def gone_by(settings: Settings, last_received_at: datetime) -> date:
    """The last local day on which the topic may hold what came until an instant, where nights run daily."""
    days = settings.activity_retention_days + LONGEST_DELAY_DAYS
    return last_received_at.astimezone(settings.zone).date() + timedelta(days=days)


def trim(settings: Settings, passed: Offsets, now: datetime | None = None) -> int:
    """Take off the topic of activity what is older than its days and what the lake has passed; how many offsets went.

    Nothing goes that the lake does not hold, however old. Raises kafka.errors.KafkaError where the broker does not
    answer.
    """
    options = client_options(settings)
    since = (now or datetime.now(UTC)) - timedelta(days=settings.activity_retention_days)
    consumer = KafkaConsumer(bootstrap_timeout_ms=5_000, **options)
    admin = KafkaAdminClient(client_id="cairn-trim", bootstrap_timeout_ms=5_000, **options)
    try:
        partitions = [TopicPartition(ACTIVITY, number) for number in consumer.partitions_for_topic(ACTIVITY) or ()]
        if not partitions:
            return 0
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        first_kept = consumer.offsets_for_times(dict.fromkeys(partitions, int(since.timestamp() * 1000)))
        before = {}
        for partition in partitions:
            kept = first_kept[partition].offset if first_kept[partition] else ends[partition]
            held = passed.get(ACTIVITY, {}).get(str(partition.partition), 0)
            if min(kept, held) > begins[partition]:
                before[partition] = min(kept, held)
        if before:
            admin.delete_records(before, timeout_ms=30_000)
        return sum(offset - begins[partition] for partition, offset in before.items())
    finally:
        admin.close()
        consumer.close()


def oldest_at(settings: Settings) -> datetime | None:
    """When the oldest record of the topic of activity came; None where it holds none.

    Raises kafka.errors.KafkaError where the broker does not answer, LookupError where there is none.
    """
    consumer = KafkaConsumer(bootstrap_timeout_ms=5_000, **client_options(settings))
    try:
        partitions = [TopicPartition(ACTIVITY, number) for number in consumer.partitions_for_topic(ACTIVITY) or ()]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        firsts: list[int] = []
        # Asked by time, a broker names no record where all before it were deleted: the first of each is read.
        for partition in (one for one in partitions if begins[one] < ends[one]):
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            while consumer.position(partition) < ends[partition]:
                found = [one.timestamp for one in consumer.poll(timeout_ms=POLL_MS, max_records=1).get(partition, ())]
                if found:
                    firsts += found
                    break
    finally:
        consumer.close()
    return datetime.fromtimestamp(min(firsts) / 1000, UTC) if firsts else None


def committed(settings: Settings, topic: str) -> Iterator[bytes]:
    """Value of every committed record of a topic up to its present end, a poll's worth in memory.

    What whoever reads this appends meanwhile is not among them. Raises kafka.errors.KafkaError where the broker does
    not answer, LookupError where there is none.
    """
    consumer = KafkaConsumer(isolation_level="read_committed", bootstrap_timeout_ms=5_000, **client_options(settings))
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            return
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for place, records in consumer.poll(timeout_ms=POLL_MS).items():
                yield from (record.value for record in records if record.offset < ends[place])
    finally:
        consumer.close()


class TopicEnds:
    """Asks how far the topics have come, by one connection; a context manager.

    ``broker``: the settings that say how to reach it, or the address alone of one that lets anybody in. Raises
    kafka.errors.KafkaError where the broker does not answer, LookupError where there is none.
    """

    def __init__(self, broker: Settings | str) -> None:
        options = {"bootstrap_servers": broker} if isinstance(broker, str) else client_options(broker)
        self._consumer = KafkaConsumer(isolation_level="read_committed", bootstrap_timeout_ms=5_000, **options)

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


def end_offsets(broker: Settings | str) -> Offsets:
    """Next offset of each partition of each topic, as a reader of committed records sees it; JSON-able.

    A topic that is not there yet is left out. ``broker`` and what is raised: as :class:`TopicEnds`.
    """
    with TopicEnds(broker) as ends:
        return ends.now()
