"""Two-time tables: nothing known before is lost, and the same file twice is one file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from loading import history
from loading.snapshot import Change, Snapshot

START = datetime(2026, 8, 17, 12, tzinfo=UTC)
Apply = Callable[..., Change]


@pytest.fixture
def apply(settings: Settings) -> Apply:
    """``apply(snapshot, day)``, recorded ``day`` days after START."""

    def run(snapshot: Snapshot, day: int = 0) -> Change:
        return history.apply(settings, snapshot, START + timedelta(days=day))

    return run


def org(org_id: str, name: str) -> dict[str, Any]:
    return {"org_id": org_id, "name": name, "org_type": "school", "status": "active"}


def orgs(*pairs: tuple[str, str], **more: Any) -> Snapshot:
    return Snapshot("silver.org", [org(*pair) for pair in pairs], **more)


def stored(settings: Settings, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Rows by key and time, recorded times in days since START."""
    rows = lake.read(settings, table).to_pylist()
    for row in rows:
        for name in ("recorded_from", "recorded_to"):
            row[name] = None if row[name] is None else (row[name] - START).days
    return sorted((tuple(row[name] for name in (*columns, "recorded_from", "recorded_to")) for row in rows), key=str)


def test_add_change_end_and_nothing_twice(apply: Apply, settings: Settings) -> None:
    first = orgs(("s1", "One"), ("s2", "Two"), is_bulk=True)
    assert apply(first, 0) == Change(added=2)
    assert apply(first, 1) == Change()
    second = orgs(("s1", "Uno"), ("s3", "Three"), is_bulk=True)
    assert apply(second, 2) == Change(added=1, changed=1, ended=1)
    assert apply(second, 3) == Change()
    assert stored(settings, "silver.org", "org_id", "name") == [
        ("s1", "One", 0, 2),
        ("s1", "Uno", 2, None),
        ("s2", "Two", 0, 2),
        ("s3", "Three", 2, None),
    ]
    assert apply(first, 4) == Change(added=1, changed=1, ended=1)
    assert len(stored(settings, "silver.org", "org_id")) == 6


def test_delta_ends_what_it_names_and_bulk_keeps_what_was_refused(apply: Apply, settings: Settings) -> None:
    apply(orgs(("s1", "One"), ("s2", "Two"), ("s3", "Three"), is_bulk=True), 0)
    assert apply(orgs(("s2", "Two"), ended_ids=["s3", "s9"]), 1) == Change(ended=1)
    assert apply(orgs(("s2", "Two"), ended_ids=["s3"]), 2) == Change()
    assert apply(orgs(is_bulk=True, kept_ids=["s1"]), 3) == Change(ended=1)
    assert stored(settings, "silver.org", "org_id") == [("s1", 0, None), ("s2", 0, 3), ("s3", 0, 1)]


def test_bulk_ends_within_its_scope_only(apply: Apply, settings: Settings) -> None:
    def edges(framework: str, *names: str) -> Snapshot:
        rows = [
            {
                "edge_id": n,
                "framework_id": framework,
                "from_competency_id": "a",
                "to_competency_id": "b",
                "edge_type": "x",
            }
            for n in names
        ]
        return Snapshot("silver.competency_edge", rows, is_bulk=True, scope={"framework_id": framework})

    apply(edges("f1", "e1", "e2"), 0)
    assert apply(edges("f2", "e3"), 1) == Change(added=1)
    assert apply(edges("f1", "e1"), 2) == Change(ended=1)
    assert stored(settings, "silver.competency_edge", "edge_id") == [("e1", 0, None), ("e2", 0, 2), ("e3", 1, None)]


def enrollments(day: date, *ids: str, **more: Any) -> Snapshot:
    """A bulk of enrolments loaded on ``day``; e2 ends by itself in August."""
    rows = [
        {
            "enrollment_id": name,
            "student_key": "p_1",
            "class_id": "c1",
            "school_id": "s1",
            "role": "student",
            "valid_from_date": date(2026, 8, 17),
            "valid_to_date": date(2026, 8, 20) if name == "e2" else None,
            "status": "active",
        }
        for name in ids
    ]
    return Snapshot("silver.enrollment", rows, **{"is_bulk": True, "ends_on": day, **more})


def test_an_ended_enrolment_lives_on_for_its_days(apply: Apply, settings: Settings) -> None:
    apply(enrollments(date(2026, 8, 17), "e1", "e2", "e3"), 0)
    last = enrollments(date(2026, 9, 7), "e3")
    assert apply(last, 21) == Change(ended=1)
    assert apply(last, 22) == Change()
    assert stored(settings, "silver.enrollment", "enrollment_id", "valid_to_date") == [
        ("e1", None, 0, 21),
        ("e1", date(2026, 9, 7), 21, None),
        ("e2", date(2026, 8, 20), 0, None),
        ("e3", None, 0, None),
    ]
    assert apply(enrollments(date(2026, 9, 14), "e1", "e3"), 28) == Change(changed=1)


def test_an_enrolment_that_never_began_ends_without_days(apply: Apply, settings: Settings) -> None:
    apply(enrollments(date(2026, 8, 1), "e1"), 0)
    assert apply(enrollments(date(2026, 8, 10)), 1) == Change(ended=1)
    assert stored(settings, "silver.enrollment", "enrollment_id") == [("e1", 0, 1)]


def test_history_is_not_rewritten(apply: Apply, settings: Settings) -> None:
    apply(orgs(("s1", "One")), 5)
    with pytest.raises(CairnError, match=r"silver\.org was already recorded at 2026-08-22"):
        apply(orgs(("s1", "Uno")), 5)
    assert stored(settings, "silver.org", "name") == [("One", 5, None)]


def test_keys_of_two_columns_and_empty_values(apply: Apply, settings: Settings) -> None:
    def alignments(difficulty: float | None) -> Snapshot:
        rows = [{"item_id": "i1", "competency_id": c, "difficulty": difficulty} for c in ("c1", "c2")]
        return Snapshot("silver.item_alignment", rows)

    assert apply(alignments(None), 0) == Change(added=2)
    assert apply(alignments(None), 1) == Change()
    assert apply(alignments(1.5), 2) == Change(changed=2)
    assert apply(alignments(None), 3) == Change(changed=2)


def test_nothing_to_say_makes_no_table(apply: Apply, settings: Settings) -> None:
    assert apply(orgs(), 0) == Change()
    assert not lake.exists(settings, "silver.org")


def test_a_load_does_not_write_past_versions_again(apply: Apply, settings: Settings) -> None:
    apply(orgs(("s1", "One"), ("s2", "Two")), 0)
    apply(orgs(("s1", "Uno")), 1)
    lake.compact(settings, "silver.org")
    apply(orgs(("s2", "Dos")), 2)  # takes the file that compaction made apart
    past = {file.path for file in lake.table_files(settings, "silver.org")} - _files_with_current(settings)
    assert past
    apply(orgs(("s1", "Ein"), ("s2", "Zwei")), 3)
    assert past <= {file.path for file in lake.table_files(settings, "silver.org")}
    assert len(stored(settings, "silver.org", "org_id")) == 6


def _files_with_current(settings: Settings) -> set[str]:
    return {
        file.path
        for file in lake.table_files(settings, "silver.org")
        if lake.read_files(settings, "silver.org", [file], ["org_id"], history.CURRENT).num_rows
    }


def test_two_loads_at_once_add_a_row_once(settings: Settings, tmp_path: Path) -> None:
    code = (
        "from datetime import UTC, datetime; from cairn.settings import Settings; from loading import history; "
        "from loading.snapshot import Snapshot; "
        "rows = [{'org_id': f's{n}', 'name': 'One', 'org_type': 'school', 'status': 'active'} for n in range(50)]; "
        "print(history.apply(Settings(), Snapshot('silver.org', rows)).added)"
    )
    loads = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    added = sorted(int(load.communicate(timeout=120)[0]) for load in loads)
    assert added == [0, 0, 50]
    assert lake.count_rows(settings, "silver.org") == 50
