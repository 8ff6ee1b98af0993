"""On which days published numbers may change, and how counts are rounded: ``publications`` in ``privacy.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cairn.district import load_yaml_mapping
from cairn.errors import CairnError
from cairn.privacy import FILE_NAME, smallest_group
from cairn.settings import Settings

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ROUNDED, EXACT = "rounded", "exact"
KEYS = ("weekday", "every_weeks", "counts")


@dataclass(frozen=True)
class PublicationRules:
    """``weekday`` as date.weekday() has it, every so many weeks; ``counts`` rounded to ``n_min`` or exact."""

    n_min: int
    weekday: int = 0
    every_weeks: int = 1
    counts: str = ROUNDED

    @property
    def counts_to(self) -> int:
        """Counts are published as multiples of this."""
        return self.n_min if self.counts == ROUNDED else 1

    def is_due(self, day: date, last: date | None) -> bool:
        """Whether numbers may change on a day, the last publication being of ``last`` (None: there is none yet, and
        the first may come on any day)."""
        if last is None:
            return True
        return day.weekday() == self.weekday and day - last >= timedelta(weeks=self.every_weeks) - timedelta(days=6)

    def next_date(self, last: date) -> date:
        """The first day after ``last`` on which numbers may change."""
        day = last + timedelta(days=1)
        while not self.is_due(day, last):
            day += timedelta(days=1)
        return day


def publication_rules(settings: Settings) -> PublicationRules:
    """The district's rules; Monday, weekly and rounded where ``privacy.yaml`` says nothing of them.

    Raises CairnError naming the file and what to write where a value is not one of those allowed.
    """
    n_min, path = smallest_group(settings), settings.district_dir / FILE_NAME
    raw: Any = load_yaml_mapping(path).get("publications") if path.exists() else None
    if raw is None:
        return PublicationRules(n_min)
    if not isinstance(raw, Mapping) or set(raw) - set(KEYS):
        raise CairnError(f"{path}: publications has the keys {', '.join(KEYS)} and no other: correct it")
    weekday, weeks, counts = (raw.get(key, default) for key, default in zip(KEYS, ("monday", 1, ROUNDED), strict=True))
    if weekday not in WEEKDAYS:
        raise CairnError(f"{path}: publications.weekday is {weekday!r}: write one of {', '.join(WEEKDAYS)}")
    if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks < 1:
        raise CairnError(f"{path}: publications.every_weeks must be a whole number, 1 or more: write 'every_weeks: 1'")
    if counts not in (ROUNDED, EXACT):
        raise CairnError(f"{path}: publications.counts is {counts!r}: write {ROUNDED} or {EXACT}")
    return PublicationRules(n_min, WEEKDAYS.index(weekday), weeks, counts)
