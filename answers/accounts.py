"""Portal accounts: who may sign in, as what, for which school or classes; passwords as scrypt.

Lies in ``home/accounts.sqlite`` (owner only), with sessions, known browsers and tries to sign in (``portal.sessions``,
``portal.sign_in``). Parameters of scrypt: N 2^15, r 8, p 1 (32 MiB, about a tenth of a second), within what RFC 7914
calls interactive; the salt is 16 random bytes an account. N lies beside each hash, so that raising it later leaves the
passwords of today valid.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from cairn.sqlite_file import connect, transaction

ROLES = ("school_leader", "teacher", "central_office", "engineer")
SCRYPT_N, SCRYPT_R, SCRYPT_P, SCRYPT_MEMORY = 2**15, 8, 1, 64 * 1024 * 1024
MINIMUM_PASSWORD = 10
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}")

FIRST = """
create table if not exists account (
  account_id text primary key, name text not null unique collate nocase, role text not null, school_id text,
  mail text not null, salt blob not null, scrypt_n integer not null, hash blob not null, created_at text not null);
create table if not exists failure (name text not null collate nocase, client text not null, failed_at real not null)
"""
# Tokens of sessions and browsers are kept as hashes, names tried as keyed hashes: the file signs nobody in. What is
# an account's ends with it. Times are seconds since 1970.
SECOND = """
drop table failure;
create table session (
  session_hash text primary key, account_id text not null references account (account_id) on delete cascade,
  started_at real not null, seen_at real not null) without rowid;
create index session_of on session (account_id);
create table device (
  device_hash text primary key, account_id text not null references account (account_id) on delete cascade,
  seen_at real not null) without rowid;
create index device_of on device (account_id);
create table attempt (
  attempt_id integer primary key, name_hash text not null, client text not null, device_hash text,
  tried_at real not null);
create index attempt_of_name on attempt (name_hash);
create index attempt_of_client on attempt (client);
create index attempt_of_device on attempt (device_hash)
"""
# A teacher's own person key, as class sections of the roster name her.
THIRD = "alter table account add column teacher_key text"
# Who signs in by the identity provider (its issuer and subject) has a row without a password, and on what the role
# rests: access.yaml's group, or a person of the roster. Begun sign-ins are single-use; reasons to see names are a
# session's and end with it.
FOURTH = """
alter table account add column issuer text;
alter table account add column subject text;
alter table account add column basis text;
alter table account add column checked_at real;
create unique index account_of_subject on account (issuer, subject);
create table sign_in_begun (
  state_hash text primary key, nonce text not null, verifier text not null, target text not null,
  began_at real not null) without rowid;
create table named_reason (
  session_hash text not null references session (session_hash) on delete cascade, about text not null,
  reason text not null, until real not null, primary key (session_hash, about)) without rowid
"""
MIGRATIONS = (FIRST, SECOND, THIRD, FOURTH)
# What an Account is read from, in its order.
COLUMNS = "account_id, name, role, school_id, mail, teacher_key, issuer"
READ = COLUMNS.count(",") + 1


@dataclass(frozen=True)
class Account:
    """One account; ``account_id`` changes when it is made anew.

    ``school_id`` is set for school leaders only, ``teacher_key`` (the key of her person) for teachers only, ``issuer``
    for those who sign in by the identity provider.
    """

    account_id: str
    name: str
    role: str
    school_id: str | None
    mail: str
    teacher_key: str | None = None
    issuer: str | None = None

    @property
    def told(self) -> str:
        """How what somebody decided names the account: an account that is made anew has the name and another id."""
        return f"{self.name} ({self.account_id})"


def accounts_path(settings: Settings) -> Path:
    """Where the accounts lie."""
    return settings.home / "accounts.sqlite"


def reading(settings: Settings) -> AbstractContextManager[sqlite3.Connection]:
    """A connection to the accounts' file, which is made or upgraded where needed."""
    return connect(_folder_made(settings), *MIGRATIONS)


def writing(settings: Settings) -> AbstractContextManager[sqlite3.Connection]:
    """A connection in one write transaction."""
    return transaction(_folder_made(settings), *MIGRATIONS)


def _folder_made(settings: Settings) -> Path:
    path = accounts_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _scrypt(password: str, salt: bytes, n: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=SCRYPT_R, p=SCRYPT_P, maxmem=SCRYPT_MEMORY, dklen=32)


def _hashed(password: str) -> tuple[bytes, int, bytes]:
    """A fresh salt, the cost, and the hash."""
    salt = secrets.token_bytes(16)
    return salt, SCRYPT_N, _scrypt(password, salt, SCRYPT_N)


def _check_new(name: str, role: str, school_id: str | None, teacher_key: str | None, password: str | None) -> None:
    """Refuse what cannot be an account. Raises UsageError."""
    if not NAME_PATTERN.fullmatch(name):
        raise UsageError(f"account name {name!r}: use letters, digits and . _ @ + - (at most 80)")
    if role not in ROLES:
        raise UsageError(f"role {role!r}: one of {', '.join(ROLES)}")
    if (role == "school_leader") != bool(school_id):
        raise UsageError("a school leader needs --school ID, and nobody else has one")
    if (role == "teacher") != bool(teacher_key):
        raise UsageError("a teacher needs --teacher ID-OR-KEY, and nobody else has one")
    if password is not None:
        _check_password(password)


def _check_password(password: str) -> None:
    if len(password) < MINIMUM_PASSWORD:
        raise UsageError(f"the password is too short: at least {MINIMUM_PASSWORD} characters")


def add_account(
    settings: Settings,
    name: str,
    role: str,
    school_id: str | None = None,
    password: str | None = None,
    mail: str | None = None,
    replace: bool = False,
    teacher_key: str | None = None,
) -> str:
    """Make an account and return its password (generated where none is given; it is stored hashed only).

    ``mail`` is where the school's feed mail goes; ``NAME@localhost`` where absent. ``replace`` makes an existing
    account anew and ends its sessions. Raises UsageError for a bad role, school, teacher or password, CairnError where
    the name is taken.
    """
    _check_new(name, role, school_id, teacher_key, password)
    secret = password if password is not None else secrets.token_urlsafe(12)
    row = (
        secrets.token_hex(8),
        name,
        role,
        school_id,
        mail or (name if "@" in name else f"{name}@localhost"),
        *_hashed(secret),
        datetime.now(UTC).isoformat(),
        teacher_key,
    )
    with writing(settings) as database:
        if replace:
            database.execute("delete from account where name = ?", (name,))
        try:
            database.execute(
                "insert into account (account_id, name, role, school_id, mail, salt, scrypt_n, hash, created_at,"
                " teacher_key) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        except sqlite3.IntegrityError as error:
            raise CairnError(f"account {name!r} exists: remove it first, with 'cairn account remove {name}'") from error
    return secret


def set_password(settings: Settings, name: str, password: str | None = None) -> str:
    """Give an account another password and return it (generated where none is given).

    Ends its sessions and forgets the browsers it is known from. Raises UsageError for a password that is too short,
    CairnError where there is no such account, or where it signs in by the identity provider.
    """
    if password is not None:
        _check_password(password)
    secret = password if password is not None else secrets.token_urlsafe(12)
    salt, n, hashed = _hashed(secret)
    with writing(settings) as database:
        row = database.execute("select account_id from account where name = ? and issuer is null", (name,)).fetchone()
        if row is None:
            raise CairnError(f"no account {name!r} with a password: see 'cairn account list'")
        database.execute(
            "update account set salt = ?, scrypt_n = ?, hash = ? where account_id = ?", (salt, n, hashed, *row)
        )
        database.execute("delete from session where account_id = ?", row)
        database.execute("delete from device where account_id = ?", row)
    return secret


def password_fits(settings: Settings, name: str, password: str) -> Account | None:
    """The account if name and password fit, else None; the same work is done for a name that does not exist."""
    with reading(settings) as database:
        row = database.execute(
            f"select {COLUMNS}, salt, scrypt_n, hash from account where name = ? and issuer is null", (name,)
        ).fetchone()
    salt, n, expected = row[READ:] if row else (b"\0" * 16, SCRYPT_N, b"")
    fits = hmac.compare_digest(_scrypt(password, salt, n), expected)
    return Account(*row[:READ]) if row and fits else None


def remove_account(settings: Settings, name: str) -> None:
    """Remove an account; its sessions end with it. Raises CairnError where there is none."""
    with writing(settings) as database:
        if database.execute("delete from account where name = ?", (name,)).rowcount == 0:
            raise CairnError(f"no account {name!r}: see 'cairn account list'")


def list_accounts(settings: Settings, school_id: str | None = None) -> list[Account]:
    """All accounts by name, or those of a school's leaders."""
    with reading(settings) as database:
        rows = database.execute(
            f"select {COLUMNS} from account where ?1 is null or school_id = ?1 order by name",
            (school_id,),
        ).fetchall()
    return [Account(*row) for row in rows]
