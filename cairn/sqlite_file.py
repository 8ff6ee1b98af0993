"""SQLite files that several processes open: made once, for their owner only, in WAL mode, and upgraded in place.

A file's schema is a list of numbered migrations, each run once, in order; ``PRAGMA user_version`` holds how many have
run. To change a schema, append a migration: one that has been released is never edited. The first of a file that was
made before it had a number must say "if not exists".
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cairn.errors import CairnError

BUSY_SECONDS = 30.0
# Files that this process found, or brought, up to date: device, inode, migrations. Asking each time costs a connection.
_PREPARED: dict[Path, tuple[int, int, int]] = {}


def prepare(path: Path, *migrations: str) -> None:
    """Create the file (mode 0600) or bring its tables up to date; safe to call from many processes at once.

    One at a time, by a lock beside the file: to a second one that switches the journal, SQLite says "database is
    locked" at once, however long its timeout. Each migration is one transaction. Raises CairnError where the file has
    more migrations than are given: a newer version of Cairn made it.
    """
    identity = _identity(path)
    if identity is not None and _PREPARED.get(path) == (*identity, len(migrations)):
        return
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path.touch(mode=0o600)
        path.chmod(0o600)
        done = _version(path)
        if done > len(migrations):
            raise CairnError(
                f"{path} has schema version {done} and this version of Cairn knows {len(migrations)}: "
                "use the version that made it, or restore the file from a backup"
            )
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            for number in range(done + 1, len(migrations) + 1):
                # Closing the connection undoes a migration that fails half-way.
                database.executescript(
                    f"BEGIN IMMEDIATE;\n{migrations[number - 1]};\nPRAGMA user_version = {number};\nCOMMIT;"
                )
        identity = _identity(path)
        if identity is not None:
            _PREPARED[path] = (*identity, len(migrations))
    finally:
        os.close(lock)


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at the path; None where none does."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _version(path: Path) -> int:
    """How many migrations have run on the file."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a prepared file, closed at the end: statements commit one by one, each to the disk."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection inside one write transaction, begun before anything is read: all of it or nothing."""
    with connect(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
