"""What was refused, and sending it again after a fix.

The list comes from the topic of refusals, which holds all of them. A replay is a request of its own, with its own
receipt, under the original source and when it first came: the books of that day count it as received once more, and as
accepted or refused once more.
An original that was replayed is not selected again; where it is still refused, its new refusal stands for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from cairn.errors import CairnError
from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming.process import MENDED_BY_SENDER, Processor
from streaming.producer import Fate, GroupCommitter
from streaming.seals import SealStore
from streaming.sources import Source, SourceRegistry
from streaming.topics import REJECTED

ENDPOINT = "replay"
POLL_MS = 1_000


def _replayed_path(settings: Settings) -> Path:
    return settings.sealed_dir / "replayed.txt"


def _replayed(settings: Settings) -> set[str]:
    """Refusals that were sent again."""
    try:
        return set(_replayed_path(settings).read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()


def _mark_replayed(settings: Settings, rejected_id: str) -> None:
    with _replayed_path(settings).open("a", encoding="ascii") as file:
        file.write(rejected_id + "\n")
        file.flush()
        os.fsync(file.fileno())


def _all_refusals(settings: Settings) -> Iterator[dict[str, Any]]:
    """Every committed refusal up to the topic's present end."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(isolation_level="read_committed", bootstrap_timeout_ms=5_000, **client_options(settings))
    try:
        partitions = [TopicPartition(REJECTED, number) for number in consumer.partitions_for_topic(REJECTED) or ()]
        if not partitions:
            return
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                for record in records:
                    yield orjson.loads(record.value)
    finally:
        consumer.close()


def senders(settings: Settings) -> dict[str, Source]:
    """Every sender by its name, revoked ones too."""
    registry = SourceRegistry(settings)
    try:
        return {known.source_id: known for known in registry.all()}
    finally:
        registry.close()


def sender_of(sources: Mapping[str, Source], name: str) -> Source:
    """The sender to replay under. Raises CairnError where it is gone."""
    if name not in sources:
        raise CairnError(f"source {name!r} is not known here: 'cairn source add' it, then replay")
    return sources[name]


def list_rejected(settings: Settings, reason: str | None = None, source: str | None = None) -> list[dict[str, Any]]:
    """Refusals that still stand, oldest first: the columns of bronze.rejected up to ``seal_ref``.

    Raises CairnError where the broker cannot be asked.
    """
    from kafka.errors import KafkaError

    done = _replayed(settings)
    try:
        return [
            refusal
            for refusal in _all_refusals(settings)
            if refusal["rejected_id"] not in done
            and reason in (None, refusal["reason"])
            and source in (None, refusal["source_id"])
        ]
    except (KafkaError, LookupError, OSError) as error:
        raise CairnError(
            f"the refusals cannot be read ({type(error).__name__}): start the stack with 'cairn up'"
        ) from error


class _Unsealed(SealStore):
    """Opens originals, and seals none: what a dry run refuses again has its original already."""

    def append(self, originals: list[tuple[str, bytes]]) -> list[str]:
        """No reference of anything."""
        return [""] * len(originals)


def replay(
    settings: Settings, reason: str | None = None, source: str | None = None, dry_run: bool = False
) -> dict[str, int]:
    """Send refused originals again as their sources would. Returns selected, replayed, still_rejected.

    ``replayed`` counts originals that became evidence now. A refusal without an original (a body that was never
    taken in, what its sender must mend, or whose person was erased) is not selected. An original that is sent twice,
    because its replay was cut off before it was noted, becomes the same event. With ``dry_run`` the counts are what
    would be: every original is judged and nothing is sent. Raises CairnError where a source is gone or Kafka is
    not there; what was replayed until then stays replayed.
    """
    seals = _Unsealed(settings) if dry_run else SealStore(settings)
    # Refusals from before the sender's own were left unsealed have an original too.
    listed = (
        refusal
        for refusal in list_rejected(settings, reason, source)
        if refusal["seal_ref"] and refusal["reason"] not in MENDED_BY_SENDER
    )
    selected = [refusal for refusal in listed if not seals.is_erased(refusal["seal_ref"])]
    if not selected:
        return {"selected": len(selected), "replayed": 0, "still_rejected": 0}
    sources = senders(settings)
    processor = Processor(settings, seals)
    committer = None if dry_run else GroupCommitter(settings, role=ENDPOINT).start()
    replayed = still_rejected = 0
    try:
        for refusal in selected:
            sender = sender_of(sources, refusal["source_id"])
            kind, original = seals.read(refusal["seal_ref"])
            outcome = processor.again(kind, original, sender, ENDPOINT, refusal)
            if committer is not None:
                if committer.send(outcome.messages) is not Fate.COMMITTED:
                    raise CairnError(
                        f"Kafka took {replayed + still_rejected} of {len(selected)}: replay again for the rest"
                    )
                _mark_replayed(settings, refusal["rejected_id"])
            if outcome.rejections:
                still_rejected += 1
            else:
                replayed += 1
    finally:
        if committer is not None:
            committer.stop()
    return {"selected": len(selected), "replayed": replayed, "still_rejected": still_rejected}
