"""A real gateway in a process of its own, and reading back what it committed; for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from cairn.settings import Settings
from infra.ports import free_port
from streaming.sources import Mode, SourceRegistry
from streaming.topics import ALL, end_offsets

READY_SECONDS = 60.0
Offsets = dict[str, dict[str, int]]


@dataclass
class RunningGateway:
    """A gateway that answers; ``settings`` find it by the stack's state file, as senders do."""

    settings: Settings
    address: str
    process: subprocess.Popen[bytes]

    def token(self, name: str, **options: Any) -> str:
        """A new sender's token, in force at once; the sender's mode is partial unless another is named."""
        registry = SourceRegistry(self.settings)
        _, token = registry.add(name, save_token=True, **{"mode": Mode.PARTIAL, **options})
        registry.close()
        return token

    def call(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """One request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers.update(options.pop("headers", {}))
        return httpx.request(method, self.address + path, headers=headers, timeout=60, **options)


@contextmanager
def running_gateway(settings: Settings) -> Iterator[RunningGateway]:
    """Start it, wait until it can take statements, end it in order."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings.stack_state_path.parent.mkdir(parents=True, exist_ok=True)
    settings.stack_state_path.write_text(json.dumps({"services": {"gateway": {"address": address + "/"}}}))
    environment = {
        **os.environ,
        "CAIRN_HOME": str(settings.home),
        "CAIRN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "CAIRN_GATEWAY_PROCESSES": str(settings.gateway_processes),
    }
    process = subprocess.Popen([sys.executable, "-m", "streaming.gateway", "--port", str(port)], env=environment)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if httpx.get(address + "/health").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, "the gateway ended while it started"
            assert time.monotonic() < deadline, "the gateway did not become ready"
            time.sleep(0.2)
        yield RunningGateway(settings, address, process)
    finally:
        process.terminate()
        process.wait(30)


def committed(settings: Settings, since: Offsets) -> dict[str, list[dict[str, Any]]]:
    """Committed records of each topic from ``since`` (see ``end_offsets``) to the present end."""
    return {topic: [orjson.loads(value) for value in values] for topic, values in raw(settings, since).items()}


def raw(settings: Settings, since: Offsets) -> dict[str, list[bytes]]:
    """As :func:`committed`, unparsed, keys included before values."""
    from kafka import KafkaConsumer, TopicPartition

    found: dict[str, list[bytes]] = {topic: [] for topic in ALL}
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, isolation_level="read_committed")
    try:
        ends = end_offsets(settings.kafka_bootstrap)
        partitions = {
            TopicPartition(topic, int(number)): end
            for topic, by_number in ends.items()
            for number, end in by_number.items()
        }
        consumer.assign(list(partitions))
        for partition in partitions:
            consumer.seek(partition, since.get(partition.topic, {}).get(str(partition.partition), 0))
        while any(consumer.position(partition) < end for partition, end in partitions.items()):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    found[record.topic].append(record.value)
    finally:
        consumer.close()
    return found
