"""The vault's file: SQLite in WAL mode, its tables, and nothing about what they mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cairn.sqlite_file import connect, prepare, transaction

# person: fields are sealed; source_key (keyed hash of the sourcedId) finds the person again at the next roster.
# identifier: which outside key meant whom, from when to when; instants are ISO 8601 UTC, open end is NULL.
# claim: who says that an outside key is hers, by the last roster that named her or by hand; see ``claims``.
FIRST = """
CREATE TABLE IF NOT EXISTS person (
  student_key TEXT PRIMARY KEY,
  source_key TEXT NOT NULL UNIQUE,
  sealed BLOB NOT NULL,
  fields_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identifier (
  subject_key TEXT NOT NULL,
  student_key TEXT NOT NULL REFERENCES person (student_key),
  kind TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  valid_to TEXT,
  reason TEXT NOT NULL,
  PRIMARY KEY (subject_key, student_key, valid_from)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS identifier_current ON identifier (subject_key) WHERE valid_to IS NULL;
CREATE INDEX IF NOT EXISTS identifier_of ON identifier (student_key);
"""
CLAIMS = """
CREATE TABLE claim (
  subject_key TEXT NOT NULL,
  student_key TEXT NOT NULL REFERENCES person (student_key),
  kind TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('roster', 'hand')),
  PRIMARY KEY (subject_key, student_key, source)
) WITHOUT ROWID;
CREATE INDEX claim_of ON claim (student_key);
INSERT INTO claim (subject_key, student_key, kind, source)
SELECT subject_key, student_key, kind, CASE reason WHEN 'crosswalk' THEN 'hand' ELSE 'roster' END
FROM identifier WHERE valid_to IS NULL
"""
MIGRATIONS = (FIRST, CLAIMS)
# SQLite takes at most 32,766 parameters a statement; stay well under.
CHUNK = 5_000


class Store:
    """Connections to the vault's file. Made readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "vault.sqlite"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        prepare(self.path, *MIGRATIONS)

    def connect(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection for reading, closed at the end."""
        return connect(self.path, *MIGRATIONS)

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection inside one write transaction: all of it or nothing."""
        return transaction(self.path, *MIGRATIONS)


def select_in(connection: sqlite3.Connection, query: str, values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Rows of ``query``, whose ``{}`` becomes the placeholders of an IN list, for all values, in chunks."""
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
        yield from connection.execute(query.format(",".join("?" * len(chunk))), chunk)
