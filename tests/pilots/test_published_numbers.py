"""Each estimator against a number that somebody else published or computed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pilots import effect_size, permutation, power, wwc
from pilots.inference import cr2, ladder
from pilots.school_model import SchoolModel

EXACT = 1e-8
Find = Callable[[str], Path]


def test_hedges_g_of_six_pupils() -> None:
    assert effect_size.hedges_g_of([5, 6, 7], [4, 5, 6]) == pytest.approx(0.8, abs=EXACT)


@pytest.mark.parametrize(("one", "other", "index"), [(0.8, 0.5, 0.840178400678722), (0.5, 0.25, 0.665825629495824)])
def test_cox_index(one: float, other: float, index: float) -> None:
    assert effect_size.cox_index(one, other) == pytest.approx(index, abs=EXACT)


@pytest.mark.parametrize(("g", "points"), [(0.05, 1.9939), (0.19, 7.5345), (0.25, 9.8706), (0.27, 10.6420)])
def test_improvement_index_in_percentile_points(g: float, points: float) -> None:
    assert effect_size.improvement_index(g) == pytest.approx(points, abs=5e-5)


@pytest.mark.parametrize(
    ("overall", "differential", "boundary", "level"),
    [
        (0.0, 0.057, "cautious", "low"),
        (0.0, 0.058, "cautious", "high"),
        (0.0, 0.100, "optimistic", "low"),
        (0.0, 0.101, "optimistic", "high"),
        (0.60, 0.0, "cautious", "high"),
        (0.60, 0.014, "optimistic", "low"),
    ],
)
def test_attrition_boundary(overall: float, differential: float, boundary: str, level: str) -> None:
    assert wwc.attrition_level(overall, differential, boundary) == level


def test_attrition_table_is_the_published_one(shared_fixture: Find) -> None:
    assert wwc.BOUNDARY_PATH.read_text() == shared_fixture("data/pilots/wwc_attrition_boundary_v4_1.csv").read_text()


def test_cluster_correction() -> None:
    found = wwc.cluster_correction(0.30, 200, 200, 20, 0.20)
    expected = (2.98326606098, 1.34860491205, 231.657587549, 0.178780829402)
    assert (found.t, found.t_corrected, found.df, found.p_value) == pytest.approx(expected, rel=EXACT)


def test_benjamini_hochberg() -> None:
    assert wwc.benjamini_hochberg([0.008, 0.03, 0.123, 0.6, 0.2]) == pytest.approx([0.04, 0.075, 0.205, 0.6, 0.25])


def test_smallest_detectable_effect() -> None:
    assert power.mdes(10, 10, 15, 0.17) == pytest.approx(0.6290064176914, abs=EXACT)
    # The same effect from the interval that such a comparison would have: 2.1009 standard errors at 18 df either way.
    error = 0.6290064176914 / (2.1009220402 + 0.8619899)
    assert power.detectable(2.1009220402 * error, 18) == pytest.approx(0.62901, abs=5e-5)
    assert power.smallest_p(2, 10) == pytest.approx(1 / 66)
    assert power.smallest_p(3, 3) == pytest.approx(0.1)
    assert "cannot reach significance" in power.advice(power.Design(3, 3, 60, 0.2), 0.2)


def test_cr2_against_club_sandwich(shared_fixture: Find) -> None:
    golden = json.loads(shared_fixture("data/pilots/clubsandwich_cr2_balanced_small.json").read_text())
    design = np.column_stack([np.ones(len(golden["x"])), golden["x"]])
    fit = cr2(design, np.array(golden["y"]), np.array(golden["cluster"]))
    assert fit.coefficients == pytest.approx(golden["coef"], abs=1e-8)
    assert fit.covariance.ravel() == pytest.approx(golden["vcov_cr2"], abs=1e-8)
    assert fit.df == pytest.approx([3.2126216, 3.5758812], abs=1e-6)


def test_permutation_of_six_schools(shared_fixture: Find) -> None:
    """Changes of six schools, three treated: the most extreme of twenty draws, so p is .10 and cannot be less."""
    with shared_fixture("data/pilots/wild_cluster_boot_test_data.csv").open() as file:
        rows = list(csv.DictReader(file))
    schools = sorted({row["cluster"] for row in rows})

    def mean(school: str, post: str) -> float:
        return float(np.mean([float(r["y"]) for r in rows if (r["cluster"], r["post"]) == (school, post)]))

    change = np.array([mean(school, "1") - mean(school, "0") for school in schools])
    treated = np.array([any(r["cluster"] == s and r["treated"] == "1" for r in rows) for s in schools])
    draws, is_exact = permutation.allocations(treated)
    model = SchoolModel.of(change, treated, np.ones((6, 1)), np.ones(6))
    found = permutation.permutation_test(model, draws)
    assert model.estimate == pytest.approx(2.23239205609, abs=1e-8)
    assert change[treated].mean() - change[~treated].mean() == pytest.approx(2.23239205609, abs=1e-8)
    assert (found.p_value, found.smallest_p, found.allocations, is_exact) == (0.10, 0.10, 20, True)
    assert found.interval is None, "no effect, however large, can be rejected at .05"


def test_permutation_keeps_to_the_blocks_of_the_draw() -> None:
    treated = np.array([True, False, True, False, False])
    draws, _ = permutation.allocations(treated, [[0, 1], [2, 3, 4]])
    assert len(draws) == 2 * 3
    assert (draws[:, :2].sum(axis=1) == 1).all()
    assert permutation.smallest_p(draws) == pytest.approx(1 / 6), "no draw is the mirror image of another"


def test_many_draws_are_sampled_with_the_seed_of_the_plan() -> None:
    treated = np.arange(24) < 12
    one, is_exact = permutation.allocations(treated, None, 5)
    other, _ = permutation.allocations(treated, None, 5)
    assert not is_exact
    assert (one == other).all()
    assert (one[0] == treated).all()
    assert (one.sum(axis=1) == 12).all()


@pytest.mark.parametrize(
    ("schools", "is_random", "rung"),
    [(5, True, "formative"), (6, True, "permutation"), (20, True, "permutation"), (6, False, "cr2"), (21, True, "cr2")],
)
def test_the_ladder_follows_the_design(schools: int, is_random: bool, rung: str) -> None:
    assert ladder(schools, is_random) == rung
