"""From 02:00 to feeds out: ``python -m benchmarks.six_oclock --events 600000 --standing N [--home DIR]``.

Makes the reference district with N attempts of work that were taken in, folded and published before (or takes one that
stands), starts a broker and puts a day's new events and their receipts on its topics. Then, as one run with the clock
going: ``cairn night run`` with all of them still to take in (the worst a night can meet), ``cairn feeds write`` and
``cairn feeds send`` to a mail server of the stack. Prints seconds of each step, the most memory, what was held back.
The largest standing year is what the machine's disk holds and its owner has patience to make; ``--events 20000
--standing 1000000`` takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaProducer

import lake
from answers.accounts import add_account
from benchmarks import pilots_twenty_district as twenty
from benchmarks import reference_district
from benchmarks.key_table import make_keys
from benchmarks.mastery_year import Peak, run, say
from benchmarks.reference_people import competency_ids
from benchmarks.reference_work import APPS, ITEMS_A_COMPETENCY
from cairn.settings import Settings
from cairn.topics import ACTIVITY, RECEIPTS
from infra.broker import start_broker
from releases import store
from spark_jobs import key_index
from streaming.topics import ensure_topics

GOAL_MINUTES = 90.0
SEED = 600
STATEMENTS_A_REQUEST = 50
FIRST_EVENTS = 500


def event(rng: np.random.Generator, number: int, day: date, subjects: list[str], items: list[str]) -> dict[str, Any]:
    """One attempt of the day, as a gateway puts it on the topic."""
    pupil, item = int(rng.integers(0, twenty.PUPILS)), items[int(rng.integers(0, len(items)))]
    at = datetime(day.year, day.month, day.day, 14, tzinfo=UTC) + timedelta(seconds=int(rng.integers(0, 20_000)))
    moment = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    identity = f"{SEED:08x}-0000-5000-8000-{number:012x}"
    is_right = bool(rng.random() < 0.7)
    school = pupil // (twenty.PUPILS // twenty.SCHOOLS)
    return {
        "event_id": identity,
        "content_hash": f"{number:064x}",
        "schema_version": "1.0.0",
        "source_id": APPS[number % len(APPS)],
        "source_statement_id": identity,
        "received_at": moment,
        "event_time": moment,
        "subject_key": subjects[pupil],
        "org_id": f"sch-{school:03d}",
        "class_id": f"cls-{twenty.SUBJECTS[0]}-{pupil // twenty.CLASS_SIZE:06d}",
        "activity_type": "attempt",
        "item_id": item,
        "competency_ids": [],
        "success": is_right,
        "score_raw": float(is_right),
        "score_scaled": float(is_right),
        "attempt_number": 1,
        "duration_ms": 20_000,
        "extensions": {},
        "raw": {"verb": "http://adlnet.gov/expapi/verbs/answered"},
    }


def produce(bootstrap: str, numbers: range, day: date, seed: int) -> None:
    """Events and their receipts, one a request, straight to the topics."""
    rng = np.random.default_rng(seed)
    subjects = twenty.subjects(np.arange(twenty.PUPILS)).to_pylist()
    names = competency_ids()
    items = [f"https://items.example/{name}/{one}" for name in names for one in range(ITEMS_A_COMPETENCY)]
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=50, batch_size=256_000)
    for start in range(numbers.start, numbers.stop, STATEMENTS_A_REQUEST):
        counted: Counter[tuple[str, str]] = Counter()
        for number in range(start, min(start + STATEMENTS_A_REQUEST, numbers.stop)):
            value = event(rng, number, day, subjects, items)
            counted[value["source_id"], value["org_id"]] += 1
            producer.send(ACTIVITY, key=value["subject_key"].encode(), value=json.dumps(value).encode())
        for source in APPS:
            statements = {school: count for (one, school), count in counted.items() if one == source}
            receipt = {"receipt_id": f"{start:012x}-{source}", "source_id": source, "endpoint": "/xapi/statements"}
            receipt |= {"received_at": datetime(day.year, day.month, day.day, 20, tzinfo=UTC).isoformat()}
            producer.send(RECEIPTS, value=json.dumps(receipt | {"statements": statements}).encode())
    producer.close()


@contextmanager
def mail_server(settings: Settings) -> Iterator[None]:
    """The stack's mail server alone, under the address that the stack's state names, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "feeds.mail_sink", "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **settings.environment()}) as server:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > deadline:
                raise SystemExit("the mail server did not answer within a minute")
            time.sleep(0.2)
        state = {"stack_id": "benchmark", "services": {"mail": {"address": f"127.0.0.1:{port}", "pid": server.pid}}}
        store.write_json(settings.stack_state_path, state)
        try:
            yield
        finally:
            settings.stack_state_path.unlink()
            server.terminate()


def cairn(settings: Settings, *arguments: str) -> dict[str, Any]:
    """A command with ``--json``, its seconds and memory beside what it says. Raises SystemExit where it fails."""
    words = [sys.executable, "-m", "cli.main", *arguments, "--json"]
    said = run(words, settings.home, settings.environment())
    if "error" in said:
        raise SystemExit(f"cairn {' '.join(arguments)} failed: {said['error']}")
    return said


def measure(settings: Settings, events: int, standing: int) -> str:
    """Everything after the standing year: first batch, standing keys, the day's events, then the clock."""
    release = store.current(settings, "learning")
    if release is None:
        raise SystemExit(f"{settings.home} has no release: make one with 'python -m benchmarks.reference_district'")
    day = next(day for n in range(1, 8) if (day := release.data_date + timedelta(days=n)).weekday() < 5)
    running = start_broker(settings.home, settings.cache_dir)
    try:
        settings = settings.model_copy(update={"kafka_bootstrap": running.bootstrap})
        ensure_topics(settings)
        produce(running.bootstrap, range(FIRST_EVENTS), day, SEED)
        say(f"first batch of {FIRST_EVENTS}")
        cairn(settings, "intake", "run")
        # The keys come second: a new checkpoint takes what it does not know for torn.
        held_keys = sum(file.rows for file in lake.table_files(settings, key_index.TABLE))
        if held_keys < standing:
            make_keys(settings, standing)
        say(f"{events:,} events to the topic")
        produce(running.bootstrap, range(FIRST_EVENTS, events), day, SEED + 1)
        with mail_server(settings):
            return clocked(settings, day, events, standing)
    finally:
        running.stop()


def clocked(settings: Settings, day: date, events: int, standing: int) -> str:
    """The night, the feeds, the mail; their figures."""
    peak = Peak(os.getpid())
    peak.start()
    began = time.monotonic()
    say("02:00")
    night = cairn(settings, "night", "run", "--date", day.isoformat())
    written = cairn(settings, "feeds", "write")
    sent = cairn(settings, "feeds", "send")
    whole = time.monotonic() - began
    peak.over.set()
    peak.join()
    lines = [
        f"{events:,} new events over {standing:,} attempts of a standing year, {twenty.PUPILS:,} pupils, "
        f"{twenty.SCHOOLS} schools",
        f"{os.cpu_count()} cores with a load of {os.getloadavg()[1]:.1f}; most memory of all processes "
        f"{peak.peak >> 20:,} MiB",
        *(f"{step['name']:<16}{step['seconds']:>9.1f} s  {step['detail']}" for step in night["steps"]),
        f"{'night, whole':<16}{night['wall_seconds']:>9.1f} s  held back: {night['held'] or 'nothing'}",
        f"{'feeds write':<16}{written['wall_seconds']:>9.1f} s  {written['schools']} schools, {written['files']} files",
        f"{'feeds send':<16}{sent['wall_seconds']:>9.1f} s  {sent['sent']} mails",
        f"{'02:00 to out':<16}{whole:>9.1f} s  {whole / 60:.1f} minutes, goal {GOAL_MINUTES:g}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=600_000, help="new events of the day")
    parser.add_argument("--standing", type=int, default=20_000_000, help="attempts taken in before")
    parser.add_argument("--home", type=Path, help="a reference district of --standing attempts that stands: used up")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="six-oclock-"))
    settings = Settings(home=home)
    try:
        if store.current(settings, "learning") is None:
            reference_district.make(settings, given.standing, has_pilots=False)
        for school in range(twenty.SCHOOLS):
            add_account(settings, f"leader-{school}", "school_leader", f"sch-{school:03d}", replace=True)
        print(measure(settings, given.events, given.standing))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
