"""Real stacks of a few services: side by side, killed at bad moments, joined by a cluster, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cairn.errors import UsageError
from cairn.settings import Settings
from infra import stack
from infra.broker import is_ready
from infra.processes import MARKER, birth
from infra.spark_cluster import ClusterSize
from infra.state import load_state

pytestmark = [pytest.mark.broker, pytest.mark.fault]


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[list[Settings]]:
    """Two homes; whatever runs for them is ended at the end, also after a failed test."""
    both = [Settings(home=tmp_path / "one"), Settings(home=tmp_path / "two")]
    yield both
    for settings in both:
        stack.down(settings)


def broker_of(settings: Settings) -> stack.ServiceStatus:
    return next(service for service in stack.status(settings) if service.name == "broker")


def kill(pid: int) -> None:
    """End a process as a power cut would, and return when it has ended."""
    os.kill(pid, signal.SIGKILL)
    while birth(pid) is not None:
        time.sleep(0.05)


def test_two_homes_live_side_by_side_and_go_on_after_any_kill(homes: list[Settings]) -> None:
    one, two = homes
    for settings in homes:
        stack.up(settings, ["broker"])
    first, second = broker_of(one), broker_of(two)
    assert (first.state, second.state) == ("ready", "ready")
    assert first.address != second.address

    # The broker alone is killed: whoever calls up gets the same address with a new process.
    assert first.pid is not None
    kill(first.pid)
    stack.up(one, ["broker"])
    again = broker_of(one)
    assert (again.state, again.address) == ("ready", first.address)
    assert again.pid != first.pid

    # The supervisor is killed and leaves its broker an orphan: up ends that one and goes on.
    kill(load_state(one).supervisor["pid"])
    said: list[str] = []
    stack.up(one, ["broker"], said.append)
    assert said[0] == "ended 1 processes that an earlier crash had left running"
    assert (broker_of(one).state, broker_of(one).address) == ("ready", first.address)
    assert again.pid is not None and birth(again.pid) is None

    # The other home has seen nothing of this.
    assert broker_of(two).pid == second.pid

    began = time.monotonic()
    stack.down(one)
    assert time.monotonic() - began < 30
    assert stack.leftovers(one) == []
    assert {service.state for service in stack.status(one)} == {"stopped"}
    with pytest.raises(LookupError, match="start the stack with 'cairn up'"):
        one.address("broker")
    assert is_ready(second.address)


def test_down_finds_what_left_its_parents_group(homes: list[Settings]) -> None:
    """Spark's workers and Airflow's tasks leave the group of their service; the marker finds them."""
    settings = homes[0]
    state = load_state(settings)
    state.save(settings.stack_state_path)
    stray = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)"],
        env={**os.environ, MARKER: state.stack_id},
        start_new_session=True,
    )
    assert [process.pid for process in stack.leftovers(settings)] == [stray.pid]
    assert stack.down(settings) == 1
    stray.wait(10)
    assert birth(stray.pid) is None
    assert stack.leftovers(settings) == []


def test_up_returns_only_when_all_are_ready_together(homes: list[Settings]) -> None:
    """What was ready and is killed while ``up`` still waits is waited for again: a kill just before is the same."""
    settings = homes[0]
    killed: list[int] = []

    def kill_the_last(_: str) -> None:
        known = load_state(settings).services
        if len(known) == 2 and not killed:
            killed.extend(record["pid"] for record in known.values())
            for pid in killed:
                kill(pid)

    said: list[str] = []
    seen = stack.up(settings, ["mail", "portal"], said.append, kill_the_last)
    states = {service.name: service for service in seen if service.name in ("mail", "portal")}
    assert {service.state for service in states.values()} == {"ready"}
    assert not {service.pid for service in states.values()} & set(killed)
    assert "mail: was ready and is not any more, waiting for it" in said


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_a_cluster_joins_a_running_stack_and_goes_with_it(homes: list[Settings]) -> None:
    settings = homes[0]
    names = ["spark-master", "spark-worker-1", "spark-worker-2"]
    stack.up(settings, ["mail"])
    assert not {service.name for service in stack.status(settings)} & set(names)
    mail = load_state(settings).services["mail"]["pid"]

    def cluster() -> dict[str, stack.ServiceStatus]:
        return {service.name: service for service in stack.status(settings) if service.name in names}

    stack.up(settings, ["mail"], cluster=ClusterSize(workers=2))
    assert {name: service.state for name, service in cluster().items()} == dict.fromkeys(names, "ready")
    assert settings.address("spark-master").startswith("spark://127.0.0.1:")
    assert load_state(settings).services["mail"]["pid"] == mail, "what ran goes on"

    lost = cluster()["spark-worker-1"].pid
    assert lost is not None
    kill(lost)
    with pytest.raises(UsageError, match=r"another size is up .*: run 'cairn down' first"):
        stack.up(settings, ["mail"], cluster=ClusterSize(workers=3))
    stack.up(settings, names)
    assert {service.state for service in cluster().values()} == {"ready"}
    assert cluster()["spark-worker-1"].pid != lost

    pids = [service.pid for service in cluster().values()]
    stack.down(settings)
    assert stack.leftovers(settings) == []
    assert not [pid for pid in pids if pid and psutil.pid_exists(pid)]
    assert cluster() == {}, "the next up starts none unless asked"
