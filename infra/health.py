"""Whether a service of the stack is ready: asked of the service itself, never concluded from its process alone."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cairn.settings import Settings
from infra import broker, spark_cluster
from infra.services import Ports, Service, address

# A service that writes every two seconds is well if it did so lately; a busy machine may hold it up for a while.
HEARTBEAT_SECONDS = 30.0
# A busy machine answers late; a service that hangs costs one look this long.
TIMEOUT_SECONDS = 10.0
# A service on this machine is asked whether it answers, and told nothing: its certificate names another address.
LOOPBACK = ssl.create_default_context()
LOOPBACK.check_hostname = False
LOOPBACK.verify_mode = ssl.CERT_NONE


def _get(url: str) -> tuple[int, bytes]:
    """Status and body of a GET; 0 where nobody answers. Plain http.client: this runs many times a second at a start."""
    parts = urlsplit(url)
    where = parts.hostname or "", parts.port
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            *where, timeout=TIMEOUT_SECONDS, context=LOOPBACK
        )
    else:
        connection = http.client.HTTPConnection(*where, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _answers_tcp(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def _airflow_report(port: int) -> dict[str, Any]:
    status, body = _get(f"http://127.0.0.1:{port}/api/v2/monitor/health")
    try:
        report: dict[str, Any] = json.loads(body) if status == 200 else {}
    except ValueError:
        return {}
    return report


def _has_beaten(report: dict[str, Any], job: str, born: float) -> bool:
    part = report.get(job) or {}
    beat = part.get(f"latest_{job}_heartbeat")
    if part.get("status") != "healthy" or not beat:
        return False
    # The heartbeat of a predecessor that was killed counts for some seconds as healthy: it must be this process's.
    return datetime.fromisoformat(beat).astimezone(UTC).timestamp() >= born


def _heart_beats(path: Path, born: float) -> bool:
    """Whether the file holds an instant after ``born`` and not long ago."""
    try:
        beat = datetime.fromisoformat(path.read_text().strip()).timestamp()
    except (OSError, ValueError):
        return False
    return beat >= born and time.time() - beat <= HEARTBEAT_SECONDS


def is_ready(settings: Settings, service: Service, ports: Ports, born: float) -> bool:
    """Whether the service, whose process was born at ``born`` (seconds since the epoch), does its work now."""
    if service.health == "broker":
        return broker.is_ready(address(settings, service, ports), TIMEOUT_SECONDS)
    if service.health == "http":
        return all(200 <= _get(address(settings, service, ports) + path)[0] < 400 for path in service.health_paths)
    if service.health == "tcp":
        return _answers_tcp(ports[service.name])
    if service.health == "airflow_job":
        job = service.name.removeprefix("airflow-").replace("-", "_")
        return _has_beaten(_airflow_report(ports["airflow"]), job, born)
    if service.health == "spark_master":
        return spark_cluster.master_is_ready(ports["spark-master-page"])
    if service.health == "spark_worker":
        return spark_cluster.worker_is_ready(ports["spark-master-page"], ports[service.name], born)
    return _heart_beats(settings.stack_state_path.parent / f"{service.name}.heartbeat", born)
