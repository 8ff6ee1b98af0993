"""Sources that fell silent, by the school calendar: a weekend is no silence.

The rule is ``silence`` in ``rules/bronze_to_silver.yaml`` (or the district's own file). The gate applies it to a
source, the watch over intake to a source at a school, and so do the marts (int_source_silence.sql, which gets the
numbers from here).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from cairn.calendar import DistrictCalendar
from cairn.settings import Settings
from gates.thresholds import thresholds

# A source, or a source at a school.
Who = TypeVar("Who", bound=Hashable)


@dataclass(frozen=True)
class SilenceRule:
    """A source that worked on ``at_least_days`` days of the last ``window_days`` and on none of the last
    ``silent_school_days`` school days is silent."""

    window_days: int
    at_least_days: int
    silent_school_days: int

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> SilenceRule:
        """The rule as YAML has it."""
        return cls(int(rule["window_days"]), int(rule["at_least_days"]), int(rule["silent_school_days"]))

    @classmethod
    def load(cls, settings: Settings) -> SilenceRule:
        """The district's rule."""
        return cls.of(thresholds(settings, "bronze_to_silver")["silence"])

    def starts(self, today: date) -> date:
        """First day of the window that ends with ``today``."""
        return today - timedelta(days=self.window_days)

    def silent_since(self, calendar: DistrictCalendar, today: date) -> date | None:
        """The school day since which a silent source has sent nothing; None where the window has too few of them, as
        on the school year's first day."""
        recent = calendar.school_days(self.starts(today), today)[-self.silent_school_days :]
        return recent[0] if len(recent) == self.silent_school_days else None


def silent_sources(
    days_by_source: Mapping[Who, Iterable[date]], calendar: DistrictCalendar, today: date, rule: SilenceRule
) -> dict[Who, date]:
    """Silent sources (or sources at schools) and the last day on which each worked.

    ``today`` is the last local day that counts.
    """
    start, since = rule.starts(today), rule.silent_since(calendar, today)
    if since is None:
        return {}
    silent = {}
    for source, days in days_by_source.items():
        seen = {day for day in days if start <= day <= today}
        if len(seen) >= rule.at_least_days and max(seen) < since:
            silent[source] = max(seen)
    return silent
