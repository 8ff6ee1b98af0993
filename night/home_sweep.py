"""Keys of a person in what else lies in the home: SQLite files, logs, reports, states of nights.

Nothing here should hold one but live's own file; it is looked through all the same, so that nothing has to be
remembered. What has an erasure of its own (lake, releases, feeds, vault) is left to that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from cairn.settings import Settings
from cairn.sqlite_file import BUSY_SECONDS, give_back
from identity import erasures

# Not looked into: the list of erasures itself, what is erased elsewhere, programs' own data and scratch.
LEFT_OUT = ("lake", "releases", "feeds", "keys", "sealed", "kafka", "broker", "spark", "spill", "leases")
TEXT_ENDINGS = {".log", ".json", ".html", ".txt", ".csv", ".jsonl", ".yaml", ".toml", ".out", ".err", ""}
CHUNK_BYTES = 1 << 22


def databases(settings: Settings) -> list[Path]:
    """Every SQLite file of the platform's."""
    return [path for path in _files(settings) if path.suffix == ".sqlite"]


def erase_rows(path: Path, words: Collection[str]) -> int:
    """Delete the rows of a SQLite file that name the person in any column; how many went."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        gone = sum(
            database.execute(f"DELETE FROM {table} WHERE {named}", values).rowcount
            for table, named, values in _naming(database, words)
        )
        database.execute("COMMIT")
    if gone or _file_says(path, words):
        give_back(path)
    return gone


def count_rows(path: Path, words: Collection[str]) -> int:
    """Rows of a SQLite file that name the person, and 1 where only its free pages or its journal do."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        rows = sum(
            int(database.execute(f"SELECT count(*) FROM {table} WHERE {named}", values).fetchone()[0])
            for table, named, values in _naming(database, words)
        )
    return rows or int(_file_says(path, words))


def files_that_say(settings: Settings, words: Collection[str]) -> list[Path]:
    """Text files that name the person."""
    return [path for path in _files(settings) if path.suffix in TEXT_ENDINGS and _says(path, words)]


def overwrite(path: Path, words: Collection[str]) -> None:
    """Put x in place of each character of the words, in the file itself: a log that is being written stays one."""
    content = path.read_bytes()
    with path.open("r+b") as file:
        for word in (one.encode() for one in words):
            place = content.find(word)
            while place >= 0:
                file.seek(place)
                file.write(b"x" * len(word))
                place = content.find(word, place + len(word))


def _files(settings: Settings) -> Iterator[Path]:
    left_out = {settings.home / name for name in LEFT_OUT} | {erasures.folder(settings), Path(settings.lake)}
    for top in sorted(settings.home.iterdir()) if settings.home.is_dir() else ():
        if top in left_out:
            continue
        for path in (top, *sorted(top.rglob("*"))) if top.is_dir() else (top,):
            if path.is_file() and not path.is_symlink():
                yield path


def _file_says(path: Path, words: Collection[str]) -> bool:
    """Whether a SQLite file names the person anywhere, or its journal, which stays while somebody uses the file."""
    journal = path.with_name(f"{path.name}-wal")
    return _says(path, words) or (journal.exists() and _says(journal, words))


def _says(path: Path, words: Collection[str]) -> bool:
    wanted = [word.encode() for word in words]
    longest = max(map(len, wanted), default=0)
    before = b""
    with path.open("rb") as file:
        while part := file.read(CHUNK_BYTES):
            if any(word in before + part for word in wanted):
                return True
            before = part[-longest:]
    return False


def _naming(database: sqlite3.Connection, words: Collection[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Each table, the condition under which a row names the person, and its values."""
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")') if "INT" not in row[2].upper()]
        if not columns or table.startswith("sqlite_"):
            continue
        values = [word for _ in columns for word in sorted(words)]
        named = " OR ".join(f'instr(CAST("{column}" AS TEXT), ?) > 0' for column in columns for _ in words)
        yield f'"{table}"', named, values
