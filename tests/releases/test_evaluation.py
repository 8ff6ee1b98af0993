"""The evaluation: published once, recorded once, and one pilot that fails stops only itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

import lake
from answers.scorecard_parts import present
from cairn.errors import CairnError
from cairn.protection.rules import Rules
from cairn.settings import REPOSITORY, Settings
from pilots import registry
from pilots.plan import Plan
from releases import evaluation, evaluation_code, evaluation_shown, pilot_scores, scorecards, store
from releases.learning_marts import release_of
from tests.pilots.released_pilots import release_pilots
from tests.pilots.simulated_marts import simulated_pilots


@pytest.fixture
def released(settings: Settings) -> Settings:
    """Both simulated pilots in a learning release, their plans frozen."""
    release_pilots(settings, simulated_pilots(seed=7))
    return settings


def recorded(settings: Settings) -> Counter[str]:
    """Rows of gold.pilot_result by evaluation."""
    return Counter(lake.read(settings, "gold.pilot_result", ["evaluation_id"])["evaluation_id"].to_pylist())


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Scorecards of the current evaluation."""
    with store.open_release(settings, "evaluation") as connection:
        return {
            pilot: json.loads(text)
            for pilot, text in connection.execute("select pilot_id, scorecard_json from pilot_scorecard").fetchall()
        }


def freeze_a_broken_one(settings: Settings) -> None:
    """A frozen plan that nothing can be made of: its analysis has no boundary of attrition."""
    (row, *_) = lake.read(settings, "gold.pilot_plan").to_pylist()
    plan = json.loads(row["plan_json"]) | {"pilot_id": "broken"}
    del plan["analysis"]["attrition_boundary"]
    more = {"pilot_id": "broken", "plan_json": json.dumps(plan), "title": "Broken", "frozen_at": datetime.now(UTC)}
    lake.append(settings, "gold.pilot_plan", [row | more])


def test_results_are_recorded_once_under_the_release_that_shows_them(released: Settings) -> None:
    first = evaluation.build_and_publish(released)
    with store.open_release(released, "evaluation") as connection:
        (rows,) = connection.execute("select count(*) from pilot_result").fetchall()[0]
    assert recorded(released) == {first.release_id: rows}
    assert evaluation.build_and_publish(released) == first
    assert recorded(released) == {first.release_id: rows}, "the same evaluation again is no second set"
    said = registry.latest_recommendation(released, "fraction-studio")
    assert said is not None
    assert (said.evaluation_id, said.recommendation) == (
        first.release_id,
        cards(released)["fraction-studio"]["recommendation"],
    )


def test_other_code_makes_another_evaluation_and_the_same_code_does_not(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluation.build_and_publish(released)
    assert first.code_version == evaluation_code.code_version()
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "code_version", lambda: "another")
        other = evaluation.build_and_publish(released)
        assert evaluation.build_and_publish(released) == other
    assert (other.release_id == first.release_id, other.code_version) == (False, "another")
    rows = lake.read(released, "gold.pilot_result", ["evaluation_id", "code_version"]).to_pylist()
    assert {(row["evaluation_id"], row["code_version"]) for row in rows} == {
        (one.release_id, one.code_version) for one in (first, other)
    }


def test_scores_that_are_not_those_of_the_plan_are_refused_for_that_pilot_alone(settings: Settings) -> None:
    """Winter in hundredths of the unit of fall; and reading mixed into mathematics."""
    simulated = simulated_pilots(seed=7)
    plan, (pupils, schools, rollout) = simulated["fraction-studio"]
    in_hundredths = pupils.assign(outcome_score=pupils.outcome_score * 100)
    other_plan, (others, other_schools, other_rollout) = simulated["reading-companion"]
    told = other_schools.assign(subjects_tested=1, pupils_outside_window=[3] + [0] * (len(other_schools) - 1))
    schools = schools.assign(subjects_tested=1, pupils_outside_window=0)
    marts = {plan.pilot_id: (plan, (in_hundredths, schools, rollout))}
    release_pilots(settings, marts | {other_plan.pilot_id: (other_plan, (others, told, other_rollout))})
    evaluation.build_and_publish(settings)
    found = cards(settings)
    assert "are not in one unit" in found["fraction-studio"]["failure"]
    assert found["fraction-studio"]["recommendation"] == "INVALID"
    assert found["fraction-studio"]["estimates"] == []
    outside = "3 pupils were tested outside 2026-10-26 to 2026-10-30, so they count as without an outcome."
    assert outside in found["reading-companion"]["warnings"]
    with pytest.raises(CairnError, match="results of 2 subjects"):
        pilot_scores.refuse(plan, pupils, schools.assign(subjects_tested=2))


def test_a_change_beside_the_analysis_is_another_evaluation_that_names_it(released: Settings) -> None:
    """The hash is the same and the card is not: milestones of the plan, and minutes that the marts do not know yet."""
    first = evaluation.build_and_publish(released)
    plan = registry.frozen_plan(released, "fraction-studio").plan
    fewer = dict(plan.implementation) | {"dosage_minutes_planned": 300}
    registry.freeze(released, Plan(dict(plan.raw) | {"implementation": fewer}))
    other = evaluation.build_and_publish(released)
    assert other.release_id != first.release_id
    assert evaluation.build_and_publish(released) == other
    card = cards(released)["fraction-studio"]
    assert card["did_it_happen"]["planned_minutes"] == 300
    assert [one["keys"] for one in card["frozen"]["changes"]] == [["implementation.dosage_minutes_planned"]]
    assert any("minutes, guardrails and milestones follow it from the next night on" in one for one in card["warnings"])


def test_the_district_s_smallest_group_is_the_one_that_cards_are_made_by(released: Settings) -> None:
    """Where it is larger than an arm, nothing is compared."""
    district = released.home / "district"
    district.mkdir()
    (district / "privacy.yaml").write_text("n_min: 100000\n")
    larger = released.model_copy(update={"district_dir": district})
    card = evaluation_shown.evaluate(larger, "fraction-studio")
    assert "fewer than 100000 pupils" in " ".join([*card["why"], *card["warnings"]])


def test_a_release_of_before_an_amendment_is_not_judged_by_the_new_plan(released: Settings) -> None:
    """Its pupils and scores are those that the old plan named; a pilot frozen since has none yet."""
    plan = registry.frozen_plan(released, "fraction-studio").plan
    analysis = dict(plan.analysis) | {"minimum_outcome_coverage_share": 0.7}
    amended = Plan(dict(plan.raw) | {"analysis": analysis})
    registry.freeze(released, amended, amendment="one school tests late")
    registry.freeze(released, Plan(dict(plan.raw) | {"pilot_id": "newer"}))
    evaluation.build_and_publish(released)
    found = cards(released)
    assert "the plan was amended to" in found["fraction-studio"]["failure"]
    assert found["newer"]["recommendation"] == "TOO EARLY"
    assert any("made before the plan was frozen" in warning for warning in found["newer"]["warnings"])
    assert "failure" not in found["reading-companion"]


def test_a_card_that_contradicts_itself_stops_only_its_own_pilot(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = scorecards.evaluate

    def crossed(plan: Plan, *rest: Any, **more: Any) -> dict[str, Any]:
        card = evaluate(plan, *rest, **more)
        if plan.pilot_id == "fraction-studio":
            card["estimates"][0] |= {"low": 9.0, "high": 9.5}
        else:
            card["how_sure"]["df"] = float("nan")
        return card

    monkeypatch.setattr(scorecards, "evaluate", crossed)
    evaluation.build_and_publish(released)
    found = cards(released)
    assert "outside its interval 9.0 to 9.5" in found["fraction-studio"]["failure"]
    assert "not finite" in found["reading-companion"]["failure"]


def test_the_command_shows_what_is_published_and_writes_nothing(released: Settings) -> None:
    shown = evaluation_shown.evaluate(released, "fraction-studio")
    assert recorded(released) == {}
    evaluation.build_and_publish(released)
    assert cards(released)["fraction-studio"]["estimates"] == shown["estimates"]


def test_crash_before_the_swap_leaves_no_results(released: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "swap", _crash)
        with pytest.raises(KeyboardInterrupt):
            evaluation.build_and_publish(released)
    assert store.current(released, "evaluation") is None
    assert recorded(released) == {}
    assert list(recorded_after(released)) == [evaluation.build_and_publish(released).release_id]


def test_crash_after_the_swap_is_made_good_by_the_next_call(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(registry, "record", _crash)
        with pytest.raises(KeyboardInterrupt):
            evaluation.build_and_publish(released)
    present = store.current(released, "evaluation")
    assert present is not None
    assert recorded(released) == {}
    assert evaluation.build_and_publish(released).release_id == present.release_id
    assert list(recorded(released)) == [present.release_id]


def recorded_after(settings: Settings) -> Counter[str]:
    """Rows recorded once the evaluation was published again."""
    evaluation.build_and_publish(settings)
    return recorded(settings)


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_pilot_that_cannot_be_evaluated_stops_only_itself(released: Settings) -> None:
    freeze_a_broken_one(released)
    evaluation.build_and_publish(released)
    found = cards(released)
    assert sorted(found) == ["broken", "fraction-studio", "reading-companion"]
    assert "attrition_boundary" in found["broken"]["failure"]
    assert found["broken"]["recommendation"] == "INVALID"
    assert found["fraction-studio"]["estimates"] and "failure" not in found["fraction-studio"]
    with pytest.raises(KeyError):  # the command shows the error itself
        evaluation_shown.evaluate(released, "broken")


def test_a_card_that_failed_says_nothing_of_evidence_that_nobody_looked_at(released: Settings) -> None:
    learning, frozen = release_of(released), registry.newest_plans(released)[0]
    shown = present(scorecards.failed(frozen, learning, "broken"), Rules(10, 10))
    assert {(one.level, one.says) for one in shown["health"]} == {("none", "Not evaluated.")}


def test_a_raised_smallest_group_makes_the_evaluation_anew(released: Settings) -> None:
    first = evaluation.build_and_publish(released)
    assert evaluation.build_and_publish(released) == first
    district = released.home / "district"
    district.mkdir()
    (district / "privacy.yaml").write_text("n_min: 25\n")
    raised = released.model_copy(update={"district_dir": district})
    assert evaluation.build_and_publish(raised).release_id != first.release_id


def test_every_file_between_marts_and_cards_counts_as_code() -> None:
    counted = {path for pattern in evaluation_code.FILES for path in REPOSITORY.glob(pattern)}
    for name in (
        *("releases/pilot_scores.py", "releases/rollout_tables.py", "releases/learning_marts.py"),
        *("cairn/privacy.py", "cairn/grades.py"),
    ):
        assert REPOSITORY / name in counted


def test_red_gate_leaves_the_former_evaluation_and_records_nothing(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = evaluation.build_and_publish(released)
    before = recorded(released)
    released.district_dir.mkdir(parents=True)
    (released.district_dir / "privacy.yaml").write_text("n_min: 1000\n")
    monkeypatch.setattr(scorecards, "protected", lambda card, n_min: card)
    with pytest.raises(CairnError, match=rf"evaluation\.small_groups.*{former.release_id} stays"):
        evaluation.build_and_publish(released, force=True)
    assert store.current(released, "evaluation") == former
    assert recorded(released) == before


def test_small_schools_keep_their_name_and_arm_only(released: Settings) -> None:
    released.district_dir.mkdir(parents=True)
    (released.district_dir / "privacy.yaml").write_text("n_min: 1000\n")
    evaluation.build_and_publish(released)
    schools = cards(released)["fraction-studio"]["schools"]
    assert {(one["pupils"], one["mean_outcome"]) for one in schools} == {(None, None)}
    with store.open_release(released, "evaluation") as connection:
        hidden = "select count(pupils_planned) + count(pupils_reached) + count(dosage_minutes_mean) from rollout_school"
        assert connection.execute(hidden).fetchall() == [(0,)]
        reached = "select value > 0 from rollout_metric where name = 'pupils_reached' and scope = 'district'"
        assert connection.execute(reached).fetchall() == [(True,)]


def test_two_processes_at_once_publish_one_evaluation(released: Settings) -> None:
    command = [sys.executable, "-m", "cli.main", "marts", "publish", "--kind", "evaluation", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [json.loads(process.communicate(timeout=120)[0])["release_id"] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == ["evaluation-2026-11-10-1"] * 2
    assert list(recorded(released)) == ["evaluation-2026-11-10-1"]
    rows = lake.read(released, "gold.pilot_result").to_pylist()
    keys = Counter((row["evaluation_id"], row["pilot_id"], row["name"]) for row in rows)
    assert max(keys.values()) == 1
