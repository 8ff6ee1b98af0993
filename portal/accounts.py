"""Portal accounts: who may sign in, as what, for which school; passwords as scrypt, failed sign-ins counted.

Lies in ``home/accounts.sqlite`` (owner only). Parameters of scrypt: N 2^15, r 8, p 1 (32 MiB, about a tenth of a
second), within what RFC 7914 calls interactive; the salt is 16 random bytes an account. N lies beside each hash, so
that raising it later leaves the passwords of today valid.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings

ROLES = ("school_leader", "central_office", "engineer")
SCRYPT_N, SCRYPT_R, SCRYPT_P, SCRYPT_MEMORY = 2**15, 8, 1, 64 * 1024 * 1024
MINIMUM_PASSWORD = 10
# Throttling: failures within the window, per account name from one address, and per address over all names.
WINDOW_SECONDS = 15 * 60
FAILURES_PER_NAME = 5
FAILURES_PER_CLIENT = 30
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}")

SCHEMA = """
create table if not exists account (
  account_id text primary key, name text not null unique collate nocase, role text not null, school_id text,
  mail text not null, salt blob not null, scrypt_n integer not null, hash blob not null, created_at text not null);
create table if not exists failure (name text not null collate nocase, client text not null, failed_at real not null);
"""


@dataclass(frozen=True)
class Account:
    """One account; ``school_id`` is set for school leaders only; ``account_id`` changes when it is made anew."""

    account_id: str
    name: str
    role: str
    school_id: str | None
    mail: str


class Throttled(CairnError):
    """Too many failed sign-ins of late; try again after the window."""


def accounts_path(settings: Settings) -> Path:
    """Where the accounts lie."""
    return settings.home / "accounts.sqlite"


@contextmanager
def _database(settings: Settings) -> Iterator[sqlite3.Connection]:
    """A connection in one transaction; the file is made for its owner only."""
    path = accounts_path(settings)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=10)
    try:
        connection.executescript(SCHEMA)
        with connection:
            yield connection
    finally:
        connection.close()


def _scrypt(password: str, salt: bytes, n: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=SCRYPT_R, p=SCRYPT_P, maxmem=SCRYPT_MEMORY, dklen=32)


def _check_new(name: str, role: str, school_id: str | None, password: str | None) -> None:
    """Refuse what cannot be an account. Raises UsageError."""
    if not NAME_PATTERN.fullmatch(name):
        raise UsageError(f"account name {name!r}: use letters, digits and . _ @ + - (at most 80)")
    if role not in ROLES:
        raise UsageError(f"role {role!r}: one of {', '.join(ROLES)}")
    if (role == "school_leader") != bool(school_id):
        raise UsageError("a school leader needs --school ID, and nobody else has one")
    if password is not None and len(password) < MINIMUM_PASSWORD:
        raise UsageError(f"the password is too short: at least {MINIMUM_PASSWORD} characters")


def add_account(
    settings: Settings,
    name: str,
    role: str,
    school_id: str | None = None,
    password: str | None = None,
    mail: str | None = None,
    replace: bool = False,
) -> str:
    """Make an account and return its password (generated where none is given; it is stored hashed only).

    ``mail`` is where the school's feed mail goes; ``NAME@localhost`` where absent. ``replace`` makes an existing
    account anew and ends its sessions. Raises UsageError for a bad role, school or password, CairnError where the
    name is taken.
    """
    _check_new(name, role, school_id, password)
    secret = password if password is not None else secrets.token_urlsafe(12)
    salt = secrets.token_bytes(16)
    row = (
        secrets.token_hex(8),
        name,
        role,
        school_id,
        mail or (name if "@" in name else f"{name}@localhost"),
        salt,
        SCRYPT_N,
        _scrypt(secret, salt, SCRYPT_N),
        datetime.now(UTC).isoformat(),
    )
    with _database(settings) as database:
        if replace:
            database.execute("delete from account where name = ?", (name,))
        try:
            database.execute("insert into account values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise CairnError(f"account {name!r} exists: remove it first, with 'cairn account remove {name}'") from error
    return secret


def remove_account(settings: Settings, name: str) -> None:
    """Remove an account; its sessions end with its next page. Raises CairnError where there is none."""
    with _database(settings) as database:
        if database.execute("delete from account where name = ?", (name,)).rowcount == 0:
            raise CairnError(f"no account {name!r}: see 'cairn account list'")


def list_accounts(settings: Settings, school_id: str | None = None) -> list[Account]:
    """All accounts by name, or those of a school's leaders."""
    with _database(settings) as database:
        rows = database.execute(
            "select account_id, name, role, school_id, mail from account"
            " where ?1 is null or school_id = ?1 order by name",
            (school_id,),
        ).fetchall()
    return [Account(*row) for row in rows]


def account_by_id(settings: Settings, account_id: str) -> Account | None:
    """The account of a session, or None where it was removed meanwhile."""
    with _database(settings) as database:
        row = database.execute(
            "select account_id, name, role, school_id, mail from account where account_id = ?", (account_id,)
        ).fetchone()
    return Account(*row) if row else None


def sign_in(settings: Settings, name: str, password: str, client: str) -> Account | None:
    """The account if name and password fit, else None; the same work is done for a name that does not exist.

    ``client`` is the network address, counted with the name. Raises Throttled after too many failures.
    """
    now = time.time()
    with _database(settings) as database:
        database.execute("delete from failure where failed_at < ?", (now - WINDOW_SECONDS,))
        of_name, of_client = database.execute(
            "select count(*) filter (where name = ?1), count(*) from failure where client = ?2",
            (name, client),
        ).fetchone()
        if of_name >= FAILURES_PER_NAME or of_client >= FAILURES_PER_CLIENT:
            raise Throttled("Too many failed sign-ins. Wait a quarter of an hour, then try again.")
        row = database.execute(
            "select account_id, name, role, school_id, mail, salt, scrypt_n, hash from account where name = ?", (name,)
        ).fetchone()
    salt, n, expected = row[5:] if row else (b"\0" * 16, SCRYPT_N, b"")
    fits = hmac.compare_digest(_scrypt(password, salt, n), expected)
    if row and fits:
        with _database(settings) as database:
            database.execute("delete from failure where name = ? and client = ?", (name, client))
        return Account(*row[:5])
    with _database(settings) as database:
        database.execute("insert into failure values (?, ?, ?)", (name, client, now))
    return None


def session_secret(settings: Settings) -> str:
    """The key that signs session cookies: made on first use, owner only, the same for every process."""
    path = settings.keys_dir / "portal_session.key"
    if not path.exists():
        settings.keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = settings.keys_dir / f".portal_session.{secrets.token_hex(4)}"
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        try:
            path.hardlink_to(fresh)  # fails where another process was first: then its key counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()
