"""A gateway of two processes on one port, on a real broker: one service, whichever of them answers."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cairn.settings import Settings
from streaming.topics import ACTIVITY, RECEIPTS, end_offsets
from tests.streaming.gateway_process import RunningGateway, committed, running_gateway
from tests.streaming.xapi_bodies import answered

pytestmark = pytest.mark.broker

REQUESTS = 12


@pytest.fixture(scope="module")
def gateway(broker: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("several")
    with running_gateway(Settings(home=home, kafka_bootstrap=broker.kafka_bootstrap, gateway_processes=2)) as running:
        yield running


def children(gateway: RunningGateway) -> set[int]:
    number = gateway.process.pid
    return {int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()}


def counted(gateway: RunningGateway) -> float:
    text = gateway.call("GET", "/metrics").text
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith('cairn_gateway_statements_total{fate="accepted"}')
    )


def test_two_processes_are_one_gateway(gateway: RunningGateway) -> None:
    token = gateway.token("several")
    since = end_offsets(gateway.settings.kafka_bootstrap)
    before = counted(gateway)
    sent = [answered(id=str(uuid.uuid4())) for _ in range(REQUESTS)]
    # Each call is a connection of its own: either process may get it, also the second time.
    for statement in [*sent, *sent]:
        assert gateway.call("POST", "/xapi/statements", token, json=statement).status_code == 200
    found = committed(gateway.settings, since)
    assert len(found[ACTIVITY]) == sum(sum(one["statements"].values()) for one in found[RECEIPTS]) == 2 * REQUESTS
    assert len({record["event_id"] for record in found[ACTIVITY]}) == REQUESTS, "the same statement is the same event"
    assert counted(gateway) - before == 2 * REQUESTS, "whichever process is asked counts for both"


def test_a_rate_is_of_the_source_and_not_of_a_process(gateway: RunningGateway) -> None:
    token = gateway.token("slow-several", rate=1)
    assert gateway.call("POST", "/xapi/statements", token, json=[answered() for _ in range(20)]).status_code == 200
    for _ in range(8):
        late = gateway.call("POST", "/xapi/statements", token, json=answered())
        assert (late.status_code, late.json()["error"]) == (429, "too_fast")
        assert int(late.headers["retry-after"]) > 5


def test_a_hangup_ends_no_process_that_has_no_certificate_or_has_just_started(gateway: RunningGateway) -> None:
    before = children(gateway)
    os.kill(max(before), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len(now := children(gateway)) < 2 or max(before) in now:
        assert time.monotonic() < deadline, "the killed process was not replaced"
        time.sleep(0.01)
    gateway.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert children(gateway) == now
    gateway.wait_ready()


def test_who_is_killed_is_started_again_and_all_end_together(gateway: RunningGateway) -> None:
    token = gateway.token("killed")
    first = children(gateway)
    assert len(first) == 2
    os.kill(min(first), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len(now := children(gateway)) < 2 or min(first) in now:
        assert time.monotonic() < deadline, "the killed process was not replaced"
        time.sleep(0.1)
    for _ in range(REQUESTS):
        try:
            assert gateway.call("POST", "/xapi/statements", token, json=answered()).status_code == 200
        except httpx.TransportError:
            pytest.fail("the port is held while a process starts")
    gateway.process.terminate()
    assert gateway.process.wait(30) == 0
    assert not [child for child in now if Path(f"/proc/{child}").exists()]
