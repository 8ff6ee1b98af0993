"""What is wrong right now, the gravest first, each with the command that an engineer types next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from answers.school_trust import Age
from gates.model import WARNING
from portal.operations_snapshot import Snapshot
from portal.processes import Beat

Row = Mapping[str, Any]
# Alarms after which nothing more comes in or the count is wrong; the others say that something is unlike itself.
GRAVE_ALARMS = ("broker", "heartbeat", "books")


@dataclass(frozen=True)
class Problem:
    """``level`` is bad (something failed) or care (a warning); ``log`` a service whose log says more."""

    level: str
    what: str
    command: str
    since: datetime | None = None
    log: str | None = None


def problems(
    services: Sequence[Row], beats: Iterable[Beat], alarms: Iterable[Row], nights: Sequence[Row], snapshot: Snapshot
) -> list[Problem]:
    """Everything that needs a hand, failures before warnings."""
    parts = snapshot.parts
    found = [
        *_services(services, beats),
        *(_alarm(row) for row in alarms if not row["cleared_at"]),
        *_nights(nights),
        *_gates(parts["gates"]),
        *_books(parts["ledger"], parts["broken_hops"]),
    ]
    if snapshot.is_old:
        text = "The lake could not be read for minutes: books, lag, gates and releases below are older than that"
        found.append(Problem("care", text, "cairn logs portal", snapshot.read_at, "portal"))
    return sorted(found, key=lambda problem: problem.level != "bad")


def old_release(age: Age | None) -> list[Problem]:
    """That schools read an older answer."""
    if age is None or not age.is_old:
        return []
    return [Problem("care", f"Schools read an older answer: {age.label}", "cairn night status")]


def _services(services: Sequence[Row], beats: Iterable[Beat]) -> list[Problem]:
    found = [
        Problem("bad", f"{row['name']} has stopped", f"cairn up --only {row['name']}", log=row["name"])
        for row in services
        if row["state"] != "running"
    ]
    if not services:
        found.append(Problem("care", "No stack of this home runs", "cairn up"))
    for beat in beats:
        if not beat.is_alive:
            text = f"Process {beat.number} of the portal gives no sign of life"
            found.append(Problem("bad", text, "cairn logs portal", beat.beaten_at, "portal"))
    return found


def _alarm(row: Row) -> Problem:
    level = "bad" if row["kind"] in GRAVE_ALARMS else "care"
    what = f"{row['where']}: {row['what']} since {row['since']}; expected {row['expected']}, came {row['came']}"
    return Problem(level, what, row["command"], row["raised_at"], "intake")


def _nights(nights: Sequence[Row]) -> list[Problem]:
    """Only the newest night's failure is open: an older one was overtaken."""
    for night in nights[:1]:
        for step in night["steps"]:
            if step["state"] == "failed":
                what = f"The night of {night['data_date']} stopped at {step['name']}: {step['error'] or 'see its log'}"
                return [Problem("bad", what, f"cairn night resume --date {night['data_date']}", step["started_at"])]
    return []


def _gates(gates: Sequence[Row]) -> list[Problem]:
    found = []
    for row in gates:
        if row["is_passed"]:
            continue
        scope = "" if row["scope_id"] == "*" else f" for {row['scope_type']} {row['scope_id']}"
        what = f"{row['gate']}, {row['rule_id']}{scope}: {row['message']}"
        if row["severity"] == WARNING:
            command = f"cairn night status --date {row['data_date']}"
            found.append(Problem("care", what, command, row["run_at"]))
        else:
            found.append(Problem("bad", what, f"cairn night resume --date {row['data_date']}", row["run_at"]))
    return found


def _books(ledger: Sequence[Row], broken_hops: Sequence[str]) -> list[Problem]:
    found = [Problem("bad", f"A hop is out of balance: {line}", "cairn intake ledger") for line in broken_hops]
    for row in ledger:
        if row["unexplained"]:
            day = row["received_date"]
            what = f"{row['unexplained']} statements of {row['source_id']} at {row['org_id']} on {day} are unexplained"
            found.append(Problem("bad", what, f"cairn intake ledger --date {day}"))
    return found
