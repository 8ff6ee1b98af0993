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


def school_days() -> list[date]:
    """Every school day of the year, in order."""
    span = (YEAR_END - YEAR_START).days + 1
    days = (YEAR_START + timedelta(days=k) for k in range(span))
    return [day for day in days if day.isoweekday() <= 5 and day not in HOLIDAYS]


@dataclass(frozen=True)
class Dates:
    """The first ``count`` school days; everything else counts in indices of ``days`` (from 0)."""

    days: tuple[date, ...]

    @classmethod
    def of(cls, count: int) -> Dates:
        """The first ``count`` school days. Raises UsageError where the year has fewer."""
        every = school_days()
        if not 1 <= count <= len(every):
            raise UsageError(f"--days {count}: the simulated year has {len(every)} school days; give 1 to {len(every)}")
        return cls(tuple(every[:count]))

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

    def configuration(self) -> dict[str, Any]:
        """The district's calendar file, as ``cairn.calendar`` reads it."""
        return {
            "timezone": TIMEZONE,
            "school_year_start_date": YEAR_START.isoformat(),
            "school_year_end_date": YEAR_END.isoformat(),
            "holidays": [day.isoformat() for day in HOLIDAYS],
            "weekdays": [1, 2, 3, 4, 5],
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
