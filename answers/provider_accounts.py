"""Accounts of those who sign in by the district's identity provider: made at the first sign-in, without a password.

An account is its issuer and subject: names and mail addresses may change, and are given again to others.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from datetime import UTC, datetime

from answers.accounts import COLUMNS, NAME_PATTERN, SCRYPT_N, Account, writing
from cairn.settings import Settings


def signed_in(
    settings: Settings,
    issuer: str,
    subject: str,
    *,
    name: str,
    mail: str,
    role: str,
    basis: str,
    school_id: str | None = None,
    teacher_key: str | None = None,
) -> Account:
    """The account of a subject, made or brought up to date; with another role, school or person its sessions end."""
    with writing(settings) as database:
        row = database.execute(
            "select account_id, role, school_id, teacher_key from account where issuer = ? and subject = ?",
            (issuer, subject),
        ).fetchone()
        account_id = row[0] if row else _make(database, issuer, subject, name)
        if row and row[1:] != (role, school_id, teacher_key):
            database.execute("delete from session where account_id = ?", (account_id,))
        database.execute(
            "update account set role = ?, school_id = ?, teacher_key = ?, mail = ?, basis = ?, checked_at = ?"
            " where account_id = ?",
            (role, school_id, teacher_key, mail, basis, time.time(), account_id),
        )
        found = database.execute(f"select {COLUMNS} from account where account_id = ?", (account_id,)).fetchone()
    return Account(*found)


def _make(database: sqlite3.Connection, issuer: str, subject: str, wanted: str) -> str:
    """A new row and its id. A name that is another account's gets the id behind it: nobody takes over an account."""
    account_id = secrets.token_hex(8)
    name = re.sub(r"[^A-Za-z0-9._@+-]", "-", wanted).lstrip("._@+-")[:60]
    taken = database.execute("select 1 from account where name = ?", (name,)).fetchone()
    if taken or not NAME_PATTERN.fullmatch(name):
        name = f"{name or 'account'}-{account_id}"
    database.execute(
        "insert into account (account_id, name, role, mail, salt, scrypt_n, hash, created_at, issuer, subject)"
        " values (?, ?, '', '', ?, ?, ?, ?, ?, ?)",
        (account_id, name, b"", SCRYPT_N, b"", datetime.now(UTC).isoformat(), issuer, subject),
    )
    return account_id


def end_account(settings: Settings, issuer: str, subject: str) -> None:
    """Remove the account of a subject who has no role any more; its sessions end with it."""
    with writing(settings) as database:
        database.execute("delete from account where issuer = ? and subject = ?", (issuer, subject))


def confirm(settings: Settings, account: Account, granted: tuple[str, str | None, str | None] | None) -> bool:
    """Keep an account whose role, school and teacher are still as granted; otherwise end its sessions.

    Returns whether it stands. An account that nothing is granted to is removed; one with another role signs in anew.
    """
    own = (account.role, account.school_id, account.teacher_key)
    with writing(settings) as database:
        if granted == own:
            database.execute(
                "update account set checked_at = ? where account_id = ?", (time.time(), account.account_id)
            )
        elif granted is None:
            database.execute("delete from account where account_id = ?", (account.account_id,))
        else:
            database.execute("delete from session where account_id = ?", (account.account_id,))
    return granted == own
