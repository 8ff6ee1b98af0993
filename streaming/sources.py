"""Senders and their tokens: who may send, for which schools, how fast. Tokens are stored as hashes only.

A sender has one token, or several while it changes over: ``rotate`` makes a new one, which is good at once, and the old
ones end at an instant that is named.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.sqlite_file import prepare, transaction, writing

NAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,62}", re.ASCII)
# A token is 32 random bytes, and one SHA-256 of it is kept. A slow, salted hash (scrypt, Argon2) is for what people
# choose: it makes each guess dear. Of 2^256 tokens there is nothing to guess, two never share a hash, and a request is
# looked up by it in microseconds.
TOKEN_BYTES = 32
# As much of a token's hash as tells a sender's tokens apart in a list.
TOKEN_ID_CHARACTERS = 12
SUBJECT_RATE = 100.0
TABLE = """
CREATE TABLE IF NOT EXISTS source (
  source_id TEXT PRIMARY KEY,
  schools TEXT NOT NULL,
  rate REAL NOT NULL,
  can_ask_subjects INTEGER NOT NULL,
  token_sha256 TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  revoked_at TEXT
)
"""
# Sources from before there were modes were judged statement by statement, and still are.
MODE = "ALTER TABLE source ADD COLUMN mode TEXT NOT NULL DEFAULT 'partial'"
# Several tokens a sender, each with its end; and who asked /subjects for how many keys (streaming.subjects).
TOKENS = f"""
CREATE TABLE token (
  token_sha256 TEXT PRIMARY KEY,
  source_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  ends_at TEXT,
  last_used_at TEXT
);
INSERT INTO token SELECT token_sha256, source_id, created_at, revoked_at, NULL FROM source;
CREATE TABLE sender (
  source_id TEXT PRIMARY KEY,
  schools TEXT NOT NULL,
  rate REAL NOT NULL,
  can_ask_subjects INTEGER NOT NULL,
  subject_rate REAL NOT NULL,
  created_at TEXT NOT NULL,
  revoked_at TEXT,
  mode TEXT NOT NULL
);
INSERT INTO sender
  SELECT source_id, schools, rate, can_ask_subjects, {SUBJECT_RATE}, created_at, revoked_at, mode FROM source;
DROP TABLE source;
ALTER TABLE sender RENAME TO source;
CREATE TABLE subject_request (
  request_id INTEGER PRIMARY KEY AUTOINCREMENT,
  asked_at TEXT NOT NULL,
  source_id TEXT NOT NULL,
  identifiers INTEGER NOT NULL,
  was_given INTEGER NOT NULL
);
CREATE INDEX subject_request_source ON subject_request (source_id)
"""
MIGRATIONS = (TABLE, MODE, TOKENS)
COLUMNS = "source_id, schools, rate, can_ask_subjects, subject_rate, created_at, revoked_at, mode"


class Mode(StrEnum):
    """How a source's xAPI requests are judged (docs/decisions/0028).

    ``strict``: by the specification's letter, a request whole or not at all. ``partial``: each statement by itself.
    """

    STRICT = "strict"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Source:
    """A sender.

    ``schools`` empty means every school; ``rate`` is statements a second, 0 for no limit; ``subject_rate`` identifiers
    a second that it may ask ``/subjects`` about, where it may ask at all.
    """

    source_id: str
    schools: frozenset[str] = frozenset()
    rate: float = 0.0
    can_ask_subjects: bool = False
    created_at: str = ""
    revoked_at: str | None = None
    mode: Mode = Mode.STRICT
    subject_rate: float = SUBJECT_RATE


@dataclass(frozen=True)
class Token:
    """What is known of a token. ``token_id`` begins its hash; ``last_used_at`` is right to half a minute."""

    token_id: str
    source_id: str
    created_at: str
    ends_at: str | None
    last_used_at: str | None


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def registry_path(settings: Settings) -> Path:
    """The file of senders."""
    return settings.home / "sources.sqlite"


def sender_token_path(settings: Settings, name: str) -> Path:
    """Where a sender on this machine keeps its own token; the gateway never reads it."""
    return settings.home / "senders" / f"{name}.token"


def _keep_token(settings: Settings, name: str, token: str) -> None:
    """Put a sender's token where it keeps it, at once: it may be read meanwhile."""
    path = sender_token_path(settings, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(token + "\n", encoding="ascii")
    new.replace(path)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _text_now() -> str:
    return _text(datetime.now(UTC))


class SourceRegistry:
    """The table of senders in ``home/sources.sqlite``, shared by the command line and the gateway.

    Not for several threads at once. :meth:`by_token` serves from memory and looks at most once a second whether
    the file has changed, so that a revoked token ends within a second; one that is not known is looked for at once.
    """

    LOOK_EVERY_SECONDS = 1.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path: Path = registry_path(settings)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        prepare(self.path, *MIGRATIONS)
        self._database = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        # Each living token's hash, with its sender and when it ends (seconds since the epoch).
        self._by_token: dict[str, tuple[Source, float]] = {}
        self._used: dict[str, float] = {}
        self._version = -1
        self._looked_at = 0.0

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def add(
        self,
        name: str,
        schools: Iterable[str] = (),
        rate: float = 0.0,
        can_ask_subjects: bool = False,
        save_token: bool = False,
        mode: Mode = Mode.STRICT,
        subject_rate: float = SUBJECT_RATE,
    ) -> tuple[Source, str]:
        """A new sender and its token, which the gateway's side does not store and cannot show again.

        ``save_token`` keeps it for senders on this machine (``sender_token_path``, readable by the owner only), as
        an app would keep its own. A revoked sender of this name comes back with a new token. Raises CairnError where
        the name is in use or is not one.
        """
        if not NAME.fullmatch(name):
            raise CairnError(f"{name!r} is no source name: use lower-case letters, digits, '-', '_' and '.'")
        if rate < 0:
            raise CairnError("a rate is statements a second: 0 (no limit) or more")
        if subject_rate <= 0:
            raise CairnError("a subject rate is identifiers a second: more than 0")
        created_at = _text_now()
        source = Source(name, frozenset(schools), rate, can_ask_subjects, created_at, None, mode, subject_rate)
        kept = json.dumps(sorted(source.schools))
        row = (name, kept, rate, int(can_ask_subjects), subject_rate, created_at, None, mode.value)
        with self._changing():
            execute = self._database.execute
            if execute("DELETE FROM source WHERE source_id = ? AND revoked_at IS NOT NULL", (name,)).rowcount:
                execute("DELETE FROM token WHERE source_id = ?", (name,))
            try:
                execute(f"INSERT INTO source ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise CairnError(
                    f"source {name!r} exists: 'cairn source rotate {name}' gives it a new token, "
                    f"'cairn source revoke {name}' ends it"
                ) from error
            token = self._new_token(name)
        if save_token:
            _keep_token(self._settings, name, token)
        return source, token

    def rotate(self, name: str, overlap: timedelta, save_token: bool = False) -> tuple[str, datetime]:
        """A new token of a sender, good at once; returns it and when the others end.

        Both work until then, so that an app changes over without losing a request. A token that was to end earlier
        still does. Where the sender keeps its token on this machine, or ``save_token`` says so, the new one is put
        there. Raises CairnError where there is no such sender, or it is revoked.
        """
        if overlap < timedelta(0):
            raise CairnError("an overlap is 0 hours (the old token ends at once) or more")
        if self.get(name).revoked_at is not None:
            raise CairnError(f"source {name!r} is revoked: 'cairn source add {name}' lets it send again")
        ends_at = (datetime.now(UTC) + overlap).replace(microsecond=0)
        with self._changing():
            self._end_tokens(name, ends_at)
            token = self._new_token(name)
        if save_token or sender_token_path(self._settings, name).exists():
            _keep_token(self._settings, name, token)
        return token, ends_at

    def revoke(self, name: str) -> Source:
        """End a sender and all its tokens. Raises CairnError where there is no such sender."""
        now = datetime.now(UTC)
        with self._changing():
            done = self._database.execute(
                "UPDATE source SET revoked_at = coalesce(revoked_at, ?) WHERE source_id = ?", (_text(now), name)
            )
            self._end_tokens(name, now)
        if done.rowcount == 0:
            raise CairnError(f"no source {name!r}: 'cairn source list' shows them")
        return self.get(name)

    def _new_token(self, name: str) -> str:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._database.execute("INSERT INTO token VALUES (?, ?, ?, NULL, NULL)", (token_hash(token), name, _text_now()))
        return token

    def _end_tokens(self, name: str, ends_at: datetime) -> None:
        self._database.execute(
            "UPDATE token SET ends_at = min(coalesce(ends_at, ?1), ?1) WHERE source_id = ?2", (_text(ends_at), name)
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One write transaction, after which the file is read again: data_version tells of others' changes only."""
        self._version, self._looked_at = -1, 0.0
        with writing(self._database):
            yield

    def get(self, name: str) -> Source:
        """One sender, revoked or not. Raises CairnError where there is none."""
        for source in self.all():
            if source.source_id == name:
                return source
        raise CairnError(f"no source {name!r}: 'cairn source list' shows them")

    def all(self) -> list[Source]:
        """Every sender, by name."""
        rows = self._database.execute(f"SELECT {COLUMNS} FROM source ORDER BY source_id").fetchall()
        return [
            Source(name, frozenset(json.loads(schools)), rate, bool(asks), created, revoked, Mode(mode), subject_rate)
            for name, schools, rate, asks, subject_rate, created, revoked, mode in rows
        ]

    def tokens(self, name: str) -> list[Token]:
        """A sender's tokens, oldest first, those that have ended too."""
        query = "SELECT * FROM token WHERE source_id = ? ORDER BY created_at, rowid"
        return [
            Token(hashed[:TOKEN_ID_CHARACTERS], *row)
            for hashed, *row in self._database.execute(query, (name,)).fetchall()
        ]

    def by_token(self, token: str) -> Source | None:
        """The sender of a token; None where there is none, or the token has ended.

        The file is looked at once a second, and for each token that is not known, so that a fresh one is good at once.
        """
        hashed = token_hash(token)
        self._look(self.LOOK_EVERY_SECONDS)
        found = self._by_token.get(hashed)
        if found is None and self._look(0.0):
            found = self._by_token.get(hashed)
        now = time.time()
        if found is None or now >= found[1]:
            return None
        self._used[hashed] = now
        return found[0]

    def _look(self, every_seconds: float) -> bool:
        """Read the senders again where the last look is so long ago and the file has changed since; whether it had."""
        now = time.monotonic()
        if now - self._looked_at <= every_seconds:
            return False
        self._looked_at = now
        version = int(self._database.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return False
        self._version = version
        living = {source.source_id: source for source in self.all() if source.revoked_at is None}
        rows = self._database.execute("SELECT token_sha256, source_id, ends_at FROM token").fetchall()
        self._by_token = {
            hashed: (living[name], datetime.fromisoformat(ends_at).timestamp() if ends_at else math.inf)
            for hashed, name, ends_at in rows
            if name in living
        }
        return True

    def take_uses(self) -> dict[str, float]:
        """Hashes of tokens that came since the last call, with when each came last (seconds since the epoch)."""
        used, self._used = self._used, {}
        return used


def write_uses(settings: Settings, used: Mapping[str, float]) -> None:
    """Write down when tokens were last used (see :meth:`SourceRegistry.take_uses`); by a connection of its own."""
    rows = [(_text(datetime.fromtimestamp(at, UTC)), hashed) for hashed, at in used.items()]
    if rows:
        with transaction(registry_path(settings), *MIGRATIONS) as database:
            database.executemany(
                "UPDATE token SET last_used_at = max(coalesce(last_used_at, ''), ?) WHERE token_sha256 = ?", rows
            )
