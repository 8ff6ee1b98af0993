"""``cairn pilots rate`` and ``growth``: each published example through the command, and what is refused."""

from __future__ import annotations

import csv
import json
import math
from typing import Any

import pytest

from cli.main import main
from pilots import wwc

EXACT = 1e-8
RCT = ("--design", "rct", "--overall", "0.06", "--differential", "0.02")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """(exit status, what was printed as JSON, what was said on standard error in one line)."""
    with pytest.raises(SystemExit) as done:
        main(["pilots", *arguments, "--json"])
    shown = capsys.readouterr()
    return int(done.value.code or 0), json.loads(shown.out) if shown.out else {}, " ".join(shown.err.split())


@pytest.mark.parametrize(
    ("overall", "differential", "boundary", "level"),
    [
        ("0", "0.057", "cautious", "low"),
        ("0", "0.058", "cautious", "high"),
        ("0", "0.100", "optimistic", "low"),
        ("0", "0.101", "optimistic", "high"),
        ("0.60", "0", "cautious", "high"),
        ("0.60", "0.014", "optimistic", "low"),
    ],
)
def test_attrition_examples(
    overall: str, differential: str, boundary: str, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found, _ = run(
        capsys, "rate", "--design", "rct", "--overall", overall, "--differential", differential, "--boundary", boundary
    )
    assert (status, found["attrition"]) == (0, level)


@pytest.mark.parametrize("boundary", wwc.BOUNDARIES)
def test_every_row_of_the_table_is_low_at_its_limit_and_high_above(boundary: str) -> None:
    """Through the function that the command asks, at each whole percent and just under the next."""
    with wwc.BOUNDARY_PATH.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 60
    for row in rows:
        overall, limit = int(row["overall_pct"]) / 100, row[f"{boundary}_max_diff_pp"]
        if not limit:
            assert wwc.attrition_level(overall, 0.0, boundary) == "high"
            continue
        assert wwc.attrition_level(overall, float(limit) / 100, boundary) == "low"
        assert wwc.attrition_level(overall, -float(limit) / 100, boundary) == "low"
        assert wwc.attrition_level(overall, float(limit) / 100 + 0.001, boundary) == "high"
        if overall > 0:
            assert wwc.attrition_level(overall - 0.005, float(limit) / 100, boundary) == "low"


def test_cluster_correction_example_in_the_printed_effect(capsys: pytest.CaptureFixture[str]) -> None:
    schools = ("--treated-schools", "10", "--comparison-schools", "10")
    pupils = ("--treated-pupils", "200", "--comparison-pupils", "200")
    _, found, _ = run(capsys, "rate", *RCT, "--effect-g", "0.30", *schools, *pupils)
    effect = found["effect"]
    obtained = [effect[key] for key in ("t", "t_corrected", "df", "p_value")]
    assert obtained == pytest.approx([2.98326606098, 1.34860491205, 231.657587549, 0.178780829402], rel=EXACT)
    # gT and SE as pilots.md writes them, worked out apart from the product's own function.
    g_t = 0.30 * math.sqrt(1 - 2 * 19 * 0.20 / 398)
    assert effect["g_corrected"] == pytest.approx(g_t, abs=EXACT)
    variance = (1 / 200 + 1 / 200) * (1 + 19 * 0.20) + g_t**2 / (2 * 231.657587549)
    assert effect["standard_error"] == pytest.approx(math.sqrt(variance), abs=EXACT)
    assert (found["essa_tier"], effect["is_significant_positive"]) == (4, False)
    assert any("t 2.983 becomes 1.349 at 231.7 df, p 0.179" in reason for reason in found["reasons"])


def test_effects_from_means_and_from_shares(capsys: pytest.CaptureFixture[str]) -> None:
    means = ("--treated-mean", "6", "--comparison-mean", "5", "--treated-sd", "1", "--comparison-sd", "1")
    _, found, _ = run(capsys, "rate", *RCT, *means, "--treated-pupils", "3", "--comparison-pupils", "3")
    assert found["effect"]["g"] == pytest.approx(0.8, abs=EXACT)
    for one, other, index in (("0.8", "0.5", 0.840178400678722), ("0.5", "0.25", 0.665825629495824)):
        _, found, _ = run(capsys, "rate", *RCT, "--treated-share", one, "--comparison-share", other)
        assert found["effect"]["g"] == pytest.approx(index, abs=EXACT)


@pytest.mark.parametrize(("g", "points"), [("0.05", 1.9939), ("0.19", 7.5345), ("0.25", 9.8706), ("0.27", 10.6420)])
def test_improvement_index(g: str, points: float, capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, "rate", *RCT, "--effect-g", g)
    assert found["effect"]["improvement_index"] == pytest.approx(points, abs=5e-5)


def test_several_outcomes_of_a_domain(capsys: pytest.CaptureFixture[str]) -> None:
    told = [part for p in ("0.008", "0.03", "0.123", "0.6", "0.2") for part in ("--p-value", p)]
    _, found, _ = run(capsys, "rate", *RCT, "--effect-g", "0.2", "--analysed", "schools", *told)
    assert found["effect"]["p_adjusted"] == pytest.approx([0.04, 0.075, 0.205, 0.6, 0.25])
    assert found["effect"]["p_value"] == pytest.approx(0.04)


GAIN = ("--effect-g", "0.3", "--p-value", "0.01", "--analysed", "schools")
COUNTS = ("--treated-schools", "20", "--comparison-schools", "20", "--treated-pupils", "400", "--comparison-pupils")


@pytest.mark.parametrize(
    ("changes", "rating", "tier", "said"),
    [
        ((), "meets without reservations", 3, "with a second district"),
        (("--districts", "2"), "meets without reservations", 1, "ESSA tier 1"),
        (("--differential", "0.2"), "does not meet", 4, "attrition is high"),
        (("--differential", "0.2", "--baseline-g", "0.04"), "meets with reservations", 3, "would reach tier 2"),
        (("--school-overall", "0.4", "--school-differential", "0.3"), "does not meet", 4, "too many schools were lost"),
        (("--joiners-share", "0.1", "--baseline-g", "0.01"), "meets with reservations", 3, "10.0 % of the pupils"),
        (("--treated-schools", "1"), "does not meet", 4, "cannot be told apart"),
        (("--outcome", "made-by-tool"), "not rated", 4, "made by the treatment"),
        (("--outcome", "over-aligned"), "not rated", 4, "over-aligned"),
        (("--outcome", "not-alike"), "does not meet", 4, "not measured alike"),
        (("--design", "qed", "--baseline-g", "0.05"), "meets with reservations", 3, "+0.050 SD"),
        (("--design", "qed", "--baseline-g", "-0.2"), "does not meet", 4, "not alike at baseline without adjustment"),
        (("--design", "qed", "--baseline-g", "-0.2", "--adjusted"), "meets with reservations", 3, "after adjustment"),
        (("--design", "qed", "--baseline-g", "0.3", "--adjusted"), "does not meet", 4, "by the letter"),
        (
            ("--design", "qed", "--baseline-g", "0.3", "--adjusted", "--essa-reading", "letter"),
            "does not meet",
            3,
            "by the letter",
        ),
        (("--effect-g", "-0.3", "--districts", "2"), "meets without reservations", 4, "no statistically significant"),
    ],
)
def test_what_the_evidence_is_worth_and_what_caps_it(
    changes: tuple[str, ...], rating: str, tier: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found, _ = run(capsys, "rate", *RCT, *GAIN, *COUNTS, "400", *changes)
    assert (found["rating"], found["essa_tier"]) == (rating, tier)
    assert any(said in reason for reason in found["reasons"]), found["reasons"]


def test_a_small_sample_is_named_beside_the_second_district(capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, "rate", *RCT, *GAIN, *COUNTS[:-2], "100", "--comparison-pupils", "99")
    assert any("a second district" in r and "350 pupils (it has 199)" in r for r in found["reasons"])


def test_a_p_of_pupils_does_not_count_where_schools_were_assigned(capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, "rate", *RCT, "--effect-g", "0.3", "--p-value", "0.01")
    assert (found["effect"]["p_value"], found["essa_tier"]) == (None, 4)
    assert any("does not count where schools were assigned" in reason for reason in found["reasons"])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--design", "wish"), 2, "--design 'wish': give one of rct"),
        (("--design", "rct", "--overall", "0.1"), 2, "needs both --overall and --differential"),
        (("--design", "rct", "--overall", "5.7", "--differential", "0"), 2, "--overall"),
        ((*RCT, "--boundary", "bold"), 2, "--boundary 'bold'"),
        ((*RCT, "--baseline-g", "nan"), 2, "--baseline-g"),
        ((*RCT, "--p-value", "0.1"), 2, "--p-value without an effect"),
        ((*RCT, "--treated-share", "1", "--comparison-share", "0.5"), 1, "no log odds"),
        ((*RCT, "--treated-mean", "1"), 1, "needs mean, SD and number of pupils of both arms"),
        (
            (*RCT, "--effect-g", "1", *COUNTS[:4], "--treated-pupils", "2", "--comparison-pupils", "2"),
            1,
            "no more than pupils",
        ),
    ],
)
def test_what_is_missing_or_cannot_be_is_refused(
    arguments: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, told = run(capsys, "rate", *arguments)
    assert (code, found) == (status, {})
    assert said in told


def test_growth_against_a_norm(capsys: pytest.CaptureFixture[str]) -> None:
    two = ("--observed", "10", "--norm", "6", "--sd", "4", "--observed", "2", "--norm", "6", "--sd", "4")
    _, found, _ = run(capsys, "growth", *two)
    assert found["pupils"] == [{"cgi": 1.0, "cgp": 84}, {"cgi": -1.0, "cgp": 16}]
    assert found["group"] == {"pupils": 2, "mean_index": 0.0, "percentile_of_mean_index": 50}
    _, found, _ = run(capsys, "growth", "--observed", "99", "--norm", "0", "--sd", "1")
    assert found["pupils"][0]["cgp"] == 99
    code, _, told = run(capsys, "growth", "--observed", "8", "--norm", "6", "--sd", "0")
    assert (code, "an SD above 0" in told) == (1, True)
