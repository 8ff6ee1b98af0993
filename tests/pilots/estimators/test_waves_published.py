"""Waves against R's `did` (Callaway and Sant'Anna's own package) on its county data: every published row at 1e-8."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pilots.estimators.asking import ask

Find = Callable[[str], Path]
NAMED = ["--outcome", "lemp", "--unit", "countyreal", "--time", "year", "--cohort", "first.treat"]
SCENARIOS = {
    "mpdta_nev_dr": ["--control", "never"],
    "mpdta_nyt_dr": ["--control", "not-yet"],
    "mpdta_nev_reg_cov": ["--control", "never", "--covariates", "lpop"],
}
EXACT = 1e-8


def reference(find: Find, table: str, scenario: str) -> list[dict[str, str]]:
    with find(f"data/pilots/mpdta_r_did_ref_{table}.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["scenario"] == scenario]


def of_counties(find: Find, *options: str) -> dict[str, Any]:
    return ask("staggered", find("data/pilots/mpdta.csv"), *NAMED, *options)


def test_the_worked_examples(shared_fixture: Find) -> None:
    expected = {
        ("never", "simple"): (-0.0399512751551763, 0.0120340127701854),
        ("never", "dynamic"): (-0.0772398214573151, 0.0199649890618494),
        ("never", "group"): (-0.0310182822287484, 0.0124460593209979),
        ("not-yet", "simple"): (-0.0397636256230437, 0.0120524247873419),
    }
    for (control, aggregate), numbers in expected.items():
        first = of_counties(shared_fixture, "--control", control, "--aggregate", aggregate)["estimates"][0]
        assert (first["estimate"], first["standard_error"]) == pytest.approx(numbers, abs=EXACT)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_group_and_time(shared_fixture: Find, scenario: str) -> None:
    found = of_counties(shared_fixture, *SCENARIOS[scenario])
    cells = {(cell["cohort"], cell["time"]): cell for cell in found["group_time"]}
    rows = reference(shared_fixture, "attgt", scenario)
    assert len(cells) == len(rows) == 12
    for row in rows:
        cell = cells[float(row["group"]), float(row["t"])]
        numbers = (float(row["att"]), float(row["se"]))
        assert (cell["estimate"], cell["standard_error"]) == pytest.approx(numbers, abs=EXACT)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("aggregate", ["simple", "dynamic", "group", "calendar"])
def test_every_aggregate(shared_fixture: Find, scenario: str, aggregate: str) -> None:
    found = of_counties(shared_fixture, *SCENARIOS[scenario], "--aggregate", aggregate)
    overall, *parts = found["estimates"]
    rows = [row for row in reference(shared_fixture, "aggte", scenario) if row["type"] == aggregate]
    numbers = (float(rows[0]["overall_att"]), float(rows[0]["overall_se"]))
    assert (overall["estimate"], overall["standard_error"]) == pytest.approx(numbers, abs=EXACT)
    by_term = {part["term"].split()[-1]: part for part in parts}
    assert len(by_term) == (0 if aggregate == "simple" else len(rows))
    for row in rows if by_term else ():
        part, numbers = by_term[row["egt"]], (float(row["att_egt"]), float(row["se_egt"]))
        assert (part["estimate"], part["standard_error"]) == pytest.approx(numbers, abs=EXACT)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_trend_before(shared_fixture: Find, scenario: str) -> None:
    found = of_counties(shared_fixture, *SCENARIOS[scenario])["pre_trend"]
    (row,) = reference(shared_fixture, "pretest", scenario)
    assert found["statistic"] == pytest.approx(float(row["W"]), abs=EXACT)
    assert found["p_value"] == pytest.approx(float(row["Wpval"]), abs=5e-6)
    assert found["df"] == 5


def test_the_event_study_stands_beside_every_aggregate(shared_fixture: Find) -> None:
    found = of_counties(shared_fixture)
    rows = [row for row in reference(shared_fixture, "aggte", "mpdta_nev_dr") if row["type"] == "dynamic"]
    assert [event["event_time"] for event in found["event_study"]] == [float(row["egt"]) for row in rows]
    assert [e["estimate"] for e in found["event_study"]] == pytest.approx(
        [float(r["att_egt"]) for r in rows], abs=EXACT
    )
    assert (found["units"], found["n"], found["method"]) == (500, 2500, "analytic")
    assert "cohort 2004 has one period before it begins" in " ".join(found["warnings"])
