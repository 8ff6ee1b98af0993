"""A home of the version before: its key table is rebuilt by hash, with subjects, and intake goes on exactly."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

import lake
from cairn.settings import Settings
from lake import migration
from spark_jobs import intake_state, key_index
from spark_jobs.intake_migration import migrate_intake
from spark_jobs.xxhash import xxhash64

AT = datetime(2026, 10, 14, 15, tzinfo=UTC)
BATCHES, EVENTS = 5, 40


def ids(batch_id: int) -> list[str]:
    """Event ids of a batch."""
    return [f"event-{batch_id}-{number}" for number in range(EVENTS)]


def old_table(
    settings: Settings, name: str, rows: pa.Table, batch_id: int, partitions: list[str] | None = None
) -> None:
    """A batch's rows as the version before wrote them."""
    done = CommitProperties(app_transactions=[Transaction(f"app:{name}", batch_id)])
    write_deltalake(
        lake.table_uri(settings, name), rows, mode="append", partition_by=partitions, commit_properties=done
    )


@pytest.fixture
def old(settings: Settings) -> Settings:
    """A home of the version before; the last batch is torn: in silver and the keys, not in the books."""
    for batch_id in range(BATCHES):
        identity = {"intake_app_id": "app", "batch_id": batch_id}
        events = [
            {"event_id": one, "content_hash": "c", "subject_key": f"s1_{one}", "ingest_date": AT.date()} | identity
            for one in ids(batch_id)
        ]
        silver = pa.Table.from_pylist(events, lake.file_schema("silver.learner_activity"))
        lake.append_once(settings, "silver.learner_activity", silver, ("app", batch_id))
        keys = pa.table(
            {
                "event_hash": xxhash64(pa.array(ids(batch_id))),
                "event_id": ids(batch_id),
                "content_hash": ["c"] * EVENTS,
                "intake_app_id": ["app"] * EVENTS,
                "batch_id": pa.array([batch_id] * EVENTS, pa.int64()),
            }
        )
        old_table(settings, key_index.TABLE, keys, batch_id)
        if batch_id == BATCHES - 1:
            break
        counted = {"received_date": AT.date(), "source_id": "app", "org_id": "s", "fate": "accepted", "records": EVENTS}
        schema = lake.file_schema("ops.intake_ledger")
        old_table(settings, "ops.intake_ledger", pa.Table.from_pylist([counted | identity], schema), batch_id)
        batch = {"end_offsets": json.dumps({"t": {"0": batch_id}}), "records": EVENTS, "written_at": AT} | identity
        schema = lake.file_schema("ops.intake_batch")
        schema = schema.remove(schema.get_field_index("written_date"))
        old_table(settings, "ops.intake_batch", pa.Table.from_pylist([batch], schema), batch_id)
    return settings


def test_keys_are_rebuilt_with_their_subjects(old: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "PORTION_ROWS", 50)
    monkeypatch.setattr(key_index, "MOST_RUNS", 1)
    said: list[str] = []
    assert migrate_intake(old, said.append) == ["ops.intake_batch", "ops.intake_ledger", key_index.TABLE]
    assert migrate_intake(old, said.append) == []
    assert said

    whole = [one for batch_id in range(BATCHES - 1) for one in ids(batch_id)]
    found = key_index.find_events(old, whole + ids(BATCHES - 1)).to_pylist()
    assert {row["event_id"]: row["subject_key"] for row in found} == {one: f"s1_{one}" for one in whole}
    recent, runs = key_index.levels(old)
    assert recent == []
    assert {len(its) for its in runs.values()} == {1}
    assert intake_state.last_transactions(old) == [("app", BATCHES - 2)]
    assert intake_state.passed_offsets(old) == {"t": {"0": BATCHES - 2}}

    # The torn batch runs again: silver has it, the keys get it now; a whole one that runs again changes nothing.
    again = lake.read(old, "silver.learner_activity", partitions=lake.EVERY)
    for batch_id, is_new in ((BATCHES - 2, False), (BATCHES - 1, True)):
        rows = again.filter(pa.compute.equal(again.column("batch_id"), batch_id))
        assert not lake.append_once(old, "silver.learner_activity", rows, ("app", batch_id))
        keys = rows.append_column("event_hash", pa.array(xxhash64(rows.column("event_id"))))
        assert lake.append_once(old, key_index.TABLE, keys, ("app", batch_id)) is is_new
    assert lake.count_rows(old, key_index.TABLE) == BATCHES * EVENTS
