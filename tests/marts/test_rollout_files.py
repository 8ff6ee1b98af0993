"""What districts send of a rollout, from the file through layout and lake to the marts and the evaluation's tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cairn.settings import Settings
from loading import load_facts
from pilots.rollout import not_sent, why_empty
from releases.rollout_tables import tables
from releases.store import Release
from tests.marts.pilot_sql import built
from tests.marts.small_pilot import pilot
from tests.marts.small_roster import DATA_DATE, roster

HEADER = "SchoolId,PilotId,Date,Name,Value,Unit,Code\n"
FILES = {
    "cairn_training": HEADER
    + "s-north,pilot-1,2026-08-20,run a group,12,adults_to_learn,teacher\n"
    + "s-north,pilot-1,2026-08-20,run a group,3,adults_shown,teacher\n"
    + "s-north,pilot-1,2026-10-01,Run a  group,11,adults_shown,teacher\n"
    + "s-south,pilot-1,2026-10-01,run a group,1,adults_shown,teacher\n"
    + "s-north,pilot-1,2026-10-01,lead,1,adults_to_learn,principal\n"
    + "s-north,pilot-1,2026-10-01,lead,2,adults_shown,principal\n",
    "cairn_readiness": "SchoolId,PilotId,Date,Name,Code\n"
    + "s-north,pilot-1,2026-08-20,devices,not_ready\n"
    + "s-north,pilot-1,2026-08-20,timetable,ready\n"
    + "s-north,pilot-1,2026-09-20,devices,ready\n",
}
BAD = {
    "cairn_training": (HEADER + "s-north,pilot-1,2026-08-20,run a group,-1,adults_shown,teacher\n", "Value is below 0"),
    "cairn_readiness": ("SchoolId,PilotId,Date,Name,Code\ns-north,pilot-1,2026-08-20,devices,almost\n", "is none of"),
    "cairn_support": (HEADER + "s-north,pilot-1,2026-08-20,coaching visit,20,minutes,\n", "Unit is none of hours"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small district with its pilot, and the two files that it sends; no support and no groups of pupils."""
    settings = Settings(home=tmp_path_factory.mktemp("rollout-files"))
    roster(settings)
    pilot(settings)
    for layout, text in FILES.items():
        path = tmp_path_factory.mktemp("files") / f"{layout}.csv"
        path.write_text(text)
        done = load_facts(settings, path, layout)
        assert (done["rejected"], done["unknown_columns"]) == (0, []), done
    return settings


@pytest.fixture(scope="module")
def marts(told: Settings) -> duckdb.DuckDBPyConnection:
    return built(told, DATA_DATE)


def test_adults_are_counted_against_what_the_plan_says(marts: duckdb.DuckDBPyConnection) -> None:
    found = marts.execute(
        "select adult_role, competency, is_planned, status, adults_to_learn, adults_shown from mart_rollout_learning"
        " order by all"
    ).fetchall()
    assert found == [
        ("principal", "lead", False, "contradicts", 1, 2),
        ("teacher", "read the page", True, "not_sent", None, None),
        ("teacher", "run a group", True, "told", 12, 11),
    ]


def test_readiness_stands_until_the_next_answer(marts: duckdb.DuckDBPyConnection) -> None:
    found = marts.execute(
        "select on_date, item, answer, is_newest from mart_rollout_readiness where is_newest order by all"
    ).fetchall()
    day = date(2026, 9, 20)
    assert found == [(day, "devices", "ready", True), (day, "timetable", "ready", True)]


def _release(path: Path) -> Release:
    return Release("learning-made", "learning", DATA_DATE, datetime.now(UTC), path)


def test_what_is_published_says_what_was_sent_and_sums_to_the_metrics(marts: duckdb.DuckDBPyConnection) -> None:
    release = _release(Path("warehouse.duckdb"))
    found = {name: rows.to_pylist() for name, rows in tables(marts, release, 10).items()}
    assert "rollout_support" in found and found["rollout_support"] == []
    metrics = {row["name"]: row["value"] for row in found["rollout_metric"] if row["scope"] == "pilot:pilot-1"}
    assert metrics["adults_shown_share"] == round(11 / 12, 4)
    assert metrics["readiness_share"] == 1.0
    assert metrics["support_hours"] is None and metrics["cost_classroom_share"] is None
    sent: dict[str, dict[str, Any]] = {row["fact_type"]: row for row in found["rollout_sent"]}
    assert {kind: (row["facts"], row["facts_elsewhere"]) for kind, row in sent.items()} == {
        "barrier": (0, 0),
        "cost": (1, 0),
        "dosage": (1, 0),
        "milestone": (1, 0),
        "pupil_group": (0, 0),
        "readiness": (3, 0),
        "support": (0, 0),
        "training": (5, 1),
    }
    assert (
        why_empty("support_hours", sent)
        == not_sent("support")
        == "not sent: cairn facts load PATH --layout cairn_support"
    )
    assert why_empty("cost_classroom_share", sent) == "the costs do not say where they go (column Code)"
    assert found["rollout_milestone"][0]["owner"] == "Technology"
    # Of fewer than ten adults nothing is told, however the shares are asked for.
    few = tables(marts, release, 13)["rollout_learning"].to_pylist()
    assert {(row["adults_to_learn"], row["adults_shown"]) for row in few} == {(None, None)}


@pytest.mark.parametrize("layout", list(BAD))
def test_a_bad_line_is_refused_in_one_line(told: Settings, tmp_path: Path, layout: str) -> None:
    text, message = BAD[layout]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = load_facts(told, path, layout)
    assert done["rejected"] == 1 and message in str(done["problems"]), done
