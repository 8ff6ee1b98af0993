"""Waves where the answer is known by hand, few clusters, anticipation, and panels that are not whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilots.estimators.staggered import Staggered, StaggeredResult, estimate
from tests.pilots.estimators.asking import ask, refused, table, write

NAMED = ["--outcome", "y", "--unit", "u", "--time", "t", "--cohort", "g"]


def panel(cohorts: Sequence[float], periods: int, seed: int = 0, effect: float = 1.0) -> dict[str, list[object]]:
    """Units with a level each, a common path over time, and ``effect`` from their cohort's period on (0: never)."""
    rng = np.random.default_rng(seed)
    level, path = rng.normal(size=len(cohorts)), rng.normal(size=periods + 1)
    columns: dict[str, list[object]] = {"u": [], "t": [], "g": [], "y": []}
    for unit, cohort in enumerate(cohorts):
        for period in range(1, periods + 1):
            gain = effect if 0 < cohort <= period else 0.0
            columns["u"].append(f"{unit:03d}")
            columns["t"].append(period)
            columns["g"].append(cohort or "")
            columns["y"].append(float(level[unit] + path[period] + gain + 0.3 * rng.normal()))
    return columns


def waves(columns: dict[str, list[object]], **options: object) -> StaggeredResult:
    return estimate(table(**columns), Staggered("y", "u", "t", "g", **options))  # type: ignore[arg-type]


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_two_periods_and_two_groups_are_a_difference_of_differences(seed: int) -> None:
    columns = panel([2] * 5 + [0] * 7, 2, seed)
    change = np.diff(np.array(columns["y"], dtype=float).reshape(12, 2), axis=1)[:, 0]
    one, other = change[:5], change[5:]
    found = waves(columns, method="analytic")
    assert found.estimates[0].estimate == pytest.approx(one.mean() - other.mean(), abs=1e-12)
    assert found.estimates[0].standard_error == pytest.approx(np.sqrt(one.var() / 5 + other.var() / 7), abs=1e-12)
    # With few units adoption is permuted: the same estimate, and p by every way to choose five of twelve.
    permuted = waves(columns)
    assert permuted.method == "permutation"
    assert permuted.estimates[0].estimate == pytest.approx(found.estimates[0].estimate, abs=1e-12)
    assert permuted.smallest_p == pytest.approx(1 / 792)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_known_effect_is_found_whoever_is_the_control(seed: int) -> None:
    columns = panel([3] * 12 + [4] * 12 + [5] * 12 + [0] * 12, 6, seed)
    for control in ("never", "not-yet"):
        for aggregate in ("simple", "dynamic", "group", "calendar"):
            found = waves(columns, control=control, aggregate=aggregate, method="analytic")
            assert found.estimates[0].estimate == pytest.approx(1.0, abs=0.45)


def test_without_a_holdback_later_waves_are_the_control() -> None:
    columns = panel([3] * 8 + [5] * 8, 6)
    found = waves(columns)
    assert found.control == "not-yet"
    assert {cell.cohort for cell in found.group_time if cell.kind == "post"} == {3}
    assert "cohort 5 has no control left once it begins" in " ".join(found.warnings)


def test_few_schools_are_permuted_and_interval_agrees_with_p() -> None:
    for seed in range(12):
        found = waves(panel([3] * 4 + [4] * 4 + [0] * 4, 5, seed, effect=0.25))
        assert (found.method, found.estimates[0].standard_error) == ("permutation", None)
        for line in found.estimates:
            assert line.p_value is not None
            assert line.low is not None
            assert line.high is not None
            assert line.low <= line.estimate <= line.high
            assert (line.p_value < 0.05) == (line.low > 0 or line.high < 0)
    assert "formative" in " ".join(found.warnings)
    assert all(event.low is None for event in found.event_study if event.event_time < 0)


def test_permuted_adoption_keeps_to_its_level() -> None:
    """No effect: p under .10 in about one run of ten."""
    p_values = [waves(panel([3] * 3 + [0] * 3, 4, seed, effect=0.0)).estimates[0].p_value or 0 for seed in range(150)]
    assert np.mean(np.array(p_values) <= 0.10) == pytest.approx(0.10, abs=0.06)


def test_pupils_in_schools_count_as_schools() -> None:
    """Each unit doubled within a cluster changes nothing but the unit that is counted."""
    columns = panel([3] * 30 + [0] * 30, 4)
    alone = waves(columns, method="analytic").estimates[0]
    doubled: dict[str, list[object]] = {name: [*values, *values] for name, values in columns.items()}
    doubled["school"] = list(doubled["u"])
    doubled["u"] = [*columns["u"], *(f"twin {unit}" for unit in columns["u"])]
    found = waves(doubled, cluster="school", method="analytic")
    first = found.estimates[0]
    assert first.estimate == pytest.approx(alone.estimate, abs=1e-12)
    assert alone.standard_error is not None
    assert first.standard_error == pytest.approx(alone.standard_error * np.sqrt(60 / 59), abs=1e-12)
    assert (first.df, found.clusters, found.units) == (59, 60, 120)


def test_a_wave_of_one_school_is_warned_of() -> None:
    said = " ".join(waves(panel([3, 4] + [5] * 4 + [0] * 6, 6)).warnings)
    assert "cohort 3 is one u" in said
    assert "cohort 5 is one" not in said


def test_anticipation_moves_the_base_before_it() -> None:
    columns = panel([4] * 25 + [0] * 25, 6)
    # It is felt one period early: half the effect in the period before the start.
    columns["y"] = [
        float(str(y)) + (0.5 if (g, t) == (4, 3) else 0) for y, g, t in zip(*(columns[k] for k in "ygt"), strict=True)
    ]
    blind = waves(columns, method="analytic").estimates[0].estimate
    aware = waves(columns, method="analytic", anticipation=1.0)
    assert blind == pytest.approx(0.5, abs=0.2)
    assert aware.estimates[0].estimate == pytest.approx(1.0, abs=0.2)
    assert {cell.kind for cell in aware.group_time if cell.time == 3} == {"lead"}


def test_a_trend_before_is_seen() -> None:
    columns = panel([5] * 30 + [0] * 30, 6)
    drift = [0.4 * int(str(t)) if g == 5 else 0.0 for g, t in zip(columns["g"], columns["t"], strict=True)]
    columns["y"] = [float(str(y)) + more for y, more in zip(columns["y"], drift, strict=True)]
    trend = waves(columns, method="analytic").pre_trend
    permuted = waves(columns, method="permutation").pre_trend
    assert trend is not None
    assert permuted is not None
    assert trend.p_value < 0.001
    assert permuted.p_value < 0.01


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    columns = panel([1, 1] + [3] * 8 + [9] + [0] * 8, 4)
    columns["y"][9] = "NA"  # unit 002 lacks a period
    found = ask("staggered", write(tmp_path / "p.csv", columns), *NAMED)
    said = " ".join(found["warnings"])
    assert "1 of 76 rows were left out for a missing value (y 1)" in said
    assert "1 units were left out, they lack one of the 4 periods: 002" in said
    assert "2 units were left out, they were treated from the first period on, so they have no before: 000, 001" in said
    assert "1 units start after the last period" in said
    assert found["units"] == 16


@pytest.mark.parametrize(
    ("row", "column", "value", "said"),
    [
        (3, "t", 3, "line 5: u 000 has a second row for t 3; keep one, or give their mean"),
        (3, "g", 4, "line 5: u 000 has another g here than on line 2"),
        (3, "y", "0:45", "line 5, column y: '0:45' is a time"),
        (3, "t", "2026-09-01", "line 5, column t: '2026-09-01' is a date"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path: Path, row: int, column: str, value: object, said: str) -> None:
    columns = panel([3] * 4 + [0] * 4, 4)
    columns[column][row] = value
    assert said in refused("staggered", write(tmp_path / "p.csv", columns), *NAMED)


def test_what_waves_cannot_do_is_refused(tmp_path: Path) -> None:
    everybody = write(tmp_path / "all.csv", panel([3] * 8, 4))
    assert "no cohort can be compared after it began" in refused("staggered", everybody, *NAMED)
    assert "use --control not-yet" in refused("staggered", everybody, *NAMED, "--control", "never")
    nobody = write(tmp_path / "none.csv", panel([0] * 8, 4))
    assert "no unit is left that is treated" in refused("staggered", nobody, *NAMED)
    alone = write(tmp_path / "alone.csv", panel([3] + [0] * 8, 4))
    assert "one u is the whole treated arm" in refused("staggered", alone, *NAMED)
    columns = panel([3] * 4 + [0] * 4, 4)
    columns["school"] = ["one"] * 32
    mixed = write(tmp_path / "mixed.csv", columns)
    assert "waves are of whole clusters" in refused("staggered", mixed, *NAMED, "--cluster", "school")
    assert "known are simple, dynamic, group, calendar" in refused("staggered", mixed, *NAMED, "--aggregate", "weekly")
