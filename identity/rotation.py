"""A new version of the district's subject key: every identifier gets its new outside form beside the old one.

Events under the old key stay what they are, and those that a gateway still makes under it are joined too. The new forms
are made from the sealed fields of people and from identifiers that were linked by hand, which are kept sealed for this;
of those linked before they were kept nobody knows the plain form: they are counted, and are linked again by hand.

The file of the new key comes first and the vault changes in one transaction, which says the version that it looks
identifiers up by: whatever is killed between, the rotation is run again and goes on with the key that is there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from cairn.keys import DistrictKeys, newest_version, version_of
from cairn.sealing import Sealer
from cairn.settings import Settings
from identity.crosswalk import SOURCED_ID, Rule, identifiers_of
from identity.vault_file import select_in


@dataclass(frozen=True)
class Rotated:
    """What a rotation did: the version in use now, the new subject keys, identifiers whose plain form nobody knows."""

    version: int
    subject_keys: tuple[str, ...]
    unknown: int


def version(connection: sqlite3.Connection) -> int:
    """The version of the key that this vault looks identifiers up by."""
    return int(connection.execute("SELECT version FROM key_version").fetchone()[0])


def keep_value(connection: sqlite3.Connection, sealer: Sealer, keys: DistrictKeys, kind: str, value: str) -> None:
    """Keep an identifier that no field of a person gives, sealed; one that is kept stays."""
    subject = keys.subject_key(kind, value)
    query = "SELECT 1 FROM identifier_value WHERE subject_key = ?"
    if connection.execute(query, (subject,)).fetchone() is None:
        sealed = sealer.seal(json.dumps([kind, value], ensure_ascii=False).encode(), subject.encode())
        connection.execute("INSERT INTO identifier_value VALUES (?, ?)", (subject, sealed))


def rotate(connection: sqlite3.Connection, settings: Settings, sealer: Sealer, rules: tuple[Rule, ...]) -> Rotated:
    """Take the next version of the key into use, within the caller's transaction."""
    present = version(connection)
    wanted = max(newest_version(settings), present + 1)
    old, new = DistrictKeys.load(settings, present), DistrictKeys.load(settings, wanted)
    becomes: dict[str, str] = {}
    for kind, value in _known(connection, sealer, rules):
        becomes[old.subject_key(kind, value)] = new.subject_key(kind, value)
    for student, source in _sources(connection, sealer):
        connection.execute(
            "UPDATE person SET source_key = ? WHERE student_key = ?", (new.subject_key(SOURCED_ID, source), student)
        )
    for subject, sealed in connection.execute("SELECT subject_key, sealed FROM identifier_value").fetchall():
        if subject in becomes:
            plain = sealer.open(sealed, subject.encode())
            connection.execute(
                "INSERT OR REPLACE INTO identifier_value VALUES (?, ?)",
                (becomes[subject], sealer.seal(plain, becomes[subject].encode())),
            )
    _copy(connection, becomes)
    connection.execute("UPDATE key_version SET version = ?", (wanted,))
    query = "SELECT DISTINCT subject_key FROM identifier WHERE valid_to IS NULL"
    unknown = sum(
        1 for (subject,) in connection.execute(query) if version_of(subject) == present and subject not in becomes
    )
    return Rotated(wanted, tuple(sorted(becomes.values())), unknown)


def _copy(connection: sqlite3.Connection, becomes: dict[str, str]) -> None:
    """Say of each new form all that is said of the old one."""
    columns = "subject_key, student_key, kind, valid_from, valid_to"
    rows = list(select_in(connection, f"SELECT {columns} FROM identifier WHERE subject_key IN ({{}})", sorted(becomes)))
    connection.executemany(
        f"INSERT OR IGNORE INTO identifier ({columns}, reason) VALUES (?,?,?,?,?,'rotation')",
        [(becomes[row[0]], *row[1:]) for row in rows],
    )
    columns = "subject_key, student_key, kind, source"
    rows = list(select_in(connection, f"SELECT {columns} FROM claim WHERE subject_key IN ({{}})", sorted(becomes)))
    connection.executemany(
        f"INSERT OR IGNORE INTO claim ({columns}) VALUES (?,?,?,?)", [(becomes[row[0]], *row[1:]) for row in rows]
    )


def _known(connection: sqlite3.Connection, sealer: Sealer, rules: tuple[Rule, ...]) -> Iterator[tuple[str, str]]:
    """(kind, value) of every identifier that the vault has in plain, under its seal."""
    for student, sealed in connection.execute("SELECT student_key, sealed FROM person").fetchall():
        yield from identifiers_of(json.loads(sealer.open(sealed, student.encode())), rules)
    for subject, sealed in connection.execute("SELECT subject_key, sealed FROM identifier_value").fetchall():
        kind, value = json.loads(sealer.open(sealed, subject.encode()))
        yield kind, value


def _sources(connection: sqlite3.Connection, sealer: Sealer) -> Iterator[tuple[str, str]]:
    """(student_key, sourcedId) of everybody."""
    for student, sealed in connection.execute("SELECT student_key, sealed FROM person").fetchall():
        yield student, json.loads(sealer.open(sealed, student.encode()))["sourced_id"]
