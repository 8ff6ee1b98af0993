"""Which refusals were sent again: a file of their ids beside the originals, looked up a few hundred at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from sqlite3 import Connection

from cairn.settings import Settings
from cairn.sqlite_file import connect, transaction

TABLE = "create table replayed (rejected_id text primary key) without rowid"


class Replayed:
    """The ids of refusals that were sent again, however many there are, without holding them in memory."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings.sealed_dir / "replayed.sqlite"
        # Where ids were kept before there was this file.
        self._before: Path = settings.sealed_dir / "replayed.txt"

    def among(self, rejected_ids: Collection[str]) -> set[str]:
        """Those of the ids that were sent again."""
        if not self._path.exists() and not self._before.exists():
            return set()
        marks = ",".join("?" * len(rejected_ids))
        with self._open() as database:
            rows = database.execute(f"select rejected_id from replayed where rejected_id in ({marks})", [*rejected_ids])
            return {name for (name,) in rows}

    def add(self, rejected_ids: Iterable[str]) -> None:
        """Note that they were sent again, on disk when this returns."""
        with self._open():
            pass
        with transaction(self._path, TABLE) as database:
            database.executemany("insert or ignore into replayed values (?)", ((one,) for one in rejected_ids))

    def _open(self) -> AbstractContextManager[Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._before.exists():
            with transaction(self._path, TABLE) as database, self._before.open(encoding="ascii") as file:
                database.executemany("insert or ignore into replayed values (?)", ((line.strip(),) for line in file))
            self._before.unlink()
        return connect(self._path, TABLE)
