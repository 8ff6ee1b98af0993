"""``cairn pilots power``: published numbers through the command, the verdict, the cheapest change, the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.settings import REPOSITORY
from cli.main import main
from pilots.cheapest import Costs, Limits, cheapest
from pilots.power import CAN, CANNOT, MAY, Design, by_wave, in_waves

PLAN = REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """(exit status, what was printed as JSON, what was said on standard error in one line)."""
    with pytest.raises(SystemExit) as done:
        main(["pilots", "power", *arguments, "--json"])
    shown = capsys.readouterr()
    return int(done.value.code or 0), json.loads(shown.out) if shown.out else {}, " ".join(shown.err.split())


def design(treated: int, comparison: int, pupils: int = 60, icc: float = 0.2, *more: str) -> tuple[str, ...]:
    return (
        *("--treated-schools", str(treated), "--comparison-schools", str(comparison)),
        *("--pupils-per-school", str(pupils), "--icc", str(icc), *more),
    )


def test_the_published_mdes(capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, *design(10, 10, 15, 0.17, "--runs", "0"))
    assert found["mdes"] == pytest.approx(0.6290064176914, abs=1e-8)
    assert found["decisions"] == []


@pytest.mark.parametrize(
    ("arms", "blocks", "smallest"),
    [
        ((2, 10), "1", 1 / 66),
        ((3, 3), "1", 0.1),
        ((10, 2), "1", 1 / 66),
        ((6, 6), "2", 2 / 400),
        ((4, 8), "2", 1 / 225),
    ],
)
def test_the_smallest_p(
    arms: tuple[int, int], blocks: str, smallest: float, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found, _ = run(capsys, *design(*arms, 60, 0.2, "--runs", "0", "--blocks", blocks))
    assert found["smallest_p"] == pytest.approx(smallest)


def test_a_design_that_cannot_tell_says_so_and_what_would_help(capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, *design(3, 3, 60, 0.2, "--runs", "0"))
    assert found["verdict"] == "cannot tell"
    assert found["advice"].startswith("This pilot cannot tell. Formative only: 3 schools in the smaller arm")
    assert "cannot reach significance" in found["advice"]
    change = found["cheapest_change"]
    assert change["pretest"] is True
    assert change["mdes"] <= 0.20
    _, found, _ = run(capsys, *design(3, 3, 60, 0.2, "--runs", "0", "--effect-to-find", "0.01"))
    assert found["cheapest_change"] is None
    assert "No change within the limits given lets it tell" in found["advice"]
    _, found, _ = run(capsys, *design(60, 60, 300, 0.2, "--r2", "0.7", "--runs", "0"))
    assert (found["verdict"], found["cheapest_change"]) == ("can tell", None)


def test_prices_choose_between_schools_and_a_pretest(capsys: pytest.CaptureFixture[str]) -> None:
    some = design(20, 20, 60, 0.2, "--runs", "0", "--cost-school", "1000")
    _, dear, _ = run(capsys, *some, "--cost-pretest", "1000")
    _, cheap, _ = run(capsys, *some, "--cost-pretest", "1")
    assert (dear["cheapest_change"]["pretest"], cheap["cheapest_change"]["pretest"]) == (False, True)
    change = cheap["cheapest_change"]
    schools = change["treated_schools"] + change["comparison_schools"]
    assert change["cost"] == pytest.approx(1000 * (schools - 40) + 60 * schools)


@given(
    treated=st.integers(2, 30),
    comparison=st.integers(2, 30),
    pupils=st.integers(5, 400),
    icc=st.floats(0.01, 0.4),
    r2=st.floats(0.0, 0.9),
)
def test_more_of_anything_detects_less_and_the_cheapest_change_is_just_enough(
    treated: int, comparison: int, pupils: int, icc: float, r2: float
) -> None:
    one = Design(treated, comparison, pupils, icc, r2, r2)
    assert one.power_at(one.mdes) == pytest.approx(one.power)
    for more in (
        replace(one, treated_schools=treated + 1),
        replace(one, comparison_schools=comparison + 1),
        replace(one, pupils_per_school=pupils + 1),
    ):
        assert more.mdes < one.mdes
    change = cheapest(one, 0.20, Costs(), Limits(pupils, None))
    if change is None:
        assert one.verdict(0.20) == CAN
        return
    assert change.design.verdict(0.20) == CAN
    if change.schools_added > abs(treated - comparison) + 1:
        fewer = replace(change.design, treated_schools=change.design.treated_schools - 1)
        assert fewer.verdict(0.20) != CAN


def test_decisions_are_simulated_by_the_products_own_rule(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = design(20, 20, 300, 0.2, "--r2", "0.7", "--runs", "150")
    _, found, _ = run(capsys, *arguments)
    _, again, _ = run(capsys, *arguments)
    assert found == again
    nothing, _, twice = found["decisions"]
    assert [one["effect"] for one in found["decisions"]] == [0.0, 0.1, 0.2]
    assert nothing["shares"].get("SCALE", 0.0) <= 0.10
    assert nothing["shares"]["STOP"] >= 0.30
    assert twice["shares"]["SCALE"] >= 0.55
    assert twice["shares"].get("STOP", 0.0) <= 0.08
    for one in found["decisions"]:
        assert sum(one["shares"].values()) == pytest.approx(1.0)
    _, few, _ = run(capsys, *design(4, 4, 300, 0.2, "--runs", "50"))
    assert "SCALE" not in few["decisions"][2]["shares"], "four schools an arm are formative"


def test_waves_are_told_apart_and_not_added_up() -> None:
    steps = by_wave(Design(6, 6, 60, 0.2), 3)
    assert [(step.treated_schools, step.comparison_schools) for step in steps] == [(2, 10), (4, 8), (6, 6)]
    assert steps[-1].mdes == pytest.approx(Design(6, 6, 60, 0.2).mdes)
    with pytest.raises(Exception, match="7 waves of 6 schools"):
        by_wave(Design(6, 6, 60, 0.2), 7)


@pytest.mark.parametrize(
    ("design_", "sizes", "orders", "verdict"),
    [
        (Design(20, 20, 100, 0.1, 0.7, 0.7), (10, 10), 40, CAN),
        (Design(9, 6, 60, 0.2, 0.5, 0.5), (3, 3, 3), 15, MAY),
        (Design(4, 4, 300, 0.05, 0.7, 0.7), (2, 2), 8, CANNOT),
    ],
)
def test_whether_waves_can_tell_is_said_with_the_ways_to_give_the_starts(
    design_: Design, sizes: tuple[int, ...], orders: int, verdict: str
) -> None:
    steps = by_wave(design_, len(sizes), sizes)
    found = in_waves(design_, steps, 0.35)
    assert found is not None
    ways = math.factorial(orders) // math.prod(math.factorial(n) for n in (*sizes, orders - sum(sizes)))
    assert (found.orders, found.smallest_p, found.verdict) == (ways, 1 / min(ways, 2000), verdict)
    # A draw keeps at most 2,000 orders, and blocks leave fewer than the sizes of the waves would.
    few = in_waves(design_, steps, 0.35, 10)
    assert few is not None
    assert (few.orders, few.smallest_p, few.verdict) == (10, 0.1, CANNOT), "blocks leave fewer orders"
    assert found.best.mdes == min(one.mdes for one in steps)
    assert found.text.startswith(f"In {len(sizes)} waves it {verdict}: ")
    assert in_waves(design_, by_wave(design_, 1), 0.35) is None


def test_the_page_stands_by_itself_and_answers_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "power.html"
    status, _, _ = run(capsys, *design(6, 6, 60, 0.2, "--runs", "40", "--waves", "2", "--page", str(page)))
    text = page.read_text()
    assert status == 0
    assert text.index("This pilot cannot tell</h1>") < text.index("<svg")
    assert text.count("<svg") == 2
    assert "In 2 waves it cannot tell: starts can be given to these schools in" in text
    assert "nan" not in text.lower().replace("finance", "")
    for outside in ("<script", "src=", "href=", "url(", "@import"):
        assert outside not in text
    status, _, told = run(capsys, *design(6, 6, 60, 0.2, "--runs", "0", "--page", str(tmp_path)))
    assert (status, "cannot be written" in told) == (1, True)


def test_the_design_of_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, "--plan", str(PLAN), "--pupils-per-school", "60", "--runs", "0")
    blocks = Design(6, 6, 60, 0.2, 0.7, 0.7, blocks=2, covariates=1)
    assert found["mdes"] == pytest.approx(blocks.mdes)
    assert (found["df"], found["verdict"]) == (8, CANNOT)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--treated-schools", "6"), 2, "--comparison-schools is missing"),
        (design(1, 1), 1, "leave no degrees of freedom"),
        (design(0, 6), 2, "--treated-schools"),
        (design(6, 6, 60, 1.2), 2, "--icc"),
        (design(6, 6, 60, 0.2, "--blocks", "7"), 1, "7 blocks need a school of each arm"),
        (design(2, 2, 60, 0.2, "--blocks", "3"), 1, "leave no degrees of freedom"),
        (design(6, 6, 60, 0.2, "--waves", "9"), 1, "9 waves of 6 schools"),
        (("--plan", "absent.yaml"), 1, "absent.yaml"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, told = run(capsys, *arguments)
    assert (code, found) == (status, {})
    assert said in told
