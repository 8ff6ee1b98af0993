"""Sessions, kept here and not in the cookie: what is ended here is ended, whoever holds a copy of the cookie."""

from __future__ import annotations

import logging
import secrets
import time

from answers.accounts import COLUMNS, READ, Account, reading, writing
from answers.provider_accounts import confirm
from cairn.access_rules import load_access_rules
from cairn.errors import CairnError
from cairn.settings import Settings
from portal.claimed_role import still
from portal.sign_in import token_hash

LOG = logging.getLogger("portal")
ABSOLUTE_SECONDS = 12 * 3600
# Those whose pages name pupils are signed out sooner: a phone is left on a table.
IDLE_SECONDS = 30 * 60
ROLES_WITH_NAMES = ("school_leader", "teacher")
# A page view is written down at most this often: within it, reading costs no write.
SEEN_EVERY_SECONDS = 60
# Whether the role of somebody who signed in by the identity provider still stands is asked this often.
CHECKED_EVERY_SECONDS = 15 * 60


def begin(settings: Settings, account: Account) -> str:
    """Begin a session and return its token, for the cookie."""
    token, now = secrets.token_urlsafe(32), time.time()
    with writing(settings) as database:
        database.execute("delete from session where started_at < ?", (now - ABSOLUTE_SECONDS,))
        database.execute("insert into session values (?, ?, ?, ?)", (token_hash(token), account.account_id, now, now))
    return token


def end(settings: Settings, token: str) -> None:
    """End a session."""
    with writing(settings) as database:
        database.execute("delete from session where session_hash = ?", (token_hash(token),))


def account_of(settings: Settings, token: str) -> Account | None:
    """The account of a session's token, or None where the session was ended, is too old or was left too long."""
    return account_by_hash(settings, token_hash(token))


def account_by_hash(settings: Settings, session_hash: str) -> Account | None:
    """As :func:`account_of`, by the token's hash: what addresses of reports carry, which opens nothing else."""
    now = time.time()
    with reading(settings) as database:
        row = database.execute(
            f"select {COLUMNS}, started_at, seen_at, basis, checked_at from session join account using (account_id)"
            " where session_hash = ?",
            (session_hash,),
        ).fetchone()
    if row is None:
        return None
    account, (started_at, seen_at, basis, checked_at) = Account(*row[:READ]), row[READ:]
    is_left = account.role in ROLES_WITH_NAMES and now - seen_at > IDLE_SECONDS
    if is_left or now - started_at > ABSOLUTE_SECONDS:
        with writing(settings) as database:
            database.execute("delete from session where session_hash = ?", (session_hash,))
        return None
    if basis is not None and now - checked_at > CHECKED_EVERY_SECONDS and not _stands(settings, account, basis):
        return None
    if now - seen_at > SEEN_EVERY_SECONDS:
        with writing(settings) as database:
            database.execute("update session set seen_at = ? where session_hash = ?", (now, session_hash))
    return account


def _stands(settings: Settings, account: Account, basis: str) -> bool:
    """Whether access.yaml and the roster still give the account its role; where they cannot be read, nothing opens."""
    try:
        granted = still(settings, load_access_rules(settings), basis)
    except CairnError as error:
        LOG.error("%s", error)
        return False
    return confirm(settings, account, (granted.role, granted.school_id, granted.teacher_key) if granted else None)
