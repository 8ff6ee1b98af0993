"""``cairn pilots assign``: the set, the draw, its record, and what is refused."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import lake
from cairn.settings import REPOSITORY, Settings
from cli.main import main
from pilots import assignment, registry
from pilots.allocation_sets import LEAST, MOST, Block, balanced_set
from pilots.plan import Plan

PLAN = REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    """(exit status, what was printed as JSON, what was said on standard error in one line)."""
    with pytest.raises(SystemExit) as done:
        main(["pilots", "assign", *(str(argument) for argument in arguments), "--json"])
    shown = capsys.readouterr()
    return int(done.value.code or 0), json.loads(shown.out) if shown.out else {}, " ".join(shown.err.split())


def draft(folder: Path, schools: int, treated: int, **assignment_part: object) -> Path:
    """The example plan with so many schools in its arms, as they come, and no blocks."""
    raw = yaml.safe_load(PLAN.read_text())
    ids = [f"sch-{number:03d}" for number in range(1, schools + 1)]
    raw["analysis"]["assignment"] = {"method": "random", "assigned_on": "2026-08-03"} | assignment_part
    raw["analysis"]["arms"] = {"treatment": ids[:treated], "comparison": ids[treated:]}
    path = folder / "draft.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(raw, default=str)), sort_keys=False))
    return path


def traits(folder: Path, schools: int, **columns: list[object]) -> Path:
    """A file of schools whose size and baseline differ as schools' do."""
    rng = np.random.default_rng(schools)
    path = folder / "schools.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["school_id", "pupils", "baseline_mean", *columns])
        for number in range(schools):
            size, mean = int(rng.integers(200, 1500)), round(float(rng.normal(0, 0.4)), 3)
            more = [values[number] for values in columns.values()]
            writer.writerow([f"sch-{number + 1:03d}", size, mean, *more])
    return path


def test_one_of_a_stored_balanced_set_is_drawn(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, schools = draft(tmp_path, 20, 10), traits(tmp_path, 20)
    picture = tmp_path / "balance.svg"
    status, found, _ = run(capsys, plan, "--schools", schools, "--seed", 7, "--plot", picture)
    assert (status, found["seed"], found["draw"], found["is_new"]) == (0, 7, 1, True)
    assert LEAST <= found["allocations"] <= MOST
    assert found["possible_allocations"] == 184756
    assert [one["trait"] for one in found["balance"]] == ["pupils", "baseline_mean"]
    assert all(abs(one["difference_sd"]) <= found["limit_sd"] + 1e-9 for one in found["balance"])
    assert found["smallest_p"] == pytest.approx(2 / found["allocations"])
    assert len(found["drawn"]["treatment"]) == len(found["drawn"]["comparison"]) == 10
    rows = lake.read(settings, "gold.pilot_allocation").to_pylist()
    assert len(rows) == found["allocations"]
    assert [row["treatment"] for row in rows if row["is_drawn"]] == [found["drawn"]["treatment"]]
    assert len({tuple(row["treatment"]) for row in rows}) == len(rows)
    text = picture.read_text()
    assert text.startswith("<svg") and "baseline_mean" in text and "nan" not in text


def test_the_draw_is_replayed_and_not_repeated(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, schools = draft(tmp_path, 12, 6), traits(tmp_path, 12)
    arguments = (plan, "--schools", schools)
    _, first, _ = run(capsys, *arguments, "--seed", 3)
    _, again, _ = run(capsys, *arguments, "--seed", 3)
    _, without, _ = run(capsys, *arguments)
    assert first["drawn"] == again["drawn"] == without["drawn"]
    assert (again["is_new"], again["balance"]) == (False, first["balance"])
    code, _, told = run(capsys, *arguments, "--seed", 4)
    assert (code, "with seed 3, not 4" in told, "--again" in told) == (1, True, True)
    code, _, told = run(capsys, draft(tmp_path, 12, 5), "--schools", schools)
    assert (code, "of other schools, blocks or numbers" in told) == (1, True)
    code, _, told = run(capsys, *arguments, "--again", " ")
    assert (code, "needs the reason" in told) == (2, True)
    draft(tmp_path, 12, 6)
    code, _, told = run(capsys, *arguments, "--seed", 3, "--again", "sch-001 closes")
    assert (code, "gives the draw that is on record" in told) == (1, True)
    _, second, _ = run(capsys, *arguments, "--seed", 4, "--again", "sch-001 closes")
    assert (second["draw"], second["seed"]) == (2, 4)
    rows = lake.read(settings, "gold.pilot_allocation").to_pylist()
    assert {(row["draw"], row["reason"]) for row in rows} == {(1, None), (2, "sch-001 closes")}
    # Somebody else, with the same file and seed, draws the same.
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "elsewhere"))
    from cairn.settings import settings as process_settings

    process_settings.cache_clear()
    _, elsewhere, _ = run(capsys, *arguments, "--seed", 3)
    assert (elsewhere["is_new"], elsewhere["drawn"]) == (True, first["drawn"])


def test_the_arms_go_into_the_plan_and_the_set_into_the_test(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, schools = draft(tmp_path, 12, 6), traits(tmp_path, 12)
    _, found, _ = run(capsys, path, "--schools", schools, "--seed", 5, "--blocks", 2)
    pasted = yaml.safe_load(found["yaml"])["analysis"]
    raw = yaml.safe_load(path.read_text())
    raw["analysis"]["assignment"] |= pasted["assignment"]
    raw["analysis"]["arms"] = pasted["arms"]
    plan = Plan(json.loads(json.dumps(raw, default=str)))
    assert assignment.assignment_problem(plan, assignment.standing_draw(settings, plan.pilot_id)) is None
    registry.freeze(settings, plan)
    stored = assignment.permuted_over(plan, assignment.standing_draw(settings, plan.pilot_id))
    assert stored is not None
    assert len(stored) == found["allocations"]
    order = sorted(plan.arms)
    assert stored[0].tolist() == [plan.arms[school] == "treatment" for school in order]
    for block in pasted["assignment"]["blocks"]:
        assert (stored[:, [order.index(school) for school in block]].sum(axis=1) == 3).all()
    code, _, told = run(capsys, path, "--schools", schools, "--seed", 6, "--again", "a better one")
    assert (code, "is frozen already" in told) == (1, True)
    raw["analysis"]["arms"]["treatment"][0], raw["analysis"]["arms"]["comparison"][0] = (
        raw["analysis"]["arms"]["comparison"][0],
        raw["analysis"]["arms"]["treatment"][0],
    )
    swapped = Plan(json.loads(json.dumps(raw, default=str)))
    problem = assignment.assignment_problem(swapped, assignment.standing_draw(settings, plan.pilot_id))
    assert problem is not None
    assert "not as drawn (draw 1, seed 5)" in problem
    assert assignment.permuted_over(swapped, assignment.standing_draw(settings, plan.pilot_id)) is None
    path.write_text(yaml.safe_dump(json.loads(swapped.canonical)))
    with pytest.raises(SystemExit):
        main(["pilots", "freeze", str(path)])
    assert "Take the arms that were drawn" in " ".join(capsys.readouterr().err.split())


def test_too_few_allocations_are_said_with_the_smallest_p(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found, _ = run(capsys, draft(tmp_path, 6, 3), "--schools", traits(tmp_path, 6), "--seed", 1)
    assert (status, found["allocations"], found["limit_sd"]) == (0, 20, None)
    assert found["smallest_p"] == pytest.approx(0.10)
    assert "only 20 possible allocations" in found["warnings"][0]
    assert "p cannot be below 0.1" in found["warnings"][0]
    _, found, _ = run(
        capsys,
        draft(tmp_path, 6, 3),
        "--schools",
        traits(tmp_path, 6),
        "--treated",
        1,
        "--again",
        "money for one school",
    )
    assert (found["allocations"], len(found["drawn"]["treatment"])) == (6, 1)
    assert found["smallest_p"] == pytest.approx(1 / 6)
    assert "One school in an arm" in found["warnings"][0]


def test_what_the_plan_names_is_balanced_too(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = draft(tmp_path, 20, 10, balance_on=["poverty"])
    schools = traits(tmp_path, 20, poverty=[number / 20 for number in range(20)], rooms=["?"] * 20)
    _, found, _ = run(capsys, plan, "--schools", schools, "--seed", 1)
    assert [one["trait"] for one in found["balance"]] == ["pupils", "baseline_mean", "poverty"]
    assert any("not balanced on rooms" in warning for warning in found["warnings"])
    code, _, told = run(capsys, plan)
    assert (code, "does not have poverty of schools: give them with --schools" in told) == (1, True)
    code, _, told = run(capsys, draft(tmp_path, 20, 10, balance_on=["povrty"]), "--schools", schools)
    assert (code, "did you mean 'poverty'?" in told) == (1, True)


def test_size_and_baseline_come_from_the_lake(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    since = datetime(2026, 8, 1, tzinfo=UTC)
    same = {"status": "active", "recorded_from": since}
    pupils = [(f"p{school}-{n}", f"sch-{school:03d}", n % 2) for school in range(1, 13) for n in range(4 + school)]
    lake.append(
        settings,
        "silver.org",
        [{"org_id": f"sch-{n:03d}", "name": f"School {n}", "org_type": "school", **same} for n in range(1, 13)],
    )
    lake.append(
        settings,
        "silver.person",
        [
            {"student_key": key, "role": "student", "school_id": school, "grade": f"0{4 + odd}", "is_enabled": True}
            | same
            for key, school, odd in pupils
        ],
    )
    lake.append(
        settings,
        "silver.enrollment",
        [
            {"enrollment_id": key, "student_key": key, "class_id": "c", "school_id": school, "role": "student"} | same
            for key, school, _ in pupils
        ],
    )
    code, found, _ = run(capsys, draft(tmp_path, 12, 6), "--seed", 2)
    assert code == 0
    assert [one["trait"] for one in found["balance"]] == ["pupils"]
    assert "balanced on size alone" in found["warnings"][0]
    raw = yaml.safe_load(draft(tmp_path, 12, 6).read_text())
    baseline = raw["analysis"]["baseline"]
    result = {
        "layout": "x",
        "assessment": baseline["assessment"],
        "subject": raw["analysis"]["subject"],
        "measure": baseline["measure"],
        "taken_date": date(2026, 5, 4),
        "window_name": "spring",
        "recorded_from": since,
    }
    scores = [
        result | {"result_id": key, "student_key": key, "scale_score": 400.0 + 100 * odd + int(school[-3:])}
        for key, school, odd in pupils
    ]
    old = [
        row | {"result_id": f"{row['result_id']}-old", "taken_date": date(2024, 5, 4), "scale_score": 1.0}
        for row in scores
    ]
    other = [
        row | {"result_id": f"{row['result_id']}-other", "subject": "Science", "scale_score": 9e6} for row in scores
    ]
    lake.append(settings, "silver.assessment_result", [*scores, *old, *other])
    _, found, _ = run(capsys, draft(tmp_path, 12, 6), "--seed", 3, "--again", "scores have come")
    size, mean = found["balance"]
    assert (size["trait"], mean["trait"]) == ("pupils", "baseline_mean")
    counts = [4 + int(school[-3:]) for school in found["drawn"]["treatment"]]
    assert size["treatment"] == pytest.approx(np.mean(counts))
    # Two grades 100 points apart are taken together, and no other subject: means stay within the spread of one grade.
    assert abs(mean["treatment"]) < 1.0
    code, _, told = run(capsys, draft(tmp_path, 14, 7))
    assert (code, "no school 'sch-013' in the roster" in told) == (1, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("method: random", "method: volunteers"), "only where assignment.method is random"),
        (("pilot_id:", "pilot:"), "a plan needs pilot_id and analysis"),
        (("- sch-007", "- sch-001"), "sch-001 named twice"),
        (("analysis:", "analysis: ["), "not YAML"),
        (("assigned_on: '2026-08-03'", "assigned_on: 46273"), "analysis.assignment.assigned_on"),
        (("method: random", "method: random\n    seed: eleven"), "analysis.assignment.seed"),
        (("method: random", "method: random\n    balance_on: poverty"), "analysis.assignment.balance_on"),
        (("method: random", "method: random\n    blocks: [sch-001]"), "analysis.assignment.blocks"),
    ],
)
def test_a_draft_that_cannot_be_drawn_is_refused_with_its_line(
    change: tuple[str, str], said: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = draft(tmp_path, 12, 6)
    path.write_text(path.read_text().replace(*change, 1))
    code, _, told = run(capsys, path, "--schools", traits(tmp_path, 12))
    assert (code, said in told, "draft.yaml:" in told) == (1, True, True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("school_id", "school", "schools.csv:1: missing column school_id"),
        ("sch-003", "sch-099", "no line for sch-003"),
        ("sch-003", "sch-002", "school 'sch-002' is there twice"),
        ("sch-001,", "sch-001,many", "schools.csv:2: column pupils is not a number"),
        ("sch-001,", 'sch-001,"1,', "schools.csv"),
        ("sch-001,", "sch-001,0:45 ", "schools.csv:2: column pupils is not a number"),
        ("sch-001,", "sch-001,nan ", "schools.csv:2: column pupils is not a number"),
        ("sch-001,", "sch-001,7,", "schools.csv:2: 4 values for 3 columns"),
    ],
)
def test_a_file_of_schools_is_refused_with_line_and_column(
    old: str, new: str, said: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schools = traits(tmp_path, 12)
    schools.write_text(schools.read_text().replace(old, new, 1))
    code, _, told = run(capsys, draft(tmp_path, 12, 6), "--schools", schools)
    assert (code, said in told) == (1, True), told


@hypothesis_settings(max_examples=10, deadline=None)
@given(
    arms=st.sampled_from([(12, 6), (12, 4), (14, 7), (30, 15)]),
    blocks=st.sampled_from([1, 2]),
    number=st.integers(0, 10**6),
)
def test_the_test_over_the_set_is_exact_whatever_the_outcomes(arms: tuple[int, int], blocks: int, number: int) -> None:
    """Of all draws that the set allows, at most alpha reject at alpha where the change does nothing."""
    schools, treated = arms
    rng = np.random.default_rng(number)
    groups = np.array_split(rng.permutation(schools), blocks)
    parts = [Block(tuple(sorted(int(i) for i in group)), treated // blocks) for group in groups]
    found = balanced_set(rng.normal(size=(schools, 2)), parts, number)
    assert len(found.allocations) >= LEAST
    for part in parts:
        assert (found.allocations[:, list(part.schools)].sum(axis=1) == part.treated).all()
    assert found.limit is not None
    assert float(np.abs(found.differences).max()) <= found.limit + 1e-9
    chance = found.allocations.mean(axis=0)
    assert ((chance > 0) & (chance < 1)).all()
    outcome = rng.normal(size=schools) ** 3
    share = found.allocations.mean(axis=1, keepdims=True)
    effect = np.abs((found.allocations - share) @ outcome)
    p = (effect[None, :] >= effect[:, None] - 1e-12).mean(axis=1)
    assert float((p <= 0.05).mean()) <= 0.05 + 1e-12
