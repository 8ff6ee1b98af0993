"""A district's year of mastery, then one more night: ``python -m benchmarks.mastery_year ATTEMPTS [--night N] ...``.

Writes silver.learner_activity, identity_link, competency and item_alignment as real tables through the contracts
(1,833 attempts a pupil a year, 400 competencies, 4,000 items, two-parameter answers), runs the public command on the
whole and again after N new attempts, 5 % of them late, and with ``--peer`` one process of polars and numba that does
the same fit and fold from the same files and writes equal tables (benchmarks/mastery_peer.py). One JSON object on
standard output: seconds, peak memory of all processes, attempts, pairs; ``duplicates`` counts rows of gold that share
a key.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa

import lake
from cairn.settings import Settings

COMPETENCIES, ITEMS, DAYS = 400, 4000, 180
ATTEMPTS_PER_PUPIL = 1_833
FIRST = date(2026, 1, 12)
FIRST_US = int(datetime(2026, 1, 12, 14, tzinfo=UTC).timestamp() * 1_000_000)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PORTION = 2_000_000
IntArray = npt.NDArray[np.int64]


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def coded(codes: IntArray, names: list[str]) -> pa.DictionaryArray:
    """Text that few values make."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


class District:
    """What is written: pupils, their abilities, and how attempts spread over them."""

    def __init__(self, attempts: int, shape: str, seed: int = 7) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.pupils = max(100, attempts // ATTEMPTS_PER_PUPIL)
        self.ability = self.rng.normal(0, 1, self.pupils)
        self.subjects = [f"s{n:07d}" for n in range(self.pupils)]
        self.schools = [f"sch-{n:03d}" for n in range(100)]
        self.classes = [f"cls-{n:05d}" for n in range(self.pupils // 25 + 1)]
        self.items = [f"i{n:05d}" for n in range(ITEMS)]

    def attempts(self, size: int, start: int, days: IntArray, pupils: IntArray | None = None) -> dict[str, Any]:
        """Columns of ``size`` attempts on local days (n), as silver has them."""
        rng = self.rng
        pupil = np.sort(rng.integers(0, self.pupils, size)) if pupils is None else pupils
        item = rng.integers(0, ITEMS, size)
        if self.shape == "blocks":  # topics are taught one after the other: a day's attempts are at few of them
            topic = (days * COMPETENCIES // DAYS + rng.integers(0, 3, size)) % COMPETENCIES
            item = topic + COMPETENCIES * rng.integers(0, ITEMS // COMPETENCIES, size)
        if self.shape == "skew":
            item = np.where(rng.random(size) < 0.3, rng.integers(0, 10, size) * COMPETENCIES, item)
            pupil = np.where(rng.random(size) < 0.01, 0, pupil)
        at = FIRST_US + days * 86_400_000_000 + rng.integers(0, 20_000_000_000, size)
        p = 1 / (1 + np.exp(-(self.ability[pupil] + 0.004 * days - (item % 13 - 6) / 4)))
        return {
            "ids": pa.array(np.char.mod("%032x", np.arange(start, start + size, dtype=np.int64))),
            "day": days,
            "at": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "pupil": pupil,
            "item": item,
            "success": pa.array(rng.random(size) < p),
            "duration": pa.array(rng.integers(4000, 60000, size)),
        }

    def write(self, settings: Settings, drawn: dict[str, Any], start: int, arrived: IntArray, batch: int) -> None:
        """Append attempts; ``arrived`` are the local days on which they came."""
        size = len(drawn["ids"])
        calendar = [FIRST + timedelta(days=n) for n in range(DAYS + 60)]
        dates = pa.array(calendar, pa.date32())
        came = dates.take(pa.array(arrived))
        table = pa.table(
            {
                "event_id": drawn["ids"],
                "content_hash": coded(np.zeros(size, np.int64), ["h"]),
                "schema_version": coded(np.zeros(size, np.int64), ["1.0.0"]),
                "source_id": coded(np.zeros(size, np.int64), ["app"]),
                "source_statement_id": drawn["ids"],
                "received_at": drawn["at"],
                "received_date": came,
                "event_time": drawn["at"],
                "work_date": dates.take(pa.array(drawn["day"])),
                "subject_key": coded(drawn["pupil"], self.subjects),
                "org_id": coded(drawn["pupil"] % 100, self.schools),
                "class_id": coded(drawn["pupil"] // 25, self.classes),
                "activity_type": coded(np.zeros(size, np.int64), ["attempt"]),
                "item_id": coded(drawn["item"], self.items),
                "success": drawn["success"],
                "duration_ms": drawn["duration"],
                "ingest_date": came,
                "kafka_partition": pa.array(np.zeros(size, np.int32)),
                "kafka_offset": pa.array(np.arange(start, start + size)),
                "intake_app_id": coded(np.zeros(size, np.int64), ["bench"]),
                "batch_id": pa.array(np.full(size, batch, np.int64)),
            }
        )
        name = "silver.learner_activity"
        files = []
        for day in np.unique(arrived).tolist():
            rows = table.filter(pa.array(arrived == day))
            files.append(lake.write_file(settings, name, rows, {"ingest_date": calendar[day]}))
        lake.commit_files(settings, name, files)

    def seed(self, settings: Settings) -> None:
        """Links, competencies and alignments."""
        students = [f"p_{n * 7919:024x}" for n in range(self.pupils)]
        same = {"recorded_from": LONG_AGO, "valid_from": LONG_AGO, "reason": "roster"}
        links = [{**same, "subject_key": s, "student_key": p} for s, p in zip(self.subjects, students, strict=True)]
        lake.append(settings, "silver.identity_link", links)
        names = [f"c{n:03d}" for n in range(COMPETENCIES)]
        lake.append(
            settings,
            "silver.competency",
            [
                {
                    "competency_id": name,
                    "framework_id": "f",
                    "code": name,
                    "title": name,
                    "full_statement": name,
                    "is_leaf": True,
                    "recorded_from": LONG_AGO,
                }
                for name in names
            ],
        )
        aligned = [
            {"item_id": item, "competency_id": names[n % COMPETENCIES], "recorded_from": LONG_AGO}
            for n, item in enumerate(self.items)
        ]
        lake.append(settings, "silver.item_alignment", aligned)


class Peak(threading.Thread):
    """The highest memory of a process and all below it (proportional shares, MiB), looked at every second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.over = psutil.Process(pid), 0, threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        while not self.over.wait(1):
            try:
                tree = [self.root, *self.root.children(recursive=True)]
            except psutil.Error:
                return
            self.peak = max(self.peak, sum(_memory(process) for process in tree))


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0


def run(command: list[str], home: Path, settings_env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a command that prints one JSON object; its keys with wall seconds and peak memory."""
    environment = {**os.environ, "CAIRN_HOME": str(home), "PYTHONPATH": str(Path.cwd()), **(settings_env or {})}
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    peak = Peak(process.pid)
    peak.start()
    out, _ = process.communicate()
    peak.over.set()
    said = json.loads(out) if process.returncode == 0 else {"error": f"exit {process.returncode}"}
    wall = round(time.monotonic() - began, 1)
    return {**said, "wall_seconds": wall, "peak_mib": peak.peak >> 20}


def update(home: Path, as_of: str) -> dict[str, Any]:
    """``cairn mastery update``; ``seconds`` without the start of the session, ``wall_seconds`` with it."""
    return run([sys.executable, "-m", "cli.main", "mastery", "update", "--as-of", as_of, "--json"], home)


def duplicates(settings: Settings) -> int:
    """Rows of gold that share a key, as DuckDB counts them."""
    keys = {
        "gold.mastery_state": "student_key, competency_id, night",
        "gold.attempt_day": "student_key, competency_id, work_date, night",
        "gold.mastery_decision": "decision_id, is_retraction, night",
    }
    found = 0
    for name, columns in keys.items():
        rows = lake.dataset(settings, name, lake.EVERY)  # noqa: F841  # DuckDB reads it by its name
        # A hash of the key keeps the count within memory.
        query = f"select count(*) - count(distinct hash({columns})) from rows"
        [(more,)] = duckdb.execute(query).fetchall()
        found += int(more)
    return found


def main() -> int:
    """Write, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attempts", type=int)
    parser.add_argument("--night", type=int, default=110_000, help="new attempts of the one more night")
    parser.add_argument("--late", choices=["offline", "scattered"], default="offline", help="whose late attempts are")
    parser.add_argument("--shape", choices=["even", "blocks", "skew"], default="even")
    parser.add_argument("--peer", action="store_true", help="also one process of polars and numba")
    parser.add_argument("--home", type=Path, help="where to write; a temporary folder, removed afterwards, if absent")
    parser.add_argument("--json", action="store_true", help="nothing but the JSON object (progress goes to stderr)")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="mastery-year-"))
    os.environ["CAIRN_HOME"] = str(home)
    try:
        print(json.dumps(measure(given, home)))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)
    return 0


def measure(given: argparse.Namespace, home: Path) -> dict[str, Any]:
    """The year, the peer on the same files, the night."""
    settings = Settings(home=home)
    district = District(given.attempts, given.shape)
    district.seed(settings)
    done, batch = 0, 0
    while done < given.attempts:
        size = min(PORTION, given.attempts - done)
        days = district.rng.integers(0, DAYS, size)
        district.write(settings, district.attempts(size, done, days), done, days, batch)
        done, batch = done + size, batch + 1
        say(f"written {done:,} attempts of {district.pupils:,} pupils")
    result: dict[str, Any] = {"attempts": given.attempts, "pupils": district.pupils, "shape": given.shape}
    if given.peer:
        result["peer"] = run([sys.executable, "-m", "benchmarks.mastery_peer", str(home)], home)
        say(f"peer: {result['peer']}")
    result["whole"] = update(home, "2026-07-12T05:00:00+00:00")
    say(f"whole: {result['whole']}")
    write_night(district, settings, given, done, batch)
    result["night"] = update(home, "2026-07-15T05:00:00+00:00")
    say(f"night: {result['night']}")
    result["again"] = update(home, "2026-07-15T05:00:00+00:00")
    result["duplicates"] = duplicates(settings)
    return result


def write_night(district: District, settings: Settings, given: argparse.Namespace, start: int, batch: int) -> None:
    """One night's attempts: 5 % late, of the 1 % of pupils whose devices were offline, or scattered over all."""
    late = int(given.night * 0.05)
    offline = district.rng.choice(district.pupils, max(1, district.pupils // 100), replace=False)
    pupils = np.sort(district.rng.choice(offline, late)) if given.late == "offline" else None
    parts = [
        (given.night - late, np.full(given.night - late, DAYS + 1, dtype=np.int64), None),
        (late, district.rng.integers(100, DAYS, late), pupils),
    ]
    for size, days, whose in parts:
        drawn = district.attempts(size, start, days, whose)
        district.write(settings, drawn, start, np.full(size, DAYS + 2, dtype=np.int64), batch)
        start, batch = start + size, batch + 1


if __name__ == "__main__":
    sys.exit(main())
