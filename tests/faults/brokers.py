"""Real Kafka brokers that faults are done to: one as the stack starts it, or three that hold each record thrice."""

from __future__ import annotations

import base64
import os
import resource
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from cairn.topics import ACTIVITY
from infra import broker
from infra.broker import BrokerProcess
from infra.ports import free_port

HEAP_MIB = 256
# What differs where three brokers are one cluster: who votes, and that a record is held by all and promised by two.
CLUSTER = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}
DIES_WITHIN_SECONDS = 12.0
# A machine that does much else starts one slowly, and that is no fault of what is tested.
START_SECONDS = 300.0


@dataclass
class Node:
    """One broker with its ports, its folder and, while it runs, its process."""

    number: int
    home: Path
    port: int
    controller_port: int
    process: BrokerProcess | None = None

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"


class Brokers:
    """``count`` brokers (1 or 3) under ``home``: each may be filled, hung or killed, by its number from 0."""

    def __init__(self, home: Path, cache_dir: Path, count: int) -> None:
        self._cache_dir = cache_dir
        taken: set[int] = set()
        self.nodes = []
        for number in range(count):
            ports = []
            for _ in range(2):
                ports.append(free_port(taken))
                taken.add(ports[-1])
            # One broker lies where the stack's does.
            folder = home if count == 1 else home / f"broker-{number + 1}"
            self.nodes.append(Node(number, folder, *ports))
        self.bootstrap = ",".join(node.address for node in self.nodes)
        self._cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        for node in self.nodes:
            self._launch(node)
        for node in self.nodes:
            self.wait_ready(node)

    def start(self, number: int) -> None:
        """Start a broker that ended, on its old data and port; the call returns when it answers."""
        self._launch(self.nodes[number])
        self.wait_ready(self.nodes[number])

    def kill(self, number: int) -> None:
        """End it as a power cut would."""
        self._running(number).kill()

    def hang(self, number: int) -> None:
        """Stop it where it stands: its sockets stay open and nothing answers."""
        os.kill(self._running(number).process.pid, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let a broker that hangs go on."""
        os.kill(self._running(number).process.pid, signal.SIGCONT)

    def fill_disk(self, number: int) -> bool:
        """Leave it no room to write until it gives up; whether it did by itself, as a broker without room does.

        The operating system refuses (RLIMIT_FSIZE, which needs no rights): a segment may not grow beyond the largest
        one of the topic of activity, nor may a new index be made.
        """
        running = self._running(number)
        segments = self.nodes[number].home.glob(f"kafka/data/{ACTIVITY}-*/*.log")
        most = max((path.stat().st_size for path in segments), default=0)
        process = psutil.Process(running.process.pid)
        process.rlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        deadline = time.monotonic() + DIES_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if running.process.poll() is not None:
                return True
            time.sleep(0.1)
        running.kill()
        return False

    def stop(self) -> None:
        """End all that run, also those that hang."""
        for node in self.nodes:
            if node.process is not None and node.process.process.poll() is None:
                self.resume(node.number)
                node.process.kill()

    def wait_ready(self, node: Node) -> None:
        """Until the broker answers a client."""
        self._running(node.number).wait_ready(START_SECONDS)

    def _running(self, number: int) -> BrokerProcess:
        found = self.nodes[number].process
        assert found is not None, f"broker {number + 1} was never started"
        return found

    def _launch(self, node: Node) -> None:
        heap = broker.HEAP_MIB
        if len(self.nodes) == 1:
            broker.prepare(node.home, self._cache_dir, node.port, node.controller_port)
        else:
            self._prepare_member(node)
            heap = HEAP_MIB
        log_path = node.home / "logs" / "broker.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        command = broker.command(node.home, self._cache_dir)
        command = [f"-Xmx{heap}m" if word.startswith("-Xmx") else word for word in command]
        with log_path.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=node.home)
        node.process = BrokerProcess(node.address, log_path, process)

    def _prepare_member(self, node: Node) -> None:
        """Configuration of one of three, and its folder formatted once."""
        folder = node.home / "kafka"
        folder.mkdir(parents=True, exist_ok=True)
        text = broker.properties(node.port, node.controller_port, folder / "data")
        voters = ",".join(f"{one.number + 1}@127.0.0.1:{one.controller_port}" for one in self.nodes)
        changes = {**CLUSTER, "node.id": str(node.number + 1)}
        lines = []
        for line in text.splitlines():
            name = line.partition("=")[0]
            if name == "controller.quorum.bootstrap.servers":
                lines.append(f"controller.quorum.voters={voters}")
            else:
                lines.append(f"{name}={changes.pop(name)}" if name in changes else line)
        lines += [f"{name}={value}" for name, value in changes.items()]
        config = folder / "server.properties"
        config.write_text("\n".join(lines) + "\n")
        if (folder / "data" / "meta.properties").exists():
            return
        java = broker.command(node.home, self._cache_dir)
        tool = [*java[: java.index("kafka.Kafka")], "kafka.tools.StorageTool", "format", "-t", self._cluster_id]
        done = subprocess.run([*tool, "-c", str(config)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr or done.stdout
