"""What spreadsheets write is told from what it looks like, and never read as something else."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cairn.spreadsheets import DAY_ZERO, day_meant, number_meant

DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))


@given(st.integers(1_000, 10**9), st.integers(0, 999), st.integers(0, 59))
def test_numbers_are_written_as_they_were_meant(number: int, hours: int, minutes: int) -> None:
    for cell, value in (
        (f"{number:,}", str(number)),
        (f"{hours}:{minutes:02d}", f"the minutes, {60 * hours + minutes}"),
    ):
        meant = number_meant(cell)
        assert meant is not None and meant.value == value
    assert number_meant(str(number)) is None, "a plain number needs no advice"


@given(DAYS)
def test_days_are_written_as_they_were_meant(day: date) -> None:
    stored = day_meant((day - DAY_ZERO).days)
    assert stored is not None and stored.value == day.isoformat()
    shown = [day_meant(f"{day.month}/{day.day}/{day.year}"), day_meant(f"{day.day}.{day.month}.{day.year}")]
    for meant in shown:
        assert meant is not None
        # Where month and day could be either, neither is guessed.
        assert meant.value == (day.isoformat() if day.day > 12 or day.day == day.month else "it as YYYY-MM-DD")
    assert day_meant(day.isoformat()) is None


def test_the_example_of_the_manuals() -> None:
    assert DAY_ZERO + timedelta(days=46273) == date(2026, 9, 8)
    assert number_meant("80%").value == "the share, 0.8"  # type: ignore[union-attr]
    assert [number_meant(cell) for cell in ("", "12 min", "1,2,3", "1.250,5")] == [None] * 4
