"""What the live service says about a school right now; the page does without it when it is silent."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from cairn.settings import Settings

PATIENCE_SECONDS = 0.4
# One for all pages and threads: making one costs more than asking.
CLIENT = httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False)


def live_school(settings: Settings, school_id: str) -> dict[str, Any] | None:
    """Today's numbers of a school from ``/schools/{id}`` of the live service, or None where it does not answer."""
    try:
        response = CLIENT.get(f"{settings.address('live').rstrip('/')}/schools/{quote(school_id, safe='')}")
        found = response.json() if response.status_code == 200 else None
    except (LookupError, httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return found if isinstance(found, dict) else None
