"""How far a rollout has come: the course adds up, hides the few, and its forecast says when or why not."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilots.rollout_reach import Step, forecast, hidden_groups, hidden_schools, hidden_small, steps

START = date(2026, 9, 7)
N_MIN = 10


def course(weekly: list[int], planned: int) -> list[Step]:
    """All planned on the first day, so many reached on the last day of each week."""
    found = [Step(START, planned, 0)]
    for week, more in enumerate(weekly, start=1):
        if more:
            found.append(Step(START + timedelta(days=7 * week - 1), planned, found[-1].reached + more))
    return found


def after(weeks: int) -> date:
    return START + timedelta(days=7 * weeks - 1)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(0, 30)), max_size=30))
def test_the_course_ends_at_the_sums_and_never_falls(changes: list[tuple[int, int, int]]) -> None:
    rows = [
        {"on_date": START + timedelta(days=day), "pupils_planned": planned, "pupils_reached": reached}
        for day, planned, reached in changes
    ]
    found = steps(rows, "pupils")
    if found:
        total = tuple(sum(change[part] for change in changes) for part in (1, 2))
        assert (found[-1].planned, found[-1].reached) == total
    assert all(a.on_date < b.on_date and a.planned <= b.planned and a.reached <= b.reached for a, b in pairwise(found))


@given(st.lists(st.integers(0, 25), max_size=20), st.integers(0, 30))
def test_no_two_published_numbers_differ_by_a_few_pupils(weekly: list[int], missing: int) -> None:
    total = sum(weekly) + missing
    shown = [step.reached for step in hidden_small(course(weekly, total), N_MIN, total)]
    assert all(abs(a - b) >= N_MIN for a in shown if a for b in (*shown, 0, total) if a != b)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8))
def test_no_few_pupils_can_be_had_from_the_groups_and_their_total(drawn: list[tuple[int, int]]) -> None:
    groups = [(str(place), max(pair), min(pair)) for place, pair in enumerate(drawn)]
    shown = hidden_groups(groups, N_MIN)
    for one in shown:
        assert one.planned is None or one.planned >= N_MIN
        if one.planned is not None and one.reached is not None:
            missing = one.planned - one.reached
            assert one.reached >= N_MIN and (missing == 0 or missing >= N_MIN)
    if any(one.reached is not None for one in shown):
        pairs = zip(groups, shown, strict=True)
        rest = [(planned, reached) for (_, planned, reached), one in pairs if one.reached is None]
        reached, missing = sum(r for _, r in rest), sum(p - r for p, r in rest)
        assert not rest or (reached >= N_MIN and (missing == 0 or missing >= N_MIN))


def school(name: str, planned: int, reached: int | None, met: float | None) -> dict[str, object]:
    return {
        "school_id": name,
        "pupils_planned": planned,
        "pupils_reached": reached,
        "dosage_minutes_mean": None if reached is None else 20.0,
        "dosage_met_share": met,
        "cost_usd": 400.0,
        "cost_per_pupil_usd": 400.0 / planned,
    }


def test_a_school_tells_no_few_pupils_by_reach_share_or_cost() -> None:
    """3 of 40 are reached, and 5 % of 40 are 2: neither is told, nor had from the total less what is shown."""
    rows = [school("s1", 40, 3, 0.05), school("s2", 60, 40, 0.5), school("s3", 50, 20, 0.4)]
    shown = hidden_schools(rows, N_MIN)
    assert [row["pupils_planned"] for row in shown] == [40, 60, 50]
    assert {row["pupils_reached"] for row in shown} == {row["dosage_met_share"] for row in shown} == {None}
    assert [row["dosage_minutes_mean"] for row in shown] == [20.0] * 3
    large = hidden_schools([*rows[1:], school("s4", 30, 30, 1.0)], N_MIN)
    assert [row["pupils_reached"] for row in large] == [40, 20, 30]
    assert [row["dosage_met_share"] for row in large] == [0.5, 0.4, 1.0]


def test_a_single_small_school_is_not_counted_out_of_the_total() -> None:
    shown = hidden_schools([school("s1", 8, 4, 0.5), school("s2", 60, 40, 0.5)], N_MIN)
    told = {name for row in shown for name, value in row.items() if value is not None}
    assert told == {"school_id", "cost_usd"}
    unsent = hidden_schools([school("s1", 40, None, None), school("s2", 60, None, None)], N_MIN)
    assert [(row["pupils_planned"], row["pupils_reached"]) for row in unsent] == [(40, None), (60, None)]


def test_a_steady_rollout_is_forecast_to_the_day_and_an_uneven_one_with_a_band() -> None:
    steady = forecast(course([20] * 6, 200), after(6))
    assert steady.code == "projected"
    assert steady.likely == steady.earliest == steady.latest == after(6) + timedelta(weeks=4)
    # By hand: mean 20, standard deviation of the weeks 10.954, of their mean 4.472, t(5, .95) = 2.0150: 20 +- 9.011.
    uneven = forecast(course([10, 30, 10, 30, 10, 30], 200), after(6))
    assert uneven.likely == after(6) + timedelta(days=28)
    assert uneven.earliest == after(6) + timedelta(days=20)  # 560 / 29.011 = 19.3
    assert uneven.latest == after(6) + timedelta(days=51)  # 560 / 10.989 = 50.96


@pytest.mark.parametrize(
    ("weekly", "planned", "weeks", "code"),
    [
        ([50, 50], 200, 8, "too_few_dates"),
        ([], 200, 8, "too_few_dates"),
        ([50, 50, 50], 200, 12, "no_progress"),
        ([1, 1, 1], 900, 3, "too_far"),
        ([50, 50, 100], 200, 3, "reached"),
    ],
)
def test_where_no_day_can_be_told_it_says_why(weekly: list[int], planned: int, weeks: int, code: str) -> None:
    found = forecast(course(weekly, planned), after(weeks))
    assert (found.code, found.likely, found.earliest, found.latest) == (code, None, None, None)


def test_nothing_is_forecast_before_the_last_wave_begins() -> None:
    later = START + timedelta(weeks=40)
    found = forecast([*course([20] * 6, 130), Step(later, 200, 120)], after(6))
    assert found.likely == later
