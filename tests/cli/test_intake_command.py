"""``cairn intake``: the books as a table and as JSON, the watch's findings."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

import lake
from cairn.settings import Settings
from cli.intake import app
from cli.intake_watch import watch
from spark_jobs import intake_state

AT = datetime(2026, 10, 14, 15, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def books(settings: Settings) -> Settings:
    """Eight receipted on four days, three of them refused; nothing since."""
    days = [date(2026, 10, 6), date(2026, 10, 7), date(2026, 10, 8), date(2026, 10, 9)]
    stamp = {"kafka_partition": 0, "intake_app_id": "app", "batch_id": 0, "source_id": "quiet-app", "received_at": AT}
    receipts: list[dict[str, Any]] = [
        stamp
        | {"receipt_id": f"r{n}", "org_id": "school-1", "endpoint": "/caliper", "received_date": day}
        | {"statements_received": 2, "kafka_offset": n}
        for n, day in enumerate(days)
    ]
    refused = [
        stamp
        | {"rejected_id": f"x{n}", "receipt_id": "r3", "org_id": "school-1", "received_date": days[3]}
        | {"statement_index": n, "reason": "unknown_verb", "payload_sha256": "0", "kafka_offset": n}
        for n in range(2)
    ]
    batch = {"intake_app_id": "app", "batch_id": 0, "end_offsets": "{}", "records": 6, "written_at": AT}
    batch["written_date"] = AT.date()
    lake.append_rows(settings, "bronze.receipts", receipts, ("app", 0))
    lake.append_rows(settings, "bronze.rejected", refused, ("app", 0))
    lake.append_rows(settings, "ops.intake_batch", [batch], ("app", 0))
    return settings


def test_ledger_of_a_day_and_of_all(books: Settings) -> None:
    result = CliRunner().invoke(app, ["ledger", "--json"])
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert (counts["received"], counts["rejected"], counts["unexplained"]) == (8, 2, 6)
    assert len(counts["rows"]) == 4
    assert [(one["hop"], one["received_date"], one["statements"]) for one in counts["breaks"]] == [
        ("gateway to topic", f"2026-10-0{day}", 2) for day in (6, 7, 8)
    ]
    assert "no broker answers" in counts["unseen"]
    one = json.loads(CliRunner().invoke(app, ["ledger", "--date", "2026-10-09", "--json"]).stdout)
    assert (one["received"], one["rejected"], one["unexplained"]) == (2, 2, 0)
    table = CliRunner().invoke(app, ["ledger"]).output
    assert "quiet-app" in table
    assert "unexplained" in table
    assert "gateway to topic: 2026-10-08 quiet-app school-1: 2 missing" in table


@pytest.mark.parametrize("asked", [[], ["--accept-loss"]])
def test_a_loss_is_accepted_for_the_service_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setattr("spark_jobs.intake_service.main", lambda: 0)
    assert CliRunner().invoke(app, ["run", "--follow", *asked]).exit_code == 0
    assert intake_state.loss_path(settings).exists() is bool(asked)


def test_watch_says_lag_silence_and_holes(books: Settings) -> None:
    # Friday, a holiday, Tuesday and Wednesday without anything: on Wednesday only one whole day was silent.
    assert watch(books, now=AT)["silent_sources"] == {}
    found = watch(books, now=AT + timedelta(days=1))
    assert found["silent_sources"] == {"quiet-app": "2026-10-09"}
    assert any("quiet-app at school-1: silent since 2026-10-13" in line for line in found["findings"])
    assert any("broker cannot be asked" in line for line in found["findings"])
    heartbeat = books.stack_state_path.parent / "intake.heartbeat"
    heartbeat.parent.mkdir(parents=True)
    heartbeat.write_text((AT - timedelta(minutes=5)).isoformat())
    later = watch(books, now=AT - timedelta(days=5))  # on 9 October
    assert any("gateway to topic: 2026-10-08 quiet-app school-1: 2 missing" in line for line in later["findings"])
    assert later["rejection_rates"] == {"quiet-app": 0.5}
    assert any("no sign of life for 300 s" in line for line in watch(books, now=AT)["findings"])


def test_a_date_that_is_none_is_wrong_use(settings: Settings) -> None:
    result = CliRunner().invoke(app, ["ledger", "--date", "tomorrow"])
    assert "YYYY-MM-DD" in str(result.exception)


def test_what_is_set_aside_is_listed_and_only_a_clocks_is_released(settings: Settings) -> None:
    record = {"event_id": "e0", "subject_key": "s1_a", "source_id": "quiet-app", "org_id": "school-1"}
    record |= {"source_statement_id": "st", "content_hash": "h"}
    record |= {"received_at": "2026-10-14T15:00:00Z", "event_time": "2036-10-14T15:00:00Z", "extensions": None}
    reasons = ("clock_ahead", "clock_ahead", "content_conflict")
    rows = [
        {"kafka_topic": "learner.activity.v1", "kafka_partition": 0, "kafka_offset": n, "event_id": f"e{n}"}
        | {"source_id": "quiet-app", "org_id": f"school-{n}", "received_date": AT.date(), "reason": reason}
        | {"fate": "conflict" if reason == "content_conflict" else "quarantined", "detail": "event_time lies ahead"}
        | {"record_value": json.dumps(record | {"event_id": f"e{n}"}), "intake_app_id": "app", "batch_id": 0}
        for n, reason in enumerate(reasons)
    ]
    lake.append(settings, "silver.activity_quarantine", rows)
    result = CliRunner().invoke(app, ["quarantine", "list"])
    assert "2  clock_ahead  quiet-app  2 schools  received 2026-10-14 to 2026-10-14" in result.output
    assert "release --reason clock_ahead --source quiet-app" in result.output
    assert "ask the sender to give changed work a new id" in result.output
    listed = json.loads(CliRunner().invoke(app, ["quarantine", "list", "--school", "school-1", "--json"]).stdout)
    assert [(group["reason"], group["records"], group["can_be_released"]) for group in listed["groups"]] == [
        ("clock_ahead", 1, True)
    ]
    for work_time, waits in (("as-sent", 2), ("received", 0)):
        asked = ["quarantine", "release", "--work-time", work_time, "--dry-run", "--json"]
        done = json.loads(CliRunner().invoke(app, asked).stdout)
        assert done == {"selected": 2, "released": 2, "waits_for_its_day": waits}
    for wrong, said in (
        (["--reason", "content_conflict"], "cannot be released, only clock_ahead and before_school_year"),
        (["--work-time", "noon"], "--work-time as-sent or received"),
    ):
        assert said in str(CliRunner().invoke(app, ["quarantine", "release", *wrong]).exception)


def test_alarms_are_listed_with_when_they_stood(books: Settings) -> None:
    assert "no alarm" in CliRunner().invoke(app, ["alarms"]).output
    assert CliRunner().invoke(app, ["watch"]).exit_code == 1
    listed = json.loads(CliRunner().invoke(app, ["alarms", "--json"]).stdout)
    assert listed["standing"] == len(listed["alarms"]) > 0
    assert {"kind", "since", "expected", "came", "command", "raised_at", "cleared_at"} <= set(listed["alarms"][0])
