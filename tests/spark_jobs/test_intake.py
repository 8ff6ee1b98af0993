"""Kafka to silver on a real broker: each event once, repeats, conflicts and breaches told apart, books that balance."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.topics import is_passed
from spark_jobs import intake, intake_pace, intake_service, intake_state, key_index, upkeep
from spark_jobs.intake_ledger import ledger, totals
from streaming.topics import TopicEnds

pytestmark = [pytest.mark.spark, pytest.mark.broker]


def ids(settings: Settings) -> list[str]:
    """Event ids in silver, each as often as it is there."""
    return sorted(lake.read(settings, "silver.learner_activity", ["event_id"]).column("event_id").to_pylist())


def test_every_record_meets_one_fate_and_the_books_balance(
    spark: SparkSession, intake_home: Settings, sender, make_event
) -> None:
    sender.events([make_event(n) for n in range(300)])
    first = intake.run_once(intake_home, spark)
    assert first["events"] == 300
    assert first["batches"] >= 1

    broken = [
        make_event(401, activity_type="daydream"),
        make_event(402, event_time="yesterday"),
        make_event(403, subject_key=""),
        make_event(404, hints="many"),
    ]
    sender.events([make_event(1), make_event(2, content_hash="other"), make_event(300), make_event(300), *broken])
    stranger = make_event(405)
    sender.receipt([stranger])
    sender.raw("s1_somebody_else", json.dumps(stranger).encode())
    sender.refusal("school-1")
    second = intake.run_once(intake_home, spark)

    assert second["events"] == 9
    assert ids(intake_home) == sorted({make_event(n)["event_id"] for n in range(301)})
    quarantine = lake.read(intake_home, "silver.activity_quarantine").to_pylist()
    reasons = sorted((row["fate"], row["reason"], row["detail"].split()[0]) for row in quarantine)
    assert [reason for reason in reasons if reason[1] != "unreadable"] == [
        ("conflict", "content_conflict", "an"),
        ("quarantined", "key_mismatch", "the"),
        ("quarantined", "missing_field", "subject_key"),
        ("quarantined", "value_not_allowed", "activity_type"),
    ]
    assert [row["event_id"] for row in quarantine if row["fate"] == "conflict"] == [make_event(2)["event_id"]]
    assert len([reason for reason in reasons if reason[1] == "unreadable"]) == 2
    rows = ledger(intake_home)
    assert totals(rows) == {
        "received": sender.receipted,
        "accepted": 301,
        "duplicate": 2,
        "conflict": 1,
        "rejected": 1,
        "quarantined": 5,
        "unexplained": 0,
    }
    assert all(row["unexplained"] == 0 for row in rows)
    assert lake.read(intake_home, "bronze.activity", ["kafka_offset"]).num_rows == 309


def test_a_batch_torn_anywhere_is_completed(
    spark: SparkSession, intake_home: Settings, sender, make_event, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, append_rows = lake.append_once, lake.append_rows
    # Five tables, then the two of the books: the last round ends before the row that says the batch is whole.
    for round_number, writes in enumerate((1, 3, 5, 6)):
        numbers = range(round_number * 100, round_number * 100 + 110)  # ten of the round before come again
        sender.events([make_event(n) for n in numbers])
        sender.refusal("school-1")
        done: list[str] = []

        def failing(write: Callable[..., bool], writes: int = writes, done: list[str] = done) -> Callable[..., bool]:
            def write_or_fail(*arguments: Any) -> bool:
                if len(done) >= writes:
                    raise OSError("the disk is gone")
                done.append(arguments[1])
                return write(*arguments)

            return write_or_fail

        monkeypatch.setattr(lake, "append_once", failing(append))
        monkeypatch.setattr(lake, "append_rows", failing(append_rows))
        with pytest.raises(CairnError, match="the disk is gone"):
            intake.run_once(intake_home, spark)
        monkeypatch.setattr(lake, "append_once", append)
        monkeypatch.setattr(lake, "append_rows", append_rows)
        intake.run_once(intake_home, spark)

    assert ids(intake_home) == sorted(make_event(n)["event_id"] for n in range(410))
    counts = totals(ledger(intake_home))
    assert counts == counts | {"received": 444, "accepted": 410, "duplicate": 30, "rejected": 4, "unexplained": 0}
    assert lake.read(intake_home, "bronze.activity", ["kafka_offset"]).num_rows == 440
    assert lake.read(intake_home, "silver.activity_key", ["event_id"]).num_rows == 410


def test_a_lost_checkpoint_goes_on_where_the_lake_ends(
    spark: SparkSession, intake_home: Settings, sender, make_event
) -> None:
    sender.events([make_event(n) for n in range(200)])
    intake.run_once(intake_home, spark)
    shutil.rmtree(intake_home.checkpoints_dir / "intake")
    sender.events([make_event(n) for n in range(200, 260)])
    intake.run_once(intake_home, spark)
    # That batch was torn, as it turns out, and its rows lie in files with those of others since.
    tear_last_batch(intake_home)
    compacted = upkeep.compact_intake(intake_home)
    assert compacted["silver.learner_activity"] >= 2
    key_index.file_recent(intake_home)
    shutil.rmtree(intake_home.checkpoints_dir / "intake")
    sender.events([make_event(n) for n in range(250, 300)])
    intake.run_once(intake_home, spark)

    assert ids(intake_home) == sorted(make_event(n)["event_id"] for n in range(300))
    assert lake.count_rows(intake_home, "silver.activity_key") == 300
    assert totals(ledger(intake_home))["unexplained"] == 0
    assert totals(ledger(intake_home))["duplicate"] == 10
    assert is_passed(intake_state.passed_offsets(intake_home), intake.present_end(intake_home))
    # What a night asks of silver: text filters, which files that deltalake's DELETE had written could not answer.
    school = pc.field("org_id") == "school-1"
    found = lake.read(intake_home, "silver.learner_activity", ["event_id"], school).num_rows
    assert found == sum(make_event(n)["org_id"] == "school-1" for n in range(300))
    expected = {make_event(n)["event_id"]: make_event(n)["subject_key"] for n in (3, 205, 299)}
    subjects = key_index.find_events(intake_home, list(expected)).to_pylist()
    assert {row["event_id"]: row["subject_key"] for row in subjects} == expected


def tear_last_batch(settings: Settings) -> None:
    """Take the row away that says that the last batch is whole."""
    rows = lake.read(settings, "ops.intake_batch", partitions=lake.EVERY).to_pylist()
    last = max(rows, key=lambda row: row["written_at"])
    condition = (pc.field("intake_app_id") == last["intake_app_id"]) & (pc.field("batch_id") == last["batch_id"])
    assert lake.delete_rows(settings, "ops.intake_batch", condition) == 1


def test_a_second_intake_waits_for_the_holder_of_the_lease(intake_home: Settings, sender, make_event) -> None:
    with intake_state.lease(intake_home) as is_held, intake_state.lease(intake_home) as is_held_twice:
        assert is_held
        assert not is_held_twice
        assert intake.run_once(intake_home)["batches"] == 0


def test_the_service_puts_little_off_until_somebody_waits(
    spark: SparkSession, intake_home: Settings, sender, make_event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_pace, "LONGEST_SECONDS", 1e9)
    stop = threading.Event()
    intake.prepare(intake_home, print)
    with intake_state.lease(intake_home), TopicEnds(intake_home.kafka_bootstrap) as ends:
        service = threading.Thread(
            target=intake_service._take_in_turns, args=(spark, intake_home, ends, stop), daemon=True
        )
        try:
            sender.events([make_event(n) for n in range(5)])
            service.start()
            intake_state.wait_until_passed(intake_home, intake.present_end(intake_home), 120)
            sender.events([make_event(n) for n in range(5, 10)])
            time.sleep(4 * intake_service.POLL_SECONDS)
            assert len(ids(intake_home)) == 5
            result = intake.run_once(intake_home)  # the lease is held: it waits, and asks
            assert (result["batches"], result["events"]) == (1, 5)
            assert len(ids(intake_home)) == 10
        finally:
            stop.set()
            service.join(60)
    assert not service.is_alive()
