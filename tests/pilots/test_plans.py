"""Plans: what is wrong is said with file and line, and what was frozen stays frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import lake
from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from pilots import registry
from pilots.plan import Plan, check_plan, load_plan
from pilots.registry import freeze_file as freeze

EXAMPLES = sorted((REPOSITORY / "schemas" / "district" / "pilots").glob("*.yaml"))
EXAMPLE = EXAMPLES[0]
SCHOOLS = {f"sch-{n:03d}" for n in range(1, 25)}


def _changed(tmp_path: Path, old: str, new: str) -> Path:
    text = EXAMPLE.read_text()
    assert old in text
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_good(path: Path) -> None:
    plan, problems = check_plan(path, SCHOOLS)
    assert problems == []
    assert plan is not None
    assert plan.hypothesis.startswith("If we ")
    assert Plan.from_json(plan.canonical).plan_hash == plan.plan_hash


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    treatment:\n    - sch-0", "    treatment:\n    - sch_0", "did you mean 'sch-0"),
        ("owner:", "ownr:", "did you mean 'owner'"),
        ("direction: rise", "direction: sideways", "direction"),
        ("  because:", "  becase:", "because"),
        ("to_date: 2026-08-28", "to_date: 2026-08-20", "the baseline window ends too early"),
        ("from_date: 2026-10-26", "from_date: 2026-08-25", "outcome window must lie after the baseline"),
        ("is_made_by_the_tool: false", "is_made_by_the_tool: true", "must not be made by the tool"),
        ("starts_on: 2026-08-31", "starts_on: 2026-13-31", "date"),
        ("ends_on: 2026-10-23", "ends_on: 2026-08-01", "ends before it starts"),
        ("seed:", "# seed:", "needs the seed"),
        ("    - - sch-0", "    - - sch-1", "the blocks must hold each school"),
        ("smallest_effect_that_matters_sd: 0.1", "smallest_effect_that_matters_sd: 0", "smallest_effect"),
    ],
)
def test_each_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = _changed(tmp_path, old, new)
    plan, problems = check_plan(path, SCHOOLS)
    assert plan is None
    assert any(message in str(problem) for problem in problems), problems
    for problem in problems:
        assert str(problem).startswith(f"{path}:{problem.line}: ")
        assert 1 <= problem.line <= len(path.read_text().splitlines())
        assert "\n" not in problem.message


def test_line_is_the_one_of_the_misspelt_school(tmp_path: Path) -> None:
    path = _changed(tmp_path, "    treatment:\n    - sch-0", "    treatment:\n    - shc-0")
    _, problems = check_plan(path, SCHOOLS)
    assert [path.read_text().splitlines()[p.line - 1].strip()[:6] for p in problems if "no school" in p.message] == [
        "- shc-"
    ]


def test_overlapping_arms_are_named(tmp_path: Path) -> None:
    arms = yaml.safe_load(EXAMPLE.read_text())["analysis"]["arms"]
    path = _changed(tmp_path, "    comparison:\n", f"    comparison:\n    - {arms['treatment'][0]}\n")
    _, problems = check_plan(path, SCHOOLS)
    assert any("is in both arms" in problem.message for problem in problems)


def test_a_file_that_is_not_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("pilot_id: x\n  title: [")
    with pytest.raises(CairnError, match=r"plan\.yaml:2: not YAML") as error:
        load_plan(path)
    assert "\n" not in str(error.value)
    with pytest.raises(CairnError, match="cannot be read"):
        load_plan(tmp_path / "none.yaml")


def test_the_hash_covers_the_analysis_alone(tmp_path: Path) -> None:
    plan = load_plan(EXAMPLE)
    practice = load_plan(_changed(tmp_path, "what: as planned", "what: shorter sessions"))
    judged = load_plan(_changed(tmp_path, "matters_sd: 0.1", "matters_sd: 0.15"))
    assert practice.plan_hash == plan.plan_hash
    assert judged.plan_hash != plan.plan_hash


def _roster(settings: Settings, schools: set[str]) -> None:
    from datetime import UTC, datetime

    rows = [
        {
            "org_id": s,
            "name": s,
            "org_type": "school",
            "status": "active",
            "recorded_from": datetime(2026, 8, 1, tzinfo=UTC),
        }
        for s in sorted(schools)
    ]
    lake.append(settings, "silver.org", rows)


def test_freezing(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(CairnError, match="roster load"):
        freeze(settings, EXAMPLE)
    _roster(settings, SCHOOLS)
    first, again = freeze(settings, EXAMPLE), freeze(settings, EXAMPLE)
    assert (first["is_new"], again["is_new"]) == (True, False)
    plan = registry.frozen_plan(settings, first["pilot_id"]).plan
    assert plan.plan_hash == first["plan_hash"]
    arms = lake.read(settings, "gold.pilot_arm").to_pylist()
    assert {row["school_id"]: row["arm"] for row in arms} == plan.arms
    assert len(arms) == len(plan.arms)
    with pytest.raises(CairnError, match=r"differs in analysis\.smallest_effect_that_matters_sd"):
        freeze(settings, _changed(tmp_path, "matters_sd: 0.1", "matters_sd: 0.15"))
    with pytest.raises(CairnError, match="frozen: fraction-studio"):
        registry.frozen_plan(settings, "other")
