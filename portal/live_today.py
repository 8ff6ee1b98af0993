"""What the live service says about a school right now; the page does without it when it is silent."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from cairn.settings import Settings

PATIENCE_SECONDS = 0.4
# The service is this machine's: no proxy stands between.
_OPENER = build_opener(ProxyHandler({}))


def live_school(settings: Settings, school_id: str) -> dict[str, Any] | None:
    """Today's numbers of a school from ``/schools/{id}`` of the live service, or None where it does not answer."""
    try:
        address = f"{settings.address('live').rstrip('/')}/schools/{quote(school_id, safe='')}"
        with _OPENER.open(address, timeout=PATIENCE_SECONDS) as answer:
            found = json.load(answer)
    except (LookupError, OSError, HTTPException, ValueError):
        return None
    return found if isinstance(found, dict) else None
