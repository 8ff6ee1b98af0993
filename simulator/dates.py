"""The simulated school year: which days are school days, and what the clock shows in the district."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cairn.errors import UsageError

TIMEZONE = "America/Chicago"
YEAR_START = date(2026, 8, 17)
YEAR_HALF = date(2027, 1, 15)
YEAR_END = date(2027, 6, 4)
HOLIDAYS = (
    date(2026, 9, 7),
    date(2026, 10, 12),
    *(date(2026, 11, 25) + timedelta(days=k) for k in range(3)),
    *(date(2026, 12, 21) + timedelta(days=k) for k in range(12)),
    date(2027, 1, 18),
    date(2027, 2, 15),
    *(date(2027, 3, 22) + timedelta(days=k) for k in range(5)),
    date(2027, 5, 31),
)


def school_days(start: date = YEAR_START, shift: timedelta = timedelta(0)) -> list[date]:
    """Every school day from ``start`` to the end of the year, in order; ``shift`` moves holidays and end."""
    span = (YEAR_END + shift - start).days + 1
    days = (start + timedelta(days=k) for k in range(span))
    return [day for day in days if day.isoweekday() <= 5 and day - shift not in HOLIDAYS]


@dataclass(frozen=True)
class Dates:
    """The first ``count`` school days; everything else counts in indices of ``days`` (from 0).

    ``shift``, whole weeks, is by how much holidays and the end of the year lie later than in the calendar above.
    """

    days: tuple[date, ...]
    shift: timedelta = timedelta(0)

    @classmethod
    def of(cls, count: int, last: date | None = None) -> Dates:
        """The first ``count`` school days of the year 2026-27, or of one moved so that they end by ``last``.

        The last of them is then the last school day up to ``last``. Raises UsageError where the year has fewer.
        """
        every = school_days()
        if not 1 <= count <= len(every):
            raise UsageError(f"--days {count}: the simulated year has {len(every)} school days; give 1 to {len(every)}")
        if last is None:
            return cls(tuple(every[:count]))
        shift = timedelta(weeks=round((last - every[count - 1]).days / 7))
        # Begun some weeks early, the year has school days enough before ``last``, whatever the holidays do.
        before = [day for day in school_days(YEAR_START + shift - timedelta(weeks=4), shift) if day <= last]
        return cls(tuple(before[-count:]), shift)

    @property
    def year_start(self) -> date:
        """First day of the school year."""
        return self.days[0]

    @property
    def year_half(self) -> date:
        """Last day of the fall semester."""
        return YEAR_HALF + self.shift

    @property
    def year_end(self) -> date:
        """Last day of the school year."""
        return YEAR_END + self.shift

    @property
    def last(self) -> date:
        """Last simulated day."""
        return self.days[-1]

    @cached_property
    def midnight_us(self) -> NDArray[np.int64]:
        """UTC microseconds of each school day's local midnight."""
        return np.array([midnight_us(day) for day in self.days], dtype=np.int64)

    @cached_property
    def fall(self) -> tuple[int, int]:
        """First and last day (indices) of the fall window: days 6 to 10, days 2 to 4 in a short run."""
        n = len(self.days)
        return (5, 9) if n >= 30 else (min(1, n - 1), min(3, n - 1))

    @cached_property
    def winter(self) -> tuple[int, int]:
        """First and last day (indices) of the winter window: days N-12 to N-8; in a short run the last but a few."""
        n = len(self.days)
        return (n - 12, n - 8) if n >= 30 else (max(n - 6, 0), max(n - 3, 0))

    @cached_property
    def pilot(self) -> tuple[int, int]:
        """First and last day (indices) on which pilots are in use: after the fall window to the winter window."""
        return min(self.fall[1] + 1, len(self.days) - 1), max(self.winter[0] - 1, 0)

    @cached_property
    def between(self) -> tuple[tuple[int, int], ...]:
        """First and last day (indices) of two windows between fall and winter: the last days, five at most, of the
        first and of the second third of the pilots' days."""
        first, last = self.pilot
        span = last - first + 1
        ends = [first + k * span // 3 - 1 for k in (1, 2)]
        width = max(1, min(5, span // 6))
        return tuple((end - width + 1, end) for end in ends)

    def configuration(self) -> dict[str, Any]:
        """The district's calendar file, as ``cairn.calendar`` reads it."""
        return {
            "timezone": TIMEZONE,
            "school_year_start_date": self.year_start.isoformat(),
            "school_year_end_date": self.year_end.isoformat(),
            "holidays": [(day + self.shift).isoformat() for day in HOLIDAYS],
            "weekdays": [1, 2, 3, 4, 5],
            "terms": [
                {"title": "Fall semester", "end_date": self.year_half.isoformat()},
                {"title": "Spring semester", "end_date": self.year_end.isoformat()},
            ],
            "night_starts_at": "02:00",
            "feeds_at": "06:00",
        }


def midnight_us(day: date) -> int:
    """UTC microseconds of the district's midnight at the start of ``day``."""
    local = datetime.combine(day, time(), tzinfo=ZoneInfo(TIMEZONE))
    return int(local.timestamp()) * 1_000_000


def utc_offset_hours(day: date) -> int:
    """Hours from UTC at noon of ``day`` (school work is never in the hour the clocks change)."""
    offset = datetime.combine(day, time(12), tzinfo=ZoneInfo(TIMEZONE)).utcoffset()
    return int(offset.total_seconds() // 3600) if offset else 0
