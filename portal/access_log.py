"""Who signed in, who failed to, and who was refused what: one JSON line each in the portal's log.

No pupil and no password is in it: routes are written without what was filled in, a name that was tried as a keyed hash.
Accounts are written by id ('cairn account list' says whose).
"""

from __future__ import annotations

import json
import logging
from typing import Literal

from starlette.requests import Request
from starlette.routing import Match

from answers.accounts import Account

LOG = logging.getLogger("cairn.portal.access")
What = Literal["signed in", "sign-in failed", "sign-in refused", "signed out", "gave a reason", "refused"]


def note(request: Request, what: What, *, account: Account | None = None, name: str = "", reason: str = "") -> None:
    """Write one line. ``name`` is the hash of a name that was tried; ``reason`` a sentence of ours."""
    who = f"account {account.account_id}" if account else f"name {name}" if name else "nobody signed in"
    line = {
        "what": what,
        "who": who,
        "role": account.role if account else None,
        "method": request.method,
        "route": route_of(request),
        "reason": reason,
        "client": request.client.host if request.client else None,
    }
    LOG.info(json.dumps(line))


def route_of(request: Request) -> str:
    """The address as the portal knows it, with ``{student_key}`` in place of a pupil's key."""
    scope = {**request.scope, "path_params": {}}
    for route in request.app.routes:
        if route.matches(scope)[0] is not Match.NONE:
            return str(getattr(route, "path", "?"))
    return "no such page"


def log_to_standard_error() -> None:
    """Send the lines where the stack keeps the portal's log ('cairn logs portal')."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s access %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
