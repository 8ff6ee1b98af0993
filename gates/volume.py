"""How much a source sends for a school on a school day, by its own history: what is too little, what is too much.

History is the same weekday's school days before today (rule ``volume`` in ``rules/bronze_to_silver.yaml``): an app is
used on Mondays as on Mondays. Where there are too few of them yet, the newest school days of any weekday stand in.
Median and MAD are used since one burst in the past must not hide the next: the median absolute deviation, times 1.4826
to be comparable with a standard deviation (Rousseeuw and Croux, Alternatives to the Median Absolute Deviation, JASA 88,
1993; as a rule for outliers Leys and others, Journal of Experimental Social Psychology 49, 2013).
Counted are statements received, duplicates and refused ones among them: a client in a loop is a surge.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import duckdb
import pyarrow as pa

import lake
from cairn.calendar import DistrictCalendar
from cairn.settings import Settings

RECEIPTS = "bronze.receipts"
NORMAL_CONSISTENCY = 1.4826
# Source and school.
Pair = tuple[str, str]
Counts = Mapping[Pair, Mapping[date, int]]

# Statements of each day as a whole, and of those received before the same local time as it is now.
_QUERY = """
select source_id, org_id, received_date, sum(statements_received)::bigint as statements,
    coalesce(sum(statements_received) filter (received_at <= until), 0)::bigint as by_now
from receipts join cuts using (received_date)
group by all
"""


@dataclass(frozen=True)
class VolumeRule:
    """History is ``window_days`` long and needs ``at_least_days`` days; pairs below ``least_statements`` say nothing.

    A surge is above the median by ``deviations`` scaled MADs, and ``surge_factor`` times the median at least.
    """

    window_days: int
    at_least_days: int
    least_statements: int
    deviations: float
    surge_factor: float

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> VolumeRule:
        """The rule as YAML has it."""
        return cls(
            int(rule["window_days"]),
            int(rule["at_least_days"]),
            int(rule["least_statements"]),
            float(rule["deviations"]),
            float(rule["surge_factor"]),
        )

    def history(self, calendar: DistrictCalendar, today: date) -> list[date]:
        """The days before today that today is held against; none where today is no school day."""
        if not calendar.is_school_day(today):
            return []
        before = calendar.school_days(today - timedelta(days=self.window_days), today - timedelta(days=1))
        alike = [day for day in before if day.isoweekday() == today.isoweekday()]
        most = self.window_days // 7
        return alike if len(alike) >= self.at_least_days else before[-most:]


@dataclass(frozen=True)
class Volumes:
    """Statements received by source and school: by day as a whole, and by day up to the present local time."""

    days: Counts
    by_now: Counts


@dataclass(frozen=True)
class Unusual:
    """A pair on a day: what is expected (the median), and what came."""

    expected: float
    came: int


def volumes(
    settings: Settings, calendar: DistrictCalendar, now: datetime, first: date, without: Collection[str] = ()
) -> Volumes:
    """Statements received from ``first`` to today, a stream through DuckDB: no row is held.

    Sources named in ``without`` (revoked ones: nothing is expected of them) are left out.
    """
    today, clock = calendar.local_date(now), now.astimezone(calendar.zone).time()
    days: dict[Pair, dict[date, int]] = {}
    by_now: dict[Pair, dict[date, int]] = {}
    if not lake.exists(settings, RECEIPTS):
        return Volumes(days, by_now)
    wanted = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    files = lake.table_files(settings, RECEIPTS, {"received_date": wanted})
    columns = ["source_id", "org_id", "received_date", "received_at", "statements_received"]
    cuts = {"received_date": wanted, "until": [_at(calendar, day, clock) for day in wanted]}
    connection = duckdb.connect()
    try:
        connection.execute("set memory_limit = '512MB'; set threads = 2; set timezone = 'UTC'")
        connection.register("receipts", lake.dataset_of(settings, RECEIPTS, files).scanner(columns=columns))
        connection.register("cuts", pa.table(cuts))
        for source, school, day, statements, until_now in connection.execute(_QUERY).fetchall():
            if source in without:
                continue
            days.setdefault((source, school), {})[day] = statements
            by_now.setdefault((source, school), {})[day] = until_now
    finally:
        connection.close()
    return Volumes(days, by_now)


def _at(calendar: DistrictCalendar, day: date, clock: time) -> datetime:
    """The instant of a local time on a day."""
    return datetime.combine(day, clock, tzinfo=calendar.zone)


def silent_now(found: Volumes, days: Sequence[date], today: date, rule: VolumeRule) -> dict[Pair, Unusual]:
    """Pairs that sent nothing today, though on every day of their history enough had come by this time of day."""
    silent = {}
    for pair, counts in found.by_now.items():
        history = _of_pair(counts, found.days[pair], days)
        is_quiet = not found.days[pair].get(today)
        if is_quiet and len(history) >= rule.at_least_days and min(history) >= rule.least_statements:
            silent[pair] = Unusual(statistics.median(history), 0)
    return silent


def surges(found: Volumes, days: Sequence[date], today: date, rule: VolumeRule) -> dict[Pair, Unusual]:
    """Pairs that sent far more today, so far, than on whole days of their history."""
    surging = {}
    for pair, counts in found.days.items():
        history, came = _of_pair(counts, counts, days), counts.get(today, 0)
        if len(history) < rule.at_least_days or came < rule.least_statements:
            continue
        middle = statistics.median(history)
        spread = NORMAL_CONSISTENCY * statistics.median(abs(count - middle) for count in history)
        # A pair that is usually quiet has a median near nothing, and any class at work would be a surge.
        most = max(middle + rule.deviations * spread, rule.surge_factor * max(middle, rule.least_statements))
        if came > most:
            surging[pair] = Unusual(middle, came)
    return surging


def _of_pair(counts: Mapping[date, int], whole_days: Mapping[date, int], days: Sequence[date]) -> list[int]:
    """The pair's counts on the days of history since it first sent; a day on which it sent nothing counts as 0."""
    began = min(whole_days)
    return [counts.get(day, 0) for day in days if day >= began]
