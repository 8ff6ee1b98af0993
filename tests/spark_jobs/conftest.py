"""What intake's tests share: topics on the real broker, synthetic records to them, a lake that starts there."""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cairn.settings import Settings
from cairn.topics import ACTIVITY, RECEIPTS, REJECTED
from tests.spark_jobs.intake_start import begin_at_present_end

RECEIVED_AT = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z, as the topic's contract asks."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def make_event(number: int, **changes: Any) -> dict[str, Any]:
    """A sound activity value; the same number gives the same event."""
    learner = number % 97
    return {
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"event-{number}")),
        "content_hash": f"content-{number}",
        "schema_version": "1.0.0",
        "source_id": "practice-app",
        "source_statement_id": f"statement-{number}",
        "received_at": iso(RECEIVED_AT),
        "received_date": "2026-10-14",
        "event_time": iso(RECEIVED_AT - timedelta(minutes=number % 600)),
        "work_date": "2026-10-14",
        "subject_key": f"s1_learner{learner:04d}",
        "org_id": f"school-{learner % 3}",
        "class_id": f"class-{learner % 7}",
        "activity_type": "attempt",
        "item_id": f"https://items.example/{number % 50}",
        "competency_ids": [],
        "success": number % 3 > 0,
        "score_raw": float(number % 3 > 0),
        "score_min": 0.0,
        "score_max": 1.0,
        "score_scaled": float(number % 3 > 0),
        "attempt_number": 1,
        "hints": 0,
        "duration_ms": 12_000,
        "session_id": None,
        "voids_statement_id": None,
        "extensions": {},
        "raw": {"verb": "answered"},
    } | changes


@dataclass
class Sender:
    """Produces straight to the topics and counts what it receipted."""

    bootstrap: str
    receipted: int = 0
    _producer: Any = field(default=None, init=False)

    @property
    def producer(self) -> Any:
        """A producer, made on first use."""
        if self._producer is None:
            from kafka import KafkaProducer

            self._producer = KafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=20)
        return self._producer

    def events(self, events: list[dict[str, Any]], *, has_receipt: bool = True) -> None:
        """Send events as the gateway would, with one receipt for all of them."""
        for event in events:
            self.raw(event["subject_key"], json.dumps(event).encode())
        if has_receipt:
            self.receipt(events)
        self.producer.flush()

    def raw(self, key: str, value: bytes) -> None:
        """Send any bytes to the activity topic."""
        partition = zlib.crc32(key.encode()) % 4
        self.producer.send(ACTIVITY, key=key.encode(), value=value, partition=partition)

    def receipt(self, events: list[dict[str, Any]]) -> str:
        """One receipt that counts the events by school."""
        schools: dict[str, int] = {}
        for event in events:
            schools[event["org_id"]] = schools.get(event["org_id"], 0) + 1
        receipt_id = str(uuid.uuid4())
        value = {
            "receipt_id": receipt_id,
            "source_id": events[0]["source_id"],
            "endpoint": "/xapi/statements",
            "received_at": events[0]["received_at"],
            "received_date": "2026-10-14",
            "statements": schools,
        }
        self.producer.send(RECEIPTS, value=json.dumps(value).encode())
        self.receipted += len(events)
        return receipt_id

    def refusal(self, org_id: str, reason: str = "unknown_verb") -> None:
        """One refused statement with its receipt."""
        receipt_id = self.receipt([make_event(0, org_id=org_id)])
        value = {
            "rejected_id": str(uuid.uuid4()),
            "receipt_id": receipt_id,
            "org_id": org_id,
            "source_id": "practice-app",
            "received_at": iso(RECEIVED_AT),
            "received_date": "2026-10-14",
            "statement_index": 0,
            "reason": reason,
            "detail": "verb not in the district's list",
            "payload_sha256": "0" * 64,
            "seal_ref": None,
        }
        self.producer.send(REJECTED, value=json.dumps(value).encode())
        self.producer.flush()


@pytest.fixture
def intake_home(settings: Settings, broker: Settings) -> Settings:
    """An empty home whose lake begins at the topics' present end, so that tests do not see each other's records."""
    mine = settings.model_copy(update={"kafka_bootstrap": broker.kafka_bootstrap})
    begin_at_present_end(mine)
    return mine


@pytest.fixture
def sender(intake_home: Settings) -> Iterator[Sender]:
    """A sender of synthetic records."""
    one = Sender(intake_home.kafka_bootstrap)
    yield one
    if one._producer is not None:
        one._producer.close()


@pytest.fixture(name="make_event")
def make_event_fixture() -> Any:
    """``make_event(number, **changes)``: a sound activity value."""
    return make_event
