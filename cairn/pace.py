"""How fast a class comes through its plan, and when it would be there: a date with a band, or why there is none.

The plan of a class in a subject is its pairs: each of its pupils with each competency of the subject that is meant for
her grade. Progress is the net number of pairs mastered a school week: mastered anew less lost again. With ``n`` full
weeks of mean ``m`` and standard deviation ``s``, and ``r`` pairs left to the target, progress is taken for a random
walk with drift: in ``T`` more weeks it comes by ``m T``, with a forecast's standard error of ``s sqrt(T + T^2 / n)``;
``T^2 / n`` is for a drift that is known from ``n`` weeks only (the drift method of Hyndman and Athanasopoulos,
Forecasting: Principles and Practice, 3rd ed., 5.2 and 5.5). The projected date is where ``m T = r``. The band ends
where ``m T + t s sqrt(T + T^2 / n) = r`` and ``m T - t s sqrt(T + T^2 / n) = r``, with Student's ``t`` at 90 % and
``n - 1``: the roots of ``(m^2 - t^2 s^2 / n) T^2 - (2 r m + t^2 s^2) T + r^2``. At either end, progress will have come
that far with a chance of one in ten and of nine in ten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from scipy import stats

from cairn.calendar import DistrictCalendar

# Under so many full school weeks since the class began nothing is projected; the newest are looked at, so that a pace
# that has changed shows.
FEWEST_WEEKS = 4
MOST_WEEKS = 10
DAYS_A_WEEK = 5
BAND = 0.80


@dataclass(frozen=True)
class Pace:
    """Where a class stands in its plan. Shares are of the plan's pairs; paces are pairs a school week of five days.

    ``needed_share`` is what an even pace to the target at the year's end would have mastered by now,
    ``needed_by_term_end_share`` by the end of the term, and ``needed_a_week`` what each week until then would have to
    bring. ``outlook``: projected (then the dates say when; ``latest_date`` is None where no day of the school year is
    late enough), reached, too_early, no_progress or after_year.
    """

    mastered_share: float
    needed_share: float
    needed_by_term_end_share: float
    needed_a_week: float
    term_title: str
    term_end_date: date
    weeks: int
    a_week: float | None
    outlook: str
    projected_date: date | None = None
    earliest_date: date | None = None
    latest_date: date | None = None


def weeks_until(calendar: DistrictCalendar, first: date, last: date) -> list[tuple[date, int]]:
    """Full school weeks (their Monday, their school days) that began no earlier than ``first``'s and ended by ``last``.

    A week is full when its last school day lies no later than ``last``; weeks without school are left out.
    """
    found = []
    monday = first - timedelta(days=first.weekday())
    while monday <= last:
        days = calendar.school_days(monday, monday + timedelta(days=6))
        if days and days[-1] <= last:
            found.append((monday, len(days)))
        monday += timedelta(days=7)
    return found


def pace(
    calendar: DistrictCalendar,
    today: date,
    planned: int,
    mastered: int,
    began: date | None,
    changes: Mapping[date, int],
    target: float,
) -> Pace:
    """The pace of one class in one subject on the day ``today``.

    ``planned`` and ``mastered`` are pairs; ``began`` is the day of the first work, None before any; ``changes`` has the
    net pairs mastered on each local day of work. ``target``: the share of pairs to be mastered at the year's end.
    """
    title, term_end = calendar.term_of(today)
    year = calendar.school_days(calendar.school_year_start_date, calendar.school_year_end_date)

    def even(day: date) -> float:
        return target * sum(one <= day for one in year) / len(year) if year else target

    left_days = sum(today < one <= term_end for one in year)
    needed = max(0.0, even(term_end) * planned - mastered)
    weeks = weeks_until(calendar, began, today)[-MOST_WEEKS:] if began else []
    a_week = [DAYS_A_WEEK * _within(changes, monday) / days for monday, days in weeks]
    known = Pace(
        mastered_share=mastered / planned,
        needed_share=even(today),
        needed_by_term_end_share=even(term_end),
        needed_a_week=needed * DAYS_A_WEEK / left_days if left_days else needed,
        term_title=title,
        term_end_date=term_end,
        weeks=len(weeks),
        a_week=sum(a_week) / len(a_week) if a_week else None,
        outlook="too_early",
    )
    rest = math.ceil(round(target * planned, 9)) - mastered
    return _projected(known, rest, a_week, [one for one in year if one > today])


def _within(changes: Mapping[date, int], monday: date) -> int:
    return sum(changes.get(monday + timedelta(days=offset), 0) for offset in range(7))


def _projected(known: Pace, rest: int, a_week: Sequence[float], ahead: Sequence[date]) -> Pace:
    """The pace with its outlook; ``ahead`` are the school days to come."""
    if rest <= 0:
        return _with(known, "reached")
    if len(a_week) < FEWEST_WEEKS:
        return known
    middle, soonest, latest = time_to(rest, a_week)
    if middle is None:
        return _with(known, "no_progress")
    day = _day(ahead, middle)
    if day is None:
        return _with(known, "after_year", earliest=_day(ahead, soonest))
    return _with(known, "projected", day, _day(ahead, soonest), _day(ahead, latest))


def _with(
    known: Pace, outlook: str, day: date | None = None, earliest: date | None = None, latest: date | None = None
) -> Pace:
    return Pace(
        **{
            **vars(known),
            "outlook": outlook,
            "projected_date": day,
            "earliest_date": earliest,
            "latest_date": latest,
        }
    )


def time_to(rest: float, a_week: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """School weeks until ``rest`` pairs are done, and the ends of the band; None where there is no such time.

    ``a_week``: progress of two weeks or more.
    """
    n = len(a_week)
    mean = sum(a_week) / n
    if mean <= 0:
        return None, None, None
    variance = sum((one - mean) ** 2 for one in a_week) / (n - 1)
    spread = float(stats.t.ppf((1 + BAND) / 2, n - 1)) ** 2 * variance
    square, linear = mean**2 - spread / n, 2 * rest * mean + spread
    root = math.sqrt(max(0.0, linear**2 - 4 * square * rest**2))
    # The smaller root, in the form that does not cancel; the larger one is there only where the drift is surely upward.
    soonest = 2 * rest**2 / (linear + root)
    latest = (linear + root) / (2 * square) if square > 0 else None
    return rest / mean, soonest, latest


def _day(ahead: Sequence[date], weeks: float | None) -> date | None:
    """The school day after so many school weeks; None where the year has no such day."""
    if weeks is None:
        return None
    days = max(1, math.ceil(round(weeks * DAYS_A_WEEK, 9)))
    return ahead[days - 1] if days <= len(ahead) else None
