"""A person taken out of the vault: name, identifiers, claims, decisions; and what others must look for to follow.

An identifier that never meant, and is not claimed by, anybody else goes with the person. One that did stays the
others': of it only the periods in which it meant the person are told, for the work done in them.

The tables are those of ``vault_file``; all is done within the caller's transaction, but for the last step, which gives
the bytes back: see :meth:`identity.vault.Vault.forget`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from identity import claims
from identity.vault_file import select_in

# Whom an identifier ever meant, or who claims it.
_EVER = "SELECT subject_key, student_key FROM identifier UNION SELECT subject_key, student_key FROM claim"
Period = tuple[str, datetime, datetime | None]


@dataclass(frozen=True)
class Identity:
    """A person as the keys that all else is found by.

    ``student_keys``: hers, and of records that were merged into hers. ``subject_keys``: identifiers that are hers
    alone. ``periods``: (subject key, from, to) of those that meant others too. ``kinds``: of all her identifiers, by
    which one is known again in a text.
    """

    student_keys: tuple[str, ...]
    subject_keys: tuple[str, ...]
    periods: tuple[Period, ...]
    kinds: tuple[str, ...]


def identity_of(connection: sqlite3.Connection, student_key: str) -> Identity:
    """All that the vault holds of a person by key; records merged into hers are hers."""
    people = sorted(_records(connection, student_key))
    marks = ",".join("?" * len(people))
    hers = f"SELECT subject_key FROM ({_EVER}) WHERE student_key IN ({marks})"
    others = {
        row[0]
        for row in connection.execute(
            f"SELECT subject_key FROM ({_EVER}) WHERE subject_key IN ({hers}) AND student_key NOT IN ({marks})",
            (*people, *people),
        )
    }
    subjects = {row[0] for row in connection.execute(hers, people)}
    periods = [
        (subject, datetime.fromisoformat(begins), datetime.fromisoformat(ends) if ends else None)
        for subject, begins, ends in connection.execute(
            f"SELECT subject_key, valid_from, valid_to FROM identifier WHERE student_key IN ({marks})"
            " ORDER BY subject_key, valid_from",
            people,
        )
        if subject in others
    ]
    every = "SELECT kind, student_key FROM identifier UNION SELECT kind, student_key FROM claim"
    query = f"SELECT DISTINCT kind FROM ({every}) WHERE student_key IN ({marks})"
    kinds = {row[0] for row in connection.execute(query, people)}
    return Identity(tuple(people), tuple(sorted(subjects - others)), tuple(periods), tuple(sorted(kinds)))


def forget(connection: sqlite3.Connection, student_keys: Collection[str], erasure_id: str, erased_at: str) -> int:
    """Delete all rows about the people, and note that this vault went through the erasure; rows that went.

    An identifier that one other is left with means that one from ``erased_at`` on.
    """
    people = sorted(student_keys)
    hers = f"SELECT subject_key FROM ({_EVER}) WHERE student_key IN ({','.join('?' * len(people))})"
    others = hers.replace(" IN ", " NOT IN ")
    touched = {row[0] for row in connection.execute(hers, people)}
    were_shared = claims.shared_keys(connection)
    gone = connection.execute(
        f"DELETE FROM identifier_value WHERE subject_key IN ({hers}) AND subject_key NOT IN ({others})",
        (*people, *people),
    ).rowcount
    for table, columns in (
        ("claim", ("student_key",)),
        ("identifier", ("student_key",)),
        ("merge", ("kept_key", "gone_key")),
        ("decision", ("student_key", "other_key")),
        ("person", ("student_key",)),
    ):
        for column in columns:
            marks = ",".join("?" * len(people))
            gone += connection.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", people).rowcount
    claims.settle(connection, touched, "erasure", datetime.fromisoformat(erased_at), were_shared)
    connection.execute("INSERT OR IGNORE INTO erasure (erasure_id, erased_at) VALUES (?,?)", (erasure_id, erased_at))
    return gone


def _records(connection: sqlite3.Connection, student_key: str) -> Iterator[str]:
    """The person's own record and those that were merged into it, however often."""
    yield student_key
    query = "SELECT gone_key FROM merge WHERE split_at IS NULL AND kept_key IN ({})"
    for (gone,) in select_in(connection, query, [student_key]):
        yield from _records(connection, gone)
