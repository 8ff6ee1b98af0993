"""What is known about a home's stack: its id, ports, supervisor and services; one file, replaced whole."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

from cairn.settings import Settings
from infra.ports import free_port, is_free
from infra.spark_cluster import ClusterSize


class ServiceRecord(TypedDict):
    """A service that was started; ``pid_created`` is in seconds since the epoch."""

    address: str
    pid: int
    pid_created: float


class SupervisorRecord(TypedDict, total=False):
    """The supervisor's process and socket; empty where none was started."""

    pid: int
    pid_created: float | None
    socket: str


@dataclass
class StackState:
    """The content of ``home/stack/state.json``; ``cluster`` is the Spark cluster that ``up --cluster`` asked for."""

    home: str
    stack_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    ports: dict[str, int] = field(default_factory=dict)
    supervisor: SupervisorRecord = field(default_factory=SupervisorRecord)
    services: dict[str, ServiceRecord] = field(default_factory=dict)
    cluster: ClusterSize | None = None

    def save(self, path: Path) -> None:
        """Replace the file in one step: a reader sees the old or the new state, never half of one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(asdict(self), indent=1))
        beside.replace(path)


def load_state(settings: Settings) -> StackState:
    """The home's state; a new one where there is none, it cannot be read, or the home was copied from elsewhere."""
    try:
        kept = json.loads(settings.stack_state_path.read_text())
        cluster = kept.pop("cluster", None)
        found = StackState(**kept, cluster=ClusterSize(**cluster) if cluster else None)
    except (OSError, ValueError, TypeError, AttributeError):
        return StackState(home=str(settings.home))
    return found if found.home == str(settings.home) else StackState(home=str(settings.home))


def choose_ports(state: StackState, names: list[str], report: Callable[[str], None]) -> None:
    """Give every name a port: the one it had if nobody else took it meanwhile, else a free one."""
    for name in names:
        had = state.ports.get(name)
        if had and is_free(had):
            continue
        state.ports[name] = free_port(set(state.ports.values()))
        if had:
            report(f"port {had} of {name} is in use by another program: {name} moves to {state.ports[name]}")


@contextmanager
def stack_lock(settings: Settings, report: Callable[[str], None]) -> Iterator[None]:
    """One ``up`` or ``down`` at a time in a home."""
    settings.stack_state_path.parent.mkdir(parents=True, exist_ok=True)
    with (settings.stack_state_path.parent / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another 'cairn up' or 'cairn down' in this home")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
