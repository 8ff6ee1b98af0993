"""The district's calendar, over changes of clocks and holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.settings import Settings

RAW = {
    "timezone": "America/Chicago",
    "school_year_start_date": date(2026, 8, 17),
    "school_year_end_date": "2027-06-04",
    "holidays": [date(2026, 9, 7)],
    "weekdays": [1, 2, 3, 4, 5],
    "night_starts_at": 120,
    "feeds_at": "06:00",
}
CALENDAR = DistrictCalendar.from_mapping(RAW, "calendar.yaml", "UTC")


def test_the_example_loads(settings: Settings) -> None:
    calendar = DistrictCalendar.load(settings)
    assert (calendar.night_starts_at, calendar.feeds_at) == (time(2), time(6))
    assert calendar.is_school_day(date(2026, 10, 14))


def test_the_districts_own_calendar_is_taken(tmp_path: Path) -> None:
    (tmp_path / "calendar.yaml").write_text(
        "timezone: Europe/Berlin\nschool_year_start_date: 2026-09-01\nschool_year_end_date: 2027-07-01\n"
    )
    assert DistrictCalendar.load(Settings(home=tmp_path, district_dir=tmp_path)).zone.key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("day", "is_school_day"),
    [("2026-09-04", True), ("2026-09-05", False), ("2026-09-07", False), ("2026-08-14", False), ("2027-06-07", False)],
)
def test_school_days(day: str, is_school_day: bool) -> None:
    assert CALENDAR.is_school_day(date.fromisoformat(day)) is is_school_day


def test_days_have_23_and_25_hours_when_clocks_change() -> None:
    hours = []
    for day in (date(2027, 3, 14), date(2026, 11, 1), date(2026, 11, 2)):
        start, end = CALENDAR.day_bounds(day)
        hours.append((end - start) / timedelta(hours=1))
    assert hours == [23, 25, 24]


@given(st.datetimes(datetime(2026, 8, 1), datetime(2027, 7, 1), timezones=st.just(UTC)))
def test_every_instant_lies_within_its_local_day(instant: datetime) -> None:
    start, end = CALENDAR.day_bounds(CALENDAR.local_date(instant))
    assert start <= instant < end


def test_the_previous_school_day_skips_weekends_and_holidays() -> None:
    assert CALENDAR.previous_school_day(date(2026, 9, 8)) == date(2026, 9, 4)
    assert CALENDAR.previous_school_day(date(2027, 8, 1)) == date(2027, 6, 4)
    with pytest.raises(LookupError):
        CALENDAR.previous_school_day(date(2026, 8, 17))


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        CALENDAR.local_date(datetime(2026, 10, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timezone": "Chicago"}, "timezone is not a known"),
        ({"school_year_start_date": "17.8.2026"}, "school_year_start_date is missing or not a date"),
        ({"school_year_end_date": date(2026, 1, 1)}, "lies before"),
        ({"feeds_at": "six"}, "feeds_at is not a time of day"),
    ],
)
def test_a_mistake_is_named_with_its_file(change: dict[str, object], said: str) -> None:
    with pytest.raises(CairnError, match=rf"calendar\.yaml: .*{said}"):
        DistrictCalendar.from_mapping(RAW | change, "calendar.yaml", "UTC")


def test_yaml_with_a_mistake_is_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "calendar.yaml").write_text("timezone: UTC\nholidays: [1\nx: y\n")
    with pytest.raises(CairnError, match=r"calendar\.yaml:\d+: not valid YAML"):
        DistrictCalendar.load(Settings(home=tmp_path, district_dir=tmp_path))
