"""Which refusals were sent again: a file of their ids beside the originals, looked up a few hundred at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

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
        self._prepare()
        marks = ",".join("?" * len(rejected_ids))
        with connect(self._path, TABLE) as database:
            rows = database.execute(f"select rejected_id from replayed where rejected_id in ({marks})", [*rejected_ids])
            return {name for (name,) in rows}

    def add(self, rejected_ids: Iterable[str]) -> None:
        """Note that they were sent again, on disk when this returns."""
        self._prepare()
        self._insert(rejected_ids)

    def _prepare(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._before.exists():
            with self._before.open(encoding="ascii") as file:
                self._insert(line.strip() for line in file)
            self._before.unlink()

    def _insert(self, rejected_ids: Iterable[str]) -> None:
        with transaction(self._path, TABLE) as database:
            database.executemany("insert or ignore into replayed values (?)", ((one,) for one in rejected_ids))
