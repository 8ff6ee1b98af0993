"""Instants and durations as standards write them, in one canonical form.

Instants: RFC 3339, a zone is required. Durations: ISO 8601 (``PT2M``, ``P1DT2H``, ``P3W``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)", re.ASCII)
DURATION = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W|(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?)",
    re.ASCII,
)
# ISO 8601:2004, 4.4.3.2: only the last part may have a fraction.
FRACTION_BEFORE_THE_LAST = re.compile(r"\.\d+[YMDH]T?\d", re.ASCII)
# Weeks, years, months, days, hours, minutes, seconds. Years and months have no fixed length: nominal ones.
DURATION_SECONDS = (604_800, 31_536_000, 2_592_000, 86_400, 3_600, 60, 1)
LONGEST_DURATION_MS = 10 * 31_536_000 * 1000
# Work before the first electronic record or in the next century is a broken clock, not work.
EARLIEST_YEAR, LATEST_YEAR = 1990, 2099


# The rules of a standard look at an instant before its reader does: the second look is free.
@lru_cache(16)
def parse_instant(text: str) -> datetime:
    """The instant in UTC, cut to microseconds.

    Raises ValueError where the text is not RFC 3339 with a zone, or lies outside 1990 to 2099. ``-00:00`` is no zone:
    RFC 3339 (4.3) has it say that the zone is not known. A leap second (``:60``, which can be at 23:59 UTC only)
    becomes the last microsecond before it.
    """
    match = INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 instant with a zone")
    day, minutes, seconds, fraction, zone = match.groups()
    micros = (fraction or "")[:6].ljust(6, "0")
    is_leap = seconds == "60"
    if is_leap:
        seconds, micros = "59", "999999"
    offset = "+00:00" if zone in "Zz" else zone
    if offset[0] == "-" and not offset.strip("-0:"):
        raise ValueError("an unknown zone")
    instant = datetime.fromisoformat(f"{day}T{minutes}:{seconds or '00'}.{micros}{offset}")
    if not EARLIEST_YEAR <= instant.year <= LATEST_YEAR:
        raise ValueError("outside the years that can be")
    if offset != "+00:00":
        instant = instant.astimezone(UTC)
    if is_leap and (instant.hour, instant.minute) != (23, 59):
        raise ValueError("no leap second")
    return instant


def microseconds(instant: datetime) -> int:
    """An aware instant as microseconds since 1970 UTC, to the last one: a float of seconds has not the digits."""
    return int(instant.timestamp()) * 1_000_000 + instant.microsecond


def instant_text(instant: datetime) -> str:
    """Canonical text of an instant in UTC: microseconds and ``Z``, always 27 characters."""
    # Its offset, ``+00:00``, is cut off: quicker than a copy without one.
    return instant.isoformat(timespec="microseconds")[:26] + "Z"


@lru_cache(4_096)
def duration_parts(text: str) -> tuple[str | None, ...]:
    """The parts of an ISO 8601 duration: weeks, years, months, days, hours, minutes, seconds.

    Raises ValueError where the text is none.
    """
    match = DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")) or FRACTION_BEFORE_THE_LAST.search(text):
        raise ValueError("not an ISO 8601 duration")
    return match.groups()


@lru_cache(4_096)
def duration_ms(text: str) -> int:
    """Length of an ISO 8601 duration in milliseconds; a year counts 365 days, a month 30.

    Raises ValueError where the text is no duration or longer than ten years.
    """
    parts = duration_parts(text)
    total = sum(float(part) * size for part, size in zip(parts, DURATION_SECONDS, strict=True) if part)
    milliseconds = round(total * 1000)
    if milliseconds > LONGEST_DURATION_MS:
        raise ValueError("longer than ten years")
    return milliseconds
