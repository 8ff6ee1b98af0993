"""A real gateway in a process of its own, and reading back what it committed; for tests."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import orjson

from cairn.settings import Settings
from infra.ports import free_port
from streaming.sources import Mode, SourceRegistry
from streaming.topics import ALL, end_offsets

READY_SECONDS = 60.0
# Made once: httpx would read all the world's certificates for each request.
TRUST = ssl.create_default_context()
Offsets = dict[str, dict[str, int]]


@dataclass
class RunningGateway:
    """A gateway that answers; ``settings`` find it by the stack's state file, as senders do."""

    settings: Settings
    address: str
    process: subprocess.Popen[bytes]
    trust: ssl.SSLContext = TRUST

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until it answers and has a broker. Fails where it ends, or is late."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if httpx.get(self.address + "/health", timeout=5, verify=self.trust).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, f"the gateway ended: {gateway_log(self.settings).read_text()[-1000:]}"
            assert time.monotonic() < deadline, "the gateway did not become ready"
            time.sleep(0.2)

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
        options = {"timeout": 60, "verify": self.trust, **options}
        return httpx.request(method, self.address + path, headers=headers, **options)


def gateway_log(settings: Settings) -> Path:
    """What the gateway says, as under the stack."""
    return settings.logs_dir / "gateway.log"


def launch_gateway(settings: Settings, port: int, log: IO[bytes] | None = None) -> RunningGateway:
    """Start it and do not wait; senders find it by the stack's state file. It logs to ``log``, else as in the stack."""
    scheme = "https" if settings.gateway_certificate_file else "http"
    address = f"{scheme}://127.0.0.1:{port}"
    trust = ssl.create_default_context(cafile=settings.gateway_ca_file) if settings.gateway_ca_file else TRUST
    settings.stack_state_path.parent.mkdir(parents=True, exist_ok=True)
    settings.stack_state_path.write_text(json.dumps({"services": {"gateway": {"address": address + "/"}}}))
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "streaming.gateway", "--port", str(port)]
    with gateway_log(settings).open("ab") as own:
        process = subprocess.Popen(
            command, env={**os.environ, **settings.environment()}, stdout=log or own, stderr=subprocess.STDOUT
        )
    return RunningGateway(settings, address, process, trust)


@contextmanager
def running_gateway(settings: Settings) -> Iterator[RunningGateway]:
    """Start it, wait until it can take statements, end it in order."""
    gateway = launch_gateway(settings, free_port())
    try:
        gateway.wait_ready()
        yield gateway
    finally:
        gateway.process.terminate()
        gateway.process.wait(30)


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
