"""Question 1 of a school's page: can I trust today's data? A verdict by rule, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from answers import wording
from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.language import gettext
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
        return gettext("This is the answer of {day}. Newer data, up to {last}, has not been published.").format(
            day=wording.day(self.data_date), last=wording.day(self.expected_date)
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
        told = gettext("{count} of {all} statements unexplained")
        return Line("bad", told.format(count=wording.number(abs(unexplained)), all=wording.number(received)))
    if not received:
        return Line("care", gettext("No statements received that day"))
    accepted = (trust["accepted"] or 0) + (trust["duplicate"] or 0)
    if accepted < received:
        told = gettext("All {all} accounted for, {count} set aside")
        return Line("good", told.format(all=wording.number(received), count=wording.number(received - accepted)))
    return Line("good", gettext("All {all} statements accounted for").format(all=wording.number(received)))


def _sources(trust: dict[str, Any]) -> Line:
    silent = trust["silent_sources"] or 0
    if silent:
        names = trust["silent_source_names"] or gettext("unnamed")
        told = gettext("{sources} silent: {names}")
        return Line("care", told.format(sources=wording.plural(silent, "source"), names=names))
    return Line("good", gettext("Every source reported"))


def verdict(trust: dict[str, Any] | None, held_reason: str | None, age: Age, zone: ZoneInfo) -> Verdict:
    """The answer and at most four reasons, the gravest first.

    ``trust`` is the school's row of mart_school_trust (None where it has none).
    """
    if trust is None:
        return Verdict("care", gettext("Not yet"), (Line("care", gettext("No data has come from this school yet")),))
    lines = [_books(trust), _sources(trust)]
    last = trust["last_event_at"]
    if last:
        lines.append(Line("good", gettext("Last work {when}").format(when=wording.moment(last, zone))))
    else:
        lines.append(Line("care", gettext("No work recorded")))
    if age.is_old:
        lines.append(Line("care", gettext("Old: data of {day}").format(day=wording.short_day(age.data_date))))
    if trust["is_held_back"]:
        why = wording.retold(held_reason or "a check failed")
        lines.append(Line("bad", gettext("Held back: {reason}").format(reason=why)))
    elif trust["gates_failed"]:
        failed = wording.plural(trust["gates_failed"], "check")
        lines.append(Line("care", gettext("{checks} failed").format(checks=failed)))
    if trust["unlinked_events"]:
        waiting = wording.number(trust["unlinked_events"])
        lines.append(Line("good", gettext("{count} events wait for a roster link").format(count=waiting)))
    order = {"bad": 0, "care": 1, "good": 2}
    lines.sort(key=lambda line: order[line.level])
    level = lines[0].level
    word = {"good": gettext("Yes"), "care": gettext("With care"), "bad": gettext("No")}[level]
    return Verdict(level, word, tuple(lines))
