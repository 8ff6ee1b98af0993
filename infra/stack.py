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

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from infra import airflow_home, broker, health
from infra.processes import birth, end, end_marked, is_same, marked
from infra.services import Service, address, cluster_services, port_names, stack_services, wanted
from infra.spark_cluster import ClusterSize
from infra.state import ServiceRecord, StackState, choose_ports, load_state, stack_lock
from infra.supervise import ProcessInfo, Supervisor, connect, launch, write_config

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
        ports = state.ports["broker"], state.ports["broker-controller"]
        broker.prepare(settings.home, settings.cache_dir, *ports, broker.DirectListener.of(settings))
    elif preparation == "airflow":
        airflow_home.prepare(settings, state.ports["airflow"], state.stack_id)


def _supervisor_for(settings: Settings, state: StackState, report: Report) -> Supervisor:
    """The running supervisor, or a new one after everything an old one left behind was ended."""
    running = connect(state)
    if running is not None:
        _take_in_cluster(settings, state, running, report)
        return running
    left = end_marked(state.stack_id)
    if left:
        report(f"ended {left} processes that an earlier crash had left running")
    state.services = {}
    if settings.gateway_port:
        state.ports["gateway"] = settings.gateway_port
    choose_ports(state, port_names(state.cluster), report)
    state.save(settings.stack_state_path)
    return launch(settings, state)


def _take_in_cluster(settings: Settings, state: StackState, running: Supervisor, report: Report) -> None:
    """Let a supervisor that runs already know the cluster that was asked for since."""
    known = running.infos()
    new = [service.name for service in cluster_services(state.cluster) if service.name not in known]
    if not new:
        return
    choose_ports(state, [name for name in port_names(state.cluster) if name not in port_names(None)], report)
    state.save(settings.stack_state_path)
    write_config(settings, state)
    running.add(new)


def _ask_for_cluster(state: StackState, size: ClusterSize | None) -> None:
    """Note the size in the state. Raises UsageError where a cluster of another size is up."""
    if size is None:
        return
    if state.cluster not in (None, size):
        raise UsageError(f"a Spark cluster of another size is up ({state.cluster}): run 'cairn down' first")
    state.cluster = size


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

    def run(self, services: list[Service]) -> list[ServiceStatus]:
        """Return how all services stand at the first look at which every one of ``services`` is ready."""
        names = {service.name for service in services}
        with ThreadPoolExecutor(max_workers=2) as pool:
            infos = self.supervisor.infos()
            needed = {service.preparation for service in services if infos[service.name]["statename"] != "RUNNING"}
            prepared: dict[str, Future[None]] = {
                preparation: pool.submit(_prepare, self.settings, self.state, preparation)
                for preparation in sorted(needed - {""})
            }
            deadline = time.monotonic() + READY_SECONDS
            while True:
                infos = self.supervisor.infos()
                for service in services:
                    self._advance(service, infos[service.name], names, prepared)
                if self.ready == names and (seen := self._look_again(names)):
                    return seen
                if time.monotonic() > deadline:
                    late = ", ".join(sorted(names - self.ready))
                    raise CairnError(f"not ready after {READY_SECONDS:.0f} s: {late}; see 'cairn logs NAME'")
                time.sleep(POLL_SECONDS)

    def _look_again(self, names: set[str]) -> list[ServiceStatus] | None:
        """All at one look, or None: what was ready a minute ago may have gone since.

        A service that was killed just before answers for another half second on a busy machine (its beat is fresh, its
        port takes connections), and counts as ready until it is looked at again.
        """
        seen = status(self.settings)
        lost = {service.name for service in seen if service.state != "ready"} & names
        for name in sorted(lost):
            self.report(f"{name}: was ready and is not any more, waiting for it")
        self.ready -= lost
        return None if lost else seen

    def _advance(self, service: Service, info: ProcessInfo, names: set[str], prepared: dict[str, Future[None]]) -> None:
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
        where = address(self.settings, service, self.state.ports)
        self.state.services[service.name] = {"address": where, "pid": pid, "pid_created": born}
        self.state.save(self.settings.stack_state_path)
        self.ready.add(service.name)
        seconds = time.monotonic() - self.began
        self.report(f"{service.name}: ready{' at ' + where if where else ''} ({seconds:.0f} s)")
        self.on_ready(service.name)


def up(
    settings: Settings,
    only: list[str] | None = None,
    report: Report = _silent,
    on_ready: OnReady = _silent,
    cluster: ClusterSize | None = None,
) -> list[ServiceStatus]:
    """Start what does not run (all, or ``only`` and what they need) and return when every service answers.

    After any crash, also of the supervisor itself, it continues from the data on disk. ``report`` is told each step,
    ``on_ready`` the name of each service as soon as it answers. ``cluster`` adds a Spark cluster of that size, which
    stays part of the stack until ``down``. What is returned is the look at which all were ready together.
    Raises CairnError with the last line of its log for a service that does not start.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with stack_lock(settings, report):
        state = load_state(settings)
        _ask_for_cluster(state, cluster)
        if only and cluster:
            only = [*only, *(service.name for service in cluster_services(cluster))]
        services = wanted(settings, only, state.cluster)
        supervisor = _supervisor_for(settings, state, report)
        return _Start(settings, state, supervisor, report, on_ready).run(services)


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
        state.services, state.supervisor, state.cluster = {}, {}, None
        state.save(settings.stack_state_path)
    return ended


# --- status -----------------------------------------------------------------------------------------------------


def _process_of(info: ProcessInfo | None, recorded: ServiceRecord | None) -> tuple[int, float | None]:
    """The service's process and its birth: as supervisord says, else as recorded where that very process still runs."""
    if info is not None:
        return info["pid"], birth(info["pid"]) if info["pid"] else None
    if recorded is not None and is_same(recorded["pid"], recorded["pid_created"]):
        return recorded["pid"], birth(recorded["pid"])
    return 0, None


def _one(settings: Settings, state: StackState, service: Service, info: ProcessInfo | None) -> ServiceStatus:
    recorded = state.services.get(service.name)
    if info is None and recorded is None:
        return ServiceStatus(service.name, "stopped")
    pid, born = _process_of(info, recorded)
    if born is None:
        stopped = info is not None and info["statename"] in ("STOPPED", "STOPPING")
        restarting = info is not None and info["statename"] in ("STARTING", "BACKOFF", "RUNNING", "EXITED")
        return ServiceStatus(service.name, "stopped" if stopped else "starting" if restarting else "failed")
    since = datetime.fromtimestamp(born, UTC).isoformat(timespec="seconds")
    ready = health.is_ready(settings, service, state.ports, born)
    return ServiceStatus(
        service.name, "ready" if ready else "starting", address(settings, service, state.ports), pid, since
    )


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service as it is now: its process checked by birth time, its readiness asked of the service itself."""
    if not settings.stack_state_path.exists():
        return [ServiceStatus(service.name, "stopped") for service in stack_services(None)]
    state = load_state(settings)
    services = stack_services(state.cluster)
    supervisor = connect(state)
    infos = supervisor.infos() if supervisor else {}
    with ThreadPoolExecutor(max_workers=len(services)) as pool:
        return list(pool.map(lambda service: _one(settings, state, service, infos.get(service.name)), services))


def leftovers(settings: Settings) -> list[psutil.Process]:
    """Processes that carry this home's marker; empty after ``down``."""
    return marked(load_state(settings).stack_id)
