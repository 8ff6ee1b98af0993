"""Several outcomes and subgroups of one table; critical values of several looks; what a flat belief claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtr

from cairn.errors import CairnError, UsageError
from pilots.estimators.pooling import pool
from pilots.spending import lan_demets_limits, obrien_fleming_constant
from pilots.wwc import benjamini_hochberg
from tests.pilots.estimators.asking import ask, write

# Rubin (1981): coaching for a test in eight schools, the published example of partial pooling.
EIGHT = ([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])


def test_eight_schools() -> None:
    """Bayesian Data Analysis, table 5.3: 95 % intervals of 200 simulations, which are good to about 3 points."""
    found = pool(*EIGHT, spread=None)
    assert found.low == pytest.approx((-2, -5, -11, -7, -9, -7, -1, -6), abs=3)
    assert found.high[:5] == pytest.approx((31, 23, 19, 21, 18), abs=3)
    assert found.mean == pytest.approx(8, abs=1)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 4)), min_size=2, max_size=8), st.floats(0.01, 5))
@settings(max_examples=40)
def test_pooling_only_ever_shrinks(groups: list[tuple[float, float]], spread: float) -> None:
    estimates, errors = (list(column) for column in zip(*groups, strict=True))
    found = pool(estimates, errors, spread)
    assert min(estimates) - 1e-9 <= min(found.estimates)
    assert max(found.estimates) <= max(estimates) + 1e-9
    assert all(low < middle < high for low, middle, high in zip(found.low, found.estimates, found.high, strict=True))
    width = [high - low for low, high in zip(found.low, found.high, strict=True)]
    assert all(own < 2 * 1.96 * error * 1.2 for own, error in zip(width, errors, strict=True))


def test_pooling_covers_the_truth_and_the_best_of_many_is_not_taken_at_its_word() -> None:
    rng = np.random.default_rng(0)
    inside, best_raw, best_pooled = [], [], []
    for _ in range(80):
        truth = rng.normal(0.05, 0.07, 6)
        own = truth + rng.normal(0, 0.12, 6)
        found = pool(own.tolist(), [0.12] * 6, 0.10)
        inside.append(np.mean((np.array(found.low) <= truth) & (truth <= np.array(found.high))))
        best = int(own.argmax())
        best_raw.append(own[best] - truth[best])
        best_pooled.append(found.estimates[best] - truth[best])
    assert np.mean(inside) >= 0.93
    assert np.mean(best_raw) > 0.08
    assert abs(np.mean(best_pooled)) < 0.03


def test_two_groups_are_needed() -> None:
    with pytest.raises(CairnError, match="at least two"):
        pool([1.0], [1.0], 0.1)
    with pytest.raises(CairnError, match="at least four"):
        pool([1.0, 2.0], [1.0, 1.0], None)


def pupils(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    school = np.repeat(np.arange(20), 40)
    treated = (school < 10).astype(int)
    grade = np.where(np.arange(800) % 40 == 0, "rare", np.array(["3", "4", "5"])[np.arange(800) % 3])
    columns: dict[str, list[object]] = {
        "school": school.tolist(),
        "t": treated.tolist(),
        "grade": ["" if row == 5 else one for row, one in enumerate(grade)],
        "maths": (rng.normal(0, 10, 800) + 6 * treated).tolist(),
        "reading": rng.normal(0, 10, 800).tolist(),
        "science": rng.normal(0, 10, 800).tolist(),
    }
    columns["grade"][6] = "six"
    return write(tmp_path / "p.csv", columns)


def test_several_outcomes_are_adjusted_for_their_number(tmp_path: Path) -> None:
    data = pupils(tmp_path)
    found = ask("difference", data, "--outcome", "maths,reading", "--outcome", "science", "--treatment", "t")
    lines = found["outcomes"]
    assert [line["outcome"] for line in lines] == ["maths", "reading", "science"]
    adjusted = benjamini_hochberg([line["p_value"] for line in lines])
    assert [line["p_adjusted"] for line in lines] == pytest.approx(adjusted)
    alone = ask("difference", data, "--outcome", "maths", "--treatment", "t")
    assert alone["estimates"] == found["estimates"]
    assert "outcomes" not in alone


def test_subgroups_are_pooled_and_small_ones_held_back(tmp_path: Path) -> None:
    options = ["--outcome", "maths", "--treatment", "t", "--cluster", "school", "--by", "grade"]
    found = ask("difference", pupils(tmp_path), *options)["subgroups"]
    groups = {one["group"]: one for one in found["groups"]}
    assert set(groups) == {"3", "4", "5"}
    hidden = {one["group"]: one["reason"] for one in found["not_estimated"]}
    # One pupil alone, and the next smallest group with it, for else he could be worked out from the total.
    assert set(hidden) == {"six", "rare"}
    own = [one["estimate"] for one in groups.values()]
    pooled = [one["pooled"] for one in groups.values()]
    assert max(pooled) - min(pooled) < max(own) - min(own)
    assert found["mean"] == pytest.approx(6, abs=2.5)


def test_repeated_looks_against_published_limits() -> None:
    """Jennison and Turnbull (2000), table 2.3; R's gsDesign for the spending function (sfLDOF, .025 a side)."""
    assert obrien_fleming_constant(5) == pytest.approx(2.040, abs=1e-3)
    assert [obrien_fleming_constant(k) for k in (1, 2, 3, 4)] == pytest.approx([1.960, 1.977, 2.004, 2.024], abs=1e-3)
    limits = lan_demets_limits([0.2, 0.4, 0.6, 0.8, 1.0])
    assert limits == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=1e-3)
    assert lan_demets_limits([1.0]) == pytest.approx([1.959964], abs=1e-6)
    for wrong in ([], [0.5, 0.5], [0.0, 1.0], [0.5, 1.2]):
        with pytest.raises(UsageError, match="rising shares"):
            lan_demets_limits(wrong)


def test_spent_alpha_is_alpha() -> None:
    """A million walks of three looks without an effect: rejected at some look in 5 % of them."""
    rng = np.random.default_rng(0)
    fractions = np.array([0.3, 0.7, 1.0])
    walk = rng.normal(size=(400_000, 3)) * np.sqrt(np.diff(fractions, prepend=0))
    z = walk.cumsum(axis=1) / np.sqrt(fractions)
    rejected = (np.abs(z) >= lan_demets_limits(fractions.tolist())).any(axis=1)
    assert rejected.mean() == pytest.approx(0.05, abs=0.0015)


def test_a_flat_t_at_six_schools_claims_what_is_not_so() -> None:
    """It says .89 where the truth is .73: three schools a side, effects drawn from N(0, .20), c .10, ICC .2, R2 .7.

    Chances that the effect exceeds c, over pilots that the older rule would have scaled (a flat chance of .75).
    """
    rng = np.random.default_rng(0)
    runs, schools, smallest = 40_000, 3, 0.10
    school_sd = np.sqrt(0.2 * 0.3 + 0.8 * 0.3 / 300)
    effect = rng.normal(0, 0.20, runs)
    treated = effect[:, None] + rng.normal(0, school_sd, (runs, schools))
    others = rng.normal(0, school_sd, (runs, schools))
    error = np.sqrt((treated.var(axis=1, ddof=1) + others.var(axis=1, ddof=1)) / schools)
    flat = stdtr(2 * schools - 2, (treated.mean(axis=1) - others.mean(axis=1) - smallest) / error)
    scaled = flat >= 0.75
    assert flat[scaled].mean() == pytest.approx(0.89, abs=0.015)
    assert (effect[scaled] > smallest).mean() == pytest.approx(0.73, abs=0.015)
