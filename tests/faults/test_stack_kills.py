"""Real stacks of a broker alone: two homes side by side, a killed broker, a killed supervisor, nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairn.settings import Settings
from infra import stack
from infra.broker import is_ready
from infra.processes import MARKER, birth
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
    import subprocess
    import sys

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
    assert birth(stray.pid) is None
    assert stack.leftovers(settings) == []
