"""What the pick-up remembers, in one SQLite file: what lies where, what was taken, and until when a service was asked.

A file is known by its SHA-256 and by how it is loaded. Of what says the whole (a roster, a framework, resources) it is
left aside where the last one taken was the same: an older one that comes again is news. Of what adds (results,
facts, items) it is left aside where it was ever taken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cairn import sqlite_file
from cairn.settings import Settings
from loading.pickup.config import Take

_MIGRATIONS = (
    """
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    last_run_at TEXT,
    state TEXT,
    message TEXT,
    changed_since_at TEXT,
    whole_at TEXT
);
CREATE TABLE sight (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    signature TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, name)
);
CREATE TABLE taken (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    load TEXT NOT NULL,
    layout TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    taken_at TEXT NOT NULL
);
CREATE INDEX taken_by_content ON taken (load, layout, sha256)
""",
)
WAITING, LOADED, IN_PART, REFUSED, KNOWN = "waiting", "loaded", "loaded_in_part", "refused", "known"
# Loads that say the whole: what they no longer name has ended.
WHOLE = ("roster", "competencies", "resources")


@dataclass(frozen=True)
class Sight:
    """Since when a file has lain there as it does now, and what became of it."""

    first_seen_at: datetime
    state: str


@dataclass(frozen=True)
class SourceState:
    """How the last run of a source ended; from when on changes are asked for, and when all was last asked for."""

    last_run_at: datetime | None = None
    state: str = ""
    message: str = ""
    changed_since_at: datetime | None = None
    whole_at: datetime | None = None


class PickupState:
    """The state of one home."""

    def __init__(self, settings: Settings) -> None:
        self.path: Path = settings.pickup_dir / "state.sqlite"
        settings.pickup_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def sight(self, source: str, name: str, signature: str, now: datetime) -> Sight:
        """What is known of a file that lies there now; one of another ``signature`` (sizes, times) is a new one."""
        with self._writing() as database:
            row = database.execute(
                "SELECT first_seen_at, state FROM sight WHERE source = ? AND name = ? AND signature = ?",
                (source, name, signature),
            ).fetchone()
            if row is not None:
                return Sight(datetime.fromisoformat(row[0]), row[1])
            database.execute(
                "INSERT OR REPLACE INTO sight VALUES (?, ?, ?, ?, ?, '')",
                (source, name, signature, now.isoformat(), WAITING),
            )
        return Sight(now, WAITING)

    def settle(self, source: str, name: str, state: str, reason: str) -> None:
        """A file that stays where it is has been dealt with, until it changes."""
        with self._writing() as database:
            database.execute(
                "UPDATE sight SET state = ?, reason = ? WHERE source = ? AND name = ?", (state, reason, source, name)
            )

    def forget(self, source: str, name: str) -> None:
        """A file that was removed: should the same come again, it is a new one."""
        with self._writing() as database:
            database.execute("DELETE FROM sight WHERE source = ? AND name = ?", (source, name))

    def forget_absent(self, source: str, there: Collection[str]) -> None:
        """Files that no longer lie there."""
        with self._writing() as database:
            known = [row[0] for row in database.execute("SELECT name FROM sight WHERE source = ?", (source,))]
            gone = [(source, name) for name in known if name not in there]
            database.executemany("DELETE FROM sight WHERE source = ? AND name = ?", gone)

    def try_again(self, source: str) -> None:
        """What was refused and still lies there is taken as new."""
        with self._writing() as database:
            database.execute(
                "UPDATE sight SET state = ?, reason = '' WHERE source = ? AND state IN (?, ?)",
                (WAITING, source, REFUSED, IN_PART),
            )

    def is_known(self, take: Take, sha256: str) -> bool:
        """Whether loading the content again could only do what was done."""
        with self._reading() as database:
            if take.load in WHOLE:
                # One loaded in part counts as the last one: what came before it is no longer what is known.
                last = database.execute(
                    "SELECT sha256, state FROM taken WHERE load = ? AND layout = ? AND state IN (?, ?)"
                    " ORDER BY id DESC LIMIT 1",
                    (take.load, take.layout, LOADED, IN_PART),
                ).fetchone()
                return bool(last == (sha256, LOADED))
            ever = database.execute(
                "SELECT 1 FROM taken WHERE load = ? AND layout = ? AND state = ? AND sha256 = ? LIMIT 1",
                (take.load, take.layout, LOADED, sha256),
            ).fetchone()
            return ever is not None

    def add_taken(
        self, source: str, name: str, take: Take, sha256: str, state: str, reason: str, counts: tuple[int, int]
    ) -> None:
        """A file was loaded or refused; ``counts``: its rows, and those refused."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO taken (source, name, load, layout, sha256, state, reason, row_count, rejected, taken_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (source, name, take.load, take.layout, sha256, state, reason, *counts, _now()),
            )

    def last_taken(self, source: str, *states: str) -> tuple[str, str, str] | None:
        """Name, instant and reason of the last file of a source that ended in one of the states."""
        marks = ", ".join("?" * len(states))
        with self._reading() as database:
            row = database.execute(
                f"SELECT name, taken_at, reason FROM taken WHERE source = ? AND state IN ({marks})"
                " ORDER BY id DESC LIMIT 1",
                (source, *states),
            ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def waiting(self, source: str) -> list[str]:
        """Names of files that lie there and wait."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT name FROM sight WHERE source = ? AND state = ? ORDER BY name", (source, WAITING)
            )
            return [row[0] for row in rows]

    def of_source(self, source: str) -> SourceState:
        """How it stands with a source; nothing for one that never ran."""
        with self._reading() as database:
            row = database.execute(
                "SELECT last_run_at, state, message, changed_since_at, whole_at FROM source WHERE name = ?", (source,)
            ).fetchone()
        if row is None:
            return SourceState()
        return SourceState(_instant(row[0]), row[1], row[2], _instant(row[3]), _instant(row[4]))

    def ran(self, source: str, state: str, message: str) -> None:
        """A run of a source has ended."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO source (name, last_run_at, state, message) VALUES (?, ?, ?, ?) ON CONFLICT (name)"
                " DO UPDATE SET last_run_at = excluded.last_run_at, state = excluded.state, message = excluded.message",
                (source, _now(), state, message),
            )

    def asked_until(self, source: str, until: datetime, is_whole: bool) -> None:
        """Everything that a service had at ``until`` is loaded; ``is_whole``: it was asked for all of it."""
        with self._writing() as database:
            database.execute("INSERT OR IGNORE INTO source (name, state, message) VALUES (?, '', '')", (source,))
            database.execute("UPDATE source SET changed_since_at = ? WHERE name = ?", (until.isoformat(), source))
            if is_whole:
                database.execute("UPDATE source SET whole_at = ? WHERE name = ?", (until.isoformat(), source))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with sqlite_file.transaction(self.path, *_MIGRATIONS) as database:
            yield database

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with sqlite_file.connect(self.path, *_MIGRATIONS) as database:
            yield database


def needs_whole(state: SourceState, now: datetime, every_days: int) -> bool:
    """Whether a service must be asked for everything: never done, or too long ago for what changes cannot say."""
    if state.changed_since_at is None or state.whole_at is None:
        return True
    return now - state.whole_at >= timedelta(days=every_days)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
