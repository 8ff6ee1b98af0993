"""A table of an older layout is brought into that of its contract: once, with its rows, resumable."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from lake import migration

NAME = "ops.intake_batch"
AT = datetime(2026, 10, 14, 23, 30, tzinfo=UTC)
OLD = pa.schema(
    [
        ("intake_app_id", pa.string()),
        ("batch_id", pa.int64()),
        ("end_offsets", pa.string()),
        ("records", pa.int64()),
        ("written_at", pa.timestamp("us", "UTC")),
    ]
)


def with_day(rows: pa.Table) -> pa.Table:
    """The column that the new layout is partitioned by."""
    return rows.append_column("written_date", rows.column("written_at").cast(pa.date32(), safe=False))


@pytest.fixture
def old(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A table without days, as an earlier version wrote it: 25 commits, of which a checkpoint covers most."""
    uri = lake.table_uri(settings, NAME)
    for batch_id in range(25):
        row = {"intake_app_id": "app", "batch_id": batch_id, "end_offsets": "{}", "records": 1, "written_at": AT}
        rows = pa.Table.from_pylist([row], schema=OLD)
        done = CommitProperties(app_transactions=[Transaction(f"app:{NAME}", batch_id)])
        write_deltalake(uri, rows, mode="append", commit_properties=done)
    DeltaTable(uri).create_checkpoint()
    monkeypatch.setattr(migration, "PORTION_ROWS", 10)
    return settings


def test_rows_columns_partitions_and_transactions(old: Settings) -> None:
    assert lake.needs_migration(old, NAME)
    with pytest.raises(CairnError, match="cairn lake tend"):
        lake.read(old, NAME, partitions=lake.EVERY)
    told: list[tuple[int, int]] = []
    assert lake.migrate(old, NAME, with_day, progress=lambda done, whole: told.append((done, whole)))
    assert told == [(10, 25), (20, 25), (25, 25)]
    assert not lake.needs_migration(old, NAME)
    assert not lake.migrate(old, NAME, with_day)
    rows = lake.read(old, NAME, partitions={"written_date": [date(2026, 10, 14)]})
    assert sorted(rows.column("batch_id").to_pylist()) == list(range(25))
    row = {"intake_app_id": "app", "end_offsets": "{}", "records": 1, "written_at": AT, "written_date": AT.date()}
    assert not lake.append_rows(old, NAME, [row | {"batch_id": 24}], ("app", 24))
    assert lake.append_rows(old, NAME, [row | {"batch_id": 25}], ("app", 25))
    left = [path.name for path in Path(old.lake).rglob("*") if "before" in path.name or path.suffix == ".json"]
    assert not [name for name in left if "_delta_log" not in name and not name[0].isdigit()]


def test_interrupted_anywhere_it_goes_on(old: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def failing(rows: pa.Table) -> pa.Table:
        if len(seen) == 1:
            raise OSError("the disk is full")
        seen.append(rows.num_rows)
        return with_day(rows)

    with pytest.raises(OSError, match="the disk is full"):
        lake.migrate(old, NAME, failing)
    assert lake.count_rows(old, NAME) == 25  # the old table stands until the new one is whole

    moves = migration._move

    def move_once(*arguments: object) -> None:
        monkeypatch.setattr(migration, "_move", stop)
        moves(*arguments)

    def stop(*_arguments: object) -> None:
        raise OSError("killed between the moves")

    monkeypatch.setattr(migration, "_move", move_once)
    again: list[int] = []
    with pytest.raises(OSError, match="between the moves"):
        lake.migrate(old, NAME, lambda rows: (again.append(rows.num_rows), with_day(rows))[1])
    assert again == [10, 5]  # the first portion was done
    monkeypatch.setattr(migration, "_move", moves)
    lake.create(old, NAME)  # somebody found nothing there
    assert lake.needs_migration(old, NAME)
    assert lake.migrate(old, NAME, with_day)
    assert lake.count_rows(old, NAME) == 25


def test_one_migrates_at_a_time(old: Settings) -> None:
    with lake.lease(old, f"migrate-{NAME}"), pytest.raises(CairnError, match="another process"):
        lake.migrate(old, NAME, with_day)


def test_the_plan_is_pinned(old: Settings) -> None:
    """What is noted names the version that the portions are cut from."""

    def failing(_rows: pa.Table) -> pa.Table:
        raise OSError("stop")

    with pytest.raises(OSError, match="stop"):
        lake.migrate(old, NAME, failing)
    [plan] = Path(old.lake).glob(f".migration-*/{NAME}.plan.json")
    assert json.loads(plan.read_text()) == {"source": NAME, "version": 24}
