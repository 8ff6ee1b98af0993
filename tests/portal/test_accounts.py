"""Accounts: hashed passwords, roles, and what ends with another password."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing

import pytest

from answers import accounts
from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from portal import sessions
from portal.sign_in import remember_device, sign_in


def test_generated_password_signs_in_and_is_kept_hashed(settings: Settings) -> None:
    password = accounts.add_account(settings, "rivera", "school_leader", "school-a")
    found = sign_in(settings, "Rivera", password, "127.0.0.1")
    assert found is not None and found.school_id == "school-a"
    content = accounts.accounts_path(settings).read_bytes()
    assert password.encode() not in content
    assert stat.S_IMODE(accounts.accounts_path(settings).stat().st_mode) == 0o600


def test_wrong_password_and_unknown_name_are_refused_alike(settings: Settings) -> None:
    accounts.add_account(settings, "rivera", "engineer", password="a long password")
    assert sign_in(settings, "rivera", "another password", "127.0.0.1") is None
    assert sign_in(settings, "nobody", "a long password", "127.0.0.1") is None


@pytest.mark.parametrize(
    ("role", "school_id", "password"),
    [("principal", None, None), ("school_leader", None, None), ("engineer", "school-a", None), ("engineer", None, "x")],
)
def test_what_cannot_be_an_account_is_refused(
    settings: Settings, role: str, school_id: str | None, password: str | None
) -> None:
    with pytest.raises(UsageError):
        accounts.add_account(settings, "rivera", role, school_id, password)


def test_a_name_is_taken_once_and_free_after_removal(settings: Settings) -> None:
    accounts.add_account(settings, "rivera", "engineer")
    with pytest.raises(CairnError, match="exists"):
        accounts.add_account(settings, "RIVERA", "central_office")
    accounts.add_account(settings, "rivera", "central_office", replace=True)
    assert [one.role for one in accounts.list_accounts(settings)] == ["central_office"]
    accounts.remove_account(settings, "rivera")
    with pytest.raises(CairnError, match="no account"):
        accounts.remove_account(settings, "rivera")


def test_another_password_ends_what_was_open(settings: Settings) -> None:
    accounts.add_account(settings, "rivera", "engineer", password="a long password")
    account = sign_in(settings, "rivera", "a long password", "127.0.0.1")
    assert account is not None
    session = sessions.begin(settings, account)
    device = remember_device(settings, account, None)
    assert sessions.account_of(settings, session) == account
    fresh = accounts.set_password(settings, "Rivera")
    assert sessions.account_of(settings, session) is None
    assert remember_device(settings, account, device) != device
    assert sign_in(settings, "rivera", "a long password", "127.0.0.1") is None
    assert sign_in(settings, "rivera", fresh, "127.0.0.1") == account
    with pytest.raises(CairnError, match="no account"):
        accounts.set_password(settings, "nobody")
    with pytest.raises(UsageError, match="too short"):
        accounts.set_password(settings, "rivera", "short")


def test_accounts_of_a_home_that_exists_are_upgraded(settings: Settings) -> None:
    password = "a long password"
    accounts.add_account(settings, "rivera", "engineer", password=password)
    with accounts.reading(settings) as database:  # back to what stood before files had a version
        row = database.execute("select * from account").fetchone()[:9]
    accounts.accounts_path(settings).unlink()
    with closing(sqlite3.connect(accounts.accounts_path(settings))) as old:
        old.executescript(accounts.FIRST)
        old.execute("insert into account values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        old.commit()
    account = sign_in(settings, "rivera", password, "127.0.0.1")
    assert account is not None
    assert sessions.account_of(settings, sessions.begin(settings, account)) == account
