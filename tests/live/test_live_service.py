"""The live service as a process of its own on a real broker: seen soon, killed without notice, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer

from cairn.mastery import arrow
from cairn.settings import REPOSITORY, Settings
from cairn.topics import ACTIVITY
from infra.broker import start_broker
from infra.ports import free_port
from live.report import of_date
from live.token import live_token
from streaming.topics import ensure_topics
from tests.live.small_district import DAYS, PUPILS, Sender, end_of, run_night, seed, set_aside, states_of

pytestmark = [pytest.mark.broker, pytest.mark.fault]

PUPIL_NAMES = [f"pupil-{number}" for number in range(PUPILS)]
PATIENCE_SECONDS = 90.0


@pytest.fixture
def home(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A home beside a broker of its own: nights count its offsets from nothing."""
    running = start_broker(tmp_path / "broker", settings.cache_dir)
    try:
        mine = settings.model_copy(update={"kafka_bootstrap": running.bootstrap, "activity_partitions": 2})
        ensure_topics(mine)
        yield mine
    finally:
        running.stop()


class Service:
    """The service's process and what it answers."""

    def __init__(self, settings: Settings, port: int) -> None:
        self.settings, self.address = settings, f"http://127.0.0.1:{port}"
        environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "live.service", "--port", str(port)]
        self.process = subprocess.Popen(command, env=environment)

    def ask(self, token: str | None = None) -> httpx.Response:
        """What live says about all pupils."""
        headers = {"Authorization": f"Bearer {live_token(self.settings) if token is None else token}"}
        return httpx.post(f"{self.address}/pupils", json={"student_keys": PUPIL_NAMES}, headers=headers)

    def health(self) -> dict[str, Any]:
        """What it says of itself; empty while it does not answer."""
        try:
            said: dict[str, Any] = httpx.get(f"{self.address}/health").json()["mastery"]
        except httpx.TransportError:
            assert self.process.poll() is None, "the service ended while it started"
            return {}
        return said

    def wait(self, is_done: Any) -> dict[str, Any]:
        """Its health once it is as wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done(said := self.health()):
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        return said

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def running(settings: Settings) -> Iterator[Service]:
    service = Service(settings, free_port())
    try:
        yield service
    finally:
        service.kill()


class Topic:
    """Sends a sender's records, and gives them the offsets that the broker gave them."""

    def __init__(self, settings: Settings, sender: Sender) -> None:
        self.producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, linger_ms=5)
        self.sender, self.sent = sender, 0

    def send(self) -> None:
        """Send what is new."""
        sender = self.sender
        for place in range(self.sent, len(sender.records)):
            record = sender.records[place]
            future = self.producer.send(ACTIVITY, key=record.key, value=record.value, partition=record.partition)
            offset = future.get(timeout=30).offset
            sender.records[place] = type(record)(record.partition, offset, 0, record.key, record.value)
        self.sent = len(sender.records)


def is_settled(said: dict[str, Any]) -> bool:
    return bool(said.get("word") == "ready" and said["behind_records"] == 0 and said["behind_pupils"] == 0)


def test_what_is_sent_is_seen_and_survives_a_kill(home: Settings, request: pytest.FixtureRequest) -> None:
    seed(home)
    sender = Sender(42)
    topic = Topic(home, sender)
    request.addfinalizer(topic.producer.close)
    sender.some(60)
    topic.send()
    run_night(home, sender.records, 1, end_of(DAYS // 2))
    with running(home) as service:
        service.wait(is_settled)
        assert service.ask(token="nobody").status_code == service.ask(token="x" * 64).status_code == 401
        assert httpx.get(f"{service.address}/pupils").status_code == 405
        # The broker's next offset per partition stays behind markers and holes: only what came is new.
        before = service.ask().json()["rows"]
        sender.some(60)
        topic.send()
        service.wait(lambda said: said.get("taken", 0) > 5)
        service.kill()
    sender.some(60)
    topic.send()
    with running(home) as service:
        service.wait(is_settled)
        # In the middle of its work, and then again.
        sender.some(40)
        topic.send()
        service.kill()
    with running(home) as service:
        set_aside(home, sender.records)
        service.wait(is_settled)
        assert service.ask().json()["rows"] != before
        counted = list(sender.records)
        run_night(home, counted, 2, end_of(DAYS + 2))
        said = service.wait(lambda said: said.get("base_night") == 2 and is_settled(said))
        assert said["counts"]["events"] < 40
        row = of_date(home, end_of(DAYS + 2).date())
        assert row is not None
        assert (row["differences"], row["note"]) == (0, ""), json.dumps(row, default=str)
        assert row["pairs"] >= 10
        assert_rows_are_of_one_fold(home, service, topic)


def assert_rows_are_of_one_fold(home: Settings, service: Service, topic: Topic) -> None:
    """After the night, more comes: rows are those of one fold of everything."""
    sender = topic.sender
    sender.some(40)
    topic.send()
    set_aside(home, sender.records)
    service.wait(lambda said: is_settled(said) and said["taken"] > 0)
    time.sleep(11)  # what intake has set aside is looked for every ten seconds
    service.wait(is_settled)
    expected = arrow.plain(states_of(home, sender.records, end_of(DAYS + 30))).to_pylist()
    wanted = {(row["student_key"], row["competency_id"]): row for row in expected}
    rows = service.ask().json()["rows"]
    assert rows
    for row in (row for row in rows if not row["is_removed"]):
        one = wanted[row["student_key"], row["competency_id"]]
        assert row["attempts"] == one["attempts"]
        assert row["expected_share"] == pytest.approx(one["expected_share"], abs=1e-9)
