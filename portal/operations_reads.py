"""What the operations page reads: the stack's state, the books, gates, releases and nights. No pupil's data."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psutil
import pyarrow.compute as pc
from kafka.errors import KafkaError

import lake
from answers.pinned_releases import Opened
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.topics import Offsets, lag
from gates import intake_alarms
from releases import books
from spark_jobs import intake_state
from spark_jobs.intake_ledger import ledger as ledger_of
from streaming.topics import end_offsets

Row = dict[str, Any]
NEWEST_RELEASES = 12
NEWEST_NIGHTS = 8
LEDGER_DAYS = 7
SAMPLE_IDS = 3
ALARM_DAYS = 7
LOG_LINES, LOG_LINE_CHARACTERS, LOG_BYTES = 200, 400, 200_000


def address(settings: Settings, service: str) -> str | None:
    """A service's address, or None where it is not in the stack's state."""
    try:
        return settings.address(service)
    except LookupError:
        return None


def services(settings: Settings) -> list[Row]:
    """Services of the stack: name, address, state, since, memory. A pid is checked against its process."""
    try:
        found = json.loads(settings.stack_state_path.read_text())["services"]
    except (OSError, ValueError, KeyError):
        return []
    return [{"name": name} | _service(details) for name, details in sorted(found.items())]


def _service(details: Row) -> Row:
    """State of one service from its process."""
    row: Row = {"address": details.get("address"), "pid": details.get("pid"), "since": None, "memory_mb": None}
    try:
        process = psutil.Process(int(details["pid"]))
        created = process.create_time()
        # A pid that was given to another process later was created at another time.
        recorded = details.get("pid_created")
        is_same = recorded is None or abs(float(recorded) - created) < 2
        is_alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        memory = process.memory_info().rss
    except (psutil.Error, KeyError, TypeError, ValueError):
        return row | {"state": "stopped"}
    if not (is_same and is_alive):
        return row | {"state": "stopped"}
    since = datetime.fromtimestamp(created, UTC)
    return row | {"state": "running", "since": since, "memory_mb": round(memory / 2**20)}


def alarms(settings: Settings) -> list[Row]:
    """Alarms of the watch over intake that stand, then those that were over within the newest days."""
    found = intake_alarms.since(settings, datetime.now(UTC) - timedelta(days=ALARM_DAYS))
    return [
        {
            "kind": alarm.kind,
            "where": alarm.where,
            "what": intake_alarms.KINDS[alarm.kind],
            "since": alarm.since,
            "expected": alarm.expected,
            "came": alarm.came,
            "command": alarm.command,
            "raised_at": datetime.fromisoformat(alarm.raised_at),
            "cleared_at": datetime.fromisoformat(alarm.cleared_at) if alarm.cleared_at else None,
        }
        for alarm in sorted(found, key=lambda alarm: alarm.cleared_at is not None)
    ]


def ledger(settings: Settings, release: Opened | None) -> tuple[list[Row], str]:
    """The books of the newest days, unexplained first, and where they come from: the lake now, else the release."""
    rows, source = _books_of_the_lake(settings), "the lake, now"
    if not rows and release:
        rows, source = release.rows("select * from mart_intake_ledger"), "the release"
    if not rows:
        return [], source
    newest = max(row["received_date"] for row in rows)
    kept = [row for row in rows if row["received_date"] > newest - timedelta(days=LEDGER_DAYS)]
    kept.sort(key=lambda row: (-row["received_date"].toordinal(), row["source_id"], row["org_id"]))
    return sorted(kept, key=lambda row: not row["unexplained"]), source


def _books_of_the_lake(settings: Settings) -> list[Row]:
    """The ledger of the newest days that intake counted, from the lake's rows; empty where it cannot be read."""
    try:
        return [dict(row) for row in ledger_of(settings, dates=_newest_days(settings))]
    except (CairnError, OSError):
        return []


def attribution(release: Opened | None) -> list[Row]:
    """By source, what came in four weeks and how much of it has no pupil, class or teacher; most of these first."""
    if release is None or not release.has_table("mart_intake_attribution"):
        return []
    counts = ("events", "without_pupil", "without_class", "without_teacher", "attributed")
    sums = ", ".join(f"sum({name})::bigint as {name}" for name in counts)
    query = f"select source_id, {sums} from mart_intake_attribution group by source_id"
    return release.rows(f"from ({query}) order by attributed - events, source_id")


def freshness(release: Opened | None) -> list[Row]:
    """By source, its newest work in four weeks, the schools it sent for, and those at which it fell silent; what has
    been silent or old longest first."""
    if release is None or not release.has_table("mart_source_freshness"):
        return []
    columns = """source_id, max(last_event_at) as last_event_at, min(last_work_date) as oldest_work_date,
        count(*) as schools, count(*) filter (is_silent) as silent_schools"""
    query = f"select {columns} from mart_source_freshness group by source_id"
    return release.rows(f"from ({query}) order by silent_schools desc, last_event_at, source_id")


def _newest_days(settings: Settings) -> list[date]:
    known = lake.partition_values(settings, "ops.intake_ledger", "received_date")
    return [day for day in known if isinstance(day, date)][-LEDGER_DAYS:]


def broken_hops(settings: Settings) -> list[str]:
    """A line for each hop of the newest days that does not balance, from the gateway to the page."""
    try:
        found, unseen = books.breaks(settings, _newest_days(settings), has_broker=_has_broker(settings))
    except (CairnError, OSError) as error:
        return [f"the hops cannot be looked at: {error}"]
    # That no broker runs is told above, by its service.
    return [one.line() for one in found] + ([unseen] if unseen and unseen != books.NO_BROKER else [])


def intake_lag(settings: Settings) -> Row | None:
    """How far intake is behind: records not yet taken, from the broker's ends, and the age of its last batch."""
    last = intake_state.newest_batches(settings).column("written_at").to_pylist()
    if not last:
        return None
    row: Row = {"written_at": max(last), "batches": lake.count_rows(settings, "ops.intake_batch"), "waiting": None}
    ends = _end_offsets(settings)
    if ends is not None:
        row["waiting"] = sum(lag(intake_state.passed_offsets(settings), ends).values())
    return row


def _end_offsets(settings: Settings) -> Offsets | None:
    """The broker's ends, or None where it does not run or does not answer."""
    if not _has_broker(settings):
        return None
    try:
        return end_offsets(settings)
    except (KafkaError, LookupError, OSError):  # the page says "not known"
        return None


def _has_broker(settings: Settings) -> bool:
    """Whether one may answer: by address, or the stack's, where it runs."""
    broker = next((one for one in services(settings) if one["name"] == "broker"), None)
    return bool(settings.kafka_bootstrap) or (broker is not None and broker["state"] == "running")


def gate_results(settings: Settings) -> list[Row]:
    """Results of the newest data date, the newest run of each gate, failures first."""
    # The table grows night by night: of the nights before, their date alone is read.
    newest = pc.max(lake.read(settings, "ops.gate_result", ["data_date"]).column("data_date")).as_py()
    if newest is None:
        return []
    of_night = lake.read(settings, "ops.gate_result", None, pc.field("data_date") == newest).to_pylist()
    last_run = {row["gate"]: row for row in sorted(of_night, key=lambda row: row["run_at"])}
    kept = [row for row in of_night if row["gate_run_id"] == last_run[row["gate"]]["gate_run_id"]]
    for row in kept:
        row["sample_event_ids"] = list(row["sample_event_ids"] or ())[:SAMPLE_IDS]
    return sorted(kept, key=lambda row: (row["is_passed"], row["gate"], row["rule_id"], row["scope_id"]))


def releases(settings: Settings) -> list[Row]:
    """What happened to releases, newest first."""
    rows = lake.read(settings, "ops.release").to_pylist()
    return sorted(rows, key=lambda row: row["happened_at"], reverse=True)[:NEWEST_RELEASES]


def nights(settings: Settings) -> list[Row]:
    """The newest nights with their steps."""
    found: list[Row] = []
    for path in sorted(settings.night_dir.glob("*.json"), reverse=True)[:NEWEST_NIGHTS]:
        try:
            night = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(night, dict) and "steps" in night:
            found.append({"data_date": path.stem, "release_id": night.get("release_id"), "steps": _steps(night)})
    return found


def _steps(night: Row) -> list[Row]:
    """Steps as a list of name, state, seconds, however the file nests them."""
    steps = night["steps"]
    listed = [{"name": name} | step for name, step in steps.items()] if isinstance(steps, dict) else steps
    return [
        {
            "name": step.get("name"),
            "state": step.get("state"),
            "seconds": step.get("seconds"),
            "error": step.get("error"),
            "started_at": datetime.fromisoformat(step["started_at"]) if step.get("started_at") else None,
        }
        for step in listed
        if isinstance(step, dict)
    ]


def logs(settings: Settings) -> list[str]:
    """Services that have a log, by name."""
    return sorted(path.stem for path in settings.logs_dir.glob("*.log"))


def log_lines(settings: Settings, service: str) -> list[str] | None:
    """The last lines of a service's log, each cut; None where there is none. Logs name no pupil."""
    if service not in logs(settings):
        return None
    with (settings.logs_dir / f"{service}.log").open("rb") as log:
        log.seek(0, 2)
        log.seek(max(0, log.tell() - LOG_BYTES))
        text = log.read().decode(errors="replace")
    return [line[:LOG_LINE_CHARACTERS] for line in text.splitlines()[-LOG_LINES:]]


def report_index(settings: Settings, folder: str) -> str | None:
    """Path of a report's first page within its folder, or None where it was not written."""
    root = settings.reports_dir / folder
    for candidate in ("index.html", "local_site/index.html", "gx/uncommitted/data_docs/local_site/index.html"):
        if (root / candidate).is_file():
            return candidate
    found = sorted(root.rglob("index.html"), key=lambda path: len(path.parts)) if root.is_dir() else []
    return str(found[0].relative_to(root)) if found else None
