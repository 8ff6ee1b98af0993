"""What live keeps on disk: how far the topic was read, what came since the night, and the live table.

One SQLite file in WAL mode. Positions and events commit in one transaction, and with them which pupils are to be
folded: a process that dies at any instant reads on where its events end, and folds what it had not. Nothing here is
the only copy of anything: without the file live reads the topic again from the night's offsets.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import orjson

from cairn import sqlite_file
from cairn.settings import Settings
from live.records import Event

NEVER_US = (1 << 63) - 1
# Where an event came from that the lake told of, not the topic: it waited for its day when the night ran.
FROM_LAKE = -1
SCHEMA = """
create table position (partition_number integer primary key, next_offset integer not null);
create table base (only_row integer primary key check (only_row = 1), night integer not null);
create table event (
    event_id text primary key,
    content_hash text not null,
    partition_number integer not null,
    kafka_offset integer not null,
    subject_key text not null,
    time_us integer not null,
    received_us integer not null,
    statement_key integer,
    voids integer,
    voids_event text,
    content blob
) without rowid;
create index event_subject on event (subject_key);
create index event_place on event (partition_number, kafka_offset);
create index event_statement on event (statement_key) where statement_key is not null;
create index event_void on event (voids) where voids is not null;
create table pupil (
    student_key text primary key,
    waits_since_us integer,
    is_whole integer not null,
    fold_at_us integer not null,
    folded_at_us integer
) without rowid;
create index pupil_waiting on pupil (waits_since_us) where waits_since_us is not null;
create index pupil_due on pupil (fold_at_us);
create table live_state (
    student_key text not null,
    competency_id text not null,
    is_removed integer not null,
    state text not null,
    expected_share real,
    share_low real,
    share_high real,
    attempts integer not null,
    counted_attempts integer not null,
    last_event_at_us integer,
    new_events integer not null,
    folded_at_us integer not null,
    primary key (student_key, competency_id)
) without rowid;
"""
STATE_COLUMNS = (
    *("student_key", "competency_id", "is_removed", "state", "expected_share", "share_low", "share_high"),
    *("attempts", "counted_attempts", "last_event_at_us", "new_events", "folded_at_us"),
)
_values = itemgetter(*STATE_COLUMNS)
# SQLite takes so many values in one statement at the least.
MOST_VALUES = 500


def path_of(settings: Settings) -> Path:
    """The file, in the home."""
    return settings.home / "live" / "live.sqlite"


@dataclass(frozen=True)
class Folded:
    """What a fold says: rows of the live table, and of each pupil the instant at which time alone changes it."""

    pupils: Mapping[str, int]
    rows: Sequence[Mapping[str, Any]]


class Store:
    """The file, opened by one writer; readers open it beside. A context manager."""

    def __init__(self, settings: Settings) -> None:
        self.path = path_of(settings)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        sqlite_file.prepare(self.path, SCHEMA)
        self._database = sqlite3.connect(
            self.path, timeout=sqlite_file.BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # A process that is killed loses nothing; a machine that loses power may lose the last commits, whole and in
        # order, and they are read from the topic again.
        self._database.execute("pragma synchronous = normal")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        with sqlite_file.writing(self._database):
            yield

    # Positions and the base.

    def positions(self) -> dict[int, int]:
        """Next offset of each partition of the activity topic."""
        return dict(self._database.execute("select partition_number, next_offset from position").fetchall())

    def base_night(self) -> int | None:
        """Number in ops.night of what the live table stands on."""
        row = self._database.execute("select night from base").fetchone()
        return int(row[0]) if row else None

    def set_positions(self, positions: Mapping[int, int]) -> None:
        """Note how far the topic has been read. Within a transaction."""
        self._database.executemany("insert or replace into position values (?, ?)", list(positions.items()))

    def rebase(self, night: int, offsets: Mapping[int, int]) -> None:
        """Stand on another night: what it has counted goes. Within a transaction."""
        self._database.execute("insert or replace into base values (1, ?)", (night,))
        self._database.execute("delete from event where partition_number = ?", (FROM_LAKE,))
        for partition, offset in offsets.items():
            self._database.execute(
                "delete from event where partition_number = ? and kafka_offset < ?", (partition, offset)
            )
        self._database.execute("delete from live_state")
        self._database.execute("delete from pupil")

    # Events.

    def add_events(self, events: Iterable[Event]) -> list[Event]:
        """Keep the events whose id is not there yet, and return them. Within a transaction."""
        new = []
        for event in events:
            done = self._database.execute(
                "insert or ignore into event values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(event.event_id, event.content_hash, event.partition, event.offset, event.subject_key),
                    *(event.time_us, event.received_us, event.statement_key, event.voids, event.voids_event),
                    orjson.dumps(event.content) if event.content is not None else None,
                ),
            )
            if done.rowcount:
                new.append(event)
        return new

    def take_out(self, places: Iterable[tuple[int, int]]) -> list[str]:
        """Forget the events of some (partition, offset); returns their subjects. Within a transaction."""
        subjects = []
        for place in places:
            subjects += self._texts(
                "delete from event where partition_number = ? and kafka_offset = ? returning subject_key", place
            )
        return subjects

    def contents(self, subjects: Sequence[str], upto: Mapping[int, int] | None = None) -> list[dict[str, Any]]:
        """Scored events of some subjects, in the columns EVENT_COLUMNS; those before some offsets where given."""
        query = "select partition_number, kafka_offset, content from event where content is not null and subject_key"
        return [
            orjson.loads(row[2]) for row in _in(self._database, query + " in ({})", subjects) if _is_before(row, upto)
        ]

    def scored_subjects(self) -> list[str]:
        """Subjects of all scored events."""
        return self._texts("select distinct subject_key from event where content is not null")

    def voids(self, upto: Mapping[int, int] | None = None) -> list[tuple[int, int]]:
        """(statement key, instant in microseconds) of all that was taken back; before some offsets where given."""
        query = "select partition_number, kafka_offset, voids, time_us from event where voids is not null"
        return [(row[2], row[3]) for row in self._database.execute(query) if _is_before(row, upto)]

    def voided_events(self) -> list[tuple[int, str]]:
        """(statement key, event id) of all that was taken back."""
        return self._database.execute("select voids, voids_event from event where voids is not null").fetchall()

    def subjects_of_statements(self, statements: Sequence[int]) -> list[str]:
        """Subjects of the events that came of some statements."""
        return [
            row[0]
            for row in _in(self._database, "select subject_key from event where statement_key in ({})", statements)
        ]

    def newest_received_us(self) -> int | None:
        """When the newest event was received by the gateway."""
        row = self._database.execute("select max(received_us) from event").fetchone()
        return row[0] if row else None

    # Pupils and the live table.

    def mark(self, students: Iterable[str], now_us: int, *, is_whole: bool = False) -> None:
        """These pupils are to be folded, whole from now on where said so. Within a transaction."""
        self._database.executemany(
            "insert into pupil values (?1, ?2, ?3, ?4, null) on conflict (student_key)"
            " do update set waits_since_us = coalesce(waits_since_us, ?2), is_whole = max(is_whole, ?3)",
            [(student, now_us, int(is_whole), NEVER_US) for student in students],
        )

    def whole(self, students: Sequence[str]) -> set[str]:
        """Which of the pupils are to be folded from all their events: something that the night counted went."""
        query = "select student_key from pupil where is_whole and student_key in ({})"
        return {row[0] for row in _in(self._database, query, students)}

    def waiting(self, now_us: int, most: int) -> list[str]:
        """Pupils to be folded now: those that something came for, who waits longest first; then whose time has come."""
        waiting = self._texts(
            "select student_key from pupil where waits_since_us is not null order by waits_since_us limit ?", (most,)
        )
        due = "select student_key from pupil where fold_at_us <= ? and waits_since_us is null limit ?"
        return waiting + self._texts(due, (now_us, most - len(waiting)))

    def students(self) -> list[str]:
        """All pupils that something came for since the night."""
        return self._texts("select student_key from pupil order by student_key")

    def count_waiting(self) -> int:
        """How many pupils are still to be folded."""
        return int(self._database.execute("select count(*) from pupil where waits_since_us is not null").fetchone()[0])

    def put(self, folded: Folded, now_us: int) -> None:
        """The pupils' rows of the live table in place of those before. Within a transaction."""
        for some in _stretches(list(folded.pupils)):
            marks = ",".join("?" * len(some))
            self._database.execute(f"delete from live_state where student_key in ({marks})", some)
        self._database.executemany(
            f"insert into live_state values ({','.join('?' * len(STATE_COLUMNS))})",
            [_values(row) for row in folded.rows],
        )
        self._database.executemany(
            "insert into pupil values (?1, null, 0, ?2, ?3) on conflict (student_key)"
            " do update set waits_since_us = null, fold_at_us = ?2, folded_at_us = ?3",
            [(student, at_us, now_us) for student, at_us in folded.pupils.items()],
        )

    def states(self, students: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of the live table of some pupils."""
        return _states(self._database, students)

    def counts(self) -> dict[str, int]:
        """How many events, pupils and rows there are."""
        return {
            name: int(self._database.execute(f"select count(*) from {table}").fetchone()[0])
            for name, table in (("events", "event"), ("pupils", "pupil"), ("pairs", "live_state"))
        }

    def _texts(self, query: str, values: Sequence[Any] = ()) -> list[str]:
        return [row[0] for row in self._database.execute(query, values).fetchall()]


def read_states(settings: Settings, students: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the live table of some pupils, read beside the writer; none where there is no table yet."""
    if not path_of(settings).exists():
        return []
    uri = f"{path_of(settings).as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=sqlite_file.BUSY_SECONDS)) as database:
        return _states(database, students)


def _states(database: sqlite3.Connection, students: Sequence[str]) -> list[dict[str, Any]]:
    query = f"select {', '.join(STATE_COLUMNS)} from live_state where student_key in ({{}})"
    return [dict(zip(STATE_COLUMNS, row, strict=True)) for row in _in(database, query, students)]


def _in(database: sqlite3.Connection, query: str, values: Sequence[Any]) -> list[Any]:
    """Rows of a query whose ``{}`` is a list of values, however long it is."""
    found = []
    for some in _stretches(values):
        found += database.execute(query.format(",".join("?" * len(some))), some).fetchall()
    return found


def _is_before(row: Sequence[Any], upto: Mapping[int, int] | None) -> bool:
    """Whether an event (partition, offset, ...) lies before the offsets; those of the lake do, and all where none."""
    return upto is None or row[0] == FROM_LAKE or row[1] < upto.get(row[0], 0)


def _stretches(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[begin : begin + MOST_VALUES] for begin in range(0, len(values), MOST_VALUES))
