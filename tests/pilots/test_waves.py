"""A pilot in waves on made-up districts: the staggered path is chosen by the plan, and says what was put in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilots.evaluate import evaluate
from pilots.known import Known
from pilots.plan import Plan
from pilots.plan_rules import rule_problems
from pilots.waves import is_staggered, starts
from tests.pilots.made_districts import AFTER, NO_MARTS, made_plan, names

NAMED = ("fall", "other", "winter", "spring")
OPENS = ("2026-08-24", "2026-09-14", "2026-10-05", "2026-10-26")
CLOSES = ("2026-08-28", "2026-09-18", "2026-10-09", "2026-10-30")
WAVE_STARTS = ("2026-08-31", "2026-09-21", "2026-10-12")


def waved(treated: int, comparison: int, **analysis: Any) -> Plan:
    """Three waves of as many schools each, one before each window after the first, and a holdback."""
    with_it, without = names(treated, "t"), names(comparison, "c")
    plan = made_plan(with_it, without, waves={one: 1 + number % 3 for number, one in enumerate(with_it)})
    raw = json.loads(plan.canonical)
    part = raw["analysis"]
    windows = [
        part["baseline"] | {"window": name, "from_date": first, "to_date": last}
        for name, first, last in zip(NAMED, OPENS, CLOSES, strict=True)
    ]
    part["baseline"], part["between"], part["outcome"] = windows[0], windows[1:3], windows[3]
    part["wave_starts"] = list(WAVE_STARTS)
    raw["analysis"] = part | analysis
    return Plan(raw)


def scored(plan: Plan, effect: float, seed: int, pupils: int = 20) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(mart_pilot_pupil, scores between): SD near 10, schools that grow apart a little in each window."""
    rng, schools = np.random.default_rng(seed), list(plan.arms)
    school = np.repeat(np.arange(len(schools)), pupils)
    begins = [starts(plan)[one] or 99 for one in schools]
    ability = rng.normal(0, 8.5, len(school)) + rng.normal(0, 2, len(schools))[school]
    drift = rng.normal(0, 0.7, (4, len(schools))).cumsum(axis=0)
    scores = [
        200
        + 3 * k
        + ability
        + drift[k][school]
        + rng.normal(0, 5, len(school))
        + 10 * effect * np.array([begin <= k + 1 for begin in begins])[school]
        for k in range(4)
    ]
    key = np.array([f"k{i}" for i in range(len(school))])
    frame = pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "arm": [plan.arms[schools[one]] for one in school],
            "school_id": np.array(schools)[school],
            "student_key": key,
            "grade": "05",
            "baseline_score": scores[0],
            "outcome_score": scores[3],
            "is_joiner": False,
            "has_moved_school": False,
            "dosage_minutes": 500.0,
        }
    )
    between = [
        pd.DataFrame({"pilot_id": plan.pilot_id, "student_key": key, "from_date": OPENS[k], "score": scores[k]})
        for k in (1, 2)
    ]
    return frame, pd.concat(between)


def card_of(plan: Plan, effect: float, seed: int = 1, **more: Any) -> dict[str, Any]:
    """The scorecard after the last window."""
    frame, between = scored(plan, effect, seed)
    return evaluate(plan, frame, *NO_MARTS, "learning-1", AFTER, **({"windows": between} | more))


def test_the_plan_and_nothing_else_chooses_the_path() -> None:
    plan = waved(12, 8)
    assert is_staggered(plan)
    assert [starts(plan)[one] for one in ("t00", "t01", "t02", "t03", "c00")] == [2, 3, 4, 2, None]
    same_window = waved(12, 8, wave_starts=["2026-08-31", "2026-09-01", "2026-09-02"])
    assert not is_staggered(same_window), "all start before the same window"
    raw = json.loads(plan.canonical)
    del raw["analysis"]["between"]
    assert not is_staggered(Plan(raw)), "no window tells the waves apart"
    assert card_of(Plan(raw), 0.0)["waves"] is None


def test_a_large_effect_of_three_waves_is_found_and_told_by_wave_and_time() -> None:
    card = card_of(waved(21, 20), 0.40)
    effect, waves = card["estimates"][0], card["waves"]
    assert effect["low"] < 0.40 < effect["high"]
    assert card["recommendation"] == "SCALE"
    assert "waves" in card["how_sure"]["method"]
    assert [(one["waves"], one["schools"]) for one in waves["groups"]] == [([1], 7), ([2], 7), ([3], 7)]
    assert [one["windows_since_start"] for one in waves["event_study"]] == [-2, -1, 0, 1, 2]
    assert all(one["effect_sd"] > 0.15 for one in waves["event_study"][2:])
    assert all(abs(one["effect_sd"]) < 0.2 and one["low"] is None for one in waves["event_study"][:2])
    assert 0.0 <= waves["pre_trend"]["p_value"] <= 1.0
    assert waves["pre_trend"]["df"] == 3
    json.dumps(card, allow_nan=False)


def test_few_schools_get_the_permutation_of_starts_and_very_few_nothing() -> None:
    few = card_of(waved(9, 6), 0.0)
    assert "permuted" in few["how_sure"]["method"]
    assert few["how_sure"]["smallest_p"] <= few["how_sure"]["p_value"] <= 1.0
    formative = card_of(waved(6, 4), 0.4)
    assert formative["recommendation"] == "CANNOT TELL"
    assert formative["how_sure"]["p_value"] is None
    assert {one["p_value"] for one in formative["waves"]["event_study"] + formative["waves"]["groups"]} == {None}
    assert formative["waves"]["pre_trend"] is None


def test_missing_windows_are_said() -> None:
    plan = waved(12, 8)
    without = card_of(plan, 0.0, windows=None)
    assert without["recommendation"] == "CANNOT TELL"
    assert "no scores of the windows between" in without["why"][0]
    frame, between = scored(plan, 0.0, 1)
    half = between[between.from_date == OPENS[1]]
    card = evaluate(plan, frame, *NO_MARTS, "learning-1", AFTER, windows=half)
    assert f"No pupil has a score in the window from {OPENS[2]}" in card["why"][0]
    thin = between[~((between.from_date == OPENS[1]) & between.student_key.isin(["k0", "k1", "k2"]))]
    card = evaluate(plan, frame, *NO_MARTS, "learning-1", AFTER, windows=thin)
    assert any("3 of 400 pupils with both scores lack one" in warning for warning in card["warnings"])


def test_who_lacks_a_window_between_is_lost_and_is_not_for_whom_the_card_is() -> None:
    """45 % of treated pupils were not there in one window: they are compared with nobody, and so they are lost."""
    plan = waved(12, 8)
    frame, between = scored(plan, 0.4, 1)
    treated = frame[frame.arm == "treatment"]
    gone = set(treated.student_key[treated.groupby("school_id").cumcount() < 9])
    thin = between[~((between.from_date == OPENS[1]) & between.student_key.isin(gone))]
    card = evaluate(plan, frame, *NO_MARTS, "learning-1", AFTER, windows=thin)
    attrition = card["rating"]["attrition"]
    assert attrition["differential_share"] == pytest.approx(0.45)
    assert attrition["overall_share"] == pytest.approx(len(gone) / len(frame))
    assert (attrition["of_pupils"], attrition["of_schools"], attrition["level"]) == ("high", "low", "high")
    assert not any("attrition is low" in reason for reason in card["rating"]["reasons"])
    assert card["for_whom"]["pupils"] == len(frame) - len(gone) == sum(one["pupils"] for one in card["schools"])
    no_school = between[~between.student_key.isin(set(frame.student_key[frame.school_id == "t00"]))]
    card = evaluate(plan, frame, *NO_MARTS, "learning-1", AFTER, windows=no_school)
    assert card["rating"]["attrition"]["schools_overall_share"] == pytest.approx(0.05)
    assert card["for_whom"]["schools"] == 19
    assert "1 schools have no pupil who is compared." in card["for_whom"]["notes"]


def test_a_wave_of_a_few_pupils_has_no_effect_of_its_own_nor_what_it_could_be_told_from() -> None:
    plan = waved(12, 8)
    frame, between = scored(plan, 0.4, 1)
    first = frame.school_id.map(lambda one: plan.arms[one] == "treatment" and plan.waves[one] == 1)
    few = frame[~first | (frame.groupby("school_id").cumcount() < 2)]
    card = evaluate(plan, few, *NO_MARTS, "learning-1", AFTER, windows=between)
    groups, events = card["waves"]["groups"], card["waves"]["event_study"]
    hidden = ("effect_sd", "p_value", "low", "high")
    assert [one["effect_sd"] is None for one in groups] == [True, True, False], "8, 80 and 80 pupils"
    told = {one["windows_since_start"]: one for one in events}
    assert {at for at, one in told.items() if one["effect_sd"] is None} == {1, 2}, "two windows later is wave 1 alone"
    assert all(told[at][name] is None for at in (1, 2) for name in hidden)
    assert all(groups[at][name] is None for at in (0, 1) for name in hidden)
    whole = card_of(plan, 0.4)["waves"]
    assert not [one for one in whole["groups"] + whole["event_study"] if one["effect_sd"] is None]
    assert "(p " not in " ".join(card["waves"]["sentences"] + whole["sentences"])


def test_before_the_window_nothing_of_the_waves_is_told() -> None:
    frame, between = scored(waved(12, 8), 0.4, 1)
    card = evaluate(waved(12, 8), frame, *NO_MARTS, "learning-1", "2026-10-20", windows=between)
    assert (card["recommendation"], card["waves"]) == ("TOO EARLY", None)


@pytest.mark.parametrize(
    ("today", "over"),
    # To 23 October wave 1 has 54 days, wave 2 33, wave 3 12: on 27 September 28, 7 and none of them are over.
    [("2026-09-27", (28 / 54 + 7 / 33) / 3), ("2026-10-12", (43 / 54 + 22 / 33 + 1 / 12) / 3), ("2026-10-23", None)],
)
def test_minutes_in_step_count_from_the_start_of_each_wave(today: str, over: float | None) -> None:
    raw = json.loads(waved(12, 8).canonical)
    raw["implementation"] |= {"starts_on": WAVE_STARTS[0], "ends_on": "2026-10-23"}
    frame, between = scored(plan := Plan(raw), 0.0, 1)
    happened = evaluate(plan, frame, *NO_MARTS, "learning-1", today, windows=between)["did_it_happen"]
    expected = None if over is None else round(over * happened["planned_minutes"], 1)
    assert happened["minutes_in_step"] == expected


def test_over_districts_intervals_hold_the_effect_and_agree_with_p() -> None:
    """Nine schools in three waves, six held back, by permutation."""
    plan, runs, effect = waved(9, 6), 8, 0.2
    cards = [card_of(plan, effect, seed) for seed in range(runs)]
    assert sum(one["estimates"][0]["low"] <= effect <= one["estimates"][0]["high"] for one in cards) >= runs - 2
    for card in cards:
        interval = card["estimates"][0]
        assert (card["how_sure"]["p_value"] < 0.05) == (not interval["low"] <= 0.0 <= interval["high"])
        assert card["recommendation"] != "HARM"


def test_windows_between_follow_each_other_and_need_first_days_of_waves() -> None:
    raw = json.loads(waved(12, 8, grades=["5"]).canonical)
    assert rule_problems(raw, Known()) == []
    raw["analysis"]["between"][1]["from_date"] = raw["analysis"]["between"][0]["to_date"]
    [found] = [one for one in rule_problems(raw, Known()) if not one.is_warning]
    assert found.at == ("analysis", "between", 1, "from_date")
    assert "must lie after the one before it" in found.message
    assert "overlap cannot be told apart" in found.message
    raw = json.loads(waved(12, 8, grades=["5"]).canonical)
    del raw["analysis"]["wave_starts"]
    assert "give wave_starts" in rule_problems(raw, Known())[0].message


@pytest.mark.parametrize(
    ("change", "at", "said", "is_warning"),
    [
        ({"wave_starts": [*WAVE_STARTS[:2], "2026-10-27"]}, ("wave_starts", 2), "never measured", False),
        ({"wave_starts": [*WAVE_STARTS[:2], WAVE_STARTS[1]]}, ("wave_starts", 2), "waves 2 and 3 overlap", False),
        ({"wave_starts": [OPENS[0], *WAVE_STARTS[1:]]}, ("wave_starts", 0), "before anybody was measured", False),
        ({"wave_starts": ["2026-08-26", *WAVE_STARTS[1:]]}, ("wave_starts", 0), "while the window from", True),
    ],
)
def test_a_wave_that_no_window_can_show_is_said_with_its_key(
    change: dict[str, Any], at: tuple[str, int], said: str, is_warning: bool
) -> None:
    raw = json.loads(waved(12, 8, grades=["5"], **change).canonical)
    [found] = rule_problems(raw, Known())
    assert (found.at, said in found.message, found.is_warning) == (("analysis", *at), True, is_warning)


def test_windows_of_one_name_or_that_end_before_they_begin_are_said() -> None:
    raw = json.loads(waved(12, 8, grades=["5"]).canonical)
    raw["analysis"]["between"][1]["window"] = "other"
    found = rule_problems(raw, Known())
    assert [(one.at[2], one.is_warning) for one in found] == [(0, True), (1, True)]
    assert "keeps one result of the two" in found[0].message
    raw["analysis"]["between"][1] |= {"window": "winter", "to_date": "2026-10-01"}
    [one] = rule_problems(raw, Known())
    assert (one.at, "ends too early" in one.message) == (("analysis", "between", 1, "to_date"), True)


def test_starts_are_permuted_over_the_orders_that_were_drawn_from_and_lost_schools_leave_it_exact() -> None:
    """Of 300 orders those count that give each start as many of the schools that are there as the real one."""
    plan = waved(9, 6)
    schools = sorted(plan.arms)
    real = np.array([plan.waves[one] if plan.arms[one] == "treatment" else 0 for one in schools])
    rng = np.random.default_rng(4)
    orders = np.unique(np.vstack([real, *(rng.permutation(real) for _ in range(299))]), axis=0)
    orders = np.vstack([real, orders[(orders != real).any(axis=1)]])
    card = card_of(plan, 0.3, orders=orders)
    assert card["waves"]["orders"] == len(orders)
    assert card["how_sure"]["smallest_p"] == pytest.approx(1 / len(orders))
    assert (card["how_sure"]["p_value"] * len(orders)) % 1 == pytest.approx(0, abs=1e-9)
    frame, between = scored(plan, 0.3, 1)
    left = evaluate(plan, frame[frame.school_id != "t00"], *NO_MARTS, "r", AFTER, windows=between, orders=orders)
    there = orders[:, [number for number, school in enumerate(schools) if school != "t00"]]
    alike = [sorted(one) == sorted(there[0]) for one in there.tolist()]
    assert 1 < sum(alike) < len(orders)
    assert left["waves"]["orders"] == sum(alike)
    assert [one["schools"] for one in left["waves"]["groups"]] == [2, 3, 3]
    wrong = card_of(plan, 0.3, orders=orders[1:])
    assert "none of the stored set" in wrong["why"][0]


def test_a_measure_that_is_to_fall_and_a_larger_smallest_group() -> None:
    plan = waved(12, 8)
    frame, between = scored(plan, 0.4, 1)
    raw = json.loads(plan.canonical)
    raw["hypothesis"]["direction"] = "fall"
    turned = frame.assign(baseline_score=-frame.baseline_score, outcome_score=-frame.outcome_score)
    down = evaluate(Plan(raw), turned, *NO_MARTS, "r", AFTER, windows=between.assign(score=-between.score))
    up = evaluate(plan, frame, *NO_MARTS, "r", AFTER, windows=between)
    effects = [[one["effect_sd"] for one in card["waves"]["event_study"]] for card in (down, up)]
    assert effects[0] == pytest.approx(effects[1])
    assert down["recommendation"] == up["recommendation"]
    few = evaluate(plan, frame, *NO_MARTS, "r", AFTER, windows=between, n_min=161)
    assert "fewer than 161 pupils with a score in every window" in few["why"][0]
