"""Reading releases: one read-only DuckDB connection a release, and a pair of releases pinned for a whole page.

A page asks for both current releases once, at its start; a swap in mid-page changes nothing it shows. The next page
sees the new pair.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

from cairn.settings import Settings
from releases import store
from releases.store import Release

KINDS = ("learning", "evaluation")
KEPT_CONNECTIONS = 4
DAY_IN_ID = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Opened:
    """One release and a way to ask it. ``held`` are its schools held back, by id: whose rows they show instead."""

    release_id: str
    data_date: date
    connection: duckdb.DuckDBPyConnection
    held: dict[str, str | None] = field(default_factory=dict)

    def shown_date(self, school_id: str) -> date:
        """Data date of a school's rows: the release's own, or that of the release shown while it is held back."""
        shown = DAY_IN_ID.search(self.held.get(school_id) or "")
        return date.fromisoformat(shown[0]) if shown else self.data_date

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query as dicts. Each call has its own cursor: pages run in several threads."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def has_table(self, name: str) -> bool:
        """Whether the release has the table."""
        return bool(self.rows("select 1 from information_schema.tables where table_name = ?", [name]))


def open_release(settings: Settings, release: Release) -> Opened:
    """A release, opened read-only."""
    connection = store.open_release(settings, release.kind, release.release_id)
    held = {one["school_id"]: one.get("shown_release_id") for one in release.held}
    return Opened(release.release_id, release.data_date, connection, held)


@dataclass(frozen=True)
class Pinned:
    """The pair of releases a page is made from; either may not exist yet."""

    learning: Opened | None
    evaluation: Opened | None


class Reader:
    """Opens releases and keeps the newest few connections, by release id."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: OrderedDict[tuple[str, str], Opened] = OrderedDict()
        self._lock = threading.Lock()

    def current(self, kind: str) -> Opened | None:
        """The current release of a kind, opened; None where nothing was published yet."""
        release = store.current(self._settings, kind)
        if release is None:
            return None
        key = (kind, release.release_id)
        with self._lock:
            if key not in self._opened:
                self._opened[key] = open_release(self._settings, release)
                while len(self._opened) > KEPT_CONNECTIONS:
                    # Not closed by hand: a page in another thread may still read; the last reference closes it.
                    self._opened.popitem(last=False)
            self._opened.move_to_end(key)
            return self._opened[key]

    def pin(self) -> Pinned:
        """Both current releases, for one page."""
        return Pinned(*(self.current(kind) for kind in KINDS))
