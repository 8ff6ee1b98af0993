"""The broker from jars: it keeps what was acknowledged when it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn.settings import Settings
from infra.broker import is_ready, start_broker


@pytest.mark.broker
def test_a_killed_broker_goes_on_with_what_it_acknowledged(tmp_path: Path) -> None:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

    cache = Settings().cache_dir
    first = start_broker(tmp_path, cache)
    port = int(first.bootstrap.rsplit(":", 1)[1])
    admin = KafkaAdminClient(bootstrap_servers=first.bootstrap)
    admin.create_topics({"stones": {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=first.bootstrap)
    producer.send("stones", b"one").get(20)
    producer.close()
    first.kill()
    assert not is_ready(first.bootstrap, 1.0)

    again = start_broker(tmp_path, cache, port)
    try:
        assert again.bootstrap == first.bootstrap
        consumer = KafkaConsumer("stones", bootstrap_servers=again.bootstrap, auto_offset_reset="earliest")
        records = [record.value for batch in consumer.poll(20_000).values() for record in batch]
        consumer.close()
    finally:
        again.stop()
    assert records == [b"one"]
