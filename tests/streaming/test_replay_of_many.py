"""Thousands of refusals replayed on a real broker: memory stays flat, the books balance, twice changes nothing."""

from __future__ import annotations

from pathlib import Path

import orjson
import psutil
import pytest
from kafka import KafkaProducer

from cairn.settings import Settings
from streaming import rejected
from streaming.process import Processor
from streaming.producer import Fate, GroupCommitter
from streaming.replayed import Replayed
from streaming.sources import Source, SourceRegistry
from streaming.topics import ACTIVITY, RECEIPTS, REJECTED, end_offsets, ensure_topics
from streaming.transactions import Message
from tests.streaming.gateway_process import committed
from tests.streaming.xapi_bodies import answered

pytestmark = pytest.mark.broker

REQUESTS, STATEMENTS = 10, 160
# A replay holds a few hundred originals; all of these would be eight times as many.
MOST_GROWTH_BYTES = 16 * 2**20
SCHOOL = {"extensions": {"https://cairn.example/xapi/extensions/school": "sch-09"}}


def refuse_many(settings: Settings, source: Source) -> None:
    """Refusals as the gateway leaves them, of statements for a school that the source may not speak for."""
    processor = Processor(settings)
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    for _ in range(REQUESTS):
        batch = [answered(context=SCHOOL) for _ in range(STATEMENTS)]
        outcome = processor.xapi(orjson.dumps(batch), source, "/xapi/statements")
        assert len(outcome.rejections) == STATEMENTS
        for topic, partition, key, value in outcome.messages:
            producer.send(topic, key=key, value=value, partition=partition)
    producer.close()


def test_many_are_replayed_in_flat_memory(broker: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "home", kafka_bootstrap=broker.kafka_bootstrap)
    ensure_topics(settings)
    since = end_offsets(settings.kafka_bootstrap)
    registry = SourceRegistry(settings)
    narrow, _ = registry.add("narrow-many", ["sch-01"])
    refuse_many(settings, narrow)
    (one,) = rejected.list_rejected(settings, source="narrow-many")
    count = REQUESTS * STATEMENTS
    assert (one.reason, one.statements, one.kept) == ("school_out_of_scope", count, count)
    # What is refused as before is not sent, however often.
    still = {"selected": count, "replayed": 0, "still_rejected": count}
    assert rejected.replay(settings, source="narrow-many") == still
    registry.revoke("narrow-many")
    registry.add("narrow-many", ["sch-01", "sch-09"])
    registry.close()

    process, sizes = psutil.Process(), list[int]()
    send = GroupCommitter.send

    def watched(committer: GroupCommitter, messages: list[Message]) -> Fate:
        sizes.append(process.memory_info().rss)
        return send(committer, messages)

    monkeypatch.setattr(GroupCommitter, "send", watched)
    done = {"selected": count, "replayed": count, "still_rejected": 0}
    assert rejected.replay(settings, source="narrow-many", dry_run=True) == done
    assert sizes == []
    assert rejected.replay(settings, source="narrow-many") == done
    assert len(sizes) == count // rejected.GROUP
    assert max(sizes[3:]) - sizes[2] < MOST_GROWTH_BYTES, [size >> 20 for size in sizes]
    assert rejected.replay(settings, source="narrow-many") == dict.fromkeys(done, 0)
    assert rejected.list_rejected(settings, source="narrow-many") == []

    found = {
        topic: [r for r in rows if r["source_id"] == "narrow-many"]
        for topic, rows in committed(settings, since).items()
    }
    received = sum(sum(receipt["statements"].values()) for receipt in found[RECEIPTS])
    assert (received, len(found[ACTIVITY]), len(found[REJECTED])) == (2 * count, count, count)
    first = {refusal["received_at"] for refusal in found[REJECTED]}
    assert {record["received_at"] for record in found[ACTIVITY]} == first


def test_what_an_earlier_version_noted_is_known(settings: Settings) -> None:
    settings.sealed_dir.mkdir(parents=True)
    (settings.sealed_dir / "replayed.txt").write_text("one\ntwo\n")
    done = Replayed(settings)
    assert done.among(["one", "three"]) == {"one"}
    done.add(["three", "three"])
    assert done.among(["one", "two", "three", "four"]) == {"one", "two", "three"}
    assert not (settings.sealed_dir / "replayed.txt").exists()
