"""Accounts: hashed passwords, roles, throttling, the session's key."""

from __future__ import annotations

import stat

import pytest

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from portal import accounts


def test_generated_password_signs_in_and_is_kept_hashed(settings: Settings) -> None:
    password = accounts.add_account(settings, "rivera", "school_leader", "school-a")
    found = accounts.sign_in(settings, "Rivera", password, "127.0.0.1")
    assert found is not None and found.school_id == "school-a"
    content = accounts.accounts_path(settings).read_bytes()
    assert password.encode() not in content
    assert stat.S_IMODE(accounts.accounts_path(settings).stat().st_mode) == 0o600


def test_wrong_password_and_unknown_name_are_refused_alike(settings: Settings) -> None:
    accounts.add_account(settings, "rivera", "engineer", password="a long password")
    assert accounts.sign_in(settings, "rivera", "another password", "127.0.0.1") is None
    assert accounts.sign_in(settings, "nobody", "a long password", "127.0.0.1") is None


def test_failures_are_throttled_by_name_and_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.add_account(settings, "rivera", "engineer", password="a long password")
    for _ in range(accounts.FAILURES_PER_NAME):
        assert accounts.sign_in(settings, "rivera", "a wrong one", "127.0.0.1") is None
    with pytest.raises(accounts.Throttled):
        accounts.sign_in(settings, "rivera", "a long password", "127.0.0.1")
    assert accounts.sign_in(settings, "rivera", "a long password", "127.0.0.2") is not None
    monkeypatch.setattr(accounts, "WINDOW_SECONDS", -1)
    assert accounts.sign_in(settings, "rivera", "a long password", "127.0.0.1") is not None


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


def test_the_session_key_is_made_once_for_its_owner(settings: Settings) -> None:
    first = accounts.session_secret(settings)
    assert first == accounts.session_secret(settings) and len(first) == 64
    assert stat.S_IMODE((settings.keys_dir / "portal_session.key").stat().st_mode) == 0o600
