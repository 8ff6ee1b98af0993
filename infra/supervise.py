"""supervisord of one home: its configuration, its start, and the calls over its socket."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from supervisor.xmlrpc import SupervisorTransport

from cairn.errors import CairnError
from cairn.settings import Settings
from infra.processes import birth, is_same
from infra.services import Ports, Service, environment, stack_services
from infra.state import StackState

# Unix sockets have a path of at most 108 bytes (104 on macOS), and supervisord adds a suffix while it binds.
LONGEST_SOCKET_PATH = 80

HEAD = """\
[unix_http_server]
file={socket}
chmod=0600

[supervisord]
logfile={log}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={pidfile}
childlogdir={logs}
directory={home}
nodaemon=true
silent=true
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# A service is stopped with its whole process group, so that Airflow's forks go with their parent, unless it ends its
# children itself; what is killed after stopwaitsecs is always the whole group.
PROGRAM = """
[program:{name}]
command={command}
autostart=false
autorestart=true
startsecs=2
startretries=3
stopwaitsecs={stop_seconds}
stopasgroup={as_group}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
environment={environment}
"""


class ProcessInfo(TypedDict):
    """supervisord's own view of a service; ``pid`` is 0 where it has no process."""

    name: str
    statename: str
    pid: int


def _socket_path(settings: Settings, stack_id: str) -> Path:
    beside_state = settings.stack_state_path.parent / "supervisor.sock"
    if len(str(beside_state)) <= LONGEST_SOCKET_PATH:
        return beside_state
    folder = Path(tempfile.gettempdir()) / f"cairn-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise CairnError(f"{folder} belongs to somebody else: set TMPDIR to a folder of your own")
    return folder / f"{stack_id[:12]}.sock"


def render(settings: Settings, ports: Ports, socket: Path, services: Iterable[Service]) -> str:
    """supervisord's configuration for these services; nothing starts by itself."""
    folder, logs = settings.stack_state_path.parent, settings.logs_dir
    text = HEAD.format(
        socket=socket,
        log=logs / "supervisor.log",
        pidfile=folder / "supervisor.pid",
        logs=logs,
        home=settings.home,
    )
    for service in services:
        command = shlex.join(service.command(settings, ports)).replace("%", "%%")
        log = str(logs / f"{service.name}.log").replace("%", "%%")
        text += PROGRAM.format(
            name=service.name,
            command=command,
            log=log,
            stop_seconds=service.stop_seconds,
            as_group=str(not service.ends_its_children).lower(),
            environment=",".join(f'{key}="{value}"' for key, value in service.environment.items()).replace("%", "%%"),
        )
    return text


class Supervisor:
    """Calls to a running supervisord; every call raises CairnError where it does not answer."""

    def __init__(self, socket: str) -> None:
        self._transport = SupervisorTransport(None, None, f"unix://{socket}")
        self._proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transport)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.ProtocolError) as error:
            raise CairnError(f"the supervisor does not answer ({error}): run 'cairn up' again") from error
        finally:
            # A connection a call: nobody has to close a supervisor, and none is left open by an error.
            self._transport.close()

    def add(self, names: Iterable[str]) -> None:
        """Take services into a running supervisord that its configuration names since it started."""
        self._call("reloadConfig")
        for name in names:
            self._call("addProcessGroup", name)

    def infos(self) -> dict[str, ProcessInfo]:
        """name -> supervisord's own view."""
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Start a service without waiting for it; one that runs already stays as it is."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise CairnError(f"{name} could not be started: {fault.faultString}") from fault

    def stop(self, name: str) -> None:
        """Ask a service to stop without waiting for it."""
        try:
            self._call("stopProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise CairnError(f"{name} could not be stopped: {fault.faultString}") from fault

    def shutdown(self) -> None:
        """End supervisord itself."""
        self._call("shutdown")


def connect(state: StackState) -> Supervisor | None:
    """The supervisor that the state names, if it is that very process and answers; None otherwise."""
    known = state.supervisor
    if not known or not is_same(known["pid"], known["pid_created"]):
        return None
    supervisor = Supervisor(known["socket"])
    try:
        supervisor.infos()
    except CairnError:
        return None
    return supervisor


def write_config(settings: Settings, state: StackState) -> Path:
    """Write supervisord's configuration for the state's services and ports; returns its path."""
    config = settings.stack_state_path.parent / "supervisord.conf"
    socket = _socket_path(settings, state.stack_id)
    config.write_text(render(settings, state.ports, socket, stack_services(state.cluster)))
    return config


def launch(settings: Settings, state: StackState) -> Supervisor:
    """Start supervisord apart from this process, record it in ``state``, and return when it answers."""
    socket = _socket_path(settings, state.stack_id)
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    config = write_config(settings, state)
    socket.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=settings.home,
        env=environment(settings, state.stack_id),
    )
    state.supervisor = {"pid": process.pid, "pid_created": birth(process.pid), "socket": str(socket)}
    state.save(settings.stack_state_path)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if supervisor := connect(state):
            # It outlives this process: nobody waits for it, and Popen need not warn of that.
            process.returncode = 0
            return supervisor
        time.sleep(0.1)
    raise CairnError(f"supervisord did not start: see {settings.logs_dir}/supervisor.log and {config}")
