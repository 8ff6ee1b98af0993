"""One look at intake: lag, life of the service, silent and surging sources, refusals, books; as alarms.

Every number is in ``rules/bronze_to_silver.yaml`` (or the district's own file): the gate and the marts use the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from kafka.errors import KafkaError

from cairn.calendar import DistrictCalendar
from cairn.evidence.activity import UNKNOWN_SCHOOL
from cairn.privacy import smallest_group
from cairn.settings import Settings
from cairn.topics import lag as records_between
from gates.intake_alarms import Alarm, Standing, told
from gates.silence import SilenceRule, silent_sources
from gates.thresholds import thresholds
from gates.volume import Pair, Unusual, VolumeRule, Volumes, silent_now, surges, volumes
from spark_jobs import intake_state
from spark_jobs.intake_hops import Break
from spark_jobs.intake_ledger import ledger
from streaming.rejected import senders
from streaming.topics import end_offsets

# Refusals are judged on the last days, not on all time: an old failure would never be over.
RECENT_DAYS = 2
ASK = "ask its vendor; see 'cairn source list', then 'cairn intake ledger'"


@dataclass
class Look:
    """What a look found. ``not_looked_at``: kinds of alarms that could not be judged."""

    alarms: list[Alarm] = field(default_factory=list)
    not_looked_at: set[str] = field(default_factory=set)
    lag: dict[str, int] = field(default_factory=dict)
    silent_sources: dict[str, date] = field(default_factory=dict)
    rejection_rates: dict[str, float] = field(default_factory=dict)


def recent_days(settings: Settings, now: datetime) -> list[date]:
    """The local days whose receipts a look judges."""
    today = DistrictCalendar.load(settings).local_date(now)
    return [today - timedelta(days=back) for back in range(RECENT_DAYS)]


def look(settings: Settings, now: datetime, standing: list[Standing], broken: Sequence[Break], unseen: str) -> Look:
    """Look at everything; ``standing`` are the alarms on record: silence stands until something comes. ``broken``: the
    hops of those days that do not balance; ``unseen``: why the topics were not among them, empty where they were."""
    found, limits = Look(), thresholds(settings, "bronze_to_silver")
    calendar = DistrictCalendar.load(settings)
    _lag(settings, found, limits["lag"], now)
    _heartbeat(settings, found, limits["lag"], now)
    _volumes(settings, found, limits, calendar, now, standing)
    _refusals(settings, found, limits["refused_share"], now)
    found.alarms += _books(broken)
    if unseen:
        found.not_looked_at.add("books")
    return found


def _books(broken: Sequence[Break]) -> list[Alarm]:
    """One alarm a source and school, which names each hop of theirs that lost something or has too much."""
    of: dict[Pair, list[Break]] = {}
    for one in broken:
        of.setdefault((one.source_id, one.org_id), []).append(one)
    return [
        Alarm(
            "books",
            source,
            school,
            min((one.received_date.isoformat() for one in hops if one.received_date), default="a day that is unknown"),
            "nothing missing",
            "; ".join(one.line() for one in hops),
            "see 'cairn intake ledger', then 'cairn logs intake'",
        )
        for (source, school), hops in sorted(of.items())
    ]


def _lag(settings: Settings, found: Look, limit: dict[str, Any], now: datetime) -> None:
    try:
        end = end_offsets(settings)
    except (LookupError, KafkaError) as error:
        found.not_looked_at.add("lag")
        why = f"broker cannot be asked ({type(error).__name__})"
        found.alarms.append(Alarm("broker", "", "", _moment(now), "an answer", why, "see 'cairn status'"))
        return
    found.lag = records_between(intake_state.passed_offsets(settings), end)
    behind, most = sum(found.lag.values()), int(limit["most_records"])
    if behind > most:
        came = f"{behind:,} records behind"
        found.alarms.append(Alarm("lag", "", "", _moment(now), f"at most {most:,}", came, "see 'cairn logs intake'"))


def _heartbeat(settings: Settings, found: Look, limit: dict[str, Any], now: datetime) -> None:
    path = settings.stack_state_path.parent / "intake.heartbeat"
    if not path.is_file():
        return
    beat = datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
    age, most = int((now - beat).total_seconds()), int(limit["most_heartbeat_age_seconds"])
    if age > most:
        came = f"no sign of life for {age} s"
        command = "'cairn up' starts it again"
        found.alarms.append(Alarm("heartbeat", "", "", _moment(beat), f"one every {most} s", came, command))


def _moment(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def _volumes(
    settings: Settings,
    found: Look,
    limits: dict[str, Any],
    calendar: DistrictCalendar,
    now: datetime,
    standing: list[Standing],
) -> None:
    """Silence and surge of sources at schools; nothing new is said on a day without school."""
    silence, rule = SilenceRule.of(limits["silence"]), VolumeRule.of(limits["volume"])
    today, n_min = calendar.local_date(now), smallest_group(settings)
    first = today - timedelta(days=max(rule.window_days, silence.window_days))
    revoked = {name for name, one in senders(settings).items() if one.revoked_at}
    seen = volumes(settings, calendar, now, first, revoked)
    standing = [alarm for alarm in standing if alarm.source_id not in revoked]
    # The last day that is over: one that has just begun is no silence.
    yesterday = today - timedelta(days=1)
    by_source: dict[str, set[date]] = {}
    for (source, _), counts in seen.days.items():
        by_source.setdefault(source, set()).update(counts)
    back = {source for source, days in by_source.items() if today in days}
    whole = silent_sources(by_source, calendar, yesterday, silence)
    found.silent_sources = {source: last for source, last in whole.items() if source not in back}
    history = rule.history(calendar, today)
    if not calendar.is_school_day(today):
        found.alarms += _still_silent(standing, seen, first)
        return
    at_schools = silent_sources(seen.days, calendar, yesterday, silence)
    alarms: list[Alarm] = []
    for pair, last in at_schools.items():
        if today not in seen.days[pair]:
            usual = _usual(seen.days[pair], calendar, last)
            alarms.append(_silent(pair, _next_school_day(calendar, last), usual, "a school day", n_min))
    for pair, unusual in silent_now(seen, history, today, rule).items():
        if pair not in at_schools:
            alarms.append(_silent(pair, today, unusual.expected, "by this time of day", n_min))
    found.alarms += _of_whole_sources(alarms, seen, by_source)
    keys = {alarm.key for alarm in found.alarms}
    found.alarms += [alarm for alarm in _still_silent(standing, seen, first) if alarm.key not in keys]
    for pair, unusual in surges(seen, history, today, rule).items():
        found.alarms.append(_surge(pair, today, unusual, n_min))


def _silent(pair: Pair, since: date, usual: float, how: str, n_min: int) -> Alarm:
    expected = f"{told(usual, n_min)} statements {how}"
    return Alarm("silent", *pair, since.isoformat(), expected, "none", ASK)


def _surge(pair: Pair, today: date, unusual: Unusual, n_min: int) -> Alarm:
    expected = f"{told(unusual.expected, n_min)} statements a day"
    command = "see duplicates in 'cairn intake ledger'; a client in a loop: 'cairn source revoke'"
    return Alarm("surge", *pair, today.isoformat(), expected, f"{told(unusual.came, n_min)} so far", command)


def _next_school_day(calendar: DistrictCalendar, day: date) -> date:
    return calendar.school_days(day + timedelta(days=1), calendar.school_year_end_date)[0]


def _usual(counts: Mapping[date, int], calendar: DistrictCalendar, last: date) -> float:
    """Median of the days on which the pair sent, up to the last: the higher of two."""
    sent = [count for day, count in counts.items() if day <= last and calendar.is_school_day(day)]
    return float(statistics.median_high(sent)) if sent else 0.0


def _of_whole_sources(alarms: list[Alarm], seen: Volumes, by_source: dict[str, set[date]]) -> list[Alarm]:
    """One alarm in place of many where a source is silent at every school that it works for."""
    kept: list[Alarm] = []
    for source in sorted(by_source):
        own = [alarm for alarm in alarms if alarm.source_id == source]
        schools = {school for name, school in seen.days if name == source}
        if len(own) > 1 and {alarm.school_id for alarm in own} == schools:
            first = min(own, key=lambda alarm: alarm.since)
            own = [Alarm("silent", source, "", first.since, f"{first.expected} at each school", "none", ASK)]
        kept += own
    return kept


def _still_silent(standing: list[Standing], seen: Volumes, first: date) -> list[Alarm]:
    """Silences on record since which nothing has come; one that is older than the history is given up."""
    still: list[Alarm] = []
    for alarm in standing:
        began = date.fromisoformat(alarm.since) if alarm.kind == "silent" else None
        if began is None or began < first:
            continue
        days = [
            counts
            for (source, school), counts in seen.days.items()
            if source == alarm.source_id and alarm.school_id in ("", school)
        ]
        if not any(day >= began for counts in days for day in counts):
            still.append(alarm)
    return still


def _refusals(settings: Settings, found: Look, limit: dict[str, Any], now: datetime) -> None:
    """Share refused or set aside over the last days, by source, and at a school where the source as a whole is well.

    What is refused often says no school: such records count for their source alone.
    """
    received: dict[Pair, int] = {}
    refused: dict[Pair, int] = {}
    days = recent_days(settings, now)
    day = max(days).isoformat()
    for row in ledger(settings, dates=days):
        bad = row["rejected"] + row["conflict"] + row["quarantined"]
        for pair in ((row["source_id"], ""), (row["source_id"], row["org_id"])):
            received[pair] = received.get(pair, 0) + row["received"]
            refused[pair] = refused.get(pair, 0) + bad
    rates = {pair: refused[pair] / count for pair, count in sorted(received.items()) if count}
    found.rejection_rates = {source: rate for (source, school), rate in rates.items() if not school}
    most, least = float(limit["most"]), int(limit["least_received"])
    above = {pair for pair, rate in rates.items() if rate > most and received[pair] >= least}
    for source, school in sorted(above):
        if school == UNKNOWN_SCHOOL or (school and (source, "") in above):
            continue
        came = f"{rates[source, school]:.0%} refused or set aside"
        command = f"see 'cairn intake rejected list --source {source}' and 'cairn intake quarantine list'"
        found.alarms.append(Alarm("refused", source, school, day, f"at most {most:.0%}", came, command))
