"""The gate before publishing: a built file against its models, the lake and the release that stands."""

from __future__ import annotations

import zlib
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from gates.mart_models import mart_models
from gates.run import run_gate

DATA_DATE = date(2026, 10, 14)


def build(path: Path, pairs: list[tuple[str, str]], groups: list[tuple[int | None, str]] = ()) -> Path:
    """A warehouse with every mart, empty but for pairs (school, pupil) and published groups (pupils, share)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(str(path))
    for mart, model in mart_models().items():
        kinds = ", ".join(f"{column} {kind}" for column, kind in model.types.items())
        connection.execute(f"create table {mart} ({kinds})")
    for school, pupil in pairs:
        connection.execute(
            "insert into mart_student_competency (school_id, student_key, competency_id, state) "
            "values (?, ?, 'competency-1', 'developing')",
            [school, pupil],
        )
    for number, (pupils, share) in enumerate(groups):
        connection.execute(
            "insert into mart_district_competency (competency_id, pupils, mastered_pct_protected) values (?, ?, ?)",
            [f"c-{number}", pupils, share],
        )
    connection.close()
    return path


def states(settings: Settings, pupils: list[str], state: str = "developing") -> None:
    """gold.mastery_state with these pupils."""
    import importlib.util

    path = Path(__file__).with_name("test_silver_to_mastery.py")
    spec = importlib.util.spec_from_file_location("mastery_rows", path)
    assert spec
    assert spec.loader
    rows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rows)
    stand = [rows.state(zlib.crc32(pupil.encode()), student_key=pupil, state=state) for pupil in pupils]
    # An earlier night had another state for all of them; the newest change stands.
    later = [{**row, "night": 2, "is_base": False} for row in stand]
    lake.append(settings, "gold.mastery_state", [{**row, "state": "not_started"} for row in stand] + later)


def failed(results: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Rule and scope of what failed."""
    return sorted((row["rule_id"], row["scope_type"], row["scope_id"]) for row in results if not row["is_passed"])


def test_a_sound_file_is_green(settings: Settings) -> None:
    states(settings, ["a", "b"])
    path = build(settings.home / "now.duckdb", [("school-1", "a"), ("school-2", "b")], [(None, "fewer than 10 pupils")])
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=path)
    assert failed(outcome.results) == []
    assert outcome.is_green


def test_a_school_that_lost_its_rows_or_differs_is_held(settings: Settings) -> None:
    pupils = [f"pupil-{number}" for number in range(30)]
    states(settings, [*pupils, "kept"])
    states(settings, ["other"], state="mastered")
    before = build(settings.home / "before.duckdb", [("school-1", pupil) for pupil in pupils] + [("school-2", "kept")])
    pairs = [("school-1", pupil) for pupil in pupils[:10]] + [("school-2", "kept"), ("school-3", "other")]
    now = build(settings.home / "now.duckdb", pairs)
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=now, previous=before)
    assert failed(outcome.results) == [
        ("mart_student_competency.row_drop", "school", "school-1"),
        ("mart_student_competency.states_agree", "school", "school-3"),
    ]
    assert outcome.held == [("school", "school-1"), ("school", "school-3")]


def test_small_groups_and_names_stop_all(settings: Settings) -> None:
    path = build(settings.home / "now.duckdb", [], [(4, "25"), (None, "40")])
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=path)
    assert failed(outcome.results) == [("mart_district_competency.small_groups", "all", "*")]
    assert outcome.is_structural_failure
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table stg_person (student_key varchar, family_name varchar)")
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=path)
    assert failed(outcome.results) == [("warehouse.no_names", "all", "*")]


def test_the_share_due_for_review_is_protected_as_the_mastered_one(settings: Settings) -> None:
    path = build(settings.home / "now.duckdb", [], [(None, "fewer than 10 pupils")])
    with duckdb.connect(str(path)) as connection:
        connection.execute("update mart_district_competency set review_due_pct_protected = '40'")
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=path)
    assert failed(outcome.results) == [("mart_district_competency.small_groups", "all", "*")]


def test_no_file_is_said_in_one_line(settings: Settings) -> None:
    with pytest.raises(CairnError, match="cairn marts build"):
        run_gate("before_publish", settings, DATA_DATE)


@pytest.mark.parametrize("written", ["n_min: many", "n_min: 0", "n_min: true", "smallest: 20", "n_min: [", "- 20"])
def test_privacy_rules_that_cannot_be_read_publish_nothing(settings: Settings, written: str) -> None:
    path = build(settings.home / "now.duckdb", [])
    settings.district_dir.mkdir(parents=True)
    (settings.district_dir / "privacy.yaml").write_text(written)
    with pytest.raises(CairnError, match=r"privacy\.yaml"):
        run_gate("before_publish", settings, DATA_DATE, warehouse=path)


def test_the_districts_own_smallest_group_counts(settings: Settings) -> None:
    path = build(settings.home / "now.duckdb", [], [(15, "25")])
    assert run_gate("before_publish", settings, DATA_DATE, warehouse=path).is_green
    settings.district_dir.mkdir(parents=True)
    (settings.district_dir / "privacy.yaml").write_text("n_min: 20\n")
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=path)
    assert failed(outcome.results) == [("mart_district_competency.small_groups", "all", "*")]
    assert "fewer than 20 pupils" in outcome.structural_failures()


def test_a_key_that_is_there_twice_stops_all(settings: Settings) -> None:
    states(settings, ["a"])
    path = build(settings.home / "now.duckdb", [("school-1", "a"), ("school-2", "a")])
    outcome = run_gate("before_publish", settings, DATA_DATE, warehouse=path)
    assert failed(outcome.results) == [("warehouse.unique", "all", "*")]
    assert "mart_student_competency: 1" in outcome.structural_failures()
