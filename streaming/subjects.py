"""``/subjects``: keys for identifiers, for district systems that produce to Kafka themselves.

Who can ask can find out whose work a record is, one guess at a time: so each sender that may ask has a limit, and each
request that comes through it is written down, with how many identifiers and without any, before a key is given.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.sqlite_file import connect
from streaming.http import Response, error, json_response
from streaming.limits import RETRY_AFTER_SECONDS, Rates, retry_after
from streaming.metrics import METRICS
from streaming.sources import MIGRATIONS, Source, registry_path

log = logging.getLogger(__name__)

MOST_SUBJECTS = 10_000
# What a small request counts as: it costs a row all the same.
LEAST_COUNTED = 20


class SubjectDesk:
    """Answers requests for subject keys within each sender's limit; ``key_of`` makes a key of (kind, value)."""

    def __init__(self, settings: Settings, key_of: Callable[[str, str], str], rates: Rates) -> None:
        self._settings = settings
        self._key_of = key_of
        self._rates = rates

    async def answer(self, source: Source, body: bytes) -> Response:
        """The keys that a sender asked for, in order; else why not."""
        pairs = _pairs(body)
        if isinstance(pairs, Response):
            return pairs
        # Beside the source's statements, which are counted under its own name.
        asks = f"subjects {source.source_id}"
        if (wait := self._rates.wait_seconds(asks, source.subject_rate)) > 0:
            said = f"this source may ask about {source.subject_rate:g} identifiers a second: keep the keys you have"
            return error(429, "too_fast", said, [retry_after(wait)])
        self._rates.take(asks, source.subject_rate, max(len(pairs), LEAST_COUNTED))
        try:
            # In a thread, since it waits for the disk; and before the answer, so that none is given unseen.
            await asyncio.to_thread(write_down, self._settings, source.source_id, len(pairs), source.can_ask_subjects)
        except (sqlite3.Error, OSError, CairnError) as problem:
            log.warning("a request for subject keys cannot be written down: %s", type(problem).__name__)
            said = "the request cannot be written down: send it again"
            return error(503, "try_again", said, [retry_after(RETRY_AFTER_SECONDS)])
        if not source.can_ask_subjects:
            return error(403, "forbidden", "this token may not ask for subject keys: cairn source add NAME --subjects")
        METRICS.subjects.inc(len(pairs))
        return json_response(200, {"subject_keys": [self._key_of(kind, value) for kind, value in pairs]})


def _pairs(body: bytes) -> list[tuple[str, str]] | Response:
    """What is asked for, as (kind, value), or the answer that says what is wrong with it."""
    try:
        pairs = [(item["kind"], item["value"]) for item in orjson.loads(body)]
        if not all(isinstance(kind, str) and isinstance(value, str) for kind, value in pairs):
            raise TypeError
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return error(400, "form", 'send a JSON array of {"kind": ..., "value": ...}, both strings')
    if len(pairs) > MOST_SUBJECTS:
        return error(413, "too_many", f"at most {MOST_SUBJECTS} identifiers a request")
    return pairs


def write_down(settings: Settings, source_id: str, identifiers: int, was_given: bool) -> None:
    """Write down who asks for how many keys; on the disk when this returns."""
    with connect(registry_path(settings), *MIGRATIONS) as database:
        database.execute(
            "INSERT INTO subject_request (asked_at, source_id, identifiers, was_given) VALUES (?, ?, ?, ?)",
            (datetime.now(UTC).isoformat(), source_id, identifiers, int(was_given)),
        )


def list_requests(settings: Settings, source_id: str | None = None) -> list[dict[str, Any]]:
    """Every request that was written down, of one sender or of all, oldest first; ``given`` is how many keys it got."""
    query = "SELECT asked_at, source_id, identifiers, was_given FROM subject_request"
    where, values = (" WHERE source_id = ?", (source_id,)) if source_id is not None else ("", ())
    registry_path(settings).parent.mkdir(parents=True, exist_ok=True)
    with connect(registry_path(settings), *MIGRATIONS) as database:
        rows = database.execute(f"{query}{where} ORDER BY request_id", values).fetchall()
    return [
        {"asked_at": asked_at, "source_id": name, "identifiers": asked, "given": asked if was_given else 0}
        for asked_at, name, asked, was_given in rows
    ]
