"""How soon is an event seen? ``python -m benchmarks.live [--pupils N] [--attempts N] [--rate N] [--seconds N]``.

Starts a broker and the live service as a process of its own, on a lake whose last night counted so many attempts of
each pupil. Then sends events to the topic at a steady rate, each of a random pupil on a random item, and asks the
service as a class's page does, five times a second, whether each fiftieth event shows. Prints one JSON object: seconds
from send to visible (median, 95 of 100, most), how many were never seen, memory of the service, rows of the live
table. Compare cpu_share, the service's part of one core, with what a core gives it: load_average tells of other work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pyarrow as pa
from kafka import KafkaProducer

import lake
from cairn.keys import partition_of
from cairn.mastery import hashing
from cairn.mastery.config import load_config
from cairn.mastery.share.model import from_rows, shipped_rows
from cairn.mastery.states import COLUMNS, Night, restate
from cairn.settings import REPOSITORY, Settings
from cairn.topics import ACTIVITY
from infra.broker import start_broker
from infra.ports import free_port
from live.token import live_token
from spark_jobs import mastery_model, night_record
from spark_jobs.mastery_layout import LAYOUT
from spark_jobs.night_record import EVIDENCE, STATE, NightRecord
from streaming.topics import ensure_topics

COMPETENCIES, ITEMS_EACH, BUCKETS, DAYS = 60, 20, 4, 120
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EACH_SEEN = 50
LOOK_SECONDS = 0.2
# As many as a class or two: a page never asks for more.
MOST_ASKED = 60
READY_SECONDS, PATIENCE_SECONDS = 120.0, 60.0


def make_lake(settings: Settings, pupils: int, attempts: int) -> None:
    """Links, items and a night that has counted ``attempts`` answers of each pupil, spread over a term."""
    night_record.present_versions(settings)
    links = [{"subject_key": _subject(one), "student_key": _student(one)} for one in range(pupils)]
    always = {"valid_from": LONG_AGO, "recorded_from": LONG_AGO, "reason": "roster"}
    lake.append(settings, "silver.identity_link", _rows("silver.identity_link", [{**one, **always} for one in links]))
    aligned = [
        {"item_id": _item(one), "competency_id": _competency(one), "recorded_from": LONG_AGO} for one in _items()
    ]
    lake.append(settings, "silver.item_alignment", _rows("silver.item_alignment", aligned))
    mastery_model.write_model(settings, shipped_rows(), [], is_active=True)
    by_bucket: dict[int, list[int]] = {}
    numbers = hashing.buckets_of(pa.array([_student(one) for one in range(pupils)]), BUCKETS)
    for one, bucket in enumerate(numbers.tolist()):
        by_bucket.setdefault(bucket, []).append(one)
    files, states = [], []
    until = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC) - timedelta(hours=12)
    night = Night(load_config(settings), from_rows(shipped_rows()), int(until.timestamp()) * 1_000_000, until.date())
    for bucket, some in sorted(by_bucket.items()):
        rows = pa.concat_tables([_evidence(one, attempts) for one in sorted(some, key=_student)])
        place = {"pupil_bucket": bucket}
        files.append(lake.write_file(settings, EVIDENCE, rows, place, layout=LAYOUT[EVIDENCE]))
        stood = restate(rows.select(COLUMNS), night).mastery_state
        size = stood.num_rows
        stood = stood.append_column("night", pa.array([1] * size, pa.int64()))
        stood = stood.append_column("is_removed", pa.array([False] * size))
        states.append(lake.write_file(settings, STATE, stood, place, layout=LAYOUT[STATE]))
    lake.commit_files(settings, EVIDENCE, files)
    lake.commit_files(settings, STATE, states)
    for name in ("silver.activity_quarantine", "silver.activity_key"):
        lake.create(settings, name)
    record = NightRecord(
        night=1,
        kind="night",
        data_date=until.date(),
        as_of=until,
        versions=night_record.present_versions(settings),
        policy_version=load_config(settings).policy_version,
        model_versions={"*": str(shipped_rows()[0]["model_version"])},
        pupil_buckets=BUCKETS,
    )
    night_record.record(settings, record)


def _student(number: int) -> str:
    return f"p_{number:024x}"


def _subject(number: int) -> str:
    return f"s1_{number:032x}"


def _items() -> range:
    return range(COMPETENCIES * ITEMS_EACH)


def _item(number: int) -> str:
    return f"https://items.example/{number}"


def _competency(item: int) -> str:
    return f"competency-{item % COMPETENCIES}"


def _rows(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, lake.file_schema(name))


def _evidence(pupil: int, attempts: int) -> pa.Table:
    """Standing evidence of one pupil, in the order in which nights write it."""
    chance = np.random.default_rng(pupil)
    items = chance.integers(0, COMPETENCIES * ITEMS_EACH, attempts)
    seconds = np.sort(chance.integers(0, DAYS * 86_400, attempts))
    start = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC) - timedelta(days=DAYS + 2)
    times = [start + timedelta(seconds=int(one)) for one in seconds]
    columns: dict[str, Any] = {
        "student_key": [_student(pupil)] * attempts,
        "competency_id": [_competency(int(one)) for one in items],
        "event_id": [str(uuid.UUID(int=int(pupil) << 64 | place)) for place in range(attempts)],
        "event_time": times,
        "work_date": [one.date() for one in times],
        "activity_type": ["attempt"] * attempts,
        "item_id": [_item(int(one)) for one in items],
        "named_competency_ids": [[]] * attempts,
        "success": (chance.random(attempts) < 0.7).tolist(),
        "score_share": [None] * attempts,
        "hints": [0] * attempts,
        "duration_ms": [20_000] * attempts,
        "org_id": ["school-1"] * attempts,
        "class_id": ["class-1"] * attempts,
        "subject_key": [_subject(pupil)] * attempts,
        "statement_key": [pupil * attempts + place for place in range(attempts)],
        "is_removed": [False] * attempts,
        "night": [1] * attempts,
    }
    schema = pa.schema([one for one in lake.file_schema(EVIDENCE) if one.name in columns])
    table = pa.table({name: columns[name] for name in schema.names}, schema)
    return table.sort_by([("competency_id", "ascending"), ("event_time", "ascending")])


def event(pupil: int, number: int, chance: random.Random, zone: Any) -> dict[str, Any]:
    """An answer of just now."""
    at = datetime.now(UTC)
    text = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "event_id": str(uuid.UUID(int=1 << 127 | number)),
        "content_hash": f"{number:064x}",
        "schema_version": "1.0.0",
        "source_id": "practice-app",
        "source_statement_id": f"statement-{number}",
        "received_at": text,
        "received_date": at.astimezone(zone).date().isoformat(),
        "event_time": text,
        "work_date": at.astimezone(zone).date().isoformat(),
        "subject_key": _subject(pupil),
        "org_id": "school-1",
        "class_id": "class-1",
        "activity_type": "attempt",
        "item_id": _item(chance.choice(_items())),
        "competency_ids": [],
        "success": chance.random() < 0.7,
        "duration_ms": 20_000,
    }


@dataclass
class Watch:
    """Events that are waited for: the pupil, how many of the pupil's must show, when the last was sent."""

    address: str
    headers: dict[str, str]

    def __post_init__(self) -> None:
        self.pending: list[tuple[str, int, float]] = []
        self.seconds: list[float] = []

    def look(self) -> None:
        """Ask for the pupils that are waited for, as a page does."""
        if not self.pending:
            return
        students = sorted({student for student, _, _ in self.pending[:MOST_ASKED]})
        body = {"student_keys": students}
        rows = httpx.post(f"{self.address}/pupils", json=body, headers=self.headers, timeout=30).json()["rows"]
        now, shown = time.monotonic(), Counter[str]()
        for row in rows:
            shown[row["student_key"]] += row["new_events"]
        self.seconds += [now - sent for student, wanted, sent in self.pending if shown[student] >= wanted]
        self.pending = [one for one in self.pending if shown[one[0]] < one[1]]


def measure(settings: Settings, pupils: int, rate: int, seconds: int, process: psutil.Process, watch: Watch) -> int:
    """Send, look, and note the most memory; returns it in MiB."""
    chance, zone = random.Random(1), settings.zone
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, linger_ms=5, compression_type="zstd")
    sent: Counter[int] = Counter()
    most, number, begun, looked = 0, 0, time.monotonic(), 0.0
    while number < rate * seconds:
        while number < min(rate * seconds, (time.monotonic() - begun) * rate):
            pupil = chance.randrange(pupils)
            value = event(pupil, number, chance, zone)
            sent[pupil] += 1
            key = value["subject_key"]
            place = partition_of(key, settings.activity_partitions)
            producer.send(ACTIVITY, key=key.encode(), value=json.dumps(value).encode(), partition=place)
            if number % EACH_SEEN == 0:
                watch.pending.append((_student(pupil), sent[pupil], time.monotonic()))
            number += 1
        if time.monotonic() - looked > LOOK_SECONDS:
            watch.look()
            most, looked = max(most, process.memory_info().rss >> 20), time.monotonic()
        time.sleep(0.005)
    producer.flush()
    until = time.monotonic() + PATIENCE_SECONDS
    while watch.pending and time.monotonic() < until:
        watch.look()
        time.sleep(LOOK_SECONDS)
    producer.close()
    return most


def run(pupils: int, attempts: int, rate: int, seconds: int) -> dict[str, Any]:
    """One measurement on a home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        broker = start_broker(Path(folder) / "broker", Settings().cache_dir)
        settings = Settings(home=Path(folder) / "home", kafka_bootstrap=broker.bootstrap)
        port = free_port()
        environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(REPOSITORY)}
        service = None
        try:
            ensure_topics(settings)
            make_lake(settings, pupils, attempts)
            command = [sys.executable, "-m", "live.service", "--port", str(port)]
            service = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
            address = f"http://127.0.0.1:{port}"
            _wait(address)
            watch = Watch(address, {"Authorization": f"Bearer {live_token(settings)}"})
            process, begun = psutil.Process(service.pid), time.monotonic()
            used = _processor_seconds(process)
            most = measure(settings, pupils, rate, seconds, process, watch)
            share = (_processor_seconds(process) - used) / (time.monotonic() - begun)
            said = httpx.get(f"{address}/health").json()["mastery"]
        finally:
            if service is not None:
                service.terminate()
                service.wait(20)
            broker.stop()
    found = np.array(watch.seconds)
    return {
        "standing_attempts": pupils * attempts,
        "pupils": pupils,
        "events": rate * seconds,
        "events_a_second": rate,
        "looked_for": found.size + len(watch.pending),
        "never_seen": len(watch.pending),
        "seconds_to_visible": {f"p{part}": round(float(np.percentile(found, part)), 2) for part in (50, 95, 100)},
        "cpu_share": round(share, 2),
        "load_average": round(os.getloadavg()[0], 1),
        "peak_mib": most,
        "kept_mib": (said["memory"]["bytes"] + said["memory"]["state_bytes"]) >> 20,
        "live_rows": said["counts"]["pairs"],
        "live_pupils": said["counts"]["pupils"],
    }


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait(address: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(f"{address}/health").json()["mastery"]["word"] == "ready":
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > until:
            raise SystemExit("the live service did not become ready")
        time.sleep(0.2)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="How soon is an event seen?")
    parser.add_argument("--pupils", type=int, default=4_000)
    parser.add_argument("--attempts", type=int, default=250, help="standing attempts of each pupil")
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    print(json.dumps(run(given.pupils, given.attempts, given.rate, given.seconds)))


if __name__ == "__main__":
    main()
