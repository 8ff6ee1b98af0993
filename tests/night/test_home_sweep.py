"""What names an erased person in files of the home, also where somebody uses the file meanwhile."""

from __future__ import annotations

from pathlib import Path

from cairn.sqlite_file import connect
from night.home_sweep import count_rows, erase_rows

SCHEMA = "create table account (name text, teacher_key text)"


def test_a_row_that_was_deleted_before_is_found_and_erased_in_the_journal_of_a_file_in_use(tmp_path: Path) -> None:
    path, words = tmp_path / "accounts.sqlite", ["p_somebody"]
    with connect(path, SCHEMA) as in_use:
        in_use.execute("insert into account values ('robin', 'p_somebody')")
        in_use.execute("delete from account")
        assert b"p_somebody" in path.with_name("accounts.sqlite-wal").read_bytes(), "the file itself has nothing of it"
        assert count_rows(path, words) == 1
        assert erase_rows(path, words) == 0
        assert count_rows(path, words) == 0
