"""Who got how much of the change, and what it cost: counted as assigned, divided by nobody never."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cairn.settings import REPOSITORY
from pilots.analysis import Analysis, analyse
from pilots.cost import cost_of, protected, when_money_ends
from pilots.evaluate import evaluate
from pilots.plan import Plan, check_plan
from pilots.sample import make_sample
from tests.pilots.made_districts import AFTER, EXAMPLE, NO_MARTS, made_plan, made_pupils, names, rollout_of

TREATED, COMPARISON = names(6, "t"), names(6, "c")
TODAY = date(2026, 11, 10)
RULE = {"sources": ["app"], "activity_types": ["attempt"], "minutes_per_event_max": 5}
FUNDING = {"source": "State grant", "ends_on": "2027-06-30", "yearly_usd": 38_000}


def plan_with(cuts: dict[str, float] | None = None, **implementation: Any) -> Plan:
    """Six schools an arm, with these keys of the implementation part."""
    made = made_plan(TREATED, COMPARISON, **({"proficient_from": cuts} if cuts else {}))
    raw = copy.deepcopy(dict(made.raw))
    raw["implementation"] |= implementation
    return Plan(raw)


def schools_of(plan: Plan, cost: float = 1_000.0, **more: float) -> pd.DataFrame:
    """``mart_pilot_school`` of twenty pupils a school; only treated schools cost anything."""
    treated = [arm == "treatment" for arm in plan.arms.values()]
    frame = pd.DataFrame({"school_id": list(plan.arms), "school_name": list(plan.arms), "pupils_assigned": 20})
    frame["cost_usd"] = np.where(treated, cost, 0.0)
    return frame.assign(**more)


@pytest.fixture
def pupils() -> pd.DataFrame:
    """A change that works, in all grades alike."""
    return made_pupils(np.random.default_rng(11), plan_with(), effect=0.5, school_sd=0.05)


def test_joiners_are_in_no_dosage_and_movers_count_where_assigned(pupils: pd.DataFrame) -> None:
    plan = plan_with(dosage=RULE)
    joined = pupils.head(60).assign(is_joiner=True, dosage_minutes=9_999.0)
    moved = pupils.assign(has_moved_school=pupils.index < 24, moved_to_arm=None)
    moved.loc[moved.index < 12, "moved_to_arm"] = "comparison"
    got = make_sample(plan, pd.concat([moved, joined], ignore_index=True)).dosage
    assert (got.met_share, got.mean_minutes, got.pupils_met) == (1.0, 500.0, 120)
    assert got.crossed_share == pytest.approx(12 / 240), "into the other arm, not merely elsewhere"
    assert got.users == 180, "a licence is used by joiners too"


def test_contamination_is_the_share_of_comparison_pupils_with_any(pupils: pd.DataFrame) -> None:
    other = pupils.index[pupils.arm == "comparison"]
    spilled = pupils.copy()
    spilled.loc[other[:30], "dosage_minutes"] = 40.0
    card = evaluate(plan_with(), spilled, *NO_MARTS, "learning-1", AFTER)
    happened = card["did_it_happen"]
    assert (happened["contaminated_share"], happened["comparison_met_share"]) == (0.25, 0.0)
    assert happened["comparison_minutes"] == 10.0
    assert "10 minutes of the change on average; 25% of them got some" in " ".join(card["warnings"])


@pytest.mark.parametrize(("files", "is_told"), [(500.0, False), (455.0, False), (440.0, True), (560.0, True)])
def test_sources_that_differ_by_more_than_a_tenth_are_told(pupils: pd.DataFrame, files: float, is_told: bool) -> None:
    both = pupils.assign(dosage_source="stream", dosage_minutes_stream=pupils.dosage_minutes, dosage_minutes_file=files)
    card = evaluate(plan_with(dosage=RULE), both, *NO_MARTS, "learning-1", AFTER)
    happened = card["did_it_happen"]
    assert (happened["dosage_source"], happened["minutes_by_stream"], happened["minutes_by_files"]) == (
        *("stream", 500.0),
        files,
    )
    assert any("Time differs by source" in one for one in card["warnings"]) == is_told


def test_a_rule_that_counts_nothing_and_events_without_time_are_told(pupils: pd.DataFrame) -> None:
    plan = plan_with(dosage=RULE)
    nothing = pupils.assign(dosage_minutes=0.0, dosage_source="stream", dosage_minutes_stream=0.0)
    said = " ".join(evaluate(plan, nothing, *NO_MARTS, "learning-1", AFTER)["warnings"])
    assert "No event was counted by the plan's rule" in said
    untimed = pupils.assign(dosage_source="stream", dosage_events=10, dosage_events_untimed=4)
    assert "40% of the events" in " ".join(make_sample(plan, untimed).dosage.warnings)


def test_marts_from_before_there_was_a_rule_read_as_before(pupils: pd.DataFrame) -> None:
    got = make_sample(plan_with(), pupils).dosage
    assert (got.source, got.mean_minutes, got.met_share) == ("files", 500.0, 1.0)
    happened = evaluate(plan_with(), pupils, *NO_MARTS, "learning-1", AFTER)["did_it_happen"]
    assert happened["dosage_source"] == "files"
    assert happened["minutes_by_stream"] is happened["minutes_by_files"] is happened["crossed_share"] is None


def test_additional_proficient_pupils_have_the_sign_and_bounds_of_the_effect() -> None:
    for seed in range(12):
        effect = 0.6 * (-1) ** seed
        plan = plan_with({"3": 205.0, "04": 205.0})
        made = made_pupils(np.random.default_rng(seed), plan, effect=effect, school_sd=0.05)
        sample = make_sample(plan, made)
        found = analyse(plan, sample)
        assert isinstance(found, Analysis)
        cost = cost_of(plan, schools_of(plan), sample, found, None, TODAY)
        more = cost["additional_proficient"]
        assert np.sign(more) in (0, np.sign(found.effect_sd))
        assert cost["additional_low"] <= more <= cost["additional_high"]
        # The same by counting: fourth and third graders over the line, and those still over it without the effect.
        counted = sample.analytic.query("arm == 'treatment' and grade != '05'").outcome_score
        points = found.effect_sd * found.sd_points
        assert more == (counted >= 205.0).sum() - (counted >= 205.0 + points).sum()
        each = cost["per_additional_proficient_usd"]
        assert each is None if more < 1 else each == pytest.approx(6_000 / more, abs=0.01)


def test_nothing_is_divided_by_nobody(pupils: pd.DataFrame) -> None:
    plan, none = plan_with(), pupils.assign(dosage_minutes=0.0)
    for frame, schools in (
        (none, schools_of(plan)),
        (none, schools_of(plan, cost=0.0)),
        (pupils.head(0), schools_of(plan).assign(pupils_assigned=0)),
        (pupils, schools_of(plan).head(0)),
    ):
        found = cost_of(plan, schools, make_sample(plan, frame), None, "It is too early for a chance.", TODAY)
        assert found["per_pupil_met_dosage_usd"] is None or found["pupils_met_dosage"] > 0
        assert not [key for key, value in found.items() if isinstance(value, float) and not np.isfinite(value)]
    early = evaluate(plan_with({"4": 205.0}), pupils, schools_of(plan), NO_MARTS[1], "learning-1", "2026-09-01")
    assert early["cost"]["additional_proficient"] is None
    assert "not shown, it is too early for a chance." in " ".join(early["cost"]["notes"])


def test_cost_by_what_it_bought(pupils: pd.DataFrame) -> None:
    half = pupils.assign(dosage_minutes=np.where(pupils.index % 2 == 0, pupils.dosage_minutes, 0.0))
    plan = plan_with(funding=FUNDING)
    schools = schools_of(plan, licences_bought=30.0)
    card = evaluate(plan, half, schools, rollout_of(plan, half), "learning-1", AFTER)
    cost = card["cost"]
    assert (cost["total_usd"], cost["per_pupil_usd"], cost["per_pupil_met_dosage_usd"]) == (6_000.0, 50.0, 100.0)
    assert (cost["licences_bought"], cost["licences_unused"]) == (180, 120)
    said = " ".join(cost["notes"])
    assert "120 of 180 licences were used by nobody." in said
    assert "names no score from which a pupil is proficient" in said
    assert cost["when_money_ends"] == (
        "State grant ends on 2027-06-30; going on in 6 schools then costs 38,000 USD a year from somewhere else,"
        " or the change stops there."
    )
    assert when_money_ends(plan, date(2027, 7, 1)).startswith("State grant ended on 2027-06-30")
    assert when_money_ends(plan_with(), TODAY) == "The plan does not say what happens when the money ends."


def test_minutes_that_nobody_sent_are_no_minutes_of_nought(pupils: pd.DataFrame) -> None:
    """The mart holds 0 minutes for all of them; the rollout's figures say that nothing was sent, and that counts."""
    plan = plan_with()
    nothing = made_pupils(np.random.default_rng(3), plan, effect=-0.05, school_sd=0.02).assign(dosage_minutes=0.0)
    schools, sent = schools_of(plan, licences_bought=30.0), rollout_of(plan, nothing)
    not_sent = sent.assign(pupils_reached=np.nan, dosage_minutes_mean=np.nan, dosage_met_share=np.nan)
    card = evaluate(plan, nothing, schools, not_sent, "learning-1", AFTER)
    said = " ".join([card["recommendation_text"], *card["why"], *card["cost"]["notes"]])
    assert "0%" not in said and "not tested as intended" not in said and "No pupil had the planned time" not in said
    assert "Nobody measured the time pupils spent" in said
    assert card["did_it_happen"]["dosage_met_share"] is card["did_it_happen"]["mean_minutes"] is None
    cost = card["cost"]
    assert cost["pupils_met_dosage"] is cost["per_pupil_met_dosage_usd"] is cost["licences_unused"] is None
    assert {one["mean_minutes"] for one in card["schools"]} == {None}
    none_got = evaluate(plan, nothing, schools, sent, "learning-1", AFTER)
    assert "Not yet tested as intended: 0% of pupils" in " ".join(none_got["why"]), "0 that was sent is 0"
    assert none_got["cost"]["pupils_met_dosage"] == 0


def test_where_no_cost_was_sent_there_is_no_cost_of_nought(pupils: pd.DataFrame) -> None:
    plan = plan_with()
    cost = evaluate(plan, pupils, schools_of(plan, cost_usd=float("nan")), NO_MARTS[1], "learning-1", AFTER)["cost"]
    assert cost["total_usd"] is cost["per_pupil_usd"] is None
    assert "No costs were loaded for this pilot." in cost["notes"]


def test_costs_of_few_pupils_are_not_published(pupils: pd.DataFrame) -> None:
    plan = plan_with()
    few = pupils.assign(dosage_minutes=np.where(pupils.index < 4, 500.0, 0.0))
    found = cost_of(plan, schools_of(plan), make_sample(plan, few), None, "x", TODAY)
    assert found["pupils_met_dosage"] == 4
    shown = protected(found, 10)
    assert shown["pupils_met_dosage"] is shown["per_pupil_met_dosage_usd"] is None
    assert shown["total_usd"] == found["total_usd"]
    assert "Costs of fewer than 10 pupils are not shown." in shown["notes"]
    assert protected(found, 4) == found


@pytest.mark.parametrize(
    ("part", "key", "value", "said"),
    [
        ("implementation", "dosage", RULE, None),
        ("implementation", "dosage", RULE | {"counts": "days"}, "minutes_each"),
        ("implementation", "dosage", RULE | {"activity_types": ["played"]}, "played"),
        ("implementation", "dosage", {"sources": ["app"], "activity_types": ["attempt"]}, "minutes_per_event_max"),
        ("implementation", "funding", FUNDING, None),
        ("implementation", "funding", FUNDING | {"yearly_usd": "38,000"}, "38000"),
        ("analysis", "proficient_from", {"3": 430, "4": 440, "5": 450, "6": 460, "07": 470, "8": 480}, None),
        ("analysis", "proficient_from", {"3": 430, "03": 431}, "grade 03 stands here more than once"),
        ("analysis", "proficient_from", {"11": 430}, "grade 11 is none of the plan's"),
    ],
)
def test_what_a_plan_may_say(tmp_path: Path, part: str, key: str, value: object, said: str | None) -> None:
    raw = yaml.safe_load((REPOSITORY / EXAMPLE).read_text())
    raw[part][key] = value
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(raw))
    plan, problems = check_plan(path)
    told = [str(one) for one in problems if key in str(one) or "grade" in str(one)]
    if said is None:
        assert plan is not None, problems
        assert told == []
    else:
        assert plan is None
        assert said in " ".join(told)


def test_a_plan_without_the_new_parts_keeps_its_hash() -> None:
    """The hash is of the analysis alone, and what is not said is not in it."""
    assert plan_with(dosage=RULE, funding=FUNDING).plan_hash == plan_with().plan_hash
    assert plan_with({"4": 440.0}).plan_hash != plan_with().plan_hash
