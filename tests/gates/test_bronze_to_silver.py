"""The gate into silver: generated from the contract, red for its scope only, ids and no values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import gates
import lake
from cairn import contracts
from cairn.settings import Settings
from gates import frames, suites
from gates.bronze_to_silver import SCOPE, SILVER
from gates.engine import Engine
from gates.night_rows import night_rows
from gates.run import run_gate

DATA_DATE = date(2026, 10, 14)
RECEIVED_AT = datetime(2026, 10, 14, 15, tzinfo=UTC)
MARKER = "Marker-Ermengarde"


def event(number: int, **changes: Any) -> dict[str, Any]:
    """A sound row of silver."""
    return {
        "event_id": f"event-{number:04d}",
        "content_hash": f"content-{number}",
        "schema_version": "1.0.0",
        "source_id": f"app-{number % 2}",
        "source_statement_id": f"statement-{number}",
        "received_at": RECEIVED_AT,
        "received_date": DATA_DATE,
        "event_time": RECEIVED_AT - timedelta(hours=1),
        "work_date": DATA_DATE,
        "subject_key": f"s1_{number % 5}",
        "org_id": f"school-{number % 3}",
        "activity_type": "attempt",
        "item_id": "item",
        "success": True,
        "ingest_date": datetime.now(UTC).date(),
        "kafka_partition": 0,
        "kafka_offset": number,
        "intake_app_id": "app",
        "batch_id": 0,
    } | changes


def write(settings: Settings, events: list[dict[str, Any]], receipted: list[dict[str, Any]] | None = None) -> None:
    """A lake with these rows in silver, one receipt an event, and every subject linked."""
    import lake

    lake.append_rows(settings, "silver.learner_activity", events, ("app", 0))
    receipts = [
        {
            "receipt_id": f"receipt-{index}",
            "org_id": one["org_id"],
            "source_id": one["source_id"],
            "endpoint": "/xapi/statements",
            "received_at": RECEIVED_AT,
            "received_date": DATA_DATE,
            "statements_received": 1,
            "kafka_partition": 0,
            "kafka_offset": index,
            "intake_app_id": "app",
            "batch_id": 0,
        }
        for index, one in enumerate(events if receipted is None else receipted)
    ]
    lake.append_rows(settings, "bronze.receipts", receipts, ("app", 0))
    now = datetime.now(UTC)
    batch = {"intake_app_id": "app", "batch_id": 0, "end_offsets": "{}", "records": len(events)}
    lake.append_rows(
        settings, "ops.intake_batch", [batch | {"written_at": now, "written_date": now.date()}], ("app", 0)
    )
    links = [
        {
            "subject_key": f"s1_{number}",
            "student_key": f"student-{number}",
            "valid_from": RECEIVED_AT,
            "recorded_from": RECEIVED_AT,
            "reason": "roster",
        }
        for number in range(5)
    ]
    lake.append(settings, "silver.identity_link", links)


def failed(results: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Rule, scope type and scope id of what failed."""
    return sorted((row["rule_id"], row["scope_type"], row["scope_id"]) for row in results if not row["is_passed"])


def data_docs(settings: Settings) -> str:
    """All pages of the Data Docs as one text."""
    return "".join(path.read_text() for path in (settings.reports_dir / "data_docs").rglob("*.html"))


def test_a_sound_night_is_green_and_leaves_rows_and_pages(settings: Settings) -> None:
    write(settings, [event(number) for number in range(30)])
    outcome = run_gate("bronze_to_silver", settings, DATA_DATE)
    assert failed(outcome.results) == []
    assert outcome.is_green
    assert outcome.held == []
    assert len(gates.results(settings, DATA_DATE)) == len(outcome.results)
    assert "silver.learner_activity" in data_docs(settings)
    assert "http://" not in data_docs(settings).replace("http://www.w3.org", "")


def test_a_bad_row_holds_its_school_only_and_is_named_without_its_value(settings: Settings) -> None:
    write(
        settings,
        [event(number) for number in range(30)] + [event(31, activity_type=MARKER), event(34, subject_key=None)],
    )
    outcome = run_gate("bronze_to_silver", settings, DATA_DATE)
    assert not outcome.is_green
    assert not outcome.is_structural_failure
    assert outcome.held == [("school", "school-1")]
    rows = {row["rule_id"]: row for row in outcome.results if not row["is_passed"]}
    allowed = rows["silver.learner_activity.activity_type.allowed"]
    assert allowed["sample_event_ids"] == ["event-0031"]
    assert (allowed["rows_checked"], allowed["rows_failed"]) == (32, 1)
    assert rows["silver.learner_activity.subject_key.required"]["sample_event_ids"] == ["event-0034"]
    assert MARKER not in data_docs(settings)
    assert MARKER not in str(outcome.results)


def test_an_event_twice_and_a_hole_in_the_books_hold_their_schools(settings: Settings, monkeypatch: Any) -> None:
    from gates import bronze_to_silver

    limits = bronze_to_silver.thresholds(settings, "bronze_to_silver") | {"torn_looks": {"times": 1, "seconds": 0}}
    monkeypatch.setattr(bronze_to_silver, "thresholds", lambda *_: limits)
    events = [event(number) for number in range(30)]
    write(settings, [*events, event(3)], receipted=[*events, event(3), event(5)])
    outcome = run_gate("bronze_to_silver", settings, DATA_DATE)
    assert failed(outcome.results) == [
        ("ledger.unexplained", "school", "school-2"),
        ("silver.learner_activity.unique", "school", "school-0"),
    ]
    assert outcome.held == [("school", "school-0"), ("school", "school-2")]


def test_clock_links_and_silence_are_warnings(settings: Settings) -> None:
    events = [event(number) for number in range(20)]
    events.append(event(21, event_time=RECEIVED_AT + timedelta(days=2), subject_key="s1_nobody"))
    days = (date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 5))
    events += [event(50 + n, source_id="app-quiet", work_date=day) for n, day in enumerate(days)]
    write(settings, events)
    outcome = run_gate("bronze_to_silver", settings, DATA_DATE)
    assert failed(outcome.results) == [
        ("event_time.future", "source", "app-1"),
        ("source.silent", "source", "app-quiet"),
        ("subject.unlinked", "school", "school-0"),
    ]
    assert outcome.held == []


def test_a_missing_column_stops_all(settings: Settings) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    target = Path(lake.table_uri(settings, "silver.learner_activity"))
    target.mkdir(parents=True)
    write_deltalake(str(target), pa.table({"event_id": ["event-1"], "org_id": ["school-1"]}))
    outcome = run_gate("bronze_to_silver", settings, DATA_DATE)
    assert outcome.is_structural_failure
    assert failed(outcome.results) == [("silver.learner_activity.columns", "all", "*")]


def test_changing_a_contract_changes_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = contracts.load_contract("silver.learner_activity")
    before = {rule.rule_id: rule for rule in suites.row_rules(contract)}
    assert "silver.learner_activity.hints.range" not in before
    text = contract.path.read_text()
    changed = text.replace("        - void\n", "").replace(
        "  - name: hints\n", "  - name: hints\n    required: true\n    logicalTypeOptions: {minimum: 0, maximum: 9}\n"
    )
    assert changed != text
    (tmp_path / "silver").mkdir()
    (tmp_path / "silver" / "learner_activity.yaml").write_text(changed)
    monkeypatch.setattr(contracts, "TABLES_DIR", tmp_path)
    after = {
        rule.rule_id: rule for rule in suites.row_rules(contracts.load_contract.__wrapped__("silver.learner_activity"))
    }
    assert set(after) - set(before) == {"silver.learner_activity.hints.required", "silver.learner_activity.hints.range"}
    allowed = "silver.learner_activity.activity_type.allowed"
    assert "void" in before[allowed].arguments["value_set"]
    assert "void" not in after[allowed].arguments["value_set"]


def test_rows_in_memory_and_rows_scanned_say_the_same(settings: Settings) -> None:
    write(settings, [event(n) for n in range(30)] + [event(3), event(31, activity_type=MARKER), event(32, org_id=None)])
    rules = suites.row_rules(contracts.load_contract(SILVER))
    columns = [*suites.columns_needed(rules), "org_id", "source_id"]
    night = night_rows(settings, DATA_DATE).arrow_filter()
    small = frames.load(settings, SILVER, columns, "event_id", night)
    large = frames.load(settings, SILVER, columns, "event_id", night, most_rows_in_memory=0)
    assert (small.is_in_memory, large.is_in_memory) == (True, False)
    engine = Engine()
    found = engine.check(small, rules, SCOPE)
    assert {one.rule_id.rpartition(".")[2] for one in found if not one.is_passed} == {"allowed", "unique"}
    assert engine.check(large, rules, SCOPE) == found


def test_a_night_too_large_for_memory_has_the_same_outcome(settings: Settings, monkeypatch: Any) -> None:
    events = [event(number) for number in range(20)] + [event(31, activity_type=MARKER, subject_key="s1_nobody")]
    write(settings, events)
    small = run_gate("bronze_to_silver", settings, DATA_DATE)
    monkeypatch.setattr(frames.load, "__defaults__", (0, None))
    large = run_gate("bronze_to_silver", settings, DATA_DATE)
    stamps = {"gate_run_id": "", "run_at": None}
    assert [row | stamps for row in large.results] == [row | stamps for row in small.results]
    assert large.held == [("school", "school-1")]
    assert MARKER not in data_docs(settings)
