"""A SQLite file that many open at once for the first time."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from cairn.errors import CairnError
from cairn.sqlite_file import KEPT_CONNECTIONS, connect, give_back, kept, prepare, transaction

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


def test_a_kept_connection_is_used_again_and_what_it_commits_is_there_for_others(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    with kept(path, SCHEMA) as first:
        """Makes the file; who finds none is not kept."""
    with kept(path, SCHEMA) as first:
        first.execute("insert into one values (1)")
    with kept(path, SCHEMA) as second:
        assert second is first and second.execute("pragma synchronous").fetchone() == (2,)
        with kept(path, SCHEMA) as beside:
            assert beside is not second
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("select id from one").fetchall() == [(1,)]


def test_a_kept_connection_is_left_where_the_file_is_another_or_has_other_tables(tmp_path: Path) -> None:
    path, other = tmp_path / "one.sqlite", tmp_path / "other.sqlite"
    prepare(path, SCHEMA)
    with kept(path, SCHEMA) as database:
        database.execute("insert into one values (1)")
    with connect(other, SCHEMA) as database:
        database.execute("insert into one values (2)")
    # As a backup is put back: the file and what lies beside it go, another takes its name.
    for leftover in tmp_path.glob("one.sqlite*"):
        leftover.unlink()
    other.rename(path)
    with kept(path, SCHEMA) as database:
        assert database.execute("select id from one").fetchall() == [(2,)]
    second = "create table two (id integer)"
    with kept(path, SCHEMA, second) as database:
        assert database.execute("select count(*) from two").fetchone() == (0,)


def test_a_kept_connection_holds_nobody_up_and_is_closed_where_something_failed(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    prepare(path, SCHEMA)
    with kept(path, SCHEMA) as database:
        database.execute("insert into one values (1)")
    with pytest.raises(ZeroDivisionError), kept(path, SCHEMA) as failed:
        failed.execute("begin immediate")
        raise ZeroDivisionError
    with pytest.raises(sqlite3.ProgrammingError):
        failed.execute("select 1")
    with kept(path, SCHEMA) as database:
        assert database.execute("select count(*) from one").fetchone() == (1,)
    with transaction(path, SCHEMA) as other:
        other.execute("delete from one")
    give_back(path)
    assert (tmp_path / "one.sqlite-wal").stat().st_size == 0
    with kept(path, SCHEMA) as database:
        assert database.execute("select count(*) from one").fetchone() == (0,)


def test_a_process_keeps_no_more_than_a_few(tmp_path: Path) -> None:
    opened = []
    for number in range(KEPT_CONNECTIONS + 3):
        prepare(tmp_path / f"{number}.sqlite", SCHEMA)
        with kept(tmp_path / f"{number}.sqlite", SCHEMA) as database:
            opened.append(database)
    for database in opened[:3]:
        with pytest.raises(sqlite3.ProgrammingError):
            database.execute("select 1")
    assert opened[-1].execute("select 1").fetchone() == (1,)


def test_a_kept_connection_is_not_carried_over_a_fork(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    prepare(path, SCHEMA)
    with kept(path, SCHEMA) as ours:
        ours.execute("insert into one values (1)")
    child = os.fork()
    if child == 0:
        with kept(path, SCHEMA) as own:
            os._exit(int(own is ours))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
