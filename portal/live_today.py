"""What the live service says right now, about a school or some pupils; pages do without it when it is silent."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from cairn.settings import Settings
from live.token import SCHEME, live_token

PATIENCE_SECONDS = 0.4
# A class's page is about nothing else: it waits longer, while live commits what just came in.
PUPILS_PATIENCE_SECONDS = 3.0
# The service is this machine's: no proxy stands between.
_OPENER = build_opener(ProxyHandler({}))


def live_school(settings: Settings, school_id: str) -> dict[str, Any] | None:
    """Today's numbers of a school from ``/schools/{id}`` of the live service, or None where it does not answer."""
    return _ask(settings, f"/schools/{quote(school_id, safe='')}", PATIENCE_SECONDS)


def live_pupils(settings: Settings, student_keys: list[str]) -> dict[str, Any] | None:
    """What the live table says of pupils (``rows``), and how live is doing; None where it does not answer.

    Asked with the home's token: live tells nobody else.
    """
    return _ask(settings, "/pupils", PUPILS_PATIENCE_SECONDS, {"student_keys": student_keys})


def _ask(settings: Settings, path: str, patience_seconds: float, body: Any = None) -> dict[str, Any] | None:
    try:
        address = f"{settings.address('live').rstrip('/')}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Authorization": SCHEME + live_token(settings)}
        with _OPENER.open(Request(address, data, headers), timeout=patience_seconds) as answer:
            found = json.load(answer)
    except (LookupError, OSError, HTTPException, ValueError):
        return None
    return found if isinstance(found, dict) else None
