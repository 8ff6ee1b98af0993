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
    for student, sealed in connection.execute("SELECT student_key, sealed FROM person").fetchall():
        fields = json.loads(sealer.open(sealed, student.encode()))
        for kind, value in identifiers_of(fields, rules):
            becomes[old.subject_key(kind, value)] = new.subject_key(kind, value)
        source = new.subject_key(SOURCED_ID, fields["sourced_id"])
        connection.execute("UPDATE person SET source_key = ? WHERE student_key = ?", (source, student))
    for subject, sealed in connection.execute("SELECT subject_key, sealed FROM identifier_value").fetchall():
        plain = sealer.open(sealed, subject.encode())
        kind, value = json.loads(plain)
        present_form, new_form = old.subject_key(kind, value), new.subject_key(kind, value)
        becomes[present_form] = new_form
        if subject == present_form:  # forms of earlier keys stay beside it
            resealed = sealer.seal(plain, new_form.encode())
            connection.execute("INSERT OR REPLACE INTO identifier_value VALUES (?, ?)", (new_form, resealed))
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
