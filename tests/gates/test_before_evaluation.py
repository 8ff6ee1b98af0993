"""The gate before an evaluation is published: each fault by itself turns it red, and only it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cairn.errors import CairnError
from cairn.settings import Settings
from gates.model import GateOutcome
from gates.run import run_gate
from releases.evaluation import TABLES

LEARNING = "learning-2026-10-14-1"
PLANS = {"pilot-a": "hash-a", "pilot-b": "hash-b"}
SCHOOLS = [
    {"school_id": "s1", "arm": "treatment", "pupils": 40, "mean_baseline": 200.0, "mean_outcome": 210.0},
    {"school_id": "s2", "arm": "comparison", "pupils": None, "mean_baseline": None, "mean_outcome": None},
]


def card(pilot_id: str, **other: Any) -> dict[str, Any]:
    """A sound scorecard, as far as the gate looks."""
    return {"pilot_id": pilot_id, "release_id": LEARNING, "recommendation": "SCALE", "schools": SCHOOLS} | other


def build(
    path: Path,
    cards: dict[str, dict[str, Any]],
    estimate: tuple[float | None, ...] = (0.2, 0.1, 0.3),
    based_on: str = LEARNING,
    rollout: tuple[int | None, int | None] = (40, 38),
) -> Path:
    """An evaluation's file: cards, one estimate (value, low, high) of pilot-a, one school's pupils in the rollout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES)
        connection.execute(
            "create table rollout_school (pilot_id varchar, pupils_planned integer, pupils_reached integer,"
            " dosage_minutes_mean double)"
        )
        connection.execute("insert into rollout_school values ('pilot-a', ?, ?, null)", list(rollout))
        for pilot_id, one in cards.items():
            connection.execute(
                "insert into pilot_scorecard values (?, ?, ?)",
                [pilot_id, one.get("plan_hash", PLANS.get(pilot_id, "?")), json.dumps(one)],
            )
        connection.execute(
            "insert into pilot_result values ('e', 'pilot-a', 'hedges_g', 'hash-a', ?, ?, null, ?, ?, 'sd', ?, 'code')",
            [based_on, *estimate, datetime(2026, 10, 15, tzinfo=UTC)],
        )
    return path


def run(settings: Settings, path: Path) -> GateOutcome:
    """The gate on the file."""
    return run_gate(
        "before_evaluation",
        settings,
        date(2026, 10, 14),
        warehouse=path,
        plans=PLANS,
        learning_release_id=LEARNING,
    )


def sound() -> dict[str, dict[str, Any]]:
    """Both pilots' cards."""
    return {pilot_id: card(pilot_id) for pilot_id in PLANS}


def test_a_sound_evaluation_is_green(settings: Settings) -> None:
    failed = card("pilot-b", recommendation="INVALID", failure="no school", schools=[])
    outcome = run(settings, build(settings.home / "e.duckdb", sound() | {"pilot-b": failed}))
    assert outcome.is_green
    assert len(outcome.results) == 6


@pytest.mark.parametrize(
    ("rule", "pilot", "cards", "more"),
    [
        ("every_plan", "pilot-b", {"pilot-a": card("pilot-a")}, {}),
        ("every_plan", "pilot-a", sound() | {"pilot-a": card("pilot-a", plan_hash="older")}, {}),
        ("every_plan", "pilot-c", sound() | {"pilot-c": card("pilot-c")}, {}),
        ("told", "pilot-b", sound() | {"pilot-b": card("pilot-b", recommendation=None)}, {}),
        ("decision", "pilot-b", sound() | {"pilot-b": card("pilot-b", recommendation="MAYBE")}, {}),
        ("interval", "pilot-a", sound(), {"estimate": (0.2, 0.3, 0.1)}),
        ("interval", "pilot-a", sound(), {"estimate": (0.5, 0.1, 0.3)}),
        ("interval", "pilot-a", sound(), {"estimate": (0.2, 0.1, None)}),
        ("small_groups", "pilot-a", sound() | {"pilot-a": card("pilot-a", schools=[{"pupils": 9}])}, {}),
        (
            "small_groups",
            "pilot-a",
            sound() | {"pilot-a": card("pilot-a", schools=[{"pupils": None, "mean_outcome": 210.0}])},
            {},
        ),
        ("small_groups", "pilot-a", sound(), {"rollout": (9, 8)}),
        ("small_groups", "pilot-a", sound(), {"rollout": (None, 8)}),
        ("learning_release", "pilot-b", sound() | {"pilot-b": card("pilot-b", release_id="learning-old")}, {}),
        ("learning_release", "pilot-a", sound(), {"based_on": "learning-old"}),
    ],
)
def test_each_fault_stops_the_evaluation_and_names_the_pilot(
    settings: Settings, rule: str, pilot: str, cards: dict[str, dict[str, Any]], more: dict[str, Any]
) -> None:
    outcome = run(settings, build(settings.home / "e.duckdb", cards, **more))
    assert outcome.is_structural_failure
    bad = [row for row in outcome.results if not row["is_passed"]]
    assert [row["rule_id"] for row in bad] == [f"evaluation.{rule}"]
    assert pilot in bad[0]["message"]


def test_no_file_is_said_in_one_line(settings: Settings) -> None:
    with pytest.raises(CairnError, match="cairn marts publish --kind evaluation"):
        run(settings, settings.home / "none.duckdb")
