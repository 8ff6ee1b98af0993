"""Differences of two groups against published numbers, through the public command."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pilots.estimators.asking import ask, write

Find = Callable[[str], Path]


def treated_and_cps(find: Find, to: Path) -> Path:
    """NSW's treated with the 15,992 of the CPS as their comparison (LaLonde 1986; Dehejia and Wahba 1999)."""
    with find("data/pilots/nsw_dw_445.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row["treat"]) == 1]
    with gzip.open(find("data/pilots/cps_mixtape_15992.csv.gz"), "rt") as file:
        rows += csv.DictReader(file)
    return write(to / "nsw_cps.csv", {name: [row[name] for row in rows] for name in rows[0]})


def test_nsw_experiment(shared_fixture: Find) -> None:
    data = shared_fixture("data/pilots/nsw_dw_445.csv")
    found = ask("difference", data, "--outcome", "re78", "--treatment", "treat", "--inference", "classical")
    first = found["estimates"][0]
    assert (first["term"], found["n"], found["clusters"], first["df"]) == ("treat", 445, None, 443)
    assert (first["estimate"], first["standard_error"]) == pytest.approx((1794.342382, 632.853392), rel=1e-7)
    assert first["low"] < first["estimate"] < first["high"]


def test_nsw_treated_against_cps_is_what_matching_has_to_mend(shared_fixture: Find, tmp_path: Path) -> None:
    data = treated_and_cps(shared_fixture, tmp_path)
    found = ask("difference", data, "--outcome", "re78", "--treatment", "treat", "--inference", "classical")
    first = found["estimates"][0]
    assert (first["estimate"], first["standard_error"]) == pytest.approx((-8497.516148, 712.020720), abs=1e-5)


# On one data set of six schools, three treated: what each choice of inference says of the same estimate.
LADDER = {
    "cr1": (0.05577807952318192, 1e-8),
    "cr3": (0.15904442008293218, 1e-8),
    "wild": (0.0625, 0.0),
    "permutation": (0.10, 0.0),
}


def six_schools(find: Find, *options: str) -> dict[str, Any]:
    named = ["--outcome", "y", "--treatment", "treated", "--post", "post", "--cluster", "cluster"]
    return ask("difference", find("data/pilots/wild_cluster_boot_test_data.csv"), *named, *options)


@pytest.mark.parametrize("method", LADDER)
def test_six_schools_by_method(shared_fixture: Find, method: str) -> None:
    found = six_schools(shared_fixture, "--inference", method)
    first, (p_value, tolerance) = found["estimates"][0], LADDER[method]
    assert first["estimate"] == pytest.approx(2.23239205609, abs=1e-8)
    assert first["p_value"] == pytest.approx(p_value, abs=max(tolerance, 1e-12))


def test_wild_bootstrap_against_r(shared_fixture: Find) -> None:
    golden = json.loads(shared_fixture("data/pilots/wild_cluster_boot_golden.json").read_text())
    strict = six_schools(shared_fixture, "--inference", "wild", "--without-identity")["estimates"][0]
    weak = six_schools(shared_fixture, "--inference", "wild")
    assert strict["p_value"] == golden["p_fwildclusterboot_strict_exceedance"]
    assert weak["estimates"][0]["p_value"] == golden["p_weak_exceedance_full_enumeration"]
    assert strict["standard_error"] == pytest.approx(golden["se_cr1"], abs=1e-8)
    assert strict["estimate"] / strict["standard_error"] == pytest.approx(golden["t_stat"], abs=1e-8)
    # R searches for the bounds by halving, to about 1e-4; here they are solved.
    assert (strict["low"], strict["high"]) == pytest.approx(golden["conf_int"], abs=1e-4)
    assert weak["smallest_p"] == 2**-5


def test_six_schools_by_the_design_cannot_tell(shared_fixture: Find) -> None:
    found = six_schools(shared_fixture)
    assert (found["method"], found["smallest_p"]) == ("permutation", 0.10)
    assert (found["estimates"][0]["low"], found["estimates"][0]["high"]) == (None, None)
    said = " ".join(found["warnings"])
    assert "formative only" in said
    assert "cannot reach significance" in said
    assert "unbounded" in said


def test_rows_permuted_are_the_wrong_unit_and_it_is_said(shared_fixture: Find, tmp_path: Path) -> None:
    """The product of treated and post may also come as a column; schools are then still what is permuted."""
    with shared_fixture("data/pilots/wild_cluster_boot_test_data.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, list[object]] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["both"] = [int(row["treated"]) * int(row["post"]) for row in rows]
    data = write(tmp_path / "both.csv", columns)
    named = ["--outcome", "y", "--treatment", "both", "--covariates", "treated,post", "--inference", "permutation"]
    of_schools = ask("difference", data, *named, "--cluster", "cluster")
    assert of_schools["estimates"][0]["p_value"] == 0.10
    # Rows are the wrong unit here, and factors give each school a mean of its own.
    named = ["--outcome", "y", "--treatment", "both", "--covariates", "post", "--inference", "permutation"]
    of_rows = ask("difference", data, *named, "--factors", "cluster")
    assert of_rows["estimates"][0]["estimate"] == pytest.approx(2.23239205609, abs=1e-8)
    assert "rows were permuted" in " ".join(of_rows["warnings"])


def test_cr2_of_a_slope_against_club_sandwich(shared_fixture: Find, tmp_path: Path) -> None:
    golden = json.loads(shared_fixture("data/pilots/clubsandwich_cr2_balanced_small.json").read_text())
    data = write(tmp_path / "small.csv", {name: golden[name] for name in ("x", "y", "cluster")})
    named = ["--outcome", "y", "--treatment", "x", "--cluster", "cluster", "--inference", "cr2"]
    found = ask("difference", data, *named)
    by_term = {line["term"]: line for line in found["estimates"]}
    lines = [by_term["intercept"], by_term["x"]]
    assert [line["estimate"] for line in lines] == pytest.approx(golden["coef"], abs=1e-8)
    assert [line["df"] for line in lines] == pytest.approx(golden["dof_bm"], abs=1e-6)
    variances = [golden["vcov_cr2"][0], golden["vcov_cr2"][3]]
    assert [line["standard_error"] ** 2 for line in lines] == pytest.approx(variances, abs=1e-8)
    # A slope is no difference of two groups: no effect size, and the reader is told.
    assert found["effect_size"] is None
    assert "not 0/1" in " ".join(found["warnings"])


def test_the_keys_of_the_result_are_the_promised_ones(shared_fixture: Find) -> None:
    found = six_schools(shared_fixture, "--inference", "cr2")
    promised = {"method", "n", "clusters", "estimates", "effect_size", "smallest_p", "warnings"}
    assert promised <= set(found)
    line = {"term", "estimate", "standard_error", "df", "p_value", "low", "high"}
    assert all(set(one) == line for one in found["estimates"])
    assert set(found["effect_size"]) == {"hedges_g", "improvement_index"}
