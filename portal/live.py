"""What the live service says about a school right now; the page does without it when it is silent."""

from __future__ import annotations

from typing import Any

from cairn.settings import Settings

PATIENCE_SECONDS = 0.4


def live_school(settings: Settings, school_id: str) -> dict[str, Any] | None:
    """Today's numbers of a school from ``/schools/{id}`` of the live service, or None where it does not answer."""
    return _ask(settings, f"schools/{school_id}")


def live_summary(settings: Settings) -> dict[str, Any] | None:
    """The summary of all schools, or None."""
    return _ask(settings, "")


def _ask(settings: Settings, path: str) -> dict[str, Any] | None:
    import httpx

    try:
        response = httpx.get(
            settings.address("live").rstrip("/") + "/" + path, timeout=PATIENCE_SECONDS, trust_env=False
        )
        found = response.json() if response.status_code == 200 else None
    except (LookupError, httpx.HTTPError, ValueError):
        return None
    return found if isinstance(found, dict) else None
