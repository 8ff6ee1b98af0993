"""What a school has to do with its feeds: the keys they are encrypted to, tokens to fetch them, receipts of who did.

Lies in ``home/feeds.sqlite`` (owner only). Tokens are kept as SHA-256 (they are 32 random bytes, nothing to guess);
what is wrong or too much is counted by minute, for all processes of the portal together.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.sqlite_file import connect, transaction

FIRST = """
create table school_key (school_id text not null, recipient text not null, added_at text not null,
  primary key (school_id, recipient)) without rowid;
create table token (
  token_id integer primary key autoincrement, school_id text not null, name text not null, token_hash text not null,
  created_at text not null, unique (school_id, name));
create unique index token_of_hash on token (token_hash);
create table asked (who text not null, minute integer not null, requests integer not null,
  primary key (who, minute)) without rowid;
create table receipt (
  receipt_id integer primary key autoincrement, received_at text not null, school_id text not null,
  release_id text not null, data_date text not null, feed_id text not null, way text not null, who text not null,
  file text not null, outcome text not null, detail text not null, bytes integer not null);
create index receipt_of_school on receipt (school_id, received_at)
"""
MIGRATIONS = (FIRST,)
REQUESTS_A_MINUTE, WRONG_A_MINUTE = 120, 20
Outcome = Literal["delivered", "fetched", "failed"]
COLUMNS = (
    *("received_at", "school_id", "release_id", "data_date", "feed_id", "way", "who", "file", "outcome", "detail"),
    "bytes",
)


@dataclass(frozen=True)
class Token:
    """One token of a school; ``name`` says who has it."""

    token_id: int
    school_id: str
    name: str
    created_at: str


@dataclass(frozen=True)
class Receipt:
    """One feed, or file of it, that reached somebody, or did not. ``way``: folder, sftp, s3, pull or portal."""

    school_id: str
    release_id: str
    data_date: str
    feed_id: str
    way: str
    who: str
    file: str
    outcome: Outcome
    detail: str = ""
    bytes: int = 0


def access_path(settings: Settings) -> Path:
    """Where keys, tokens and receipts lie."""
    return settings.home / "feeds.sqlite"


def _reading(settings: Settings) -> AbstractContextManager[sqlite3.Connection]:
    return connect(_folder_made(settings), *MIGRATIONS)


def _writing(settings: Settings) -> AbstractContextManager[sqlite3.Connection]:
    return transaction(_folder_made(settings), *MIGRATIONS)


def _folder_made(settings: Settings) -> Path:
    path = access_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def set_keys(settings: Settings, school_id: str, recipients: list[str]) -> None:
    """The keys that the school's feeds are encrypted to from now on, in place of those before."""
    with _writing(settings) as database:
        database.execute("delete from school_key where school_id = ?", (school_id,))
        database.executemany(
            "insert into school_key values (?, ?, ?)", [(school_id, one, _now()) for one in recipients]
        )


def remove_keys(settings: Settings, school_id: str) -> None:
    """Take the school's keys away: its feeds stay in the portal. Raises CairnError where there is none."""
    with _writing(settings) as database:
        if database.execute("delete from school_key where school_id = ?", (school_id,)).rowcount == 0:
            raise CairnError(f"school {school_id!r} has no key: see 'cairn feeds key list'")


def keys_of(settings: Settings, school_id: str | None = None) -> dict[str, list[str]]:
    """Keys by school, all or of one."""
    found: dict[str, list[str]] = {}
    with _reading(settings) as database:
        for school, recipient in database.execute(
            "select school_id, recipient from school_key where ?1 is null or school_id = ?1 order by 1, 2", (school_id,)
        ):
            found.setdefault(school, []).append(recipient)
    return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(settings: Settings, school_id: str, name: str) -> str:
    """A token to fetch the school's feeds, shown once and stored hashed. Raises CairnError for a name that is taken."""
    token = secrets.token_urlsafe(32)
    with _writing(settings) as database:
        try:
            database.execute(
                "insert into token (school_id, name, token_hash, created_at) values (?, ?, ?, ?)",
                (school_id, name, _hash(token), _now()),
            )
        except sqlite3.IntegrityError as error:
            raise CairnError(
                f"school {school_id!r} has a token named {name!r}: revoke it first, with 'cairn feeds token revoke'"
            ) from error
    return token


def revoke_token(settings: Settings, school_id: str, name: str) -> None:
    """End a token at once. Raises CairnError where there is none."""
    with _writing(settings) as database:
        found = database.execute("delete from token where school_id = ? and name = ?", (school_id, name))
        if found.rowcount == 0:
            raise CairnError(f"school {school_id!r} has no token named {name!r}: see 'cairn feeds token list'")


def list_tokens(settings: Settings) -> list[Token]:
    """All tokens, by school and name; never what they are."""
    with _reading(settings) as database:
        rows = database.execute("select token_id, school_id, name, created_at from token order by school_id, name")
        return [Token(*row) for row in rows]


def token_of(settings: Settings, token: str) -> Token | None:
    """Whose token it is; None for one that is not, or no longer, good."""
    query = "select token_id, school_id, name, created_at from token where token_hash = ?"
    with _reading(settings) as database:
        row = database.execute(query, (_hash(token),)).fetchone()
    return Token(*row) if row else None


def may_ask(settings: Settings, who: str, most: int, minute: int | None = None) -> bool:
    """Count a request of ``who`` and say whether it is within ``most`` in this minute."""
    now = int(time.time()) // 60 if minute is None else minute
    with _writing(settings) as database:
        database.execute("delete from asked where minute < ?", (now - 1,))
        (requests,) = database.execute(
            "insert into asked values (?, ?, 1) on conflict do update set requests = requests + 1 returning requests",
            (who, now),
        ).fetchone()
    return int(requests) <= most


def write_receipt(settings: Settings, receipt: Receipt) -> None:
    """Write down that a feed reached somebody, or did not."""
    row = {"received_at": _now()} | asdict(receipt)
    marks = ", ".join("?" * len(COLUMNS))
    with _writing(settings) as database:
        database.execute(
            f"insert into receipt ({', '.join(COLUMNS)}) values ({marks})", tuple(row[name] for name in COLUMNS)
        )


def list_receipts(
    settings: Settings, school_id: str | None = None, data_date: str | None = None
) -> list[dict[str, Any]]:
    """Receipts, oldest first; of one school or of one day's feeds where given."""
    query = f"select {', '.join(COLUMNS)} from receipt where (?1 is null or school_id = ?1)"
    with _reading(settings) as database:
        rows = database.execute(
            f"{query} and (?2 is null or data_date = ?2) order by receipt_id", (school_id, data_date)
        )
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def was_delivered(settings: Settings, feed_id: str, way: str, who: str) -> bool:
    """Whether that very feed has been delivered there."""
    query = "select 1 from receipt where feed_id = ? and way = ? and who = ? and outcome = 'delivered'"
    with _reading(settings) as database:
        return database.execute(query, (feed_id, way, who)).fetchone() is not None
