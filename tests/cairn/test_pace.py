"""Pace: what is even, when a class would be there, and when nothing is said."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from typing import Any

import pytest

from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.pace import Pace, pace, time_to

# Twenty school weeks from a Monday, all of five days but the second, which has a holiday.
RAW: dict[str, Any] = {
    "school_year_start_date": "2026-08-17",
    "school_year_end_date": "2027-01-01",
    "holidays": ["2026-08-28"],
    "terms": [{"title": "First", "end_date": "2026-10-23"}, {"title": "Second", "end_date": "2027-01-01"}],
}
CALENDAR = DistrictCalendar.from_mapping(RAW, "calendar.yaml", "UTC")
START = date(2026, 8, 17)


def told(weeks: list[int], *, planned: int = 100, mastered: int | None = None, target: float = 0.8) -> Pace:
    """The pace on the Friday of the last of some weeks, each of which brought so many pairs, on its Wednesday."""
    changes = {START + timedelta(days=7 * week + 2): count for week, count in enumerate(weeks)}
    today = START + timedelta(days=7 * len(weeks) - 3)
    return pace(CALENDAR, today, planned, sum(weeks) if mastered is None else mastered, START, changes, target)


def test_an_even_pace_counts_school_days() -> None:
    found = told([5, 4, 5, 5])
    # 19 of the year's 99 school days have passed; the term ends on the 49th, six weeks from now.
    assert (found.term_title, found.term_end_date) == ("First", date(2026, 10, 23))
    assert found.needed_share == pytest.approx(0.8 * 19 / 99)
    assert found.needed_by_term_end_share == pytest.approx(0.8 * 49 / 99)
    assert found.needed_a_week == pytest.approx((80 * 49 / 99 - 19) / 6)
    assert (found.mastered_share, found.weeks, found.a_week) == (0.19, 4, 5.0), "a short week counts by its days"


def test_a_steady_class_is_projected_to_the_day() -> None:
    """Five a week without any spread and 61 to go: 12.2 weeks of five school days, the 61st from now."""
    found = told([5, 4, 5, 5])
    ahead = [day for day in CALENDAR.school_days(START, date(2027, 1, 1)) if day > date(2026, 9, 11)]
    assert found.outlook == "projected"
    assert found.projected_date == found.earliest_date == found.latest_date == ahead[60]


def test_the_more_weeks_differ_the_wider_the_band() -> None:
    even, uneven, wild = told([9, 8, 10, 9, 9]), told([7, 9, 11, 8, 10]), told([0, 20, 0, 25, 0])
    assert even.outlook == uneven.outlook == wild.outlook == "projected"
    for found in (even, uneven):
        assert found.earliest_date and found.projected_date and found.latest_date
        assert found.earliest_date <= found.projected_date <= found.latest_date
    assert even.latest_date and uneven.latest_date and even.latest_date < uneven.latest_date
    assert wild.latest_date is None, "no day of the year is late enough"


@pytest.mark.parametrize(
    ("weeks", "planned", "outlook"),
    [
        ([5, 4, 5], 100, "too_early"),
        ([3, -1, -1, -2, 0], 100, "no_progress"),
        ([1, 1, 1, 1, 1], 100, "after_year"),
        ([40, 40], 100, "reached"),
    ],
)
def test_when_no_date_is_said_the_reason_is(weeks: list[int], planned: int, outlook: str) -> None:
    found = told(weeks, planned=planned)
    assert (found.outlook, found.projected_date) == (outlook, None)


def test_a_class_that_has_not_begun_has_no_pace() -> None:
    found = pace(CALENDAR, date(2026, 9, 30), 50, 0, None, {}, 0.8)
    assert (found.outlook, found.weeks, found.a_week) == ("too_early", 0, None)


def test_ends_of_the_band_are_where_the_forecast_meets_the_rest() -> None:
    rest, weeks = 40.0, [4.0, 7.0, 5.0, 6.0, 3.0, 5.0]
    mean, n = 5.0, 6
    spread = math.sqrt(sum((one - mean) ** 2 for one in weeks) / (n - 1))
    quantile = 1.475884048824481  # Student's t, 90 %, five degrees of freedom
    middle, soonest, latest = time_to(rest, weeks)
    assert middle == 8.0 and soonest is not None and latest is not None
    for end, sign in ((soonest, 1), (latest, -1)):
        assert mean * end + sign * quantile * spread * math.sqrt(end + end**2 / n) == pytest.approx(rest)
    assert soonest < middle < latest


def test_four_of_five_classes_are_within_their_band() -> None:
    """2,000 classes, weeks drawn from one bell: at the band's ends about one and nine tenths have come so far."""
    dice = random.Random(1)
    passed = {"soonest": 0, "latest": 0}
    for _ in range(2000):
        seen = [dice.gauss(10, 3) for _ in range(8)]
        _, soonest, latest = time_to(80, seen)
        assert soonest is not None and latest is not None
        # Weeks to come; a part of a week has a part of its spread.
        for name, end in (("soonest", soonest), ("latest", latest)):
            passed[name] += dice.gauss(10 * end, 3 * math.sqrt(end)) >= 80
    assert 0.07 <= passed["soonest"] / 2000 <= 0.13
    assert 0.87 <= passed["latest"] / 2000 <= 0.93


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ([{"title": "A", "end_date": "2026-12-18"}, {"title": "B", "end_date": "2026-10-23"}], "terms: each must end"),
        ([{"end_date": "2026-12-18"}], "terms: expected a list"),
        ([{"title": "A", "end_date": "Christmas"}], "terms.end_date is missing or not a date"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms: list[dict[str, str]], said: str) -> None:
    with pytest.raises(CairnError, match=said):
        DistrictCalendar.from_mapping(RAW | {"terms": terms}, "calendar.yaml", "UTC")
    without = DistrictCalendar.from_mapping({k: v for k, v in RAW.items() if k != "terms"}, "calendar.yaml", "UTC")
    assert without.term_of(START) == ("School year", date(2027, 1, 1))
