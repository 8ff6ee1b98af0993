"""Signing in: who may try now, counted before any password is hashed, and which browsers an account is known from.

A try is counted as a failure until it proves right, in one transaction, so that tries sent at once are no way round.
Past the free ones the next try has to wait, longer each time: nobody is locked out for good. A browser that signed the
account in before is counted by itself, so that neither an attack on the name nor one from the same school's address
keeps its owner out (OWASP: device cookies).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import sqlite3
import time
from dataclasses import dataclass

from answers.accounts import Account, password_fits, reading, writing
from cairn.errors import CairnError
from cairn.keys import load_or_create_key
from cairn.language import gettext
from cairn.settings import Settings

WINDOW_SECONDS = 15 * 60
DEVICE_SECONDS = 180 * 24 * 3600
DEVICES_KEPT = 20
HASH_BYTES = 16


@dataclass(frozen=True)
class Backoff:
    """``free`` failures within the window cost nothing; then each try waits ``first`` seconds, doubled up to ``most``.

    Seconds are counted from the newest failure; a try that is refused is not one.
    """

    free: int
    first: float
    most: float

    def wait(self, failures: int, newest: float | None, now: float) -> float:
        """Seconds until the next try is let in; 0 or less where it is."""
        if failures < self.free or newest is None:
            return 0.0
        # Bounded before it is a power: a thousand failures are no overflow.
        delay = self.first * 2.0 ** min(failures - self.free, 30)
        return newest + min(delay, self.most) - now


BY_NAME = Backoff(free=5, first=30.0, most=300.0)
# A school, or a district's proxy, is one address: many people mistype there in a quarter of an hour.
BY_CLIENT = Backoff(free=50, first=1.0, most=15.0)


class Throttled(CairnError):
    """Too many failed sign-ins of late; ``seconds`` until the next try is let in."""

    def __init__(self, seconds: float) -> None:
        self.seconds = math.ceil(seconds)
        super().__init__(
            gettext(
                "Too many failed sign-ins. Wait {seconds} seconds, then try again, "
                "or use a browser in which you have signed in before."
            ).format(seconds=self.seconds)
        )


def session_secret(settings: Settings) -> str:
    """The key that signs cookies and hashes names tried: made on first use, owner only, one for every process."""
    return load_or_create_key(settings.keys_dir, "portal_session.key").hex()


def name_hash(settings: Settings, name: str) -> str:
    """What is kept of a name that was tried: people type passwords into the wrong field."""
    key = session_secret(settings).encode()
    text = name.strip().casefold().encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[: 2 * HASH_BYTES]


def token_hash(token: str) -> str:
    """What is kept of a random token; there is nothing to guess, so a plain hash will do."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def sign_in(settings: Settings, name: str, password: str, client: str, device: str | None = None) -> Account | None:
    """The account if name and password fit, else None.

    ``client`` is the network address, ``device`` the browser's token of :func:`remember_device`. Raises Throttled,
    without looking at the password, after too many failures.
    """
    attempt_id = _count(settings, name, client, device)
    account = password_fits(settings, name, password)
    if account is not None:
        with writing(settings) as database:
            _forgive(database, attempt_id)
    return account


def _count(settings: Settings, name: str, client: str, device: str | None) -> int:
    """Write the try down as a failure and return its id. Raises Throttled where it has to wait."""
    now, hashed = time.time(), name_hash(settings, name)
    with writing(settings) as database:
        database.execute("delete from attempt where tried_at < ?", (now - WINDOW_SECONDS,))
        known = _known_device(database, name, device, now)
        wait = max(
            backoff.wait(*_failures(database, column, value), now)
            for backoff, column, value in (
                ((BY_NAME, "device_hash", known),)
                if known
                else ((BY_NAME, "name_hash", hashed), (BY_CLIENT, "client", client))
            )
        )
        if wait > 0:
            raise Throttled(wait)
        cursor = database.execute(
            "insert into attempt (name_hash, client, device_hash, tried_at) values (?, ?, ?, ?)",
            (hashed, client, known, now),
        )
        return int(cursor.lastrowid or 0)


def _failures(database: sqlite3.Connection, column: str, value: str) -> tuple[int, float | None]:
    """How many tries count against a name, an address or a browser, and when the newest was.

    Those of known browsers count against nothing else.
    """
    among = "" if column == "device_hash" else " and device_hash is null"
    row = database.execute(f"select count(*), max(tried_at) from attempt where {column} = ?{among}", (value,))
    count, newest = row.fetchone()
    return int(count), newest


def _known_device(database: sqlite3.Connection, name: str, device: str | None, now: float) -> str | None:
    """Hash of the browser's token where it belongs to the account of that name."""
    if not device:
        return None
    hashed = token_hash(device)
    row = database.execute(
        "select 1 from device join account using (account_id) where device_hash = ? and name = ? and seen_at > ?",
        (hashed, name, now - DEVICE_SECONDS),
    ).fetchone()
    return hashed if row else None


def _forgive(database: sqlite3.Connection, attempt_id: int) -> None:
    """A try that was right: it and the failures before it from the same place are forgotten, others' are not."""
    database.execute(
        "delete from attempt where exists (select 1 from attempt as right_one where right_one.attempt_id = ?"
        " and right_one.name_hash = attempt.name_hash and right_one.client = attempt.client"
        " and right_one.device_hash is attempt.device_hash)",
        (attempt_id,),
    )


def remember_device(settings: Settings, account: Account, device: str | None) -> str:
    """The token by which this browser is known as one that signed the account in: its own, or a fresh one."""
    now = time.time()
    with reading(settings) as database:
        known = _known_device(database, account.name, device, now)
    token = device if device and known else secrets.token_urlsafe(32)
    with writing(settings) as database:
        database.execute(
            "insert into device values (?1, ?2, ?3) on conflict (device_hash) do update set seen_at = ?3",
            (token_hash(token), account.account_id, now),
        )
        database.execute(
            "delete from device where account_id = ?1 and device_hash not in"
            " (select device_hash from device where account_id = ?1 order by seen_at desc limit ?2)",
            (account.account_id, DEVICES_KEPT),
        )
    return token
