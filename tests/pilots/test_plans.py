"""Plans: what is wrong is said with file and line, and what was frozen stays frozen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

import lake
from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from pilots import registry
from pilots.known import Known
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
        ("direction: rise", "direction: rises", "did you mean 'rise'?"),
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


LOADED = Known(
    schools=frozenset(SCHOOLS),
    grades=frozenset({"03", "04", "05", "06", "07", "08"}),
    tests={
        "district interim": {
            "math": frozenset({"overall", "Measurement and data"}),
            "reading": frozenset({"overall"}),
        }
    },
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("subject: math", "subject: maths", "in subject 'maths'; did you mean 'math'?"),
        ("  subject: math\n", "", "has results in math, reading: write analysis.subject"),
        ("  - '8'", "  - '9'", "no pupil of the roster is in grade 9"),
        ("  - '8'", "  - '07'", "grade 07 stands here more than once"),
        (
            "measure: overall\n    from_date: 2026-10",
            "measure: Geometry\n    from_date: 2026-10",
            "no measure 'Geometry'",
        ),
    ],
)
def test_what_was_loaded_is_held_against_the_plan(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert check_plan(EXAMPLE, LOADED)[1] == []
    path = _changed(tmp_path, old, new)
    plan, problems = check_plan(path, LOADED)
    assert plan is None
    assert any(message in str(problem) and not problem.is_warning for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minutes_planned: 456", "minutes_planned: 1,250", "write 1250"),
        ("minutes_planned: 456", "minutes_planned: 0:45", "write the minutes, 45"),
        ("coverage_share: 0.8", "coverage_share: 80%", "write the share, 0.8"),
        ("starts_on: 2026-08-31", "starts_on: 46265", "write 2026-08-31"),
        ("starts_on: 2026-08-31", "starts_on: 8/31/2026", "write 2026-08-31"),
        ("starts_on: 2026-08-31", "starts_on: 8/9/2026", "write it as YYYY-MM-DD"),
        ("    comparison:\n    - sch-001", "    comparison:\n    - 101", "put it in quotes: '101'"),
    ],
)
def test_what_spreadsheets_write_is_told_how_to_write(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = _changed(tmp_path, old, new)
    _, problems = check_plan(path)
    assert [message in problem.message for problem in problems] == [True], problems
    assert path.read_text().splitlines()[problems[0].line - 1].strip().split(": ")[-1] in new


def test_senders_and_kinds_of_events_of_the_dosage_rule_are_checked(tmp_path: Path) -> None:
    """A sender that is nearly a known one is misspelt, one like no other is to come; without any known none is held."""
    path = _changed(tmp_path, "    - tallypath\n    - quillboard\n", "    - tallypth\n    - lumen\n")
    assert check_plan(path, LOADED)[1] == []
    plan, problems = check_plan(path, replace(LOADED, sources=frozenset({"tallypath", "other"})))
    assert plan is None
    assert [(one.is_warning, one.message) for one in problems] == [
        (
            False,
            "no sender 'tallypth' is known; did you mean 'tallypath'? if not, add it before the work starts, 'cairn"
            " source add tallypth'",
        ),
        (True, "no sender 'lumen' is known; add it before the work starts, 'cairn source add lumen'"),
    ]
    assert path.read_text().splitlines()[problems[0].line - 1] == "    - tallypth"
    path = _changed(tmp_path, "    - completion\n", "    - completon\n")
    assert ["did you mean 'completion'?" in one.message for one in check_plan(path)[1]] == [True]


def test_what_the_lake_and_the_tokens_know_of_senders(settings: Settings) -> None:
    assert registry.known(settings).sources == frozenset()
    when = datetime(2026, 9, 1, tzinfo=UTC)
    row = {
        "intake_app_id": "a",
        "batch_id": 1,
        "received_date": when.date(),
        "source_id": "lumenread",
        "fate": "accepted",
    }
    lake.append(settings, "ops.intake_ledger", [row | {"org_id": "s", "records": 1}])
    assert registry.known(settings, ["tallypath"]).sources == {"tallypath", "lumenread"}


def test_which_prior_decides_needs_a_reason(tmp_path: Path) -> None:
    because = "the same change was tried in three districts like ours"
    key = f"  deciding_prior:\n    prior: plan\n    because: {because}\n"
    path = _changed(tmp_path, "  attrition_boundary:", key + "  attrition_boundary:")
    plan = load_plan(path)
    assert (plan.decides_by, plan.why_decides_by) == ("plan", because)
    assert plan.plan_hash != load_plan(EXAMPLE).plan_hash, "it is frozen"
    for old, new, message in (
        (f"    because: {because}\n", "", "because"),
        (because, "we like it", "shorter than 20"),
        ("prior: plan", "prior: flat", "deciding_prior"),
    ):
        _, problems = check_plan(
            _changed(tmp_path, "  attrition_boundary:", key.replace(old, new) + "  attrition_boundary:")
        )
        assert [message in str(one) for one in problems] == [True], problems


def test_a_school_in_two_waves_or_blocks_is_named_at_its_second_place(tmp_path: Path) -> None:
    waves = "  waves: {sch-001: 1, sch-002: 2}\n  arms:\n"
    assert check_plan(_changed(tmp_path, "  arms:\n", waves))[0] is not None
    with pytest.raises(CairnError, match=r"plan\.yaml:\d+: analysis\.waves\.sch-001 stands here and in line \d+"):
        check_plan(_changed(tmp_path, "  arms:\n", waves.replace("sch-002", "sch-001")))
    path = _changed(tmp_path, "    - - sch-002\n", "    - - sch-003\n      - sch-002\n")
    _, problems = check_plan(path)
    assert [problem.message for problem in problems] == ["school 'sch-003' is in block 1 too; a school has one block"]
    assert path.read_text().splitlines()[problems[0].line - 1] == "    - - sch-003"


def test_waves_follow_each_other(tmp_path: Path) -> None:
    waves = "  waves: {sch-004: 2, sch-005: 3}\n  wave_starts: [2026-08-31, 2026-09-14, 2026-09-28]\n  arms:\n"
    plan, problems = check_plan(_changed(tmp_path, "  arms:\n", waves))
    assert plan is not None and problems == []
    assert plan.wave_starts[2] == date(2026, 9, 28)
    for old, new, message in (
        ("2026-09-28]", "2026-09-14]", "waves 2 and 3 overlap: 2026-09-14 is not after 2026-09-14"),
        (", 2026-09-28]", "]", "2 first days for 3 waves"),
        ("sch-004: 2, ", "", "there is a wave 3 and no school in wave 2"),
    ):
        _, problems = check_plan(_changed(tmp_path, "  arms:\n", waves.replace(old, new)))
        assert any(message in problem.message for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("score_type: scale", "score_type: percentile", "percentiles are ranks"),
        (
            "to_date: 2026-08-28",
            "to_date: 2026-08-28\n    unit: RIT",
            "the baseline is in RIT, the outcome in no named",
        ),
        (
            "to_date: 2026-10-30",
            "to_date: 2026-10-30\n    subject: reading",
            "the baseline is math and the outcome rea",
        ),
        (
            "to_date: 2026-08-28",
            "to_date: 2026-08-28\n    make_up_days: 60",
            "after the baseline window and its make-u",
        ),
    ],
)
def test_baseline_and_outcome_are_one_measure_in_one_unit(tmp_path: Path, old: str, new: str, message: str) -> None:
    plan, problems = check_plan(_changed(tmp_path, old, new))
    assert plan is None
    assert any(message in problem.message for problem in problems), problems


def test_a_warning_leaves_the_plan_good(tmp_path: Path) -> None:
    raw = yaml.safe_load(EXAMPLE.read_text())
    raw["analysis"]["arms"]["comparison"] = raw["analysis"]["arms"]["comparison"][:1]
    del raw["analysis"]["assignment"]["blocks"], raw["analysis"]["grades"], raw["vision"]
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.dump(json.loads(json.dumps(raw, default=str))))
    plan, problems = check_plan(path, LOADED)
    assert plan is not None
    assert plan.grades == ()
    assert {problem.is_warning for problem in problems} == {True}
    said = " ".join(str(problem) for problem in problems)
    assert "warning: one school in comparison" in said and "formative" in said
    assert "no grades" in said and "does not say vision" in said


def test_a_test_that_carries_a_partner_s_name_is_asked_about(tmp_path: Path) -> None:
    plan, problems = check_plan(_changed(tmp_path, "- name: Tallypath", "- name: Interim"))
    assert plan is not None
    assert ["the test has the name of Interim, a partner" in one.message for one in problems] == [True]


def test_spelling_of_grades_is_no_other_analysis(tmp_path: Path) -> None:
    plan = load_plan(EXAMPLE)
    assert plan.grades == ("3", "4", "5", "6", "7", "8")
    assert (plan.subject, plan.score_type) == ("math", "scale")
    spelled = load_plan(_changed(tmp_path, "  - '3'\n  - '4'\n", "  - 4\n  - 03\n"))
    assert spelled.plan_hash == plan.plan_hash
    assert load_plan(_changed(tmp_path, "  - '3'\n", "")).plan_hash != plan.plan_hash


def test_a_plan_from_before_subjects_keeps_the_hash_it_was_frozen_with() -> None:
    raw = json.loads(load_plan(EXAMPLE).canonical)
    for key in ("subject", "grades", "score_type"):
        del raw["analysis"][key]
    for measure in ("baseline", "outcome"):
        raw["analysis"][measure]["assessment"] = "District Interim Mathematics"
        raw["analysis"][measure].pop("reliability", None)
    plan = Plan.from_json(json.dumps(raw))
    assert plan.plan_hash == "c8de01f39612f0a903e423f8cddfe5e8e6c7f6c4f053166809dbbb1d14a97654"
    assert (plan.subject, plan.grades, plan.score_type) == (None, (), "scale")


def test_frozen_late_is_from_the_first_day_of_the_outcome_window() -> None:
    plan = load_plan(EXAMPLE)
    assert (plan.outcome_opens_on, plan.outcome_closes_on) == (date(2026, 10, 26), date(2026, 10, 30))
    frozen = [datetime(2026, 10, day, 12, tzinfo=UTC) for day in (25, 26)]
    assert [plan.is_late(when) for when in frozen] == [False, True]


def _roster(settings: Settings, schools: set[str]) -> None:
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
