"""The index of accepted events: found wherever they lie, and without reading what cannot hold them."""

from __future__ import annotations

import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import lake
from cairn.settings import Settings
from spark_jobs import intake_dedupe, key_index
from spark_jobs.key_index import KeyIndex, find_events
from spark_jobs.xxhash import xxhash64


def event_ids(first: int, count: int) -> list[str]:
    """Ids of numbered events."""
    return [str(uuid.uuid5(uuid.NAMESPACE_URL, f"event-{number}")) for number in range(first, first + count)]


def keys(ids: list[str], batch_id: int = 0) -> pa.Table:
    """Rows of the key table as a batch appends them."""
    return pa.table(
        {
            "event_hash": xxhash64(pa.array(ids)),
            "event_id": ids,
            "content_hash": [f"content of {one}" for one in ids],
            "subject_key": [f"s1_{one[:4]}" for one in ids],
            "intake_app_id": ["app"] * len(ids),
            "batch_id": pa.array([batch_id] * len(ids), pa.int64()),
        }
    )


def append(settings: Settings, first: int, count: int, batch_id: int) -> None:
    """A batch of numbered events."""
    assert lake.append_once(settings, key_index.TABLE, keys(event_ids(first, count), batch_id), ("app", batch_id))


def found(settings: Settings, ids: list[str]) -> set[str]:
    """Which of the ids are known."""
    return set(find_events(settings, ids).column("event_id").to_pylist())


@pytest.mark.spark
def test_the_hash_is_that_of_spark(spark: SparkSession) -> None:
    texts = ["", "a", "abc", "1234567", "12345678", "x" * 31, "y" * 32, "z" * 33, *event_ids(0, 20), "é" * 40, None]
    rows = spark.createDataFrame([(text,) for text in texts], "text string")
    expected = [row[0] for row in rows.select(F.xxhash64("text")).collect()]
    assert xxhash64(pa.array(texts, pa.string())).tolist() == expected
    assert xxhash64(pa.chunked_array([texts[:5], texts[5:]], pa.string()).slice(3)).tolist() == expected[3:]


def test_events_are_found_recent_filed_and_merged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "MOST_RUNS", 2)
    assert found(settings, event_ids(0, 3)) == set()
    for batch_id in range(4):
        append(settings, batch_id * 500, 500, batch_id)
        if batch_id < 3:
            assert key_index.file_recent(settings) == 500
    recent, runs = key_index.levels(settings)
    assert (len(recent), {len(its) for its in runs.values()}, len(runs)) == (1, {3}, settings.key_buckets)

    def check() -> None:
        assert found(settings, event_ids(0, 2100)) == set(event_ids(0, 2000))
        assert find_events(settings, event_ids(700, 1)).to_pylist() == [
            {"event_id": event_ids(700, 1)[0], "subject_key": f"s1_{event_ids(700, 1)[0][:4]}"}
        ]

    check()
    assert key_index.tend(settings, 60) == 3 * settings.key_buckets
    _, runs = key_index.levels(settings)
    assert {len(its) for its in runs.values()} == {1}
    check()
    assert lake.count_rows(settings, key_index.TABLE) == 2000
    for files in runs.values():
        hashes = lake.read_files(settings, key_index.TABLE, files, ["event_hash"]).column(0).to_numpy()
        assert np.all(hashes[1:] >= hashes[:-1])


def test_filing_by_rule(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "MOST_RECENT_FILES", 3)
    for batch_id in range(2):
        append(settings, batch_id * 10, 10, batch_id)
    assert key_index.tend(settings, 60) == 0
    append(settings, 20, 10, 2)
    assert key_index.tend(settings, 60) == 3
    assert key_index.levels(settings)[0] == []
    # A batch that is run again after its keys were filed does not append them a second time.
    assert not lake.append_once(settings, key_index.TABLE, keys(event_ids(20, 10), 2), ("app", 2))


def test_a_large_run_is_not_merged_with_small_ones() -> None:
    def run(rows: int) -> lake.File:
        return lake.File(f"{rows}.parquet", rows, rows, {}, "", 0)

    small = [run(100 + number) for number in range(8)]
    assert key_index.to_merge(small) == []
    assert run(1_000_000) not in key_index.to_merge([*small, run(1_000_000)])
    assert len(key_index.to_merge([*small, run(2_000)])) == 9


def test_a_look_up_reads_the_row_groups_that_may_hold_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "LAYOUT", replace(key_index.LAYOUT, row_group_rows=100))
    monkeypatch.setattr(lake.key_probe, "HELD_FILE_ROWS", 50)
    one_bucket = settings.model_copy(update={"key_buckets": 1})
    append(one_bucket, 0, 5_000, 0)
    key_index.file_recent(one_bucket)
    index = KeyIndex(one_bucket)
    known, new = event_ids(1234, 1), event_ids(9_999, 1)
    assert index.accepted(xxhash64(pa.array(known + new))).column("event_id").to_pylist() == known
    assert 1 <= index.probe.row_groups_read <= 2


def test_verdicts_come_out_the_same_wherever_the_keys_lie(settings: Settings) -> None:
    append(settings, 0, 100, 0)
    ids = event_ids(0, 2) + event_ids(500, 2) + event_ids(500, 1)
    batch = pa.table(
        {
            "row_index": list(range(5)),
            "kafka_partition": pa.array([0] * 5, pa.int32()),
            "kafka_offset": list(range(5)),
            "event_hash": xxhash64(pa.array(ids)),
            "event_id": ids,
            "content_hash": [f"content of {ids[0]}", "other", *(f"content of {one}" for one in ids[2:])],
        }
    )
    expected = {0: "duplicate", 1: "conflict", 4: "duplicate"}
    index = KeyIndex(settings)
    hashes = batch.column("event_hash").to_numpy()
    assert intake_dedupe.repeats(batch, index.accepted(hashes), "app", 9) == expected
    assert intake_dedupe.repeats(batch, index.accepted(hashes), "app", 0) == {4: "duplicate"}
    key_index.file_recent(settings)
    assert intake_dedupe.repeats(batch, index.accepted(hashes), "app", 9) == expected
    assert intake_dedupe.repeats(batch, index.accepted(hashes), "app", 0) == {4: "duplicate"}


def test_another_number_of_buckets_needs_no_migration(settings: Settings) -> None:
    append(settings, 0, 300, 0)
    key_index.file_recent(settings)
    more = settings.model_copy(update={"key_buckets": 64})
    append(more, 300, 300, 1)
    key_index.file_recent(more)
    assert found(more, event_ids(0, 700)) == set(event_ids(0, 600))
