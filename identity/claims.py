"""Whose identifier is it? A claim is weighed against those of all living people, whenever each of them was loaded.

The roster claims for each person the identifiers of her row; a link by hand is a claim too. One claimant: the
identifier means her. Several: it means nobody (two siblings with one address, a state id on two records), unless one of
them was linked by hand, which is somebody's decision. None (the person has another address now): it means whom it did.

The tables are those of ``vault_file``; all is done within the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from identity.vault_file import select_in

HAND = "hand"
# The first link of an identifier that one person claims holds for all time: work done before the roster came is the
# same person's.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
# Subject key and kind.
Identifier = tuple[str, str]
_SHARED = "SELECT subject_key FROM claim GROUP BY subject_key HAVING count(DISTINCT student_key) > 1"


@dataclass(frozen=True)
class SharedIdentifier:
    """An identifier that several living people claim; ``means``: the one it was linked to by hand, else None."""

    subject_key: str
    kind: str
    student_keys: tuple[str, ...]
    means: str | None


def claim(
    connection: sqlite3.Connection,
    claimed: Mapping[str, Set[Identifier]],
    living: Collection[str] | None,
    reason: str,
    instant: datetime,
    added_to: Set[str] = frozenset(),
) -> set[str]:
    """Put people's claims (student key -> identifiers) in place of those they had, and end and begin links by them.

    ``living``: who has a claim beside them, others lose theirs; None: everybody keeps hers. ``added_to``: whose
    claims come beside those they had, since not all that speaks for them came. Returns the identifiers (subject keys)
    whose claims changed, whoever they mean.
    """
    were_shared = shared_keys(connection)
    touched = _forget(connection, living, claimed) if living is not None else set()
    query = "SELECT subject_key, student_key, kind FROM claim WHERE source = 'roster' AND student_key IN ({})"
    before = {(subject, student, kind) for subject, student, kind in select_in(connection, query, sorted(claimed))}
    now = {(subject, student, kind) for student, own in claimed.items() for subject, kind in own}
    now |= {one for one in before if one[1] in added_to}
    connection.executemany(
        "DELETE FROM claim WHERE subject_key = ? AND student_key = ? AND source = 'roster'",
        [(subject, student) for subject, student, _ in before - now],
    )
    connection.executemany(
        "INSERT INTO claim (subject_key, student_key, kind, source) VALUES (?,?,?,'roster')", sorted(now - before)
    )
    touched.update(subject for subject, _, _ in before ^ now)
    settle(connection, touched, reason, instant, were_shared)
    return touched


def claim_by_hand(connection: sqlite3.Connection, subject: str, student: str, kind: str) -> None:
    """Somebody decided whose it is: an earlier decision about the identifier goes."""
    connection.execute("DELETE FROM claim WHERE subject_key = ? AND source = 'hand'", (subject,))
    connection.execute(
        "INSERT INTO claim (subject_key, student_key, kind, source) VALUES (?,?,?,'hand')", (subject, student, kind)
    )


def _forget(connection: sqlite3.Connection, living: Collection[str], claimed: Mapping[str, object]) -> set[str]:
    """Take away the claims of whoever lives no more; returns the identifiers."""
    students = {row[0] for row in connection.execute("SELECT DISTINCT student_key FROM claim")}
    gone = sorted(students.difference(living, claimed))
    query = "SELECT subject_key FROM claim WHERE student_key IN ({})"
    touched = {row[0] for row in select_in(connection, query, gone)}
    connection.executemany("DELETE FROM claim WHERE student_key = ?", [(student,) for student in gone])
    return touched


def shared_keys(connection: sqlite3.Connection) -> set[str]:
    """Identifiers (subject keys) that more than one person claims."""
    return {row[0] for row in connection.execute(_SHARED)}


def settle(
    connection: sqlite3.Connection, touched: Set[str], reason: str, instant: datetime, were_shared: Set[str]
) -> None:
    """End and begin links so that each of the identifiers means what its claims say.

    ``were_shared``: those that several claimed until now. Work that waits under one may be anybody's of them, so that
    whoever is left has it from ``instant`` on and not for all time.
    """
    subjects = sorted(touched)
    claimants: dict[str, dict[str, str]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    query = "SELECT subject_key, student_key, kind, source FROM claim WHERE subject_key IN ({}) ORDER BY source DESC"
    for subject, student, kind, source in select_in(connection, query, subjects):
        claimants[subject][student] = source  # a claim by hand comes last and stays
        kinds[subject] = kind
    query = "SELECT subject_key, student_key FROM identifier WHERE valid_to IS NULL AND subject_key IN ({})"
    owners: dict[str, str] = {row[0]: row[1] for row in select_in(connection, query, subjects)}
    query = "SELECT DISTINCT subject_key FROM identifier WHERE subject_key IN ({})"
    used = {row[0] for row in select_in(connection, query, subjects)}
    ended, begun = [], []
    for subject, by_student in sorted(claimants.items()):
        owner, meant = owners.get(subject), _meant(by_student)
        if owner == meant:
            continue
        if owner is not None:
            ended.append((iso(instant), subject))
        if meant is not None:
            begins = instant if subject in used or subject in were_shared else ALWAYS
            begun.append((subject, meant, kinds[subject], iso(begins), reason))
    connection.executemany("UPDATE identifier SET valid_to = ? WHERE subject_key = ? AND valid_to IS NULL", ended)
    connection.executemany(
        "INSERT INTO identifier (subject_key, student_key, kind, valid_from, reason) VALUES (?,?,?,?,?)", begun
    )


def _meant(by_student: Mapping[str, str]) -> str | None:
    """Whom the claims (student key -> source) mean; None for nobody."""
    by_hand = [student for student, source in by_student.items() if source == HAND]
    if by_hand:
        return by_hand[0]
    return next(iter(by_student)) if len(by_student) == 1 else None


def shared(connection: sqlite3.Connection) -> list[SharedIdentifier]:
    """Every identifier that more than one living person claims."""
    query = (
        f"SELECT subject_key, kind, student_key, max(source = 'hand') FROM claim WHERE subject_key IN ({_SHARED})"
        " GROUP BY subject_key, kind, student_key ORDER BY subject_key, student_key"
    )
    found: dict[Identifier, list[tuple[str, bool]]] = defaultdict(list)
    for subject, kind, student, is_by_hand in connection.execute(query):
        found[subject, kind].append((student, bool(is_by_hand)))
    return [
        SharedIdentifier(
            subject_key=subject,
            kind=kind,
            student_keys=tuple(student for student, _ in people),
            means=next((student for student, is_by_hand in people if is_by_hand), None),
        )
        for (subject, kind), people in found.items()
    ]


def iso(instant: datetime) -> str:
    """An instant as the vault's file holds it."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
