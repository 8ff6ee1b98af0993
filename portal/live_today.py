"""What the live service says right now, about a school or some pupils; pages do without it when it is silent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from cairn.language import gettext
from cairn.settings import Settings
from live.token import SCHEME, live_token

Row = dict[str, Any]
NOT_STARTED = "not_started"
# Live reads a record within seconds: further behind than this, the page says so first.
FRESH_SECONDS = 60
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


def changed(live: Sequence[Mapping[str, Any]], pairs: Sequence[Row], topics: Sequence[Row], class_id: str) -> list[Row]:
    """Rows of the live table that are of the class, each beside what the night said of the pair.

    ``pairs`` are those of the class's pupils, in whichever class; ``topics`` the competencies of their school. A pair
    that the night did not have is of the class where the class works on its subject.
    """
    then = {(row["student_key"], row["competency_id"]): row for row in pairs}
    known = {row["competency_id"]: row for row in topics}
    subjects = {row["subject"] for row in pairs if row["class_id"] == class_id}
    found = []
    for row in live:
        before = then.get((row["student_key"], row["competency_id"]))
        named = before or known.get(row["competency_id"], {})
        is_ours = before["class_id"] == class_id if before else named.get("subject") in subjects
        if not is_ours or (row["is_removed"] and not before):
            continue
        from_state = before["state"] if before else NOT_STARTED
        last_us = row["last_event_at_us"]
        found.append(
            {
                **row,
                "competency_code": named.get("competency_code") or "",
                "competency_title": named.get("competency_title") or gettext("a topic new to this school"),
                "from_state": from_state,
                "from_share": before["expected_share"] if before else None,
                "is_other": row["state"] != from_state,
                "last_event_at": datetime.fromtimestamp(last_us / 1e6, UTC) if last_us else None,
            }
        )
    return found


def behind_seconds(live: Mapping[str, Any], now: datetime) -> float:
    """How far live is behind what the gateway has taken: 0 where nothing waits, else the age of the newest event."""
    if live["word"] == "ready" and not live["behind_records"] and not live["behind_pupils"]:
        return 0.0
    last = live["last_received_at"]
    return max(0.0, (now - datetime.fromisoformat(last)).total_seconds()) if last else float(FRESH_SECONDS)
