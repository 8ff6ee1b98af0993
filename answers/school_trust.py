"""Question 1 of a school's page: can I trust today's data? A verdict by rule, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from answers import wording
from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.settings import Settings


@dataclass(frozen=True)
class Line:
    """One reason: ``level`` is good, care or bad."""

    level: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """``level`` is good (use it), care (use it, knowing why), bad (the last good answer is shown instead)."""

    level: str
    word: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Age:
    """How old a release is: ``is_old`` where a school day has passed that it does not hold."""

    data_date: date
    expected_date: date
    is_old: bool

    @property
    def label(self) -> str:
        """The label of an old release."""
        return (
            f"This is the answer of {wording.day(self.data_date)}. "
            f"Newer data, up to {wording.day(self.expected_date)}, has not been published."
        )


def release_age(data_date: date, previous_school_day: date) -> Age:
    """Compare a release with the school day it should hold by now: the last one before today."""
    return Age(data_date, previous_school_day, data_date < previous_school_day)


def expected_data_date(calendar: DistrictCalendar, now: datetime) -> date:
    """The school day a release should hold by ``now``: the last one whose next morning's feed hour has passed.

    Raises LookupError where the calendar has no such day.
    """
    local = now.astimezone(calendar.zone)
    last = calendar.previous_school_day(local.date())
    is_night_running = last == local.date() - timedelta(days=1) and local.time() < calendar.feeds_at
    return calendar.previous_school_day(last) if is_night_running else last


def current_age(settings: Settings, data_date: date) -> Age:
    """How old a release of that data date is now; never old where the calendar has no answer."""
    try:
        expected = expected_data_date(DistrictCalendar.load(settings), datetime.now(UTC))
    except (CairnError, LookupError):
        expected = data_date
    return release_age(data_date, expected)


def _books(trust: dict[str, Any]) -> Line:
    received, unexplained = trust["received"] or 0, trust["unexplained"] or 0
    if unexplained:
        return Line("bad", f"{wording.number(abs(unexplained))} of {wording.number(received)} statements unexplained")
    if not received:
        return Line("care", "No statements received that day")
    accepted = (trust["accepted"] or 0) + (trust["duplicate"] or 0)
    if accepted < received:
        return Line(
            "good", f"All {wording.number(received)} accounted for, {wording.number(received - accepted)} set aside"
        )
    return Line("good", f"All {wording.number(received)} statements accounted for")


def _sources(trust: dict[str, Any]) -> Line:
    silent = trust["silent_sources"] or 0
    if silent:
        return Line("care", f"{wording.plural(silent, 'source')} silent: {trust['silent_source_names'] or 'unnamed'}")
    return Line("good", "Every source reported")


def verdict(trust: dict[str, Any] | None, held_reason: str | None, age: Age, zone: ZoneInfo) -> Verdict:
    """The answer and at most four reasons, the gravest first.

    ``trust`` is the school's row of mart_school_trust (None where it has none).
    """
    if trust is None:
        return Verdict("care", "Not yet", (Line("care", "No data has come from this school yet"),))
    lines = [_books(trust), _sources(trust)]
    last = trust["last_event_at"]
    lines.append(Line("good", f"Last work {wording.moment(last, zone)}") if last else Line("care", "No work recorded"))
    if age.is_old:
        lines.append(Line("care", f"Old: data of {wording.short_day(age.data_date)}"))
    if trust["is_held_back"]:
        lines.append(Line("bad", f"Held back: {held_reason or 'a check failed'}"))
    elif trust["gates_failed"]:
        lines.append(Line("care", f"{wording.plural(trust['gates_failed'], 'check')} failed"))
    if trust["unlinked_events"]:
        lines.append(Line("good", f"{wording.number(trust['unlinked_events'])} events wait for a roster link"))
    order = {"bad": 0, "care": 1, "good": 2}
    lines.sort(key=lambda line: order[line.level])
    level = lines[0].level
    word = {"good": "Yes", "care": "With care", "bad": "No"}[level]
    return Verdict(level, word, tuple(lines))
