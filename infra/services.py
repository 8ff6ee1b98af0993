"""The services of the local stack: what runs, with which command, what each needs, where it answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cairn.errors import UsageError
from cairn.settings import Settings
from infra import broker, spark_cluster
from infra.java import find_java
from infra.processes import MARKER
from infra.spark_cluster import ClusterSize

Ports = dict[str, int]
Health = Literal["broker", "http", "tcp", "airflow_job", "heartbeat", "spark_master", "spark_worker"]
BIN = Path(sys.executable).parent
# Where a service listens that is reached by every address of the machine, and the one of them to ask it at.
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Service:
    """One process of the stack.

    ``health`` says how "ready" is told: an answer of the broker, of HTTP, of a TCP port, a heartbeat that Airflow
    reports, one in ``home/stack/NAME.heartbeat``, or what Spark's master says of itself and its workers. ``needs`` must
    be ready before it starts; ``preparation`` must be done. ``ends_its_children`` is a service that is asked alone and
    ends its own children in order. ``environment`` is what it gets besides that of all.
    """

    name: str
    about: str
    command: Callable[[Settings, Ports], list[str]]
    health: Health
    needs: tuple[str, ...] = ()
    preparation: Literal["", "broker", "airflow"] = ""
    health_paths: tuple[str, ...] = ("health",)
    stop_seconds: int = 8
    ends_its_children: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def _module(module: str, port_of: str = "") -> Callable[[Settings, Ports], list[str]]:
    def command(_: Settings, ports: Ports) -> list[str]:
        port = ["--port", str(ports[port_of])] if port_of else []
        return [sys.executable, "-m", module, *port]

    return command


def _airflow(*arguments: str) -> Callable[[Settings, Ports], list[str]]:
    return lambda _settings, _ports: [str(BIN / "airflow"), *arguments]


def _airflow_job(name: str, about: str, *arguments: str) -> Service:
    return Service(name, about, _airflow(*arguments), "airflow_job", preparation="airflow")


def _broker(settings: Settings, _: Ports) -> list[str]:
    return broker.command(settings.home, settings.cache_dir)


def _gateway(settings: Settings, ports: Ports) -> list[str]:
    return [*_module("streaming.gateway", "gateway")(settings, ports), "--host", settings.gateway_host]


SERVICES: tuple[Service, ...] = (
    Service("broker", "Apache Kafka", _broker, "broker", preparation="broker", stop_seconds=15),
    Service("gateway", "where senders post", _gateway, "http", ("broker",)),
    Service(
        "intake",
        "Kafka to lake",
        _module("spark_jobs.intake_service"),
        "heartbeat",
        ("broker",),
        # It stops its query, then Spark: asked together with it, Spark would be gone first.
        ends_its_children=True,
    ),
    Service("live", "today, as it happens", _module("live.service", "live"), "http", ("broker",)),
    Service(
        "airflow",
        "Airflow's API and pages",
        _airflow("api-server"),
        "http",
        preparation="airflow",
        # The second is what tasks talk to: built when first asked, for five seconds that a task would else wait.
        health_paths=("api/v2/monitor/health", "execution/health"),
        # It says "finished" at once and then hangs until killed.
        stop_seconds=2,
    ),
    # Logs are read from the common folder: serving them over HTTP would need a port more a process.
    _airflow_job("airflow-scheduler", "runs tasks", "scheduler", "--skip-serve-logs"),
    _airflow_job("airflow-dag-processor", "reads dags/", "dag-processor"),
    _airflow_job("airflow-triggerer", "waits for tasks", "triggerer", "--skip-serve-logs"),
    Service("portal", "pages", _module("portal.app", "portal"), "http"),
    Service("mail", "keeps mails as files", _module("feeds.mail_sink", "mail"), "tcp"),
)
BY_NAME = {service.name: service for service in SERVICES}
PORT_NAMES = ["broker", "broker-controller", "gateway", "live", "airflow", "portal", "mail"]
MASTER_PORTS = ["spark-master", "spark-master-page"]


def _spark_worker(name: str, size: ClusterSize) -> Callable[[Settings, Ports], list[str]]:
    def command(settings: Settings, ports: Ports) -> list[str]:
        return spark_cluster.worker_command(settings.home, name, ports[name], ports["spark-master"], size)

    return command


def cluster_services(size: ClusterSize | None) -> tuple[Service, ...]:
    """The Spark cluster of ``cairn up --cluster``: its master and workers; none where no cluster is asked for."""
    if size is None:
        return ()
    own = spark_cluster.environment()
    master = Service(
        "spark-master",
        "Spark's standalone master",
        lambda _settings, ports: spark_cluster.master_command(*(ports[name] for name in MASTER_PORTS)),
        "spark_master",
        environment=own,
    )
    names = [f"spark-worker-{number}" for number in range(1, size.workers + 1)]
    workers = [
        Service(
            name, "runs Spark's executors", _spark_worker(name, size), "spark_worker", (master.name,), environment=own
        )
        for name in names
    ]
    return (master, *workers)


def stack_services(size: ClusterSize | None) -> tuple[Service, ...]:
    """Every service of a stack with a cluster of this size, or with none."""
    return SERVICES + cluster_services(size)


def port_names(size: ClusterSize | None) -> list[str]:
    """What a stack needs ports for."""
    if size is None:
        return PORT_NAMES
    return [*PORT_NAMES, *MASTER_PORTS, *(service.name for service in cluster_services(size)[1:])]


def wanted(settings: Settings, only: list[str] | None, size: ClusterSize | None = None) -> list[Service]:
    """The services to run, in order: all, or ``only`` and what they need.

    A broker elsewhere (``kafka_bootstrap``) replaces the local one. Raises UsageError for a name that is not known.
    """
    services = stack_services(size)
    known = [service.name for service in services]
    names = set(only or known)
    if unknown := sorted(names - set(known)):
        raise UsageError(f"no service {', '.join(unknown)}: known are {', '.join(known)}")
    for service in reversed(services):
        if service.name in names:
            names |= set(service.needs)
            # The heartbeats of Airflow's jobs are told by its API.
            names |= {"airflow"} if service.health == "airflow_job" else set()
    if settings.kafka_bootstrap:
        names.discard("broker")
    return [service for service in services if service.name in names]


def address(settings: Settings, service: Service, ports: Ports) -> str:
    """``http://127.0.0.1:PORT/`` of an HTTP service, ``host:port`` of broker and mail, ``spark://`` of Spark's master.

    The gateway's is where it listens, ``https`` where it has a certificate. Empty for the others.
    """
    if service.health == "spark_master":
        return spark_cluster.master_address(ports[service.name])
    if service.health == "http":
        if service.name == "gateway":
            host = EVERY_ADDRESS.get(settings.gateway_host, settings.gateway_host)
            host = f"[{host}]" if ":" in host else host  # RFC 3986, 3.2.2
            return f"{'https' if settings.gateway_certificate_file else 'http'}://{host}:{ports[service.name]}/"
        return f"http://127.0.0.1:{ports[service.name]}/"
    return f"127.0.0.1:{ports[service.name]}" if service.health in ("broker", "tcp") else ""


def environment(settings: Settings, stack_id: str) -> dict[str, str]:
    """Environment of every service: the effective settings, the stack's marker, this environment's programs first.

    Services run in another folder than the caller, so a ``cairn.toml`` there is passed on as ``CAIRN_*``.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
    java_home = find_java().resolve().parent.parent
    return {
        **inherited,
        **settings.environment(),
        MARKER: stack_id,
        "PATH": os.pathsep.join([str(BIN), str(java_home / "bin"), os.environ.get("PATH", os.defpath)]),
        "JAVA_HOME": str(java_home),
        "AIRFLOW_HOME": str(settings.home / "airflow"),
        "PYTHONUNBUFFERED": "1",
        # Services run in the home, whose folders (lake, releases) must not stand for packages of these names.
        "PYTHONSAFEPATH": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        # A process title would overwrite the environment in /proc, and with it the marker.
        "SPT_NOENV": "1",
        # Threads of glibc programs keep a heap each: two are enough here and save hundreds of MiB.
        "MALLOC_ARENA_MAX": "2",
    }
