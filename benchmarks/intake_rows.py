"""What intake leaves beside the rows of silver: receipts, and the batch that they and the rows belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import lake
from cairn.settings import Settings


def write_batch(
    settings: Settings, app_id: str, number: int, day: date, received: Mapping[tuple[str, str], int]
) -> None:
    """Receipts of a day's statements by (school, source), and the batch whose rows they tell of."""
    at = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    rows = [
        {
            "receipt_id": f"{app_id}-{day}-{org_id}-{source_id}",
            "org_id": org_id,
            "source_id": source_id,
            "endpoint": "/xapi/statements",
            "received_at": at,
            "received_date": day,
            "statements_received": statements,
            "kafka_partition": 0,
            "kafka_offset": number * 10_000 + place,
            "intake_app_id": app_id,
            "batch_id": number,
        }
        for place, ((org_id, source_id), statements) in enumerate(sorted(received.items()))
        if statements
    ]
    lake.append(settings, "bronze.receipts", rows)
    batch = {"intake_app_id": app_id, "batch_id": number, "end_offsets": "{}", "records": sum(received.values())}
    lake.append(settings, "ops.intake_batch", [batch | {"written_at": at, "written_date": day}])
