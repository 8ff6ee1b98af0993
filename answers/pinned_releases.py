"""Reading releases: one read-only DuckDB connection a release, and a pair of releases pinned for a whole page.

A page asks for both current releases once, at its start; a swap in mid-page changes nothing it shows. The next page
sees the new pair. A release never changes, so that rows which were read once are kept, as many as fit the bound: keys
and states, never a name.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from cairn.settings import Settings
from releases import store
from releases.store import Release

KINDS = ("learning", "evaluation")
KEPT_CONNECTIONS = 4
# Values of rows that a process keeps, a little over a hundred bytes each (189 MiB for 1.76 million on the reference
# district's school pages); an answer of more than LARGEST of them is not kept.
KEPT_VALUES, LARGEST = 2_500_000, 0.1
DAY_IN_ID = re.compile(r"\d{4}-\d{2}-\d{2}")


Rows = list[dict[str, Any]]


class KeptRows:
    """Answers of releases by release, statement and parameters; the least lately asked go when there are too many."""

    def __init__(self, most_values: int = KEPT_VALUES) -> None:
        self._most, self._values = most_values, 0
        self._answers: OrderedDict[tuple[Any, ...], tuple[Rows, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def values(self) -> int:
        """How many values are kept."""
        return self._values

    @property
    def has_room(self) -> bool:
        """Whether a fifth is free: what nobody has asked for yet is read ahead no further."""
        return self._values < 0.8 * self._most

    def get(self, key: tuple[Any, ...]) -> Rows | None:
        """Copies of the rows, which the caller may change; None where they are not kept."""
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                return None
            self._answers.move_to_end(key)
        return [row.copy() for row in found[0]]

    def put(self, key: tuple[Any, ...], rows: Rows) -> None:
        """Keep copies of the rows."""
        size = 1 + (len(rows) * len(rows[0]) if rows else 0)
        if size > self._most * LARGEST:
            return
        kept = [row.copy() for row in rows]
        with self._lock:
            if key not in self._answers:
                self._answers[key] = kept, size
                self._values += size
            while self._values > self._most:
                self._values -= self._answers.popitem(last=False)[1][1]


@dataclass(frozen=True)
class Opened:
    """One release and a way to ask it. ``held`` are its schools held back, by id: whose rows they show instead."""

    release_id: str
    data_date: date
    connection: duckdb.DuckDBPyConnection
    held: dict[str, str | None] = field(default_factory=dict)
    kept: KeptRows | None = None
    erasures: int = 0

    def shown_date(self, school_id: str) -> date:
        """Data date of a school's rows: the release's own, or that of the release shown while it is held back."""
        shown = DAY_IN_ID.search(self.held.get(school_id) or "")
        return date.fromisoformat(shown[0]) if shown else self.data_date

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Rows of a query as dicts, which are the caller's own."""
        if self.kept is None:
            return self._asked(sql, parameters)
        key = (self.release_id, self.erasures, sql, *parameters)
        found = self.kept.get(key)
        if found is None:
            found = self._asked(sql, parameters)
            self.kept.put(key, found)
        return found

    def _asked(self, sql: str, parameters: Sequence[Any]) -> Rows:
        """Rows from the file. Each call has its own cursor: pages run in several threads."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def table(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Rows of a query by the column, for thousands of them; they are not kept."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            return cursor.sql(sql, params=list(parameters)).to_arrow_table()

    def has_table(self, name: str) -> bool:
        """Whether the release has the table."""
        return name in self._tables

    @functools.cached_property
    def _tables(self) -> frozenset[str]:
        """Names of its tables: a page asks for several."""
        return frozenset(row["table_name"] for row in self._asked("select table_name from duckdb_tables()", ()))


def open_release(settings: Settings, release: Release, kept: KeptRows | None = None) -> Opened:
    """A release, opened read-only; ``kept`` holds its answers from then on."""
    connection = store.open_release(settings, release.kind, release.release_id)
    held = {one["school_id"]: one.get("shown_release_id") for one in release.held}
    return Opened(release.release_id, release.data_date, connection, held, kept, len(release.erased))


@dataclass(frozen=True)
class Pinned:
    """The pair of releases a page is made from; either may not exist yet."""

    learning: Opened | None
    evaluation: Opened | None


class Reader:
    """Opens releases and keeps the newest few connections, by release id, and their answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = KeptRows()
        self._opened: OrderedDict[tuple[str, str, int], Opened] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def has_room(self) -> bool:
        """Whether answers that nobody has asked for yet may be kept."""
        return self._kept.has_room

    def current(self, kind: str) -> Opened | None:
        """The current release of a kind, opened; None where nothing was published yet."""
        release = store.current(self._settings, kind)
        if release is None:
            return None
        # Whose rows were taken out of the file since: then it is another file, of the same name.
        key = (kind, release.release_id, len(release.erased))
        with self._lock:
            if key not in self._opened:
                # DuckDB opens a file once a process: while the one from before is open, its name stands for that.
                for before in [one for one in self._opened if one[:2] == key[:2]]:
                    del self._opened[before]
                self._opened[key] = open_release(self._settings, release, self._kept)
                while len(self._opened) > KEPT_CONNECTIONS:
                    # Not closed by hand: a page in another thread may still read; the last reference closes it.
                    self._opened.popitem(last=False)
            self._opened.move_to_end(key)
            return self._opened[key]

    def pin(self) -> Pinned:
        """Both current releases, for one page."""
        return Pinned(*(self.current(kind) for kind in KINDS))
