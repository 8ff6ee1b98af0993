"""Reading releases: one read-only DuckDB connection a release, and a pair of releases pinned for a whole page.

A page asks for both current releases once, at its start; a swap in mid-page changes nothing it shows. The next page
sees the new pair.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cairn.settings import Settings

if TYPE_CHECKING:
    import duckdb

KINDS = ("learning", "evaluation")
KEPT_CONNECTIONS = 4


def as_date(value: date | str) -> date:
    """A day that may come as ISO text, as a date."""
    return value if isinstance(value, date) else date.fromisoformat(value[:10])


@dataclass(frozen=True)
class Opened:
    """One release and a way to ask it."""

    release_id: str
    data_date: date
    connection: duckdb.DuckDBPyConnection

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
        from releases import store

        release = store.current(self._settings, kind)
        if release is None:
            return None
        key = (kind, release.release_id)
        with self._lock:
            if key not in self._opened:
                connection = store.open_release(self._settings, kind, release.release_id)
                self._opened[key] = Opened(release.release_id, as_date(release.data_date), connection)
                while len(self._opened) > KEPT_CONNECTIONS:
                    # Not closed by hand: a page in another thread may still read; the last reference closes it.
                    self._opened.popitem(last=False)
            self._opened.move_to_end(key)
            return self._opened[key]

    def pin(self) -> Pinned:
        """Both current releases, for one page."""
        return Pinned(*(self.current(kind) for kind in KINDS))
