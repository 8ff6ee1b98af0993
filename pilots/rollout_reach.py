"""How far a rollout has come by date, against its plan, and when all of it is likely to be reached.

From ``mart_rollout_reach``: what was to begin and what began at each school, day by day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

from scipy.special import stdtrit

if TYPE_CHECKING:
    import pandas as pd

UNITS = ("schools", "classes", "pupils")
# The forecast: of as many of the last weeks, and none from fewer days on which something was added.
WEEKS, FEWEST_DATES = 6, 3
LEVEL = 0.90
# A day further off than this is not told: what was added in six weeks says nothing of the year after next.
FURTHEST = timedelta(days=365)


@dataclass(frozen=True)
class Step:
    """What was planned and reached of a unit (schools, classes or pupils) up to and with a day."""

    on_date: date
    planned: int
    reached: int


@dataclass(frozen=True)
class Forecast:
    """When all that is planned is likely to be reached: the likeliest day with a band, or why none is told.

    ``code`` is reached, too_few_dates, no_progress, too_far or projected; days are there where projected, the last is
    None where the band has no end within a year.
    """

    code: str
    likely: date | None = None
    earliest: date | None = None
    latest: date | None = None


def steps(reach: Iterable[Mapping[str, Any]], unit: str) -> list[Step]:
    """The course of one unit over the rows of ``mart_rollout_reach`` given, oldest first, days without change left out.

    Rows have ``on_date``, ``<unit>_planned`` and ``<unit>_reached``, the changes of that day.
    """
    by_day: dict[date, tuple[int, int]] = {}
    for row in reach:
        planned, reached = by_day.get(row["on_date"], (0, 0))
        by_day[row["on_date"]] = planned + int(row[f"{unit}_planned"]), reached + int(row[f"{unit}_reached"])
    found, planned, reached = [], 0, 0
    for day, (more_planned, more_reached) in sorted(by_day.items()):
        planned, reached = planned + more_planned, reached + more_reached
        if more_planned or more_reached:
            found.append(Step(day, planned, reached))
    return found


def hidden_small(course: Sequence[Step], n_min: int, total: int) -> list[Step]:
    """The course of pupils as it may be published: a number is shown again once it has grown by ``n_min`` pupils since
    it was last shown, and where so few are missing that they could be counted out it stays as it was.

    So no two numbers of it differ by fewer than ``n_min`` pupils, nor does one from the total.
    """
    found: list[Step] = []
    shown = 0
    for step in course:
        if step.reached - shown >= n_min and (step.reached == total or total - step.reached >= n_min):
            shown = step.reached
        if not found or (step.planned, shown) != (found[-1].planned, found[-1].reached):
            found.append(Step(step.on_date, step.planned, shown))
    return found


@dataclass(frozen=True)
class Group:
    """Pupils planned and reached of a group; None where they are hidden."""

    name: str
    planned: int | None
    reached: int | None


def hidden_groups(groups: Sequence[tuple[str, int, int]], n_min: int) -> list[Group]:
    """Groups as (name, planned, reached) as they may be published beside their total.

    Planned is hidden under ``n_min``; reached where those reached, or those not, are fewer, except that nobody is
    missing. Where what is hidden could still be had from the total, all of it is hidden: the hidden groups together
    must hold ``n_min`` pupils on each side.
    """

    def is_large(planned: int, reached: int) -> bool:
        return planned >= n_min and (reached == planned or min(reached, planned - reached) >= n_min)

    few = [(planned, reached) for _, planned, reached in groups if not is_large(planned, reached)]
    rest = sum(planned for planned, _ in few), sum(reached for _, reached in few)
    shows_reached = not few or is_large(*rest)
    small = [planned for _, planned, _ in groups if planned < n_min]
    shows_planned = not small or sum(small) >= n_min
    return [
        Group(
            name,
            planned if shows_planned and planned >= n_min else None,
            reached if shows_reached and shows_planned and is_large(planned, reached) else None,
        )
        for name, planned, reached in groups
    ]


# A school's numbers of its pupils; whoever has its cost beside what each cost has how many they are.
OF_PLANNED = ("pupils_planned", "dosage_minutes_mean", "cost_per_pupil_usd")


def hidden_schools(rows: Sequence[Mapping[str, Any]], n_min: int) -> list[dict[str, Any]]:
    """A pilot's rows of ``mart_rollout_school`` as they may be published beside its figures, by :func:`hidden_groups`.

    Where planned pupils are hidden all numbers of them are; pupils reached, and the share with the planned time, which
    is a number of pupils too, also where few are on one side. What was not sent stays empty.
    """

    def shown(part: Callable[[Mapping[str, Any]], float | None]) -> list[Group]:
        """The groups of one part of the planned pupils; one that nothing is known of hides none."""
        groups = []
        for row in rows:
            planned, known = int(row["pupils_planned"] or 0), part(row)
            groups.append((str(row["school_id"]), planned, planned if known is None else round(known)))
        return hidden_groups(groups, n_min)

    def met(row: Mapping[str, Any]) -> float | None:
        share = row["dosage_met_share"]
        return None if share is None else float(share) * int(row["pupils_planned"] or 0)

    found = []
    reached, with_time = shown(lambda row: row["pupils_reached"]), shown(met)
    for row, by_reach, by_time in zip(rows, reached, with_time, strict=True):
        hidden = [name for name in OF_PLANNED if by_reach.planned is None]
        hidden += ["pupils_reached"] if by_reach.reached is None else []
        hidden += ["dosage_met_share"] if by_time.reached is None else []
        found.append({**row, **dict.fromkeys(hidden)})
    return found


def forecast(course: Sequence[Step], data_date: date) -> Forecast:
    """When all that is planned is reached, if it goes on as in the last six weeks.

    What was added in each whole week back from the data date, six at most and none before the rollout's first day,
    gives a mean a week and its standard error; what is missing over the mean gives the day, over the bounds of the
    mean's 90 % interval (t) the band. No day before the last school was to begin.
    """
    planned, reached = (course[-1].planned, course[-1].reached) if course else (0, 0)
    if planned and reached >= planned:
        return Forecast("reached")
    grown = [step.on_date for before, step in zip((None, *course), course, strict=False) if _more(before, step)]
    weeks = min(WEEKS, ((data_date - course[0].on_date).days + 1) // 7) if course else 0
    if len(grown) < FEWEST_DATES or weeks < FEWEST_DATES:
        return Forecast("too_few_dates")
    added = [
        _reached_on(course, data_date - timedelta(weeks=week))
        - _reached_on(course, data_date - timedelta(weeks=week + 1))
        for week in range(weeks)
    ]
    mean = sum(added) / weeks
    if mean == 0:
        return Forecast("no_progress")
    error = sqrt(sum((one - mean) ** 2 for one in added) / (weeks - 1) / weeks)
    margin = float(stdtrit(weeks - 1, (1 + LEVEL) / 2)) * error
    begins = max(step.on_date for before, step in zip((None, *course), course, strict=False) if _begins(before, step))

    def day(a_week: float) -> date | None:
        after = timedelta(days=ceil(7 * (planned - reached) / a_week)) if a_week > 0 else FURTHEST * 2
        return max(data_date + after, begins) if after <= FURTHEST else None

    likely, earliest = day(mean), day(mean + margin)
    return Forecast("projected", likely, earliest, day(mean - margin)) if likely else Forecast("too_far")


def _more(before: Step | None, step: Step) -> bool:
    return step.reached > (before.reached if before else 0)


def _begins(before: Step | None, step: Step) -> bool:
    return step.planned > (before.planned if before else 0)


def _reached_on(course: Sequence[Step], day: date) -> int:
    return max((step.reached for step in course if step.on_date <= day), default=0)


def rows_of(reach: pd.DataFrame, pilot_id: str) -> list[dict[str, Any]]:
    """A pilot's rows of the mart, days as dates."""
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()}
        for row in reach[reach["pilot_id"] == pilot_id].to_dict("records")
    ]
    for row in rows:
        if not isinstance(row["on_date"], date) or hasattr(row["on_date"], "date"):
            row["on_date"] = row["on_date"].date()
    return rows
