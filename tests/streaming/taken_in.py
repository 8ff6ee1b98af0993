"""Records of the gateway as intake leaves them in the lake, without Spark."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import orjson

import lake
from cairn.settings import Settings
from streaming.topics import ACTIVITY

SILVER = "silver.learner_activity"


def take_in(settings: Settings, values: list[bytes]) -> None:
    """Records to bronze, as intake writes them; the first of an id to silver too."""
    stamp = {"kafka_partition": 0, "intake_app_id": "test", "batch_id": 0}
    held = set(lake.read(settings, SILVER, ["event_id"], partitions=lake.EVERY)["event_id"].to_pylist())
    rows: list[dict[str, Any]] = []
    applied: list[dict[str, Any]] = []
    for offset, value in enumerate(values):
        record = orjson.loads(value)
        day = date.fromisoformat(record["received_date"])
        place = {**stamp, "kafka_offset": offset, "received_date": day}
        named = {"kafka_topic": ACTIVITY, "record_key": record["subject_key"], "record_value": value.decode()}
        rows.append(place | named)
        if record["event_id"] not in held:
            held.add(record["event_id"])
            times = {name: datetime.fromisoformat(record[name]) for name in ("received_at", "event_time")}
            days = {"work_date": date.fromisoformat(record["work_date"]), "ingest_date": day}
            extensions = list((record["extensions"] or {}).items())
            kept = {name: value for name, value in record.items() if name != "raw"}
            applied.append(kept | place | times | days | {"extensions": extensions})
    lake.append(settings, "bronze.activity", rows)
    lake.append(settings, SILVER, applied)
