"""What sources sent lately, for a client that asks for its statement back: bounded memory of the gateway itself.

A statement comes back as the platform keeps it: the actor as its subject key, what is evidence, and nothing of what is
not kept (names, responses, definitions, attachments). What is older, or came before the gateway started, is not told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import orjson

STATEMENTS_KEPT = 20_000
SUBJECTS_HOME, SOURCES_HOME = "https://cairn.example/subjects", "https://cairn.example/sources"


class SentStatements:
    """The last records by source and statement id, and which statements of them were voided."""

    def __init__(self, limit: int = STATEMENTS_KEPT) -> None:
        self._limit = limit
        # A dict would look through the places of all that went before to find its first.
        self._records: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._voided: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, source_id: str, records: Iterable[tuple[str, bytes]]) -> None:
        """Remember records (statement id, the record as produced); the first of an id stays."""
        for statement_id, record in records:
            self._records.setdefault((source_id, statement_id), record)
            if b'"activity_type":"void"' in record:
                self._voided[source_id, orjson.loads(record)["voids_statement_id"]] = None
        for kept in (self._records, self._voided):
            while len(kept) > self._limit:
                kept.popitem(last=False)

    def find(self, source_id: str, statement_id: str, is_voided: bool) -> dict[str, Any] | None:
        """The statement of this source, if it was voided (``is_voided``) or was not; None where there is none."""
        name = (source_id, statement_id.lower())
        record = self._records.get(name)
        if record is None:
            return None
        found: dict[str, Any] = orjson.loads(record)
        # A voiding statement cannot be voided (1.0.3 part two, 2.3.2).
        was_voided = name in self._voided and found["activity_type"] != "void"
        return as_statement(found) if was_voided == is_voided else None


def as_statement(record: dict[str, Any]) -> dict[str, Any]:
    """A record as an xAPI statement; ``extensions`` and what the record does not hold are left out."""
    score = {
        name: record[f"score_{name}"] for name in ("scaled", "raw", "min", "max") if record[f"score_{name}"] is not None
    }
    result: dict[str, Any] = {"score": score} if score else {}
    if record["success"] is not None:
        result["success"] = record["success"]
    if record["duration_ms"] is not None:
        result["duration"] = f"PT{record['duration_ms'] / 1000:.3f}S"
    thing: dict[str, Any] = {"objectType": "Activity", "id": record["item_id"] or "https://cairn.example/not-kept"}
    if record["voids_statement_id"] is not None:
        thing = {"objectType": "StatementRef", "id": record["voids_statement_id"]}
    statement = {
        "id": record["source_statement_id"],
        "actor": _agent(SUBJECTS_HOME, record["subject_key"]),
        "verb": {"id": record["raw"].get("verb", "https://cairn.example/not-kept")},
        "object": thing,
        "timestamp": record["event_time"],
        "stored": record["received_at"],
        "authority": _agent(SOURCES_HOME, record["source_id"]),
        "version": "1.0.0",
    }
    return {**statement, "result": result} if result else statement


def _agent(home_page: str, name: str) -> dict[str, Any]:
    return {"objectType": "Agent", "account": {"homePage": home_page, "name": name}}
