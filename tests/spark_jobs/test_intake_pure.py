"""What needs no Spark and no broker: verdicts on records, repeats, offsets, checkpoints, upkeep."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lake
from cairn import topics
from cairn.errors import CairnError
from cairn.evidence.clock import ClockRule
from cairn.evidence.meaning import HISTORY
from cairn.settings import Settings
from portal import operations_reads
from spark_jobs import intake_check, intake_dedupe, intake_state
from spark_jobs.intake_ledger import ledger
from tests.spark_jobs.parsed_fields import INSTANT, parsed_fields

AT = datetime(2026, 10, 15, 3, 30, tzinfo=UTC)  # still 14 October in Chicago
RULE = ClockRule("America/Chicago", ahead_tolerance_seconds=300, school_year_start=date(2026, 8, 17))
YEAR_BEGINS = datetime(2026, 8, 17, 5, tzinfo=UTC)  # midnight in Chicago


def checked(**changes: Any) -> dict[str, Any]:
    """The verdict on one record that is sound but for the changes."""
    fields = parsed_fields()
    fields |= {name: pa.string() for name in ("kafka_topic", "record_key")} | {"is_unreadable": pa.bool_()}
    fields["kafka_timestamp"] = INSTANT
    sound = dict.fromkeys(("event_id", "content_hash", "schema_version", "source_id", "source_statement_id"), "text")
    sound |= {"kafka_topic": topics.ACTIVITY, "record_key": "s1_a", "subject_key": "s1_a"}
    sound |= {"received_at": AT, "event_time": AT, "kafka_timestamp": AT, "activity_type": "attempt"}
    row = dict.fromkeys(fields) | sound | {"is_unreadable": False} | changes
    table = intake_check.check(pa.Table.from_pylist([row], schema=pa.schema(list(fields.items()))), RULE)
    [result] = table.to_pylist()
    return result


def test_a_sound_record_has_no_problem_and_local_days() -> None:
    row = checked()
    assert row["problem"] is None
    assert row["received_date"] == row["work_date"] == date(2026, 10, 14)
    assert (row["scope_source"], row["scope_org"]) == ("text", "unknown")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"is_unreadable": True}, "unreadable: "),
        ({"event_id": None}, "missing_field: event_id"),
        ({"subject_key": "", "record_key": ""}, "missing_field: subject_key"),
        ({"activity_type": "daydream"}, "value_not_allowed: activity_type"),
        ({"event_time": datetime(1970, 1, 1, tzinfo=UTC)}, "out_of_range: event_time"),
        ({"record_key": None}, "key_mismatch: "),
        ({"record_key": "s1_b"}, "key_mismatch: "),
        ({"kafka_topic": topics.RECEIPTS}, "missing_field: receipt_id"),
        ({"kafka_topic": topics.REJECTED}, "missing_field: rejected_id"),
    ],
)
def test_each_breach_is_named_without_its_value(changes: dict[str, Any], problem: str) -> None:
    assert checked(**changes)["problem"].startswith(problem)
    assert "daydream" not in checked(**changes)["problem"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"event_time": AT + timedelta(seconds=300)}, None),
        ({"event_time": AT + timedelta(seconds=301)}, "clock_ahead"),
        ({"event_time": AT + timedelta(days=1), "extensions": [("released", "as-sent")]}, None),
        ({"event_time": AT + timedelta(days=1), "extensions": [(HISTORY, "true")]}, "clock_ahead"),
        ({"event_time": YEAR_BEGINS}, None),
        ({"event_time": YEAR_BEGINS - timedelta(seconds=1)}, "before_school_year"),
        ({"event_time": YEAR_BEGINS - timedelta(days=900), "extensions": [(HISTORY, "true")]}, None),
        ({"event_time": YEAR_BEGINS - timedelta(days=900), "extensions": [("xapi_kind", "mapped")]}, None),
        # Summer school: received before this year begins, it may be of the year before.
        ({"event_time": AT - timedelta(days=90), "received_at": AT - timedelta(days=89)}, None),
        # Whose other fields break the contract is named for them.
        ({"event_time": AT + timedelta(days=1), "record_key": None}, "key_mismatch"),
    ],
)
def test_a_wrong_clock_is_named_unless_it_was_let_in(changes: dict[str, Any], problem: str | None) -> None:
    found = checked(**changes)["problem"]
    assert (found and found.partition(":")[0]) == problem


def test_the_clock_rule_is_the_districts_and_is_checked(settings: Settings) -> None:
    assert ClockRule.load(settings) == RULE
    settings.district_dir.mkdir(parents=True)
    (settings.district_dir / "intake.yaml").write_text("clock: {ahead_tolerance_seconds: five}\n")
    with pytest.raises(CairnError, match=r"intake.yaml: clock.ahead_tolerance_seconds: expected whole seconds"):
        ClockRule.load(settings)


def batch(*rows: tuple[str, str]) -> pa.Table:
    """Events (id, content) in order of offset; the hash is short on purpose, so that other ids collide."""
    return pa.table(
        {
            "row_index": list(range(len(rows))),
            "kafka_partition": pa.array([0] * len(rows), pa.int32()),
            "kafka_offset": list(range(len(rows))),
            "event_hash": [len(row[0]) for row in rows],
            "event_id": [row[0] for row in rows],
            "content_hash": [row[1] for row in rows],
        }
    )


def keys(*rows: tuple[str, str, str, int]) -> pa.Table:
    """Accepted before: id, content, application, batch."""
    columns = ("event_id", "content_hash", "intake_app_id", "batch_id")
    schema = pa.schema(
        [("event_hash", pa.int64()), *((name, pa.string()) for name in columns[:3]), ("batch_id", pa.int64())]
    )
    listed = [{"event_hash": len(row[0])} | dict(zip(columns, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(listed, schema=schema)


def test_repeats_within_the_batch_and_before_it() -> None:
    given = batch(("a", "1"), ("b", "1"), ("a", "1"), ("a", "2"), ("cc", "1"), ("dd", "9"))
    known = keys(("b", "1", "app", 1), ("dd", "1", "app", 1), ("ee", "1", "app", 1))
    found = intake_dedupe.repeats(given, known, "app", 2)
    assert found == {1: "duplicate", 2: "duplicate", 3: "conflict", 5: "conflict"}


def test_a_batch_run_again_does_not_see_its_own_keys() -> None:
    given = batch(("a", "1"), ("b", "1"))
    known = keys(("a", "1", "app", 2), ("b", "1", "other", 2))
    assert intake_dedupe.repeats(given, known, "app", 2) == {1: "duplicate"}
    assert intake_dedupe.repeats(batch(), known, "app", 2) == {}


def test_an_append_happens_once_however_often_it_is_tried(settings: Settings) -> None:
    row = {"intake_app_id": "app", "batch_id": 1, "end_offsets": "{}", "records": 1, "written_at": AT}
    for _ in range(3):
        lake.append_rows(settings, "ops.intake_batch", [row], ("app", 1))
    lake.append_rows(settings, "ops.intake_batch", [row | {"batch_id": 2}], ("app", 2))
    lake.append_rows(settings, "ops.intake_batch", [row | {"intake_app_id": "new", "batch_id": 0}], ("new", 0))
    assert lake.read(settings, "ops.intake_batch").num_rows == 3
    assert lake.compact(settings, "ops.intake_batch") == 3
    assert lake.read(settings, "ops.intake_batch").num_rows == 3


def note(settings: Settings, app_id: str, batch_id: int, offset: int) -> None:
    """A whole batch in the lake."""
    ends, now = json.dumps({topics.ACTIVITY: {"0": offset}, "other": {"0": 1}}), datetime.now(UTC)
    row = {"intake_app_id": app_id, "batch_id": batch_id, "end_offsets": ends, "records": 1}
    lake.append_rows(
        settings, "ops.intake_batch", [row | {"written_at": now, "written_date": now.date()}], (app_id, batch_id)
    )


def plan(folder: Path, planned: int, committed: int) -> None:
    """A checkpoint that planned and committed batches up to these numbers."""
    for log, last in (("offsets", planned), ("commits", committed)):
        (folder / log).mkdir(parents=True, exist_ok=True)
        for number in range(last + 1):
            (folder / log / str(number)).write_text("v1\n{}")


def test_how_far_intake_is_is_read_from_the_newest_days(settings: Settings) -> None:
    for day in range(1, 6):
        at = AT + timedelta(days=day)
        ends = json.dumps({topics.ACTIVITY: {"0": day * 10}})
        row = {"intake_app_id": "app", "batch_id": day, "end_offsets": ends, "records": 1, "written_at": at}
        lake.append_rows(settings, "ops.intake_batch", [row | {"written_date": at.date()}], ("app", day))
    for file in lake.table_files(settings, "ops.intake_batch", {"written_date": [date(2026, 10, 16)]}):
        (Path(lake.table_uri(settings, "ops.intake_batch")) / file.path).unlink()  # who read it would fail
    assert intake_state.passed_offsets(settings) == {topics.ACTIVITY: {"0": 50}}
    lag = operations_reads.intake_lag(settings)
    assert lag == {"written_at": AT + timedelta(days=5), "batches": 5, "waiting": None}
    assert ledger(settings, dates=[date(2026, 10, 19)]) == []
    with pytest.raises(FileNotFoundError):
        ledger(settings)


def test_operations_shows_a_lake_that_nothing_has_come_to_yet(settings: Settings) -> None:
    for name in (*intake_state.WRITTEN_TABLES, "ops.intake_batch"):
        lake.create(settings, name)
    assert operations_reads.broken_hops(settings) == []


def test_waiting_for_a_cut(settings: Settings) -> None:
    note(settings, "app", 0, 10)
    note(settings, "app", 1, 25)
    assert intake_state.wait_until_passed(settings, {topics.ACTIVITY: {"0": 25}, "unread": {"0": 9}}, 1) < 1
    with pytest.raises(CairnError, match=re.escape("still 5 records behind")):
        intake_state.wait_until_passed(settings, {topics.ACTIVITY: {"0": 30}}, 0.1)


def test_a_checkpoint_is_kept_while_it_agrees_with_the_lake(settings: Settings) -> None:
    root = settings.checkpoints_dir / "intake"
    plan(root / "one", planned=3, committed=2)
    note(settings, "one", 2, 25)
    assert intake_state.open_checkpoint(settings) == (root / "one", {})
    note(settings, "one", 3, 30)  # written, but not committed to the checkpoint when the process ended
    assert intake_state.open_checkpoint(settings) == (root / "one", {})


@pytest.mark.parametrize(("planned", "committed", "in_lake"), [(1, 1, 2), (5, 4, 2), (-1, -1, 2)])
def test_a_checkpoint_older_or_newer_than_the_lake_is_lost(
    settings: Settings, planned: int, committed: int, in_lake: int
) -> None:
    plan(settings.checkpoints_dir / "intake" / "one", planned, committed)
    note(settings, "one", in_lake, 25)
    folder, start = intake_state.open_checkpoint(settings)
    assert folder.name != "one"
    assert start[topics.ACTIVITY] == {"0": 25}
    assert json.loads(intake_state.starting_offsets(start, {topics.ACTIVITY: [0, 1]})) == {
        topics.ACTIVITY: {"0": 25, "1": intake_state.EARLIEST_OFFSET}
    }


def test_offsets_are_found_in_both_forms_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "offsets").mkdir()
    offsets = {topics.ACTIVITY: {"0": 12, "1": 4}}
    metadata = json.dumps({"batchWatermarkMs": 0, "conf": {"a": "b"}})
    (tmp_path / "offsets" / "0").write_text(f"v1\n{metadata}\n{json.dumps(offsets)}")
    (tmp_path / "offsets" / "1").write_text(f"v2\n{metadata}\n{json.dumps({'0': json.dumps(offsets)})}")
    assert intake_state.offsets_of(tmp_path, 0) == intake_state.offsets_of(tmp_path, 1) == offsets
