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
# merge: two records of one person, with what stood of their identifiers before and after, keys only; see ``merging``.
# decision: what somebody decided by hand about who is who, when and why.
# identifier_value: an identifier that no field of a person gives (linked by hand), sealed, for a new key.
# key_version: the version of the district's key that looks identifiers up; see ``rotation``.
# erasure: erasures that this file has gone through, by the receipt's id; see ``erasures``.
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
MERGES = """
CREATE TABLE merge (
  merge_id INTEGER PRIMARY KEY AUTOINCREMENT,
  kept_key TEXT NOT NULL REFERENCES person (student_key),
  gone_key TEXT NOT NULL REFERENCES person (student_key),
  merged_at TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  split_at TEXT
);
CREATE UNIQUE INDEX merge_standing ON merge (gone_key) WHERE split_at IS NULL;
CREATE INDEX merge_kept ON merge (kept_key);
CREATE TABLE decision (
  decision_id INTEGER PRIMARY KEY AUTOINCREMENT,
  decided_at TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('link', 'merge', 'split')),
  student_key TEXT NOT NULL,
  other_key TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX decision_of ON decision (student_key);
CREATE TABLE erasure (erasure_id TEXT PRIMARY KEY, erased_at TEXT NOT NULL);
CREATE TABLE identifier_value (subject_key TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE key_version (version INTEGER NOT NULL);
INSERT INTO key_version VALUES (1)
"""
# Its name in the folder of the vault.
FILE = "vault.sqlite"
MIGRATIONS = (FIRST, CLAIMS, MERGES)
# SQLite takes at most 32,766 parameters a statement; stay well under.
CHUNK = 5_000


class Store:
    """Connections to the vault's file. Made readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
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
