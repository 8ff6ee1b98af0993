"""Whether a service of the stack is ready: asked of the service itself, never concluded from its process alone."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from typing import Any

import httpx

from infra import broker
from infra.services import Ports, Service, address

ALIVE_SECONDS = 5.0
TIMEOUT_SECONDS = 3.0


def _answers_http(url: str) -> bool:
    try:
        return httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).status_code < 400
    except httpx.HTTPError:
        return False


def _answers_tcp(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def _airflow_report(port: int) -> dict[str, Any]:
    try:
        reply = httpx.get(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=TIMEOUT_SECONDS, trust_env=False)
        report: dict[str, Any] = reply.json()
    except (httpx.HTTPError, ValueError):
        return {}
    return report


def _has_beaten(report: dict[str, Any], job: str, born: float) -> bool:
    part = report.get(job) or {}
    beat = part.get(f"latest_{job}_heartbeat")
    if part.get("status") != "healthy" or not beat:
        return False
    # The heartbeat of a predecessor that was killed counts for some seconds as healthy: it must be this process's.
    return datetime.fromisoformat(beat).astimezone(UTC).timestamp() >= born


def is_ready(service: Service, ports: Ports, born: float) -> bool:
    """Whether the service, whose process was born at ``born`` (seconds since the epoch), does its work now."""
    if service.health == "broker":
        return broker.is_ready(address(service, ports), TIMEOUT_SECONDS)
    if service.health == "http":
        return _answers_http(address(service, ports) + service.health_path)
    if service.health == "tcp":
        return _answers_tcp(ports[service.name])
    if service.health == "airflow_job":
        job = service.name.removeprefix("airflow-").replace("-", "_")
        return _has_beaten(_airflow_report(ports["airflow"]), job, born)
    return time.time() - born >= ALIVE_SECONDS
