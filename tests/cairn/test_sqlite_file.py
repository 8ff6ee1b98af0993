"""A SQLite file that many open at once for the first time."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from pathlib import Path

from cairn.sqlite_file import prepare

SCHEMA = "create table if not exists one (id integer primary key); create index if not exists by_id on one (id);"


def test_many_processes_prepare_one_new_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(10):
        path = tmp_path / f"{number}.sqlite"
        processes = [context.Process(target=prepare, args=(path, SCHEMA)) for _ in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 6
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert sqlite3.connect(path).execute("select count(*) from one").fetchone() == (0,)
