"""Clocks that are wrong: work dated after it was received, or before the school year in which it was received.

The numbers are ``intake.yaml`` of the district. What breaks the rule is set aside by intake with its reason, and comes
in as late evidence once somebody has released it (``cairn intake quarantine release``). Nothing is said against work
that its source declares to be older history (``cairn.evidence.meaning.HISTORY``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from cairn.calendar import DistrictCalendar
from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.settings import Settings

INTAKE_FILE = "intake.yaml"
# Reasons of what is set aside, with what they mean.
AHEAD, BEFORE_YEAR = "clock_ahead", "before_school_year"
REASONS: Mapping[str, str] = {
    AHEAD: "the work is dated after it was received: the device's or the app's clock is ahead",
    BEFORE_YEAR: "the work is dated before the school year in which it was received: a reset clock, or history",
}
# By this extension a record says that somebody released it, and which time it has: one of WORK_TIMES.
RELEASED = "released"
AS_SENT, AS_RECEIVED = "as-sent", "received"
WORK_TIMES = (AS_SENT, AS_RECEIVED)


@dataclass(frozen=True)
class ClockRule:
    """How far work may lie after its receipt, and from which day on it may lie.

    ``ahead_tolerance_seconds`` is for clocks that are a little fast. ``school_year_start`` is the calendar's.
    ``timezone`` is the district's (IANA): days are days there.
    """

    timezone: str
    ahead_tolerance_seconds: int
    school_year_start: date

    @classmethod
    def load(cls, settings: Settings) -> ClockRule:
        """The district's rule. Raises CairnError naming file and key."""
        path = district_path(settings, INTAKE_FILE)
        raw = load_yaml_mapping(path).get("clock")
        seconds = raw.get("ahead_tolerance_seconds") if isinstance(raw, dict) else None
        if type(seconds) is not int or seconds < 0:
            raise CairnError(f"{path}: clock.ahead_tolerance_seconds: expected whole seconds, 0 or more, such as 300")
        return cls(settings.timezone, seconds, DistrictCalendar.load(settings).school_year_start_date)

    @property
    def ahead(self) -> timedelta:
        """How far work may lie after its receipt."""
        return timedelta(seconds=self.ahead_tolerance_seconds)

    @property
    def former_year_start(self) -> date:
        """First day of what is received before the calendar's school year: a year (53 weeks at most) before it."""
        return self.school_year_start - timedelta(weeks=53)
