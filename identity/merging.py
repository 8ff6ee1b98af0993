"""Two records of one person: joined, and taken apart again as they were.

The record that goes keeps its row, so that it can come back; its identifiers and claims become the other's, and the
roster's next word about it is taken for the other's. What stood before is kept with the merge (keys only), and a split
puts exactly that back, for each identifier that nobody has decided about since.

The tables are those of ``vault_file``; all is done within the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cairn.errors import CairnError
from identity.claims import ALWAYS, iso
from identity.vault_file import select_in

# subject_key, student_key, kind, valid_from, valid_to, reason of an identifier; ... kind, source of a claim.
_IDENTIFIER = "subject_key, student_key, kind, valid_from, valid_to, reason"
_CLAIM = "subject_key, student_key, kind, source"
Rows = list[tuple[str | None, ...]]


@dataclass(frozen=True)
class Merge:
    """One merge: whose record stays, whose goes, and the identifiers (subject keys) that it concerns."""

    merge_id: int
    kept_key: str
    gone_key: str
    merged_at: datetime
    subject_keys: tuple[str, ...]


def standing(connection: sqlite3.Connection, student_key: str) -> list[Merge]:
    """Merges that hold and that the person is in, as the one who stayed or the one who went, oldest first."""
    query = (
        "SELECT merge_id, kept_key, gone_key, merged_at, before FROM merge"
        " WHERE split_at IS NULL AND ? IN (kept_key, gone_key) ORDER BY merge_id"
    )
    return [_merge(row) for row in connection.execute(query, (student_key,))]


def stands_for(connection: sqlite3.Connection, student_keys: Iterable[str]) -> dict[str, str]:
    """Each person's key to the key under which the person is known now: itself, but for records that were merged."""
    into = dict(connection.execute("SELECT gone_key, kept_key FROM merge WHERE split_at IS NULL"))
    found = {}
    for student in student_keys:
        present = student
        while present in into:
            present = into[present]
        found[student] = present
    return found


def named_in_part(connection: sqlite3.Connection, came: Collection[str]) -> set[str]:
    """People of several merged records of whom some, but not all, are among those that ``came`` (their own keys)."""
    gone = [row[0] for row in connection.execute("SELECT gone_key FROM merge WHERE split_at IS NULL")]
    present = stands_for(connection, {*gone, *came})
    missing = {kept for own, kept in present.items() if own not in came}
    missing.update(kept for kept in (present[one] for one in gone) if kept not in came)
    return missing & {present[own] for own in came}


def gone_among(connection: sqlite3.Connection, source_keys: Sequence[str]) -> set[str]:
    """Those (keyed sourcedIds) whose record was merged into another."""
    query = (
        "SELECT source_key FROM person WHERE source_key IN ({})"
        " AND student_key IN (SELECT gone_key FROM merge WHERE split_at IS NULL)"
    )
    return {row[0] for row in select_in(connection, query, source_keys)}


def merge(connection: sqlite3.Connection, kept_key: str, gone_key: str, instant: datetime) -> Merge:
    """Make the identifiers of ``gone_key`` those of ``kept_key``, for the times at which they meant the former.

    A merge that stands is given back as it is. An identifier that both claimed, and which therefore meant nobody,
    means the one person from where it ended. Raises CairnError where a record is not there or was merged before.
    """
    for merged in standing(connection, gone_key):
        if (merged.kept_key, merged.gone_key) == (kept_key, gone_key):
            return merged
    _refuse(connection, kept_key, gone_key)
    query = (
        "SELECT subject_key FROM identifier WHERE student_key IN (?1, ?2)"
        " UNION SELECT subject_key FROM claim WHERE student_key IN (?1, ?2) ORDER BY subject_key"
    )
    subjects = [row[0] for row in connection.execute(query, (kept_key, gone_key))]
    before = _stands(connection, subjects)
    connection.execute(
        "UPDATE identifier SET student_key = ?, reason = 'merge' WHERE student_key = ?", (kept_key, gone_key)
    )
    connection.execute("UPDATE OR REPLACE claim SET student_key = ? WHERE student_key = ?", (kept_key, gone_key))
    _mean_one(connection, subjects, kept_key)
    values = (kept_key, gone_key, iso(instant), json.dumps(before), json.dumps(_stands(connection, subjects)))
    connection.execute("INSERT INTO merge (kept_key, gone_key, merged_at, before, after) VALUES (?,?,?,?,?)", values)
    return standing(connection, gone_key)[-1]


def split(connection: sqlite3.Connection, student_key: str, instant: datetime) -> Merge:
    """Take the newest merge that the person is in apart; returns it.

    Identifiers that stand as the merge left them stand again as before it. Of one that somebody decided about since,
    the periods that were the other record's are its again, as long as they last now. Raises CairnError where there is
    no merge, or where the record that stayed was merged itself since.
    """
    found = standing(connection, student_key)
    if not found:
        raise CairnError(f"{student_key} was not merged with anybody: see 'cairn students show'")
    undone = found[-1]
    if undone.kept_key in {other.gone_key for other in standing(connection, undone.kept_key)}:
        raise CairnError(f"{undone.kept_key} was itself merged since: split that merge first")
    query = "SELECT before, after FROM merge WHERE merge_id = ?"
    texts = connection.execute(query, (undone.merge_id,)).fetchone()
    before, after = (_by_subject(json.loads(text)) for text in texts)
    now = _by_subject(_stands(connection, undone.subject_keys))
    for subject in undone.subject_keys:
        if now.get(subject) == after.get(subject):
            _put_back(connection, subject, before[subject])
        else:
            _give_back(connection, undone, before[subject])
    connection.execute("UPDATE merge SET split_at = ? WHERE merge_id = ?", (iso(instant), undone.merge_id))
    return undone


def _refuse(connection: sqlite3.Connection, kept_key: str, gone_key: str) -> None:
    if kept_key == gone_key:
        raise CairnError(f"{kept_key} is one record already: name two")
    for student in (kept_key, gone_key):
        if not connection.execute("SELECT 1 FROM person WHERE student_key = ?", (student,)).fetchone():
            raise CairnError(f"nobody in the vault has the key {student}: see 'cairn students show'")
        present = stands_for(connection, [student])[student]
        if present != student:
            raise CairnError(f"{student} was merged into {present}: name that one, or split it first")


def _merge(row: tuple[int, str, str, str, str]) -> Merge:
    merge_id, kept, gone, merged_at, before = row
    subjects = tuple(sorted(_by_subject(json.loads(before))))
    return Merge(merge_id, kept, gone, datetime.fromisoformat(merged_at), subjects)


def _stands(connection: sqlite3.Connection, subjects: Iterable[str]) -> dict[str, Rows]:
    """All that is said of some identifiers."""
    named = sorted(subjects)
    return {
        "identifier": sorted(
            select_in(connection, f"SELECT {_IDENTIFIER} FROM identifier WHERE subject_key IN ({{}})", named),
            key=lambda row: (row[0], row[3]),
        ),
        "claim": sorted(select_in(connection, f"SELECT {_CLAIM} FROM claim WHERE subject_key IN ({{}})", named)),
    }


def _by_subject(stands: dict[str, Rows]) -> dict[str, dict[str, Rows]]:
    found: dict[str, dict[str, Rows]] = {}
    for table, rows in stands.items():
        for row in rows:
            own = found.setdefault(str(row[0]), {"identifier": [], "claim": []})
            own[table].append(tuple(row))
    return found


def _mean_one(connection: sqlite3.Connection, subjects: Iterable[str], kept_key: str) -> None:
    """Link what meant nobody, since both records claimed it, to the one person they are."""
    for subject, kind in select_in(
        connection,
        "SELECT subject_key, min(kind) FROM claim WHERE subject_key IN ({}) GROUP BY subject_key"
        " HAVING count(DISTINCT student_key) = 1 AND subject_key NOT IN"
        " (SELECT subject_key FROM identifier WHERE valid_to IS NULL)",
        sorted(subjects),
    ):
        query = "SELECT max(valid_to) FROM identifier WHERE subject_key = ?"
        (ended,) = connection.execute(query, (subject,)).fetchone()
        connection.execute(
            "INSERT INTO identifier (subject_key, student_key, kind, valid_from, reason) VALUES (?,?,?,?,'merge')",
            (subject, kept_key, kind, ended or iso(ALWAYS)),
        )


def _put_back(connection: sqlite3.Connection, subject: str, before: dict[str, Rows]) -> None:
    for table, columns in (("identifier", _IDENTIFIER), ("claim", _CLAIM)):
        connection.execute(f"DELETE FROM {table} WHERE subject_key = ?", (subject,))
        marks = ",".join("?" * len(columns.split(",")))
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", before[table])


def _give_back(connection: sqlite3.Connection, undone: Merge, before: dict[str, Rows]) -> None:
    theirs = [row for row in before["identifier"] if row[1] == undone.gone_key]
    connection.executemany(
        "UPDATE identifier SET student_key = ?, reason = 'split'"
        " WHERE subject_key = ? AND student_key = ? AND valid_from = ?",
        [(undone.gone_key, row[0], undone.kept_key, row[3]) for row in theirs],
    )
    mine = {(row[0], row[3]) for row in before["claim"] if row[1] == undone.kept_key}
    for subject, student, kind, source in before["claim"]:
        if student != undone.gone_key:
            continue
        connection.execute(f"INSERT OR IGNORE INTO claim ({_CLAIM}) VALUES (?,?,?,?)", (subject, student, kind, source))
        if (subject, source) not in mine:
            connection.execute(
                "DELETE FROM claim WHERE subject_key = ? AND student_key = ? AND source = ?",
                (subject, undone.kept_key, source),
            )
