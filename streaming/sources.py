"""Senders and their tokens: who may send, for which schools, how fast. Tokens are stored as hashes only."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.sqlite_file import prepare

NAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,62}", re.ASCII)
# A token is 32 random bytes: a plain hash is enough, there is nothing to guess (unlike a password).
TOKEN_BYTES = 32
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
COLUMNS = "source_id, schools, rate, can_ask_subjects, created_at, revoked_at, mode, token_sha256"


class Mode(StrEnum):
    """How a source's xAPI requests are judged (docs/decisions/0028).

    ``strict``: by the specification's letter, a request whole or not at all. ``partial``: each statement by itself.
    """

    STRICT = "strict"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Source:
    """A sender. ``schools`` empty means every school; ``rate`` is statements a second, 0 for no limit."""

    source_id: str
    schools: frozenset[str] = frozenset()
    rate: float = 0.0
    can_ask_subjects: bool = False
    created_at: str = ""
    revoked_at: str | None = None
    mode: Mode = Mode.STRICT


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def sender_token_path(settings: Settings, name: str) -> Path:
    """Where a sender on this machine keeps its own token; the gateway never reads it."""
    return settings.home / "senders" / f"{name}.token"


class SourceRegistry:
    """The table of senders in ``home/sources.sqlite``, shared by the command line and the gateway.

    Not for several threads at once. :meth:`by_token` serves from memory and looks at most once a second whether
    the file has changed, so that a revoked token ends within a second.
    """

    LOOK_EVERY_SECONDS = 1.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path: Path = settings.home / "sources.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        prepare(self.path, TABLE, MODE)
        self._database = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        self._by_token: dict[str, Source] = {}
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
        token = secrets.token_urlsafe(TOKEN_BYTES)
        created_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        source = Source(name, frozenset(schools), rate, can_ask_subjects, created_at, None, mode)
        asks, hashed = int(can_ask_subjects), token_hash(token)
        row = (name, json.dumps(sorted(source.schools)), rate, asks, created_at, None, mode.value, hashed)
        self._forget()
        with closing(self._database.cursor()) as cursor:
            cursor.execute("DELETE FROM source WHERE source_id = ? AND revoked_at IS NOT NULL", (name,))
            try:
                cursor.execute(f"INSERT INTO source ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise CairnError(
                    f"source {name!r} exists: 'cairn source revoke {name}' first, then add it again"
                ) from error
        if save_token:
            path = sender_token_path(self._settings, name)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(token + "\n", encoding="ascii")
        return source, token

    def revoke(self, name: str) -> Source:
        """End a sender's token. Raises CairnError where there is no such sender."""
        self._forget()
        revoked_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        done = self._database.execute(
            "UPDATE source SET revoked_at = coalesce(revoked_at, ?) WHERE source_id = ?", (revoked_at, name)
        )
        if done.rowcount == 0:
            raise CairnError(f"no source {name!r}: 'cairn source list' shows them")
        return self.get(name)

    def _forget(self) -> None:
        # The file's data_version tells of other connections' changes only.
        self._version, self._looked_at = -1, 0.0

    def get(self, name: str) -> Source:
        """One sender, revoked or not. Raises CairnError where there is none."""
        for source in self.all():
            if source.source_id == name:
                return source
        raise CairnError(f"no source {name!r}: 'cairn source list' shows them")

    def all(self) -> list[Source]:
        """Every sender, by name."""
        return [source for source, _ in self._rows()]

    def _rows(self) -> list[tuple[Source, str]]:
        rows = self._database.execute(f"SELECT {COLUMNS} FROM source ORDER BY source_id").fetchall()
        return [
            (Source(name, frozenset(json.loads(schools)), rate, bool(asks), created, revoked, Mode(mode)), hashed)
            for name, schools, rate, asks, created, revoked, mode, hashed in rows
        ]

    def by_token(self, token: str) -> Source | None:
        """The sender of a token; None where there is none or it was revoked (see ``revoked_at``: it is not given).

        The file is looked at once a second, and for each token that is not known, so that a fresh one is good at once.
        """
        hashed = token_hash(token)
        self._look(self.LOOK_EVERY_SECONDS)
        found = self._by_token.get(hashed)
        if found is None and self._look(0.0):
            found = self._by_token.get(hashed)
        return found

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
        self._by_token = {hashed: source for source, hashed in self._rows() if source.revoked_at is None}
        return True
