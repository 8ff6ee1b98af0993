"""The log of disclosures: who was shown whose names, when, why and where.

A row is written to a SQLite file of this machine, and on its disk, before a name is given out; in batches the rows move
to the lake's ``ops.disclosure``. One commit a page view to the lake was seconds of waiting for fifty readers.

Exactly once: rows get a batch number that stays with them; the batch is appended to the lake under that number as the
version of a transaction, and only then removed here. Whatever is killed between, the same batch is tried again and the
lake skips what it has.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import lake
from cairn.settings import Settings
from cairn.sqlite_file import connect, give_back, transaction

TABLE = "ops.disclosure"
BATCH_ROWS = 10_000
DisclosureKind = Literal["page", "feed", "command"]

# An id is never given twice, also after its row has moved on; the log's own id keeps a file made anew apart from the
# one that was lost, whose numbers the lake has seen.
FIRST = """
create table log (log_id text not null);
insert into log values (lower(hex(randomblob(8))));
create table disclosure (
  row_id integer primary key autoincrement, disclosed_at text not null, actor text not null, role text, route text,
  purpose text not null, kind text not null, school_id text, release_id text, student_count integer not null,
  student_keys text not null, batch integer);
create index disclosure_batch on disclosure (batch)
"""
MIGRATIONS = (FIRST,)
COLUMNS = (
    *("disclosed_at", "actor", "role", "route", "purpose", "kind", "school_id", "release_id"),
    *("student_count", "student_keys"),
)


@dataclass(frozen=True)
class Disclosure:
    """One view, file or command that gave names out.

    ``actor`` is an account or a job, ``purpose`` why in a few words, ``route`` the page without what was filled in.
    ``student_count`` is given only where the keys are not known.
    """

    actor: str
    purpose: str
    kind: DisclosureKind
    student_keys: Sequence[str] = ()
    role: str | None = None
    route: str | None = None
    school_id: str | None = None
    release_id: str | None = None
    student_count: int | None = None


def log_path(settings: Settings) -> Path:
    """Where rows wait to be moved to the lake."""
    return settings.vault_dir / "disclosures.sqlite"


def _folder_made(settings: Settings) -> Path:
    path = log_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def write_down(settings: Settings, disclosure: Disclosure) -> None:
    """Write a disclosure down; on the disk when this returns. What cannot be written down must not be given out."""
    keys = sorted(disclosure.student_keys)
    row = (
        datetime.now(UTC).isoformat(),
        disclosure.actor,
        disclosure.role,
        disclosure.route,
        disclosure.purpose,
        disclosure.kind,
        disclosure.school_id,
        disclosure.release_id,
        len(keys) if disclosure.student_count is None else disclosure.student_count,
        json.dumps(keys),
    )
    with connect(_folder_made(settings), *MIGRATIONS) as database:
        database.execute(f"insert into disclosure ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})", row)


def move_disclosures(settings: Settings) -> int:
    """Move what is written down here to the lake, once, in one append a batch; returns how many rows."""
    path = _folder_made(settings)
    moved = 0
    with _one_at_a_time(path):
        with connect(path, *MIGRATIONS) as database:
            (log_id,) = database.execute("select log_id from log").fetchone()
        while (batch := _next_batch(path)) is not None:
            with connect(path, *MIGRATIONS) as database:
                rows = _rows(database, log_id, "where batch = ?", (batch,))
            # The one place that writes them to the lake.
            lake.append_rows(settings, TABLE, rows, (f"disclosures-{log_id}", batch))
            with transaction(path, *MIGRATIONS) as database:
                database.execute("delete from disclosure where batch = ?", (batch,))
            moved += len(rows)
    return moved


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Two movers would try the same batch: the second waits for the first."""
    lock = os.open(path.with_name(f"{path.name}.moving"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _next_batch(path: Path) -> int | None:
    """Number of the oldest batch: one that a mover left behind, else the oldest rows, numbered by their last id."""
    with transaction(path, *MIGRATIONS) as database:
        (left,) = database.execute("select min(batch) from disclosure").fetchone()
        if left is not None:
            return int(left)
        (last,) = database.execute(
            "select max(row_id) from (select row_id from disclosure order by row_id limit ?)", (BATCH_ROWS,)
        ).fetchone()
        if last is None:
            return None
        database.execute("update disclosure set batch = ?1 where row_id <= ?1", (last,))
        return int(last)


def _rows(database: sqlite3.Connection, log_id: str, where: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows as the lake has them."""
    query = f"select row_id, {', '.join(COLUMNS)} from disclosure {where} order by row_id"
    return [
        dict(zip(COLUMNS, row, strict=True))
        | {
            "disclosure_id": f"{log_id}-{row_id}",
            "disclosed_at": datetime.fromisoformat(row[0]),
            "student_keys": json.loads(row[-1]),
        }
        for row_id, *row in database.execute(query, values)
    ]


def forget_in_log(settings: Settings, student_keys: Collection[str]) -> int:
    """Take people's keys out of what waits to be moved; who looked, when, why and at how many stays. Rows changed."""
    path = _folder_made(settings)
    changed = 0
    with _one_at_a_time(path):
        with transaction(path, *MIGRATIONS) as database:
            for row_id, text in database.execute("select row_id, student_keys from disclosure").fetchall():
                keys = json.loads(text)
                kept = [key for key in keys if key not in student_keys]
                if kept != keys:
                    database.execute(
                        "update disclosure set student_keys = ? where row_id = ?", (json.dumps(kept), row_id)
                    )
                    changed += 1
        give_back(path)
    return changed


def list_disclosures(settings: Settings, student_key: str | None = None) -> list[dict[str, Any]]:
    """Rows of the lake and those that wait here, oldest first; with a key, those that name that person.

    Rows from before the keys were kept (contract 1.0) name nobody: they are in the whole list only.
    """
    path = _folder_made(settings)
    # Those that wait are read first: a row that moves meanwhile is found twice, never missed, and told by its id.
    with connect(path, *MIGRATIONS) as database:
        (log_id,) = database.execute("select log_id from log").fetchone()
        waiting = _rows(database, log_id, "")
    moved = lake.read(settings, TABLE).to_pylist()
    known = {row["disclosure_id"] for row in moved}
    rows = [*moved, *(row for row in waiting if row["disclosure_id"] not in known)]
    if student_key is not None:
        rows = [row for row in rows if student_key in (row["student_keys"] or ())]
    return sorted(rows, key=lambda row: row["disclosed_at"])
