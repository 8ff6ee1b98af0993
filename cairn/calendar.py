"""The district's calendar: which days are school days, and where one local day begins and ends in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.settings import Settings

CALENDAR_FILE = "calendar.yaml"
SCHOOL_WEEK = (1, 2, 3, 4, 5)
# A school year is shorter than this; a search for a school day that goes further is a calendar without any.
LONGEST_SEARCH_DAYS = 400


@dataclass(frozen=True)
class DistrictCalendar:
    """Days are district-local dates, instants are aware datetimes; weekdays are ISO (Monday is 1).

    ``terms``: titles and last days, in order; none where the district names none.
    """

    zone: ZoneInfo
    school_year_start_date: date
    school_year_end_date: date
    holidays: frozenset[date]
    weekdays: frozenset[int]
    night_starts_at: time
    feeds_at: time
    terms: tuple[tuple[str, date], ...] = ()

    @classmethod
    def load(cls, settings: Settings) -> DistrictCalendar:
        """The calendar in ``calendar.yaml`` of the district's configuration. Raises CairnError naming file and key."""
        path = district_path(settings, CALENDAR_FILE)
        return cls.from_mapping(load_yaml_mapping(path), str(path), settings.timezone)

    @classmethod
    def from_mapping(cls, raw: dict[str, Any], where: str, default_zone: str) -> DistrictCalendar:
        """A calendar from the keys of calendar.yaml; ``where`` names the file in errors."""
        try:
            zone = ZoneInfo(str(raw.get("timezone", default_zone)))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise CairnError(f"{where}: timezone is not a known time zone: use an IANA name") from error
        calendar = cls(
            zone=zone,
            school_year_start_date=_day(raw.get("school_year_start_date"), where, "school_year_start_date"),
            school_year_end_date=_day(raw.get("school_year_end_date"), where, "school_year_end_date"),
            holidays=frozenset(_day(value, where, "holidays") for value in raw.get("holidays") or ()),
            weekdays=frozenset(int(value) for value in raw.get("weekdays") or SCHOOL_WEEK),
            night_starts_at=_clock(raw.get("night_starts_at", "02:00"), where, "night_starts_at"),
            feeds_at=_clock(raw.get("feeds_at", "06:00"), where, "feeds_at"),
            terms=_terms(raw.get("terms"), where),
        )
        if calendar.school_year_end_date < calendar.school_year_start_date:
            raise CairnError(f"{where}: school_year_end_date lies before school_year_start_date: correct one of them")
        return calendar

    def is_school_day(self, day: date) -> bool:
        """Whether school is held on the local day: in the school year, on a school weekday, no holiday."""
        return (
            self.school_year_start_date <= day <= self.school_year_end_date
            and day.isoweekday() in self.weekdays
            and day not in self.holidays
        )

    def local_date(self, instant: datetime) -> date:
        """The local day an instant falls on. Raises ValueError for a datetime without a time zone."""
        if instant.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return instant.astimezone(self.zone).date()

    def day_bounds(self, day: date) -> tuple[datetime, datetime]:
        """UTC instants at which the local day begins and ends (half-open); 23 or 25 hours when clocks change."""
        start = datetime.combine(day, time.min, tzinfo=self.zone)
        end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=self.zone)
        return start.astimezone(UTC), end.astimezone(UTC)

    def term_of(self, day: date) -> tuple[str, date]:
        """Title and last day of the term that the day lies in, or comes next; the school year where there is none."""
        for title, end in self.terms:
            if day <= end:
                return title, end
        return "School year", self.school_year_end_date

    def previous_school_day(self, day: date) -> date:
        """The last school day before the local day. Raises LookupError where the calendar has none."""
        candidate = min(day, self.school_year_end_date + timedelta(days=1))
        for _ in range(LONGEST_SEARCH_DAYS):
            candidate -= timedelta(days=1)
            if self.is_school_day(candidate):
                return candidate
        raise LookupError(f"no school day before {day} in the district's calendar")

    def school_days(self, first: date, last: date) -> list[date]:
        """School days from first to last, both inclusive."""
        span = range((last - first).days + 1)
        return [day for day in (first + timedelta(days=offset) for offset in span) if self.is_school_day(day)]


def _terms(value: Any, where: str) -> tuple[tuple[str, date], ...]:
    """Terms from YAML: a list of title and end_date, in order."""
    if not all(isinstance(one, dict) and one.get("title") for one in value or ()):
        raise CairnError(f"{where}: terms: expected a list of title and end_date: see the example in schemas/district")
    found = tuple((str(one["title"]), _day(one.get("end_date"), where, "terms.end_date")) for one in value or ())
    ends = [end for _, end in found]
    if ends != sorted(set(ends)):
        raise CairnError(f"{where}: terms: each must end after the one before: put them in order")
    return found


def _day(value: Any, where: str, key: str) -> date:
    """A date from YAML, which reads 2026-08-17 as a date and a quoted one as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise CairnError(f"{where}: {key} is missing or not a date: write it as 2026-08-17") from error


def _clock(value: Any, where: str, key: str) -> time:
    """A time of day from YAML, which reads an unquoted 02:00 as minutes in base 60 (YAML 1.1)."""
    try:
        if isinstance(value, int):
            return time(value // 60, value % 60)
        return time.fromisoformat(str(value))
    except ValueError as error:
        raise CairnError(f'{where}: {key} is not a time of day: write it as "02:00"') from error
