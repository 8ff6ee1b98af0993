"""Numbers and days as spreadsheets show or store them: told apart from what they look like, never guessed silently.

A cell that shows 1,250, 0:45 or 10/26/2026, or a day stored as 46273, is refused where it is read, unless the layout of
the file states the rule by which it is read (NUMBER_RULES, SPREADSHEET_DAY). What is here finds the words for it: what
it is, and how to write it. ``value`` repeats the cell, so it is for plans and settings only; of
rows about people say ``what``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)(:[0-5]\d)?")
PERCENT = re.compile(r"([-+]?\d+(\.\d+)?)\s*%")
SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
# Day 0 of spreadsheets, so chosen that the days from March 1900 on agree with them (they count a 29 February 1900).
DAY_ZERO = date(1899, 12, 30)
# Days from 2000 to 2100: a whole number between them, where a day is meant, is one.
FIRST_DAY, LAST_DAY = (date(2000, 1, 1) - DAY_ZERO).days, (date(2100, 1, 1) - DAY_ZERO).days
# As a format of dates in a layout: the number under which a spreadsheet stores a day.
SPREADSHEET_DAY = "spreadsheet_day"


@dataclass(frozen=True)
class Meant:
    """``what`` a cell is, in words; ``value``: how to write it, empty where that cannot be known."""

    what: str
    value: str

    @property
    def advice(self) -> str:
        """Both in one clause."""
        return f"this is {self.what}; write {self.value}" if self.value else f"this is {self.what}"


def number_meant(text: str) -> Meant | None:
    """What a text that should be a number is; None where it is nothing that a spreadsheet writes."""
    cell = text.strip()
    if GROUPED.fullmatch(cell):
        return Meant("a number with commas between thousands", cell.replace(",", ""))
    if clock := CLOCK.fullmatch(cell):
        minutes = 60 * int(clock[1]) + int(clock[2])
        return Meant("a time as hours:minutes", f"the minutes, {minutes}")
    if percent := PERCENT.fullmatch(cell):
        return Meant("a percentage", f"the share, {float(percent[1]) / 100:g}")
    return None


def _thousands(text: str) -> float | None:
    return float(text.replace(",", "")) if GROUPED.fullmatch(text) else None


def _minutes(text: str) -> float | None:
    clock = CLOCK.fullmatch(text)
    return 60 * int(clock[1]) + int(clock[2]) + int((clock[3] or ":0")[1:]) / 60 if clock else None


def _share(text: str) -> float | None:
    percent = PERCENT.fullmatch(text)
    return float(percent[1]) / 100 if percent else None


# What a layout may say of a number: 1,250 is 1250; 0:45 (hours:minutes, or with seconds) is 45 minutes; 80% is 0.8.
NUMBER_RULES: Mapping[str, Callable[[str], float | None]] = {
    "thousands": _thousands,
    "clock_as_minutes": _minutes,
    "percent_as_share": _share,
}


def day_of_number(text: str) -> date | None:
    """The day that a spreadsheet stores as this number; None for what is none, and for days outside 2000 to 2100."""
    if re.fullmatch(r"\d+(\.0*)?", text) and FIRST_DAY <= int(float(text)) <= LAST_DAY:
        return DAY_ZERO + timedelta(days=int(float(text)))
    return None


def day_meant(cell: str | float) -> Meant | None:
    """What a cell that should be a day (YYYY-MM-DD) is; None where it is nothing that a spreadsheet writes."""
    text = str(cell).strip()
    if day := day_of_number(text):
        return Meant("a spreadsheet's number of a day", day.isoformat())
    if slashed := SLASHED.fullmatch(text):
        first, second, year = (int(part) for part in slashed.groups())
        return Meant("a day as a spreadsheet shows it", _only_reading(first, second, year) or "it as YYYY-MM-DD")
    return None


def _only_reading(first: int, second: int, year: int) -> str:
    """The day where only one of month/day and day/month can be meant; empty where both can."""
    days = set()
    for month, day in ((first, second), (second, first)):
        try:
            days.add(date(year, month, day).isoformat())
        except ValueError:
            continue
    return days.pop() if len(days) == 1 else ""
