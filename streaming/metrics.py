"""What the gateway counts, for Prometheus; where it is several processes, all of them together."""

from __future__ import annotations

import os
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from streaming.http import Response


@dataclass(frozen=True)
class _Metrics:
    requests: Counter
    statements: Counter
    refused: Counter
    uncommitted: Counter
    overloaded: Counter
    subjects: Counter
    wrong_tokens: Counter
    seconds: Histogram


METRICS = _Metrics(
    requests=Counter("cairn_gateway_requests", "Requests by HTTP status", ["status"]),
    statements=Counter("cairn_gateway_statements", "Statements committed", ["fate"]),
    refused=Counter("cairn_gateway_refused", "Statements refused, by reason", ["reason"]),
    uncommitted=Counter("cairn_gateway_uncommitted", "Statements answered 503", ["fate"]),
    overloaded=Counter("cairn_gateway_overloaded", "Requests answered 429 because too much was waiting"),
    subjects=Counter("cairn_gateway_subjects", "Subject keys given out"),
    wrong_tokens=Counter("cairn_gateway_wrong_tokens", "Requests with a token that is unknown or has ended"),
    seconds=Histogram("cairn_gateway_request_seconds", "Time to answer a request"),
)


# Where prometheus_client has each process keep its counts, if this is set before it is imported.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def exposition() -> Response:
    """All metrics in Prometheus's text form."""
    registry = REGISTRY
    if SHARED_FOLDER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(200, generate_latest(registry), [(b"content-type", CONTENT_TYPE_LATEST.encode())])
