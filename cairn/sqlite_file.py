"""SQLite files that several processes open: made once, for their owner only, in WAL mode, and upgraded in place.

A file's schema is a list of numbered migrations, each run once, in order; ``PRAGMA user_version`` holds how many have
run. To change a schema, append a migration: one that has been released is never edited. The first of a file that was
made before it had a number must say "if not exists".
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cairn.errors import CairnError

BUSY_SECONDS = 30.0


def prepare(path: Path, *migrations: str) -> None:
    """Create the file (mode 0600) or bring its tables up to date; safe to call from many processes at once.

    One at a time, by a lock beside the file: to a second one that switches the journal, SQLite says "database is
    locked" at once, however long its timeout. Each migration is one transaction. Raises CairnError where the file has
    more migrations than are given: a newer version of Cairn made it.
    """
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
            _switch_to_wal(database)
            for number in range(done + 1, len(migrations) + 1):
                # Closing the connection undoes a migration that fails half-way.
                database.executescript(
                    f"BEGIN IMMEDIATE;\n{migrations[number - 1]};\nPRAGMA user_version = {number};\nCOMMIT;"
                )
    finally:
        os.close(lock)


def _switch_to_wal(database: sqlite3.Connection) -> None:
    """Switch the journal; tried again while somebody reads, since SQLite itself does not wait for that."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _version(path: Path) -> int:
    """How many migrations have run on the file."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def connect(path: Path, *migrations: str) -> Iterator[sqlite3.Connection]:
    """A connection, closed at the end: statements commit one by one, each to the disk.

    The file is prepared where it is missing or behind; to know that costs no connection of its own.
    """
    connection = _open(path)
    if connection is None or connection.execute("PRAGMA user_version").fetchone() != (len(migrations),):
        if connection is not None:
            connection.close()
        prepare(path, *migrations)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection
    finally:
        connection.close()


def _open(path: Path) -> sqlite3.Connection | None:
    """A connection to a file that exists; None where none does. SQLite itself would make one, for everybody to read."""
    if not path.exists():
        return None
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)


@contextmanager
def transaction(path: Path, *migrations: str) -> Iterator[sqlite3.Connection]:
    """A connection inside one write transaction, begun before anything is read: all of it or nothing."""
    with connect(path, *migrations) as connection, writing(connection):
        yield connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction of a connection whose statements commit one by one: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def give_back(path: Path) -> None:
    """Write the file anew without what was deleted from it, so that its bytes are gone from the file and its journal.

    Waits for other users of the file. Raises sqlite3.OperationalError where they do not end.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("VACUUM")
        # Where a reader stays the statement answers so and raises nothing.
        if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise sqlite3.OperationalError(f"{path.name} is being read: what was deleted is still in its journal")
