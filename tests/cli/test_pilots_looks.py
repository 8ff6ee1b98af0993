"""``cairn pilots looks`` and ``guardrails``: what is due on a day, and guardrails from a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn.settings import REPOSITORY
from cli.main import main

PLAN = REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    """(exit status, what was printed as JSON, what was said on standard error in one line)."""
    with pytest.raises(SystemExit) as done:
        main(["pilots", *(str(argument) for argument in arguments), "--json"])
    shown = capsys.readouterr()
    return int(done.value.code or 0), json.loads(shown.out) if shown.out else {}, " ".join(shown.err.split())


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The example plan with two guardrails."""
    raw = yaml.safe_load(PLAN.read_text())
    one = {"assessment": "District Interim Reading", "window": "winter", "measure": "overall", "margin_sd": 0.1}
    raw["analysis"]["guardrails"] = [one | {"name": "reading"}, one | {"name": "well-being", "margin_sd": 0.2}]
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(raw, default=str))))
    return path


def table(plan: Path, reading: float) -> Path:
    """Values of reading alone, ``reading`` lower where the change is; a spread of .02 SD between schools."""
    arms = yaml.safe_load(plan.read_text())["analysis"]["arms"]
    path = plan.with_name("guardrails.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["guardrail", "school_id", "value", "people"])
        for arm, schools in arms.items():
            for number, school in enumerate(schools):
                value = 0.02 * (-1) ** number - (reading if arm == "treatment" else 0.0)
                writer.writerow(["reading", school, value, 100])
    return path


@pytest.mark.parametrize(
    ("day", "kind"), [("2026-09-01", None), ("2026-10-01", "implementation"), ("2027-01-01", "effect")]
)
def test_what_is_due_on_a_day(day: str, kind: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    status, found, _ = run(capsys, "looks", PLAN, "--day", day)
    assert (status, len(found["looks"])) == (0, 3)
    assert (found["due"] or {"kind": None})["kind"] == kind


def test_guardrails_of_a_file(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(capsys, "guardrails", plan, "--data", table(plan, 0.0))
    assert [one["status"] for one in found["guardrails"]] == ["safe", "not measured"]
    assert (found["failed"], found["open"]) == ([], ["well-being"])
    _, found, _ = run(capsys, "guardrails", plan, "--data", table(plan, 0.4))
    assert (found["failed"], found["guardrails"][0]["difference"]) == (["reading"], pytest.approx(-0.4))
    assert "District Interim Reading" in found["guardrails"][0]["sentence"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reading,sch", "readng,sch", "the plan has no guardrail 'readng'; did you mean 'reading'?"),
        ("sch-010", "sch-10", "the plan has no school_id 'sch-10'; did you mean 'sch-010'?"),
        ("sch-010", "sch-011", "'sch-011' is there twice"),
        (",100", ",", "column people is empty"),
        ("value", "valu", "missing column value"),
    ],
)
def test_a_file_that_does_not_fit_the_plan_is_refused(
    old: str, new: str, said: str, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(plan, 0.0)
    path.write_text(path.read_text().replace(old, new, 1))
    code, _, told = run(capsys, "guardrails", plan, "--data", path)
    assert (code, said in told) == (1, True), told
    code, _, told = run(capsys, "guardrails", PLAN, "--data", path)
    assert (code, "names no guardrails" in told or "missing column" in told) == (1, True)


def test_o_brien_and_fleming_s_five_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """Jennison and Turnbull (2000), table 2.3: 2.040; reject where |z| is at least 2.040 sqrt(5 / k)."""
    _, found, _ = run(capsys, "looks", "--boundaries", 5, "--spending", "obrien-fleming")
    assert found["constant"] == pytest.approx(2.040, abs=1e-3)
    limits = [one["limit"] for one in found["looks"]]
    assert limits == pytest.approx([2.040 * (5 / k) ** 0.5 for k in range(1, 6)], abs=3e-3)


def test_lan_and_demets_s_spending_of_that_type(capsys: pytest.CaptureFixture[str]) -> None:
    """R's gsDesign, sfLDOF, five equal looks, two-sided .05."""
    _, found, _ = run(capsys, "looks", "--boundaries", 5, "--spending", "lan-demets")
    limits = [one["limit"] for one in found["looks"]]
    assert limits == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=1e-3)
    _, found, _ = run(capsys, "looks", "--boundaries", 1, "--spending", "lan-demets", "--alpha", 0.1)
    assert found["looks"][0]["limit"] == pytest.approx(1.644854, abs=1e-6)


def test_alpha_is_spent_where_waves_add_schools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve schools: eight in wave 1, two more with each of two waves; a plan of one wave has one look."""
    raw = yaml.safe_load(PLAN.read_text())
    arms = raw["analysis"]["arms"]
    late = [(arm, wave) for wave in (2, 3) for arm in ("treatment", "comparison")]
    raw["analysis"]["waves"] = {arms[arm][wave]: wave for arm, wave in late}
    path = tmp_path / "waves.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(raw, default=str))))
    _, found, _ = run(capsys, "looks", path, "--spending", "lan-demets")
    assert [one["share"] for one in found["looks"]] == pytest.approx([8 / 12, 10 / 12, 1.0])
    code, _, told = run(capsys, "looks", path, "--spending", "obrien-fleming")
    assert (code, "are for looks that add as many schools each; these are at 67%, 83%, 100%" in told) == (2, True)
    _, found, _ = run(capsys, "looks", PLAN, "--spending", "obrien-fleming")
    assert [(one["share"], round(one["limit"], 3)) for one in found["looks"]] == [(1.0, 1.960)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a plan, or --boundaries N"),
        (("--spending", "lan-demets"), "a plan's waves or of --boundaries N looks"),
        ((PLAN, "--boundaries", 3), "a plan's waves or of --boundaries N looks"),
        (("--boundaries", 3, "--spending", "pocock"), "--spending 'pocock': give one of obrien-fleming, lan-demets"),
    ],
)
def test_looks_that_cannot_be_told(
    arguments: tuple[object, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, told = run(capsys, "looks", *arguments)
    assert (code, found, said in told) == (2, {}, True), told
