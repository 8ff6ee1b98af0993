"""The broker dies while statements come in: what was answered is there once, and the books balance."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.settings import Settings
from infra.broker import start_broker
from streaming import client
from streaming.topics import ACTIVITY, RECEIPTS
from tests.streaming.gateway_process import committed, running_gateway

STATEMENTS = 12_000


def statements() -> Iterator[bytes]:
    for number in range(STATEMENTS):
        yield json.dumps(
            {
                "id": str(uuid.UUID(int=(4 << 76) | (8 << 60) | number)),
                "actor": {"mbox": f"mailto:pupil{number % 50}@example.org"},
                "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
                "object": {"id": "https://items.example/1"},
                "result": {"success": True},
            }
        ).encode()


@pytest.mark.broker
@pytest.mark.fault
def test_a_broker_killed_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    cache = Settings().cache_dir
    broker = start_broker(tmp_path, cache)
    settings = Settings(home=tmp_path, kafka_bootstrap=broker.bootstrap)
    try:
        with running_gateway(settings) as gateway:
            gateway.token("loader")
            result: dict[str, int] = {}
            begun = threading.Event()

            def load() -> None:
                totals = client.send_statements(settings, statements(), "loader", on_progress=lambda _: begun.set())
                result.update(totals.as_dict())

            sender = threading.Thread(target=load)
            sender.start()
            assert begun.wait(30)
            time.sleep(0.3)
            assert not result, "the load was over before the broker died: send more"
            broker.kill()
            time.sleep(1)
            broker = start_broker(tmp_path, cache, int(broker.bootstrap.rpartition(":")[2]))
            sender.join(150)
            assert not sender.is_alive()
            found = committed(settings, {})
    finally:
        broker.stop()
    assert result["sent"] == STATEMENTS
    assert result["accepted"] + result["duplicate"] == STATEMENTS
    records = [record["event_id"] for record in found[ACTIVITY]]
    assert len(set(records)) == STATEMENTS
    # A request whose outcome was unknown may be there twice, but then with two receipts: nothing is unexplained.
    assert sum(sum(receipt["statements"].values()) for receipt in found[RECEIPTS]) == len(records)
