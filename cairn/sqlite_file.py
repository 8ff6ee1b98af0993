"""SQLite files that several processes open: made once, for their owner only, in write-ahead mode."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path


def prepare(path: Path, schema: str) -> None:
    """Create the file (mode 0600) and its tables where they are missing; safe to call from many processes at once.

    One at a time, by a lock beside the file: to a second one that switches the journal, SQLite says "database is
    locked" at once, however long its timeout.
    """
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path.touch(mode=0o600)
        path.chmod(0o600)
        with closing(sqlite3.connect(path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(schema)
    finally:
        os.close(lock)
