"""A real Apache Kafka broker (KRaft) from jars: its configuration, its one-time format, starting and stopping it."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from infra.java import find_java
from infra.ports import free_port

HEAP_MIB = 512
START_SECONDS = 90.0

# One node is the whole cluster, so every internal topic has one replica; few partitions keep it light.
# After a SIGKILL the same broker is let in again only when its old session has ended: 5 s, not 9.
# The log cleaner's buffer is 128 MiB unless told, a quarter of the heap, for topics of some kilobytes.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{direct_listener}
advertised.listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{direct_advertised}
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,DIRECT:SASL_SSL
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={log_dir}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.retention.hours=8760
log.cleaner.dedupe.buffer.size=4194304
num.io.threads=4
num.network.threads=2
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
"""
# Who comes by the loopback's listener has no name and may do all, as before: it is on this machine. Who comes from
# outside has TLS and a name (SCRAM), and may do what an ACL says and nothing else.
DIRECT_PROPERTIES = """\
listener.name.direct.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.direct.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.direct.ssl.keystore.type=PEM
listener.name.direct.ssl.keystore.location={certificate}
listener.name.direct.connections.max.reauth.ms=3600000
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True)
class DirectListener:
    """A second listener for systems that produce themselves: where they reach it, and its key and certificate (PEM)."""

    host: str
    port: int
    certificate: Path

    @classmethod
    def of(cls, settings: Settings) -> DirectListener | None:
        """What the settings ask for; None where they ask for none. Raises UsageError where they cannot be followed."""
        if not settings.broker_direct_address:
            return None
        host, _, port = settings.broker_direct_address.rpartition(":")
        certificate = Path(settings.broker_direct_certificate_file).resolve()
        if not host or not port.isdecimal():
            raise UsageError(f"broker_direct_address {settings.broker_direct_address!r} is not host:port")
        if not settings.broker_direct_certificate_file or not certificate.is_file():
            raise UsageError("broker_direct_address needs broker_direct_certificate_file: a PEM file that is there")
        return cls(host, int(port), certificate)


def broker_jars(cache_dir: Path) -> Path:
    """The folder of the broker's jars. Raises CairnError where ``make setup`` has not fetched them."""
    folder = cache_dir / "jars" / "broker"
    if not any(folder.glob("kafka_*.jar")):
        raise CairnError(f"no broker jars in {folder}: run 'make setup'")
    return folder


def _java(cache_dir: Path, *arguments: str) -> list[str]:
    logging = Path(__file__).with_name("broker_log4j2.properties")
    return [
        str(find_java()),
        f"-Xmx{HEAP_MIB}m",
        "-XX:+UseSerialGC",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={logging.as_uri()}",
        "-cp",
        f"{broker_jars(cache_dir)}/*",
        *arguments,
    ]


def command(home: Path, cache_dir: Path) -> list[str]:
    """The command that runs the broker configured under ``home/kafka`` (see :func:`prepare`)."""
    return _java(cache_dir, "kafka.Kafka", str(home / "kafka" / "server.properties"))


def properties(port: int, controller_port: int, log_dir: Path, direct: DirectListener | None = None) -> str:
    """The broker's configuration, with a listener for direct producers where there is to be one."""
    text = PROPERTIES.format(
        port=port,
        controller_port=controller_port,
        log_dir=log_dir,
        # On every address of the machine: its host is how others call it.
        direct_listener=f",DIRECT://0.0.0.0:{direct.port}" if direct else "",
        direct_advertised=f",DIRECT://{direct.host}:{direct.port}" if direct else "",
    )
    return text + (DIRECT_PROPERTIES.format(certificate=direct.certificate) if direct else "")


def prepare(home: Path, cache_dir: Path, port: int, controller_port: int, direct: DirectListener | None = None) -> None:
    """Write the broker's configuration under ``home/kafka`` and format its log folder once.

    Safe to call at every start: a formatted folder is left as it is. Raises CairnError where the format fails.
    """
    folder = home / "kafka"
    log_dir = folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "server.properties"
    config.write_text(properties(port, controller_port, log_dir, direct))
    if not (log_dir / "meta.properties").exists():
        # The tool takes an id that begins with a dash for an option.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted", "-t", cluster]
        done = subprocess.run(
            _java(cache_dir, *tool, "-c", str(config)), capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
            raise CairnError(f"the broker's folder {log_dir} could not be formatted: {lines[-1][:200]}")


def is_ready(bootstrap: str, timeout_seconds: float = 3.0) -> bool:
    """Whether the broker answers a client with its own metadata (not merely that the port is open)."""
    host, port = bootstrap.rsplit(":", 1)
    try:
        # A client that finds nobody tries in a circle until its time is up, and leaves sockets behind.
        socket.create_connection((host, int(port)), timeout=timeout_seconds).close()
    except OSError:
        return False
    try:
        client = KafkaAdminClient(
            bootstrap_servers=bootstrap,
            client_id="cairn-health",
            request_timeout_ms=int(timeout_seconds * 1000),
            bootstrap_timeout_ms=int(timeout_seconds * 1000),
        )
    except (KafkaError, OSError):
        return False
    try:
        return bool(client.describe_cluster()["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        client.close()


@dataclass
class BrokerProcess:
    """A broker this process started; for tests and benchmarks (the stack runs its own under supervisor)."""

    bootstrap: str
    log_path: Path
    process: subprocess.Popen[bytes]

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """End it in order, or by force where it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def wait_ready(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return when a client gets an answer. Raises CairnError with the log's last line where it ends or is late."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if is_ready(self.bootstrap):
                return
            time.sleep(0.3)
        lines = self.log_path.read_text(errors="replace").strip().splitlines() or ["nothing logged"]
        self.kill()
        raise CairnError(f"the broker did not start: {lines[-1][:200]} (log: {self.log_path})")


def start_broker(home: Path, cache_dir: Path, port: int = 0, direct: DirectListener | None = None) -> BrokerProcess:
    """A ready broker whose data lies in ``home/kafka``, on ``port`` or a free one.

    Call again with the same home and port after :meth:`BrokerProcess.kill` to go on with its data.
    """
    port = port or free_port()
    prepare(home, cache_dir, port, free_port({port}), direct)
    log_path = home / "logs" / "broker.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command(home, cache_dir),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(os.environ),
            cwd=home,
        )
    broker = BrokerProcess(f"127.0.0.1:{port}", log_path, process)
    broker.wait_ready()
    return broker
