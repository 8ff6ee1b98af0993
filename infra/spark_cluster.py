"""A standalone Spark cluster on one machine: a master and workers as processes of their own, from pyspark's own jars.

pip's pyspark ships no start scripts; the two main classes are started by name. Everything listens on 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import psutil

from cairn.errors import CairnError
from infra.java import find_java
from infra.ports import free_port
from infra.processes import end

HOST = "127.0.0.1"
START_SECONDS = 90.0
PAGE_SECONDS = 10.0
DAEMON_HEAP_MIB = 256
MASTER_CLASS = "org.apache.spark.deploy.master.Master"
WORKER_CLASS = "org.apache.spark.deploy.worker.Worker"


@dataclass(frozen=True)
class ClusterSize:
    """How many workers, and what each may give to executors: cores, and memory in MiB."""

    workers: int = 2
    cores: int = 1
    memory_mib: int = 1024


class WorkerPage(TypedDict):
    """What the master says of a worker; ``lastheartbeat`` is in milliseconds since the epoch."""

    host: str
    port: int
    state: str
    cores: int
    memory: int
    lastheartbeat: int


class MasterPage(TypedDict):
    """The part of the master's JSON page that is read here."""

    status: str
    workers: list[WorkerPage]


def spark_home() -> Path:
    """The folder of pyspark, which holds Spark's jars. Raises CairnError where it is not installed."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise CairnError("pyspark is not installed: run 'make setup'")
    return Path(spec.origin).parent


def environment() -> dict[str, str]:
    """What master and workers need in their environment; executors are started from the jars that it names."""
    home = spark_home()
    core = next((home / "jars").glob("spark-core_*.jar"), None)
    if core is None:
        raise CairnError(f"no Spark jars in {home}: run 'make setup'")
    # Spark's launcher would look for a build tree to tell Scala's version, and starts no executor where it finds none.
    scala = core.name.split("_")[1].split("-")[0]
    return {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": scala, "SPARK_LOCAL_IP": HOST, "SPARK_PUBLIC_DNS": HOST}


def _java(main_class: str, *options: str) -> list[str]:
    # They hold books and start processes: the second compiler would only slow their start.
    quick = (f"-Xmx{DAEMON_HEAP_MIB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    return [str(find_java()), *quick, *options, "-cp", f"{spark_home()}/jars/*", main_class]


def master_address(port: int) -> str:
    """What ``spark.master`` is set to."""
    return f"spark://{HOST}:{port}"


def master_command(port: int, page_port: int) -> list[str]:
    """The command of the master; ``page_port`` is where its page answers."""
    # The REST door would take jobs from anybody on this machine; a job comes with a driver of ours, or not at all.
    return [
        *_java(MASTER_CLASS, "-Dspark.master.rest.enabled=false"),
        "--host",
        HOST,
        "--port",
        str(port),
        "--webui-port",
        str(page_port),
    ]


def worker_command(home: Path, name: str, port: int, master_port: int, size: ClusterSize) -> list[str]:
    """The command of one worker; executors work in, and write their output to, ``home/spark/NAME``."""
    # What ended applications left is swept away: an hour's look back is enough to see why one failed.
    sweep = ("-Dspark.worker.cleanup.enabled=true", "-Dspark.worker.cleanup.appDataTtl=3600")
    return [
        *_java(WORKER_CLASS, *sweep),
        *("--host", HOST, "--port", str(port), "--webui-port", "0"),
        *("--cores", str(size.cores), "--memory", f"{size.memory_mib}M"),
        *("--work-dir", str(home / "spark" / name)),
        master_address(master_port),
    ]


def read_master_page(page_port: int) -> MasterPage | None:
    """What the master says of itself and its workers; None where it does not answer."""
    connection = http.client.HTTPConnection(HOST, page_port, timeout=PAGE_SECONDS)
    try:
        connection.request("GET", "/json/")
        reply = connection.getresponse()
        page: MasterPage | None = json.loads(reply.read()) if reply.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return page


def master_is_ready(page_port: int) -> bool:
    """Whether the master takes workers and applications."""
    page = read_master_page(page_port)
    return page is not None and page["status"] == "ALIVE"


def worker_is_ready(page_port: int, worker_port: int, born: float) -> bool:
    """Whether the master knows the worker on ``worker_port`` as alive, and not one that ended before ``born``."""
    page = read_master_page(page_port)
    return page is not None and any(
        worker["port"] == worker_port and worker["state"] == "ALIVE" and worker["lastheartbeat"] / 1000 >= born
        for worker in page["workers"]
    )


@dataclass
class Cluster:
    """A cluster this process started; for tests and benchmarks (the stack runs its own under supervisor)."""

    home: Path
    port: int
    page_port: int
    master: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """What ``spark.master`` is set to."""
        return master_address(self.port)

    def alive_workers(self) -> int:
        """How many workers the master counts on now."""
        page = read_master_page(self.page_port)
        return sum(worker["state"] == "ALIVE" for worker in page["workers"]) if page else 0

    def kill_worker(self, name: str) -> None:
        """End a worker and its executors as the loss of their machine would."""
        process = psutil.Process(self.workers[name].pid)
        for lost in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                lost.send_signal(signal.SIGKILL)
        self.workers[name].wait(30)

    def stop(self) -> None:
        """End every process, executors too: in order, or by force after some seconds."""
        for started in [*self.workers.values(), *([self.master] if self.master else [])]:
            if started.poll() is None:
                process = psutil.Process(started.pid)
                end([process, *process.children(recursive=True)], 8.0)
            started.wait(30)

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start one process whose output goes to ``home/logs/NAME.log``."""
        log_path = self.home / "logs" / f"{name}.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment()},
                cwd=self.home,
            )

    def wait_for_workers(self, count: int, timeout_seconds: float = START_SECONDS) -> None:
        """Return when the master answers and counts ``count`` workers. Raises CairnError with where to look if late."""
        deadline = time.monotonic() + timeout_seconds
        while not master_is_ready(self.page_port) or self.alive_workers() != count:
            ended = [name for name, process in self.workers.items() if process.poll() is not None]
            if self.master is None or self.master.poll() is not None:
                raise CairnError(f"the Spark master has ended: see {self.home}/logs/spark-master.log")
            if time.monotonic() > deadline:
                seen = f"{self.alive_workers()} of {count} workers" + (f" ({', '.join(ended)} ended)" if ended else "")
                raise CairnError(f"the Spark cluster has {seen} after {timeout_seconds:.0f} s: see {self.home}/logs")
            time.sleep(0.3)


@contextlib.contextmanager
def running_cluster(home: Path, size: ClusterSize | None = None) -> Iterator[Cluster]:
    """A ready cluster of a master and ``size.workers`` workers named spark-worker-1, -2 and so on; ended at the end."""
    size = size or ClusterSize()
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    cluster = Cluster(home, port, free_port({port}))
    taken = {cluster.port, cluster.page_port}
    try:
        cluster.master = cluster.start("spark-master", master_command(cluster.port, cluster.page_port))
        cluster.wait_for_workers(0)
        for number in range(1, size.workers + 1):
            name, worker_port = f"spark-worker-{number}", free_port(taken)
            taken.add(worker_port)
            command = worker_command(home, name, worker_port, cluster.port, size)
            cluster.workers[name] = cluster.start(name, command)
        cluster.wait_for_workers(size.workers)
        yield cluster
    finally:
        cluster.stop()
