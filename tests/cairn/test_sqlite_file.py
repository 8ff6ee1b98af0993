"""A SQLite file that many open at once for the first time."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from cairn import sqlite_file
from cairn.errors import CairnError
from cairn.sqlite_file import connect, give_back, prepare, transaction

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


def test_many_processes_connect_to_one_file_from_before_versions(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(10):
        path = tmp_path / f"{number}.sqlite"
        with closing(sqlite3.connect(path)) as old:
            old.executescript(SCHEMA)
        processes = [context.Process(target=_add_one, args=(path,)) for _ in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 6
        with connect(path, SCHEMA, "create table two (id integer)") as database:
            assert database.execute("select count(*) from one").fetchone() == (6,)


def _add_one(path: Path) -> None:
    with transaction(path, SCHEMA, "create table two (id integer)") as database:
        database.execute("insert into one default values")


def test_a_file_that_exists_is_upgraded_once(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old:  # made before files had a version
        old.executescript(SCHEMA)
        old.execute("insert into one values (7)")
        old.commit()
    second = "alter table one add column word text default 'kept'"
    prepare(path, SCHEMA, second)
    with connect(path, SCHEMA, second) as database:
        assert database.execute("select * from one").fetchall() == [(7, "kept")]
        assert database.execute("pragma user_version").fetchone() == (2,)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    prepare(path, SCHEMA)
    with pytest.raises(sqlite3.OperationalError):
        prepare(path, SCHEMA, "create table two (id integer); insert into nowhere values (1)")
    with connect(path, SCHEMA) as database:
        assert database.execute("select name from sqlite_master where name = 'two'").fetchone() is None
        assert database.execute("pragma user_version").fetchone() == (1,)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    prepare(path, SCHEMA, "create table two (id integer)")
    with pytest.raises(CairnError, match="schema version 2 and this version of Cairn knows 1"):
        prepare(path, SCHEMA)


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    prepare(path, SCHEMA)
    with pytest.raises(ZeroDivisionError), transaction(path, SCHEMA) as database:
        database.execute("insert into one values (1)")
        raise ZeroDivisionError
    with connect(path, SCHEMA) as database:
        assert database.execute("select count(*) from one").fetchone() == (0,)


def test_what_is_deleted_is_gone_from_file_and_journal_or_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.sqlite"
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.2)
    with connect(path, "create table one (word text)") as database:
        database.execute("insert into one values ('p_somebody')")
        database.execute("delete from one")
        reader = sqlite3.connect(path)
        reader.execute("begin")
        reader.execute("select * from one").fetchall()
        with pytest.raises(sqlite3.OperationalError, match=r"being read|locked"):
            give_back(path)
        reader.close()
        give_back(path)
        said = path.read_bytes() + path.with_name("one.sqlite-wal").read_bytes()
    assert b"p_somebody" not in said
