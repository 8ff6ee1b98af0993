"""Operations: what is wrong with what to type next, from a reading a minute; where a table comes from; logs."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from answers.pinned_releases import Reader
from cairn.settings import Settings
from gates import intake_alarms
from gates.intake_alarms import Alarm
from portal import operations_snapshot
from portal.lineage import lineage_of, manifest_path, names
from portal.operations_problems import problems
from portal.operations_snapshot import Snapshot, Snapshots
from portal.processes import Beat
from tests.portal.fixture_release import SCHOOLS

NOW = datetime.now(UTC)
MANIFEST: dict[str, Any] = {
    "sources": {
        "source.cairn.gold.mastery_state": {
            "resource_type": "source",
            "source_name": "gold",
            "name": "mastery_state",
            "description": "States of\n pairs.",
            "columns": {"state": {"name": "state", "data_type": "string", "description": "What is said."}},
            "original_file_path": "models/staging/_sources.yml",
        }
    },
    "nodes": {
        "model.cairn.stg_mastery_state": {"resource_type": "model", "name": "stg_mastery_state", "description": ""},
        "model.cairn.mart_needs_adult": {"resource_type": "model", "name": "mart_needs_adult", "description": "Who."},
        "test.cairn.unique": {"resource_type": "test", "name": "unique", "description": ""},
    },
    "exposures": {"exposure.cairn.school_page": {"resource_type": "exposure", "name": "school_page"}},
    "parent_map": {
        "model.cairn.stg_mastery_state": ["source.cairn.gold.mastery_state"],
        "model.cairn.mart_needs_adult": ["model.cairn.stg_mastery_state"],
        "exposure.cairn.school_page": ["model.cairn.mart_needs_adult"],
    },
    "child_map": {
        "source.cairn.gold.mastery_state": ["model.cairn.stg_mastery_state"],
        "model.cairn.stg_mastery_state": ["model.cairn.mart_needs_adult", "test.cairn.unique"],
        "model.cairn.mart_needs_adult": ["exposure.cairn.school_page"],
    },
}


@pytest.fixture
def manifest(pages: Any) -> Any:
    """The page's home with the manifest of a build."""
    path = manifest_path(pages.settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(MANIFEST))
    yield pages
    path.unlink()


def snapshot(**parts: Any) -> Snapshot:
    given = {"gates": [], "ledger": [], "broken_hops": []} | parts
    return Snapshot(given, datetime.now(UTC), 0.1)


def gate(severity: str) -> dict[str, Any]:
    row = {"gate": "bronze_to_silver", "rule_id": severity, "scope_type": "school", "scope_id": "s-1", "run_at": NOW}
    return row | {"severity": severity, "is_passed": False, "message": "few rows", "data_date": date(2026, 10, 14)}


def test_every_problem_names_the_next_command_and_failures_come_before_warnings() -> None:
    step = {"name": "marts", "state": "failed", "error": "dbt failed", "started_at": NOW, "seconds": 3.0}
    alarm = {"kind": "silent", "where": "source a", "what": "silent", "since": "2026-10-14", "expected": "60"}
    alarm |= {"came": "none", "command": "ask its vendor", "raised_at": NOW, "cleared_at": None}
    unexplained = {"unexplained": 3, "source_id": "a", "org_id": "s-1", "received_date": date(2026, 10, 14)}
    found = problems(
        [{"name": "gateway", "state": "stopped"}, {"name": "portal", "state": "running"}],
        [Beat(0, 1, NOW, True), Beat(1, 2, NOW, False)],
        [alarm, alarm | {"kind": "broker", "command": "cairn up"}, alarm | {"cleared_at": NOW}],
        [{"data_date": "2026-10-14", "steps": [step]}, {"data_date": "2026-10-13", "steps": [step]}],
        snapshot(gates=[gate("warning"), gate("structural")], ledger=[unexplained], broken_hops=["silver to mart: 2"]),
    )
    assert [(one.level, one.command) for one in found] == [
        ("bad", "cairn up --only gateway"),
        ("bad", "cairn logs portal"),
        ("bad", "cairn up"),
        ("bad", "cairn night resume --date 2026-10-14"),
        ("bad", "cairn night resume --date 2026-10-14"),
        ("bad", "cairn intake ledger"),
        ("bad", "cairn intake ledger --date 2026-10-14"),
        ("care", "ask its vendor"),
        ("care", "cairn night status --date 2026-10-14"),
    ]


def test_a_reading_that_is_old_says_so() -> None:
    old = Snapshot(snapshot().parts, NOW - timedelta(minutes=9), 0.1)
    [found] = problems([{"name": "portal", "state": "running"}], [], [], [], old)
    assert found.level == "care" and found.since == old.read_at and found.command == "cairn logs portal"


def test_the_lake_is_read_once_for_many_pages(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr(operations_snapshot, "read_lake", lambda *_: read.append(1) or {})
    snapshots = Snapshots(settings, Reader(settings))
    first = snapshots.latest()
    assert snapshots.latest() is first and len(read) == 1
    monkeypatch.setattr(operations_snapshot, "EVERY_SECONDS", 0.01)
    time.sleep(0.02)
    assert snapshots.latest() is not first, "nobody keeps it: who asks reads it when it is due"
    snapshots.keep()
    deadline = time.monotonic() + 10
    while len(read) < 5:
        assert time.monotonic() < deadline, "the reading is not kept up"
        time.sleep(0.01)
    snapshots.end()


def test_the_page_shows_warnings_amber_failures_red_and_the_zone(pages: Any) -> None:
    silent = Alarm("silent", "tilewise", "sch-1", "2026-10-14", "60 a school day", "none", "ask its vendor")
    state = pages.settings.stack_state_path
    state.parent.mkdir(parents=True, exist_ok=True)
    mine = {"address": "", "pid": os.getpid(), "pid_created": psutil.Process().create_time()}
    services = {"portal": mine, "intake": mine | {"pid_created": 1.0}}
    state.write_text(json.dumps({"stack_id": "x", "services": services}))
    log = pages.settings.logs_dir / "intake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("first\n<b>last</b>\n")
    try:
        intake_alarms.reconcile(pages.settings, [silent], NOW)
        text = pages.client("engineer").get("/operations").text
        of_log = pages.client("engineer").get("/operations/logs/intake")
        assert pages.client("central").get("/operations/logs/intake").status_code == 403
        assert "/operations/logs/" not in pages.client("central").get("/operations").text
    finally:
        intake_alarms.reconcile(pages.settings, [], NOW)
        state.unlink()
        log.unlink()
    problems_shown = text[text.index("What needs a hand") : text.index('id="h-services"')]
    assert 'badge bad"' in problems_shown and "intake has stopped" in problems_shown
    assert "<code>cairn up --only intake</code>" in problems_shown and "/operations/logs/intake" in problems_shown
    warned = re.search(r'<li class="care">.*?tilewise.*?</li>', problems_shown, re.S)
    assert warned and "ask its vendor" in warned[0]
    assert re.search(r"read once a minute", problems_shown) and re.search(r"\d\d:\d\d C[SD]T", problems_shown)
    assert "&lt;b&gt;last&lt;/b&gt;" in of_log.text
    assert pages.client("engineer").get("/operations/logs/..%2faccounts").status_code == 404


def test_each_source_has_its_newest_work_and_where_it_is_silent(pages: Any) -> None:
    text = pages.client("engineer").get("/operations").text
    table = text.split("Table: Newest work by source")[1].split("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in table.split("<tr")[2:]]
    assert [row[0] for row in rows] == ["reading-app", "math-app"], "what is silent comes first"
    assert [row[3:] for row in rows] == [["1", "1"], [str(len(SCHOOLS)), "0"]]
    assert rows[1][2] == "Wed 14 Oct" and rows[0][2] == "Fri 2 Oct"


def test_a_table_says_what_it_is_made_of_and_what_is_made_of_it(manifest: Any) -> None:
    client = manifest.client("engineer")
    page = client.get("/operations/tables/stg_mastery_state").text
    up, down = page[page.index('id="h-up"') : page.index('id="h-down"')], page[page.index('id="h-down"') :]
    assert 'href="/operations/tables/gold.mastery_state"' in up and "1 step away" in up
    assert 'href="/operations/tables/mart_needs_adult"' in down and "School page" in down and "2 steps away" in down
    assert "unique" not in page, "tests are no tables"
    assert "What is said." in client.get("/operations/tables/gold.mastery_state").text
    assert client.get("/operations/tables/school_page").status_code == 404
    assert "/operations/tables/mart_needs_adult" in client.get("/operations").text


def test_before_the_first_build_no_table_is_known(settings: Settings) -> None:
    assert names(settings) == [] and lineage_of(settings, "mart_needs_adult") is None


def test_steps_of_nights_are_columns_with_seconds(pages: Any, tmp_path: Path) -> None:
    steps = [{"name": "cut", "state": "done", "seconds": 12.34, "error": ""}]
    steps += [
        {
            "name": "marts",
            "state": "failed",
            "seconds": 5.0,
            "error": "dbt failed: mart_x",
            "started_at": NOW.isoformat(),
        }
    ]
    path = pages.settings.night_dir / "2026-10-15.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"release_id": None, "steps": steps}))
    try:
        text = pages.client("engineer").get("/operations").text
    finally:
        path.unlink()
    nights = text[text.index('id="h-nights"') :]
    assert "12.3" in nights and "17.3" in nights and 'badge bad"' in nights
    assert "The night of 2026-10-15 stopped at marts: dbt failed: mart_x" in text
    assert "<code>cairn night resume --date 2026-10-15</code>" in text
