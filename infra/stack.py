"""The local stack of one home: ``up`` starts or continues it, ``down`` ends it, ``status`` looks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil

from cairn.errors import CairnError
from cairn.settings import Settings
from infra import airflow_home, broker, health
from infra.processes import birth, end, end_marked, is_same, marked
from infra.services import PORT_NAMES, SERVICES, Service, address, wanted
from infra.state import StackState, choose_ports, load_state, stack_lock
from infra.supervise import Supervisor, connect, launch

READY_SECONDS = 600.0
STOP_SECONDS = 12.0
POLL_SECONDS = 0.4
Report = Callable[[str], None]
OnReady = Callable[[str], None]
ServiceState = Literal["ready", "starting", "failed", "stopped"]


@dataclass
class ServiceStatus:
    """A service as seen now; ``since`` is when its process was born (UTC, ISO 8601)."""

    name: str
    state: ServiceState
    address: str = ""
    pid: int | None = None
    since: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def _silent(_: str) -> None:
    return None


def log_tail(path: Path, lines: int = 1) -> str:
    """The last lines of a log that are not empty, each cut to 300 characters."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return "nothing logged"
    kept = [line[:300] for line in text.splitlines() if line.strip()]
    return "\n".join(kept[-lines:]) or "nothing logged"


# --- up ---------------------------------------------------------------------------------------------------------


def _prepare(settings: Settings, state: StackState, preparation: str) -> None:
    """What must be there before the first start of a service: a formatted broker folder, Airflow's database."""
    if preparation == "broker":
        broker.prepare(settings.home, settings.cache_dir, state.ports["broker"], state.ports["broker-controller"])
    elif preparation == "airflow":
        airflow_home.prepare(settings, state.ports["airflow"], state.stack_id)


def _supervisor_for(settings: Settings, state: StackState, report: Report) -> Supervisor:
    """The running supervisor, or a new one after everything an old one left behind was ended."""
    running = connect(state)
    if running is not None:
        return running
    left = end_marked(state.stack_id)
    if left:
        report(f"ended {left} processes that an earlier crash had left running")
    state.services = {}
    choose_ports(state, PORT_NAMES, report)
    state.save(settings.stack_state_path)
    return launch(settings, state)


class _Start:
    """One run of ``up``: starts each service when what it needs is ready, and waits until all are."""

    def __init__(
        self, settings: Settings, state: StackState, supervisor: Supervisor, report: Report, on_ready: OnReady
    ) -> None:
        self.settings, self.state, self.supervisor = settings, state, supervisor
        self.report, self.on_ready = report, on_ready
        self.began = time.monotonic()
        self.started: set[str] = set()
        self.ready: set[str] = set()

    def run(self, services: list[Service]) -> None:
        names = {service.name for service in services}
        with ThreadPoolExecutor(max_workers=2) as pool:
            infos = self.supervisor.infos()
            needed = {service.preparation for service in services if infos[service.name]["statename"] != "RUNNING"}
            prepared: dict[str, Future[None]] = {
                preparation: pool.submit(_prepare, self.settings, self.state, preparation)
                for preparation in sorted(needed - {""})
            }
            deadline = time.monotonic() + READY_SECONDS
            while self.ready != names:
                infos = self.supervisor.infos()
                for service in services:
                    self._advance(service, infos[service.name], names, prepared)
                if self.ready != names and time.monotonic() > deadline:
                    late = ", ".join(sorted(names - self.ready))
                    raise CairnError(f"not ready after {READY_SECONDS:.0f} s: {late}; see 'cairn logs NAME'")
                time.sleep(POLL_SECONDS)

    def _advance(
        self, service: Service, info: dict[str, Any], names: set[str], prepared: dict[str, Future[None]]
    ) -> None:
        name = service.name
        if name in self.ready:
            return
        if name not in self.started:
            preparation = prepared.get(service.preparation)
            if (preparation is not None and not preparation.done()) or not self.ready >= set(service.needs) & names:
                return
            if preparation is not None:
                preparation.result()
            self.supervisor.start(name)
            self.started.add(name)
            if info["statename"] != "RUNNING":
                self.report(f"{name}: starting")
            return
        # EXITED is what a killed service is for a moment: supervisord starts it again, and gives up with FATAL.
        if info["statename"] == "FATAL":
            log = self.settings.logs_dir / f"{name}.log"
            raise CairnError(f"{name} does not start: {log_tail(log)} (log: {log})")
        born = birth(info["pid"]) if info["pid"] else None
        if (
            info["statename"] == "RUNNING"
            and born is not None
            and health.is_ready(self.settings, service, self.state.ports, born)
        ):
            self._record(service, info["pid"], born)

    def _record(self, service: Service, pid: int, born: float) -> None:
        where = address(service, self.state.ports)
        self.state.services[service.name] = {"address": where, "pid": pid, "pid_created": born}
        self.state.save(self.settings.stack_state_path)
        self.ready.add(service.name)
        seconds = time.monotonic() - self.began
        self.report(f"{service.name}: ready{' at ' + where if where else ''} ({seconds:.0f} s)")
        self.on_ready(service.name)


def up(
    settings: Settings, only: list[str] | None = None, report: Report = _silent, on_ready: OnReady = _silent
) -> list[ServiceStatus]:
    """Start what does not run (all, or ``only`` and what they need) and return when every service answers.

    After any crash, also of the supervisor itself, it continues from the data on disk. ``report`` is told each step,
    ``on_ready`` the name of each service as soon as it answers.
    Raises CairnError with the last line of its log for a service that does not start.
    """
    services = wanted(settings, only)
    settings.home.mkdir(parents=True, exist_ok=True)
    with stack_lock(settings, report):
        state = load_state(settings)
        supervisor = _supervisor_for(settings, state, report)
        _Start(settings, state, supervisor, report, on_ready).run(services)
    return status(settings)


# --- down -------------------------------------------------------------------------------------------------------


def _stop_all(supervisor: Supervisor, names: list[str]) -> None:
    for name in names:
        supervisor.stop(name)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        infos = supervisor.infos()
        if not any(infos[name]["pid"] for name in names):
            return
        time.sleep(0.2)


def down(settings: Settings, report: Report = _silent) -> int:
    """End every process of this home's stack, and look until none is left; returns how many had to be ended apart.

    Ports are kept for the next start; addresses are forgotten.
    """
    if not settings.stack_state_path.exists():
        return 0
    with stack_lock(settings, report):
        state = load_state(settings)
        supervisor = connect(state)
        if supervisor is not None:
            running = [name for name, info in supervisor.infos().items() if info["pid"]]
            report(f"stopping {len(running)} services")
            # The broker last: what writes to it or reads from it can still finish its sentence.
            _stop_all(supervisor, [name for name in running if name != "broker"])
            _stop_all(supervisor, [name for name in running if name == "broker"])
            pid = state.supervisor["pid"]
            supervisor.shutdown()
            if psutil.pid_exists(pid) and is_same(pid, state.supervisor["pid_created"]):
                end([psutil.Process(pid)], 5.0)
        ended = end_marked(state.stack_id, grace_seconds=3.0)
        state.services, state.supervisor = {}, {}
        state.save(settings.stack_state_path)
    return ended


# --- status -----------------------------------------------------------------------------------------------------


def _one(settings: Settings, state: StackState, service: Service, info: dict[str, Any] | None) -> ServiceStatus:
    recorded = state.services.get(service.name)
    if info is None and recorded is None:
        return ServiceStatus(service.name, "stopped")
    pid = int(info["pid"]) if info else int((recorded or {})["pid"])
    born = birth(pid) if pid else None
    if info is None and not is_same(pid, (recorded or {})["pid_created"]):
        born = None
    if born is None:
        stopped = info is not None and info["statename"] in ("STOPPED", "STOPPING")
        restarting = info is not None and info["statename"] in ("STARTING", "BACKOFF", "RUNNING", "EXITED")
        return ServiceStatus(service.name, "stopped" if stopped else "starting" if restarting else "failed")
    since = datetime.fromtimestamp(born, UTC).isoformat(timespec="seconds")
    ready = health.is_ready(settings, service, state.ports, born)
    return ServiceStatus(
        service.name, "ready" if ready else "starting", address(service, state.ports) or None or "", pid, since
    )


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service as it is now: its process checked by birth time, its readiness asked of the service itself."""
    if not settings.stack_state_path.exists():
        return [ServiceStatus(service.name, "stopped") for service in SERVICES]
    state = load_state(settings)
    supervisor = connect(state)
    infos = supervisor.infos() if supervisor else {}
    with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
        return list(pool.map(lambda service: _one(settings, state, service, infos.get(service.name)), SERVICES))


def leftovers(settings: Settings) -> list[psutil.Process]:
    """Processes that carry this home's marker; empty after ``down``."""
    return marked(load_state(settings).stack_id)
