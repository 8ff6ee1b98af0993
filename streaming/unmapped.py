"""Statements whose verb the district has not mapped yet: how many of which, and making them count once it has.

They were taken as engagement of the kind ``unmapped`` and lie in bronze, as they came; those that silver did not take
(another statement of their id came before) wait for nothing. A replay is a request of its own
with its own receipt, under the original source; what was replayed and taken in is not replayed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.evidence.meaning import Vocabulary
from cairn.evidence.xapi import KIND, MAPPED, MAPPED_PART, UNMAPPED
from cairn.keys import event_id
from cairn.settings import Settings
from streaming.process import Processor
from streaming.producer import Fate, GroupCommitter
from streaming.rejected import ENDPOINT, sender_of, senders
from streaming.sources import Source

TABLE, APPLIED = "bronze.activity", "silver.learner_activity"
GROUP = 1_000


@dataclass
class Unmapped:
    """Statements of one source with one verb; ``means`` is what the verb means by now, None where nothing yet."""

    source_id: str
    verb: str
    statements: int
    first_date: str
    last_date: str
    means: str | None


def _records(settings: Settings, kind: str, source: str | None) -> Iterator[dict[str, Any]]:
    """Records of a kind in bronze, read file by file."""
    if not lake.exists(settings, TABLE):
        return
    holds = pc.match_substring(pc.field("record_value"), f'"{KIND}":"{kind}"')
    found = lake.dataset(settings, TABLE, lake.EVERY)
    for batch in found.to_batches(columns=["record_value"], filter=holds, batch_size=16_384):
        for value in batch.column(0).to_pylist():
            record: dict[str, Any] = orjson.loads(value)
            if source in (None, record["source_id"]):
                yield record


def _applied(settings: Settings, source: str | None) -> set[tuple[str, str]]:
    """(event_id, content_hash) of the unmapped records that silver applied; others are conflicts, or on their way."""
    found = {(record["event_id"], record["content_hash"]) for record in _records(settings, UNMAPPED, source)}
    if not found:
        return found
    asked = pc.field("event_id").isin(sorted({event for event, _ in found}))
    rows = lake.read(settings, APPLIED, ["event_id", "content_hash"], asked, lake.EVERY)
    return found & set(zip(rows["event_id"].to_pylist(), rows["content_hash"].to_pylist(), strict=True))


def _waiting(settings: Settings, source: str | None) -> Iterator[dict[str, Any]]:
    """Unmapped records that silver applied, each statement once, without those that were replayed."""
    applied = _applied(settings, source)
    seen = {record["event_id"] for record in _records(settings, MAPPED, source)}
    for record in _records(settings, UNMAPPED, source):
        as_mapped = event_id(record["source_id"], record["source_statement_id"], MAPPED_PART)
        if as_mapped not in seen and (record["event_id"], record["content_hash"]) in applied:
            seen.add(as_mapped)
            yield record


def list_unmapped(settings: Settings, source: str | None = None) -> list[Unmapped]:
    """What waits, by source and verb, the most frequent first."""
    vocabulary = Vocabulary.load(settings)
    found: dict[tuple[str, str], Unmapped] = {}
    for record in _waiting(settings, source):
        verb, day = (record["raw"] or {}).get("verb", "(longer than can be kept)"), record["work_date"]
        one = found.get((record["source_id"], verb))
        if one is None:
            meaning = vocabulary.verbs.get(verb)
            means = None if meaning is None else meaning.with_result
            one = found[record["source_id"], verb] = Unmapped(record["source_id"], verb, 0, day, day, means)
        one.statements += 1
        one.first_date, one.last_date = min(one.first_date, day), max(one.last_date, day)
    return sorted(found.values(), key=lambda one: (-one.statements, one.source_id, one.verb))


def replay_unmapped(settings: Settings, source: str | None = None, dry_run: bool = False) -> dict[str, int]:
    """Publish what waits and whose verb is mapped by now. Returns selected, replayed, still_unmapped.

    ``selected`` counts what waits; verbs that were mapped to engagement stay what they are and count as
    ``still_unmapped``. Raises CairnError where a source is gone or Kafka does not take it.
    """
    sources = senders(settings)
    processor = Processor(settings)
    committer = None if dry_run else GroupCommitter(settings, role="replay-unmapped").start()
    counts = {"selected": 0, "replayed": 0, "still_unmapped": 0}
    try:
        for sender, group in _groups(_waiting(settings, source), sources):
            outcome = processor.mapped(group, sender, ENDPOINT)
            if committer is not None and outcome.messages and committer.send(outcome.messages) is not Fate.COMMITTED:
                raise CairnError(f"Kafka took {counts['replayed']} statements: replay again for the rest")
            counts["selected"] += len(group)
            counts["replayed"] += outcome.statements
            counts["still_unmapped"] += len(group) - outcome.statements
    finally:
        if committer is not None:
            committer.stop()
    return counts


def _groups(
    records: Iterator[dict[str, Any]], sources: dict[str, Source]
) -> Iterator[tuple[Source, list[dict[str, Any]]]]:
    """Records of one source together, a thousand at most."""
    held: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        name = record["source_id"]
        sender = sender_of(sources, name)
        group = held.setdefault(name, [])
        group.append(record)
        if len(group) == GROUP:
            yield sender, held.pop(name)
    for name, group in held.items():
        yield sources[name], group
