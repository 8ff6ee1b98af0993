"""Where a test's lake begins on the broker that all tests share."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from kafka.admin import KafkaAdminClient, NewTopic

import lake
from cairn.settings import Settings
from cairn.topics import ACTIVITY, ALL
from spark_jobs import intake, intake_state


def begin_at_present_end(settings: Settings) -> None:
    """Make the topics where they are missing, and let an empty lake begin at their present end: tests do not see each
    other's records."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    there = set(admin.list_topics())
    missing = [NewTopic(t, 4 if t == ACTIVITY else 1, 1) for t in ALL if t not in there]
    if missing:
        admin.create_topics(missing)
    admin.close()
    start = {
        "intake_app_id": "before-the-test",
        "batch_id": 0,
        "end_offsets": json.dumps(intake.present_end(settings)),
        "records": 0,
        "written_at": datetime.now(UTC),
        "written_date": datetime.now(UTC).date(),
    }
    lake.append_rows(settings, "ops.intake_batch", [start], ("before-the-test", 0))
    assert intake_state.passed_offsets(settings)
