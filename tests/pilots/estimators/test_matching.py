"""Matching: published numbers, an oracle by brute force, and what a person needs to see of a match."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import CairnError
from pilots.estimators.matched import Matched, MatchedResult, estimate
from tests.pilots.estimators.asking import ask, refused, table, write
from tests.pilots.estimators.test_published_differences import treated_and_cps

Find = Callable[[str], Path]
TRAITS = "age,educ,black,hisp,marr,nodegree,re74,re75"


@pytest.mark.parametrize(("match_on", "effect"), [("age", 1785.191), ("age,educ,re74,re75", 1714.407)])
def test_nearest_neighbour_of_nsw_against_stata(
    shared_fixture: Find, tmp_path: Path, match_on: str, effect: float
) -> None:
    """The effect on all, the published one, is that on the treated and that on the others, by their numbers.

    Imbens's Stata log of `match re78 t ...` (4 February 2004, one neighbour, inverse variance, ties averaged).
    """
    with shared_fixture("data/pilots/nsw_dw_445.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, list[object]] = {name: [row[name] for row in rows] for name in rows[0]}
    data = write(tmp_path / "nsw.csv", columns)
    turned = columns | {"treat": [1 - int(row["treat"]) for row in rows], "re78": [-float(r["re78"]) for r in rows]}
    other = write(tmp_path / "turned.csv", turned)
    named = ["--outcome", "re78", "--treatment", "treat", "--match-on", match_on, "--distance", "standardised"]
    on_treated, on_others = (ask("matched", file, *named)["estimates"][0]["estimate"] for file in (data, other))
    assert (185 * on_treated + 260 * on_others) / 445 == pytest.approx(effect, abs=0.01)


def test_nsw_treated_find_their_like_in_the_cps(shared_fixture: Find, tmp_path: Path) -> None:
    """What the experiment says (1,794, standard error 633) is found again within that error; unmatched it is -8,498."""
    data = treated_and_cps(shared_fixture, tmp_path)
    plot = tmp_path / "love.svg"
    named = ["--outcome", "re78", "--treatment", "treat", "--match-on", TRAITS, "--plot", str(plot)]
    found = ask("matched", data, *named)
    assert found["estimates"][0]["estimate"] == pytest.approx(1794.342, abs=632.85)
    assert max(abs(one["before"]) for one in found["balance"]) > 1.5
    assert max(abs(one["after"]) for one in found["balance"]) <= 0.05
    assert (found["matched_treated"], found["unmatched"], found["method"]) == (185, [], "abadie-imbens")
    drawn = ElementTree.parse(plot).getroot()
    shown = " ".join(text for text in drawn.itertext())
    assert all(name in shown for name in (*TRAITS.split(","), "before", "after"))


Pupil = tuple[bool, int, int, int, float]
pupils = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 6), st.integers(0, 6), st.integers(-9, 9).map(float)),
    min_size=8,
    max_size=30,
)


def of_pupils(rows: list[Pupil], neighbours: int, calipers: tuple[float, ...]) -> MatchedResult:
    treated, grade, one, other, score = zip(*rows, strict=True)
    data = table(t=[int(x) for x in treated], grade=grade, a=one, b=other, y=score)
    design = Matched(
        "y", "t", ("a", "b"), ("grade",), neighbours=neighbours, calipers=calipers, distance="standardised", n_min=1
    )
    return estimate(data, design)


def by_brute_force(rows: list[Pupil], neighbours: int, calipers: tuple[float, ...]) -> tuple[float, float]:
    """The effect on the treated and its standard error (Abadie and Imbens 2006), with no cleverness."""
    points = np.array([(a, b) for _, _, a, b, _ in rows], dtype=float)
    points /= points.std(axis=0, ddof=1)
    differences, parts = [], np.zeros((len(rows), len(rows)))
    for i, (treated, grade, _, _, score) in enumerate(rows):
        if not treated:
            continue
        others = [j for j, other in enumerate(rows) if not other[0] and other[1] == grade]
        for width in sorted(calipers) or [np.inf]:
            inside = [j for j in others if np.abs(points[i] - points[j]).max() <= width + 1e-9]
            if inside:
                break
        if not inside:
            continue
        distance = {j: float(np.sqrt(((points[i] - points[j]) ** 2).sum())) for j in inside}
        last = sorted(distance.values())[min(neighbours, len(inside)) - 1]
        taken = [j for j in inside if distance[j] <= last + 1e-8]
        differences.append(score - np.mean([rows[j][4] for j in taken]))
        parts[i, taken] = 1 / len(taken)
    effect = float(np.mean(differences))
    total = sum((one - effect) ** 2 for one in differences)
    arm = [j for j, other in enumerate(rows) if not other[0]]
    for j in arm:
        like = [k for k in arm if k != j and rows[k][1] == rows[j][1]] or [k for k in arm if k != j]
        own = {k: float(np.sqrt(((points[j] - points[k]) ** 2).sum())) for k in like}
        last = sorted(own.values())[min(2, len(like)) - 1]
        near = [k for k in like if own[k] <= last + 1e-8]
        spread = len(near) / (len(near) + 1) * (rows[j][4] - np.mean([rows[k][4] for k in near])) ** 2
        total += (parts[:, j].sum() ** 2 - (parts[:, j] ** 2).sum()) * spread
    return effect, float(np.sqrt(total) / len(differences))


@given(pupils, st.integers(1, 4), st.sampled_from([(), (0.5,), (0.3, 1.0)]), st.randoms())
def test_matches_are_those_of_the_definition_in_any_order(
    rows: list[Pupil], neighbours: int, calipers: tuple[float, ...], shuffle: object
) -> None:
    try:
        found = of_pupils(rows, neighbours, calipers)
    except CairnError:
        return
    effect, error = by_brute_force(rows, neighbours, calipers)
    assert found.estimates[0].estimate == pytest.approx(effect, abs=1e-9)
    assert found.estimates[0].standard_error == pytest.approx(error, abs=1e-9)
    turned = rows[::-1]
    again = of_pupils(turned, neighbours, calipers)
    assert again.estimates[0].estimate == pytest.approx(found.estimates[0].estimate, abs=1e-9)
    assert again.estimates[0].standard_error == pytest.approx(found.estimates[0].standard_error, abs=1e-9)


def made(schools: int = 16, pupils_each: int = 20, effect: float = 5.0, seed: int = 3) -> dict[str, list[object]]:
    """Volunteers: the treated half began higher, and gain ``effect``."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(schools), pupils_each)
    treated = (school < schools // 2).astype(int)
    before = rng.normal(450, 20, len(school)) + 8 * treated
    after = before + 10 + effect * treated + rng.normal(0, 6, len(school)) + rng.normal(0, 1, schools)[school]
    return {
        "school": [f"{one:03d}" for one in school],
        "pupil": [f"p{one}" for one in range(len(school))],
        "grade": [f"0{3 + one % 2}" for one in range(len(school))],
        "t": treated.tolist(),
        "before": before.round(1).tolist(),
        "after": after.round(1).tolist(),
        "same": [1.5] * len(school),
    }


NAMED = ["--outcome", "after", "--treatment", "t", "--match-on", "before", "--exact", "grade"]


def test_schools_are_what_errors_are_counted_by(tmp_path: Path) -> None:
    data = write(tmp_path / "s.csv", made())
    alone = ask("matched", data, *NAMED)
    of_pupils_alone = alone["estimates"][0]
    assert any("rows were taken to be independent" in said for said in alone["warnings"])
    found = ask("matched", data, *NAMED, "--cluster", "school")
    first = found["estimates"][0]
    assert first["estimate"] == pytest.approx(of_pupils_alone["estimate"], abs=1e-9)
    assert (found["method"], found["clusters"]) == ("cr2", 16)
    assert first["df"] < 16
    assert found["smallest_p"] == pytest.approx(2 / 12870)
    assert not any("independent" in said for said in found["warnings"])
    adjusted = ask("matched", data, *NAMED, "--cluster", "school", "--covariates", "before")
    assert adjusted["estimates"][0]["estimate"] == pytest.approx(5.0, abs=2.5)


def test_unmatched_rows_are_named_with_the_reason(tmp_path: Path) -> None:
    columns = made()
    columns["before"][0] = 900.0
    columns["grade"][1] = "7"
    data = write(tmp_path / "s.csv", columns)
    found = ask("matched", data, *NAMED, "--caliper", "0.01", "--caliper", "0.2", "--id", "pupil")
    named = {one["id"]: (one["line"], one["reason"]) for one in found["unmatched"]}
    assert named["p0"] == (2, "no comparison row within the widest caliper")
    assert named["p1"] == (3, "no comparison row in its exact cell")
    assert sum(found["calipers_used"]) == found["matched_treated"] == 160 - len(named)
    assert min(found["calipers_used"]) > 0, "some needed the wider caliper, and it is told how many"
    assert "treated rows have no match" in " ".join(found["warnings"])


def test_columns_that_must_be_the_same_are_text(tmp_path: Path) -> None:
    """007 is not 7: a grade written in two ways is two grades."""
    columns = made()
    columns["grade"] = ["07" if one else "7" for one in columns["t"]]
    said = refused("matched", write(tmp_path / "s.csv", columns), *NAMED)
    assert "no treated row has a match" in said


def test_what_cannot_be_matched_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "s.csv", made())
    named = ["--outcome", "after", "--treatment", "t"]
    assert "cannot be matched on" in refused("matched", data, *named, "--match-on", "after")
    assert "did you mean 'before'" in refused("matched", data, *named, "--match-on", "befor")
    assert "cannot be matched on" in refused("matched", data, *named, "--match-on", "before", "--exact", "t")
    assert "is constant or determined" in refused("matched", data, *named, "--match-on", "before,same")
