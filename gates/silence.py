"""Sources that fell silent, by the school calendar: a weekend is no silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from cairn.calendar import DistrictCalendar


def silent_sources(
    days_by_source: Mapping[str, Iterable[date]], calendar: DistrictCalendar, today: date, rule: Mapping[str, Any]
) -> dict[str, date]:
    """Sources that worked on ``at_least_days`` days of the window and on none of the last school days: last day.

    ``today`` is the last local day that counts; ``rule`` has window_days, at_least_days, silent_school_days.
    """
    start = today - timedelta(days=int(rule["window_days"]))
    recent = calendar.school_days(start, today)[-int(rule["silent_school_days"]) :]
    if not recent:
        return {}
    silent = {}
    for source, days in days_by_source.items():
        seen = {day for day in days if start <= day <= today}
        if len(seen) >= int(rule["at_least_days"]) and max(seen) < recent[0]:
            silent[source] = max(seen)
    return silent
