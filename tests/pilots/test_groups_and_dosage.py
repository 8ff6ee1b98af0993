"""For whom and how much: groups pooled and suppressed, schools' minutes, pupils by time that is no effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cairn.privacy import school_told
from pilots.analysis import Analysis, analyse
from pilots.by_dosage import NOT_CAUSAL
from pilots.evaluate import evaluate
from pilots.plan import Plan
from pilots.sample import make_sample
from tests.pilots.made_districts import AFTER, BEFORE, NO_MARTS, made_plan, made_pupils, names, rollout_of

GROUPS = {"subgroups": ["grade", "start"]}


def card(plan: Plan, pupils: pd.DataFrame, day: str = AFTER, **more: Any) -> dict[str, Any]:
    """The pilot's card."""
    return evaluate(plan, pupils, NO_MARTS[0], rollout_of(plan, pupils), "learning-1", day, **more)


def pilot(schools: int = 12, **more: Any) -> tuple[Plan, pd.DataFrame]:
    """A pilot with planned groups, and its pupils."""
    plan = made_plan(names(schools, "t"), names(schools, "c"), **GROUPS)
    return plan, made_pupils(np.random.default_rng(5), plan, effect=0.3, pupils=30, **more)


def test_groups_lean_on_each_other_and_their_effects_are_found() -> None:
    """The third that was behind gains .6 SD more than the others: seen, and less than its own estimate says."""
    plan, pupils = pilot()
    behind = pupils.baseline_score < pupils.groupby("grade").baseline_score.transform("quantile", 1 / 3)
    pupils["outcome_score"] += 6.0 * (behind & (pupils.arm == "treatment"))
    groups = {one["group"]: one for one in card(plan, pupils)["for_whom"]["groups"]}
    assert list(groups) == [
        *("grade 3", "grade 4", "grade 5"),
        *("lowest third before", "middle third before", "highest third before"),
    ]
    low, middle, high = (groups[f"{name} third before"]["effect_sd"] for name in ("lowest", "middle", "highest"))
    assert low > middle + 0.2 and low > high + 0.2
    assert 0.3 < low < 0.9, "of .3 + .6 the pooling leaves less"
    for one in groups.values():
        assert one["low"] < one["effect_sd"] < one["high"]
    of_grades = [one for one in groups.values() if one["by"] == "grade"]
    assert sum(one["pupils"] for one in of_grades) == len(pupils)
    assert np.ptp([one["effect_sd"] for one in of_grades]) < 0.15, "grades do not differ, and say so"


def test_grades_stand_in_their_own_order_everywhere_in_the_card() -> None:
    """Kindergarten first and 9 before 10, not as texts are sorted: for whom, in the groups, and of whom is left out."""
    plan, _ = pilot()
    pupils = made_pupils(np.random.default_rng(5), plan, effect=0.3, pupils=60, grades=(0, 8, 9, 10, 11, 12))
    called = pupils.grade.str.lstrip("0").replace("", "K")
    found = card(plan, pupils.assign(grade=called))["for_whom"]
    assert found["grades"] == ["K", "8", "9", "10", "11", "12"]
    assert [one["group"] for one in found["groups"] if one["by"] == "grade"] == [
        f"grade {grade}" for grade in found["grades"]
    ]
    alone = pupils.school_id.map({"t00": "10", "t01": "9", "t02": "K"})
    one_arm = pupils.assign(grade=alone.fillna("8"))
    assert "180 pupils of grades that only one arm has (K, 9, 10)" in " ".join(card(plan, one_arm)["warnings"])


def test_a_small_group_hides_and_what_it_could_be_told_from_too() -> None:
    plan, pupils = pilot()
    is_fifth = pupils.grade == "05"
    few = pupils[
        ~is_fifth | (pupils.school_id.isin(["t00", "c00"]) & (pupils.groupby(["school_id", "grade"]).cumcount() < 4))
    ]
    groups = {one["group"]: one for one in card(plan, few)["for_whom"]["groups"]}
    assert groups["grade 5"]["why_not"] == "fewer than 10 pupils in an arm, or to protect such a group"
    hidden = [name for name, one in groups.items() if one["by"] == "grade" and one["why_not"]]
    assert len(hidden) == 3, "one hidden is told by the rest; one left has nothing to be held against"
    assert {groups[name]["pupils"] for name in hidden} == {None}
    more = card(plan, pupils[~is_fifth | (pupils.school_id.isin(["t00", "c00"]))])
    fifth = next(one for one in more["for_whom"]["groups"] if one["group"] == "grade 5")
    assert (fifth["why_not"], fifth["effect_sd"]) == ("under 6 schools in an arm have such pupils", None)


@pytest.mark.parametrize("day_and_schools", [(BEFORE, 12), (AFTER, 4)])
def test_no_group_and_no_time_band_where_no_chance_is_told(day_and_schools: tuple[str, int]) -> None:
    day, schools = day_and_schools
    plan, pupils = pilot(schools)
    found = card(plan, pupils, day)
    assert (found["for_whom"]["groups"], found["did_it_happen"]["by_dosage"]) == ([], [])
    assert all(one["mean_minutes"] is not None for one in found["schools"]), "minutes are no outcome"


def test_groups_that_were_not_planned_are_not_shown() -> None:
    plan = made_plan(names(12, "t"), names(12, "c"))
    found = card(plan, made_pupils(np.random.default_rng(5), plan, effect=0.3))["for_whom"]
    assert found["groups"] == []
    assert "were not planned and are not shown" in " ".join(found["notes"])


def test_pupils_by_time_are_told_and_called_no_effect() -> None:
    """Pupils who would have done better anyway get more time: the bands rise, and the card says why that is nothing."""
    plan, pupils = pilot()
    planned = plan.implementation["dosage_minutes_planned"]
    keen = np.random.default_rng(1).normal(0, 1, len(pupils))
    treated = (pupils.arm == "treatment").to_numpy()
    pupils["outcome_score"] += 4 * keen
    pupils["dosage_minutes"] = np.where(treated, np.clip(planned * (0.9 + 0.4 * keen), 0, None), 0.0)
    found = card(plan, pupils)["did_it_happen"]
    rows = {one["dosage"]: one for one in found["by_dosage"]}
    assert found["by_dosage_note"] == NOT_CAUSAL
    assert list(rows)[:3] == ["all of the planned time or more", "half of it to all", "under half of it"]
    told = [one["difference_sd"] for one in found["by_dosage"] if one["pupils"] is not None]
    assert told == sorted(told, reverse=True) and told[0] > told[-1] + 0.3
    assert sum(one["pupils"] or 0 for one in found["by_dosage"]) <= int(treated.sum())


def test_small_bands_of_time_are_not_counted_out() -> None:
    plan, pupils = pilot()
    planned = plan.implementation["dosage_minutes_planned"]
    treated = np.flatnonzero(pupils.arm == "treatment")
    pupils["dosage_minutes"] = np.where(pupils.arm == "treatment", planned, 0.0)
    pupils.loc[treated[:4], "dosage_minutes"] = 5.0
    pupils.loc[treated[4:150], "dosage_minutes"] = 0.6 * planned
    rows = card(plan, pupils)["did_it_happen"]["by_dosage"]
    assert [one["pupils"] is None for one in rows] == [False, True, True]
    assert {one["difference_sd"] for one in rows[1:]} == {None}
    assert not any(one["pupils"] is None for one in card(plan, pupils, n_min=4)["did_it_happen"]["by_dosage"])


def test_a_small_school_s_minutes_are_hidden_with_the_rest() -> None:
    told = school_told({"school_id": "s", "pupils": 9, "mean_minutes": 12.0}, 10)
    assert told["mean_minutes"] is None


def test_the_district_s_smallest_group_is_the_one_that_counts() -> None:
    """Twelve pupils an arm can be compared where the district says 10, and not where it says 15."""
    plan = made_plan(names(6, "t"), names(6, "c"))
    pupils = made_pupils(np.random.default_rng(5), plan, pupils=2)
    sample = make_sample(plan, pupils)
    assert isinstance(analyse(plan, sample, n_min=10), Analysis)
    assert "fewer than 15 pupils" in str(getattr(analyse(plan, sample, n_min=15), "reason", ""))
    assert card(plan, pupils, n_min=15)["recommendation"] == "CANNOT TELL"
    early = card(plan, pupils, BEFORE, n_min=15)
    assert early["rating"]["baseline_g"] is None
    assert card(plan, pupils, BEFORE)["rating"]["baseline_g"] is not None


def test_reliability_is_the_plan_s_or_the_test_s_own_and_named() -> None:
    """MAP's standard errors of 3 points on an SD of 10 within grades: a reliability of .91."""
    example = made_plan(["t"], ["c"]).analysis["baseline"]
    baseline = {key: value for key, value in example.items() if key != "reliability"}
    plan = made_plan(names(8, "t"), names(8, "c"), baseline=baseline)
    pupils = made_pupils(np.random.default_rng(5), plan, pupils=40, school_sd=0.3)

    def line(plan: Plan, pupils: pd.DataFrame) -> str:
        return str(card(plan, pupils)["how_sure"]["adjustments"][1]["analysis"])

    assert line(plan, pupils).endswith("neither plan nor test says how reliable it is")
    sd = pupils[pupils.arm == "comparison"].groupby("grade").baseline_score.std().mean()
    by_test = pupils.assign(baseline_standard_error=3.0)
    assert f"reliability {1 - 9 / sd**2:.2f} by the test's own standard errors)" in line(plan, by_test)
    half = pupils.assign(baseline_standard_error=np.where(np.arange(len(pupils)) % 2, 3.0, np.nan))
    assert "standard errors, known of 50% of pupils)" in line(plan, half)
    said = made_plan(names(8, "t"), names(8, "c"), baseline=baseline | {"reliability": 0.85})
    assert "reliability 0.85 by the plan)" in line(said, by_test), "the plan's word goes before the file's"
