"""Rows of a partitioned table of the lake, for tests of all that writes and reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

TABLE = "bronze.receipts"
DAYS = (date(2026, 10, 14), date(2026, 10, 15))
SCHOOLS = ("school-a", "école-b", "")
# Microseconds: statistics of milliseconds must not hide what lies between.
AT = datetime(2026, 10, 14, 15, 0, 0, 500, tzinfo=UTC)


def receipt(number: int, **changes: Any) -> dict[str, Any]:
    """A row of bronze.receipts; days and schools take turns."""
    return {
        "receipt_id": f"r{number:03d}",
        "org_id": SCHOOLS[number % 3],
        "source_id": "app",
        "endpoint": "/xapi/statements",
        "received_at": AT + timedelta(microseconds=number),
        "received_date": DAYS[number % 2],
        "statements_received": number,
        "kafka_partition": 0,
        "kafka_offset": number,
        "intake_app_id": "app",
        "batch_id": 0,
    } | changes
