"""Who is compared, who is missing, and on what scale: grades, joiners, schools lost, vertical scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pilots.analysis import Analysis, analyse
from pilots.evaluate import evaluate
from pilots.plan import Plan
from pilots.sample import make_sample
from pilots.standard_scores import compared_grades, standard_scores
from tests.pilots.made_districts import AFTER, NO_MARTS, made_plan, made_pupils, names

TREATED, COMPARISON = names(6, "t"), names(6, "c")


@pytest.fixture
def plan() -> Plan:
    """Six schools an arm, at random."""
    return made_plan(TREATED, COMPARISON)


def _effect(plan: Plan, pupils: pd.DataFrame) -> float:
    found = analyse(plan, make_sample(plan, pupils))
    assert isinstance(found, Analysis)
    return found.effect_sd


def test_pupils_of_other_grades_change_nothing() -> None:
    plan = made_plan(TREATED, COMPARISON, grades=["3", 4, "05"])
    pupils = made_pupils(np.random.default_rng(1), plan, effect=0.3)
    younger = made_pupils(np.random.default_rng(2), plan, grades=(0, 1, 2)).assign(outcome_score=np.nan)
    card, more = (
        evaluate(plan, frame, *NO_MARTS, "learning-1", AFTER) for frame in (pupils, pd.concat([pupils, younger]))
    )
    for key in ("recommendation", "estimates", "how_sure", "rating", "schools"):
        assert more[key] == card[key], key
    assert f"{len(younger)} pupils of these schools are in other grades" in " ".join(more["for_whom"]["notes"])
    every = evaluate(made_plan(TREATED, COMPARISON), pd.concat([pupils, younger]), *NO_MARTS, "learning-1", AFTER)
    assert every["recommendation"] == "TOO EARLY", "a plan without grades means all of them"


def test_a_lost_school_is_one_loss_and_not_that_of_its_pupils(plan: Plan) -> None:
    pupils = made_pupils(np.random.default_rng(3), plan)
    gone = pupils.assign(outcome_score=pupils.outcome_score.mask(pupils.school_id == "c00"))
    sample = make_sample(plan, gone)
    assert (sample.lost_schools.overall, sample.lost_schools.differential) == pytest.approx((1 / 12, 1 / 6))
    assert (sample.lost_pupils.overall, sample.lost_pupils.differential) == (0.0, 0.0)
    assert sample.coverage == pytest.approx(11 / 12)
    card = evaluate(plan, gone, *NO_MARTS, "learning-1", AFTER)
    attrition = card["rating"]["attrition"]
    assert (attrition["of_schools"], attrition["of_pupils"], attrition["level"]) == ("high", "low", "high")
    assert "No outcomes from c00." in card["warnings"]


def test_pupils_are_lost_in_the_schools_that_stayed(plan: Plan) -> None:
    pupils = made_pupils(np.random.default_rng(3), plan)
    first = ~pupils.duplicated("school_id") & pupils.school_id.str.startswith("t")
    gone = pupils.assign(outcome_score=pupils.outcome_score.mask(first | (pupils.school_id == "c00")))
    sample = make_sample(plan, gone)
    assert sample.lost_pupils.overall == pytest.approx(6 / (11 * 20))
    assert sample.lost_pupils.differential == pytest.approx(1 / 20)


def test_joiners_are_counted_apart(plan: Plan) -> None:
    pupils = made_pupils(np.random.default_rng(4), plan)
    joined = made_pupils(np.random.default_rng(5), plan, effect=3.0, pupils=3).assign(is_joiner=True)
    both = pd.concat([pupils, joined], ignore_index=True)
    assert _effect(plan, both) == pytest.approx(_effect(plan, pupils))
    sample = make_sample(plan, both)
    assert (sample.joiners, len(sample.assigned)) == (36, 240)


def test_the_effect_is_in_sd_within_grade() -> None:
    """Six points a grade make the SD over grades .177/.165 times too large (review_1_science)."""
    plan = made_plan(names(12, "t"), names(12, "c"))
    flat, steep = (
        made_pupils(np.random.default_rng(6), plan, effect=0.2, pupils=60, school_sd=0.01, points_a_grade=points)
        for points in (0.0, 6.0)
    )
    assert _effect(plan, steep) == pytest.approx(_effect(plan, flat), abs=1e-9)
    assert _effect(plan, flat) == pytest.approx(0.2, abs=0.06)


def test_a_mix_of_grades_that_differs_is_no_effect() -> None:
    """Treated schools have twice as many fifth graders, who score 30 points above third graders and gained no more."""
    plan, found = made_plan(names(10, "t"), names(10, "c")), []
    for seed in range(8):
        pupils = made_pupils(
            np.random.default_rng(seed), plan, effect=0.3, pupils=60, school_sd=0.02, points_a_grade=15.0
        )
        order = pupils.groupby("school_id").cumcount()
        is_treated = pupils.arm == "treatment"
        drop = (is_treated & (pupils.grade == "03") & (order % 2 == 0)) | (
            ~is_treated & (pupils.grade == "05") & (order % 2 == 0)
        )
        found.append(_effect(plan, pupils[~drop]))
    assert np.mean(found) == pytest.approx(0.3, abs=0.05)


def test_grades_that_no_school_ties_are_not_compared() -> None:
    """Primary schools treated, secondary schools not: nothing tells school type and change apart."""
    plan = made_plan(TREATED, COMPARISON)
    pupils = made_pupils(np.random.default_rng(8), plan)
    apart = pupils.assign(grade=np.where(pupils.arm == "treatment", "04", "07"))
    card = evaluate(plan, apart, *NO_MARTS, "learning-1", AFTER)
    assert card["recommendation"] == "CANNOT TELL"
    assert "grades that both arms have" in card["why"][0]
    some = pupils.assign(grade=pupils.grade.where(pupils.school_id != "t00", "09"))
    said = " ".join(evaluate(plan, some, *NO_MARTS, "learning-1", AFTER)["warnings"])
    assert "20 pupils of grades that only one arm has (09)" in said


def test_standard_scores_have_the_spread_of_comparison_pupils() -> None:
    rng = np.random.default_rng(9)
    grade, school = np.tile([0, 1], 400), np.repeat(np.arange(8), 100)
    treated = school < 4
    score = np.where(grade == 0, 100, 150) + rng.normal(0, np.where(grade == 0, 10, 20)) + 7.0 * treated
    found = standard_scores(score, grade, school, treated)
    assert found is not None
    for one in (0, 1):
        assert found.score[~treated & (grade == one)].std(ddof=1) == pytest.approx(1.0)
    assert found.sd == pytest.approx(np.sqrt((10**2 + 20**2) / 2), rel=0.1)
    assert standard_scores(np.where(treated, score, 5.0), grade, school, treated) is None
    assert compared_grades(grade, school, treated).all()
    assert not compared_grades(np.where(treated, 0, 1), school, treated).any()
