"""What the gateway counts, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from streaming.http import Response


@dataclass(frozen=True)
class _Metrics:
    requests: Counter
    statements: Counter
    refused: Counter
    uncommitted: Counter
    subjects: Counter
    wrong_tokens: Counter
    seconds: Histogram


METRICS = _Metrics(
    requests=Counter("cairn_gateway_requests", "Requests by HTTP status", ["status"]),
    statements=Counter("cairn_gateway_statements", "Statements committed", ["fate"]),
    refused=Counter("cairn_gateway_refused", "Statements refused, by reason", ["reason"]),
    uncommitted=Counter("cairn_gateway_uncommitted", "Statements answered 503", ["fate"]),
    subjects=Counter("cairn_gateway_subjects", "Subject keys given out"),
    wrong_tokens=Counter("cairn_gateway_wrong_tokens", "Requests with a token that is unknown or has ended"),
    seconds=Histogram("cairn_gateway_request_seconds", "Time to answer a request"),
)


def exposition() -> Response:
    """All metrics in Prometheus's text form."""
    return Response(200, generate_latest(), [(b"content-type", CONTENT_TYPE_LATEST.encode())])
