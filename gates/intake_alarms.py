"""Alarms of the watch over intake: raised once, kept while they stand, cleared once; ``home/intake_alarms.sqlite``.

No person is in an alarm: sources, schools, days, and counts of statements in words that tell none under ``n_min``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cairn.evidence.times import instant_text
from cairn.settings import Settings
from cairn.sqlite_file import connect, transaction

# told_*: when it was mailed that it was raised, and that it was cleared.
TABLE = """
create table alarm (
  alarm_id integer primary key, kind text not null, source_id text not null, school_id text not null,
  since text not null, expected text not null, came text not null, command text not null,
  raised_at text not null, cleared_at text, raise_told_at text, clear_told_at text);
create unique index alarm_stands on alarm (kind, source_id, school_id) where cleared_at is null
"""
KINDS = {
    "broker": "the broker does not answer",
    "lag": "intake is behind",
    "heartbeat": "intake gives no sign of life",
    "silent": "silent",
    "surge": "far more than usual",
    "refused": "much is refused or set aside",
    "books": "the books do not balance",
}
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong: ``kind`` of :data:`KINDS`, where (empty where everywhere), and in words since when,
    what is expected, what came, and the next command."""

    kind: str
    source_id: str
    school_id: str
    since: str
    expected: str
    came: str
    command: str

    @property
    def key(self) -> Key:
        """What makes two looks' alarms one."""
        return self.kind, self.source_id, self.school_id

    @property
    def where(self) -> str:
        """Source and school as one reads them."""
        source = f"source {self.source_id}" if self.source_id else "intake"
        return f"{source} at {self.school_id}" if self.school_id else source

    def line(self) -> str:
        """One line: what, where, since when, expected and came, and what to do next."""
        return (
            f"{self.where}: {KINDS[self.kind]} since {self.since}; expected {self.expected}, came {self.came}: "
            f"{self.command}"
        )


@dataclass(frozen=True)
class Standing(Alarm):
    """An alarm on record."""

    alarm_id: int
    raised_at: str
    cleared_at: str | None


@dataclass(frozen=True)
class Change:
    """What a look changed: raised now, cleared now; and all that stands after it, the raised ones among them."""

    raised: tuple[Standing, ...]
    cleared: tuple[Standing, ...]
    standing: tuple[Standing, ...]


def path(settings: Settings) -> Path:
    """Where alarms are on record."""
    return settings.home / "intake_alarms.sqlite"


def told(count: float, smallest_group: int) -> str:
    """A number of statements in words: none is told that is above 0 and under the smallest group."""
    if count <= 0:
        return "none"
    return f"fewer than {smallest_group}" if count < smallest_group else f"{count:,.0f}"


def reconcile(settings: Settings, found: Sequence[Alarm], now: datetime, not_looked_at: Collection[str] = ()) -> Change:
    """Bring what is on record in line with what a look found.

    What stands and was found again stays as it was raised; what was not found is cleared, but for kinds that could not
    be looked at.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    at = instant_text(now)
    by_key = {alarm.key: alarm for alarm in found}
    with transaction(path(settings), TABLE) as database:
        before = {alarm.key: alarm for alarm in _rows(database, "cleared_at is null")}
        gone = [key for key in before if key not in by_key and key[0] not in not_looked_at]
        new = [alarm for key, alarm in by_key.items() if key not in before]
        for key in gone:
            database.execute("update alarm set cleared_at = ? where alarm_id = ?", (at, before[key].alarm_id))
        for alarm in new:
            columns = {**asdict(alarm), "raised_at": at}
            names = ", ".join(columns)
            marks = ", ".join("?" * len(columns))
            database.execute(f"insert into alarm ({names}) values ({marks})", [*columns.values()])
        stands = _rows(database, "cleared_at is null")
    raised = tuple(alarm for alarm in stands if alarm.key not in before)
    cleared = tuple(before[key] for key in gone)
    return Change(raised, cleared, tuple(stands))


def standing(settings: Settings) -> list[Standing]:
    """Alarms that stand, the newest first."""
    return _read(settings, "cleared_at is null")


def since(settings: Settings, earliest: datetime) -> list[Standing]:
    """Alarms that stand or were cleared after an instant, the newest first."""
    return _read(settings, f"cleared_at is null or cleared_at >= '{instant_text(earliest)}'")


def untold(settings: Settings) -> tuple[list[Standing], list[Standing]]:
    """Alarms of which nobody was told yet that they were raised, and that they were cleared."""
    return _read(settings, "raise_told_at is null"), _read(
        settings, "cleared_at is not null and clear_told_at is null and raise_told_at is not null"
    )


def note_told(settings: Settings, raised: Sequence[Standing], cleared: Sequence[Standing], now: datetime) -> None:
    """Note that somebody was told. One that was cleared before is told of as both."""
    at = instant_text(now)
    with transaction(path(settings), TABLE) as database:
        for alarm in raised:
            clear = at if alarm.cleared_at else None
            database.execute(
                "update alarm set raise_told_at = ?, clear_told_at = ? where alarm_id = ?", (at, clear, alarm.alarm_id)
            )
        for alarm in cleared:
            database.execute("update alarm set clear_told_at = ? where alarm_id = ?", (at, alarm.alarm_id))


def _read(settings: Settings, condition: str) -> list[Standing]:
    if not path(settings).exists():
        return []
    with connect(path(settings), TABLE) as database:
        return _rows(database, condition)


_COLUMNS = "kind, source_id, school_id, since, expected, came, command, alarm_id, raised_at, cleared_at"


def _rows(database: sqlite3.Connection, condition: str) -> list[Standing]:
    """Rows that meet one of this file's own conditions."""
    rows: list[tuple[Any, ...]] = database.execute(
        f"select {_COLUMNS} from alarm where {condition} order by raised_at desc, alarm_id desc"
    ).fetchall()
    return [Standing(*row) for row in rows]
