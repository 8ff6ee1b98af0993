"""What ``cairn intake watch`` looks at: lag, life of the service, silent sources, refusals, books."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import lake
from cairn.calendar import DistrictCalendar
from cairn.settings import Settings

MOST_LAG = 5_000
MOST_HEARTBEAT_AGE = timedelta(seconds=60)
# Refusals are judged on the last days, not on all time: an old failure would never be over.
RECENT_DAYS = 2


def findings(settings: Settings, now: datetime | None = None) -> dict[str, Any]:
    """``findings`` (one line each, empty where all is well), ``lag``, ``silent_sources``, ``rejection_rates``."""
    from gates.silence import SilenceRule, silent_sources
    from gates.thresholds import thresholds

    today = (now or datetime.now(UTC)).astimezone(settings.zone).date()
    limits = thresholds(settings, "bronze_to_silver")
    lag, lines = _lag(settings)
    lines += _heartbeat(settings, now or datetime.now(UTC))
    rule = SilenceRule.of(limits["silence"])
    silent = silent_sources(_received_days(settings, rule.starts(today)), DistrictCalendar.load(settings), today, rule)
    lines += [f"source {source} is silent since {last}: ask its vendor" for source, last in sorted(silent.items())]
    rates, refused = _refusals(settings, today, limits["refused_share"])
    return {
        "findings": lines + refused,
        "lag": lag,
        "silent_sources": {source: last.isoformat() for source, last in silent.items()},
        "rejection_rates": rates,
    }


def _lag(settings: Settings) -> tuple[dict[str, int], list[str]]:
    from kafka.errors import KafkaError

    from cairn.topics import lag
    from spark_jobs import intake_state
    from streaming.topics import end_offsets

    try:
        end = end_offsets(settings.address("broker"))
    except (LookupError, KafkaError) as error:
        return {}, [f"broker cannot be asked ({type(error).__name__}): see 'cairn status'"]
    behind = lag(intake_state.passed_offsets(settings), end)
    total = sum(behind.values())
    if total > MOST_LAG:
        return behind, [f"intake is {total} records behind: see 'cairn logs intake'"]
    return behind, []


def _heartbeat(settings: Settings, now: datetime) -> list[str]:
    path = settings.stack_state_path.parent / "intake.heartbeat"
    if not path.is_file():
        return []
    age = now - datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
    if age <= MOST_HEARTBEAT_AGE:
        return []
    return [f"intake gave no sign of life for {int(age.total_seconds())} s: 'cairn up' starts it again"]


def _received_days(settings: Settings, since: date) -> dict[str, set[date]]:
    """Receipt days of each source."""
    import pyarrow.compute as pc

    rows = lake.read(settings, "bronze.receipts", ["source_id", "received_date"], pc.field("received_date") >= since)
    days: dict[str, set[date]] = {}
    for row in rows.group_by(["source_id", "received_date"]).aggregate([]).to_pylist():
        days.setdefault(row["source_id"], set()).add(row["received_date"])
    return days


def _refusals(settings: Settings, today: date, limit: dict[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Share refused or set aside by source over the last days, with a line for each above the limit."""
    from spark_jobs.intake_ledger import ledger

    received: dict[str, int] = {}
    refused: dict[str, int] = {}
    lines = []
    for row in ledger(settings, dates=[today - timedelta(days=back) for back in range(RECENT_DAYS)]):
        source = row["source_id"]
        received[source] = received.get(source, 0) + row["received"]
        refused[source] = refused.get(source, 0) + row["rejected"] + row["conflict"] + row["quarantined"]
        if row["unexplained"]:
            where = f"{row['received_date']} {source} {row['org_id']}"
            lines.append(f"books of {where}: {row['unexplained']} unexplained: see 'cairn intake ledger'")
    rates = {source: refused[source] / count for source, count in sorted(received.items()) if count}
    for source, rate in rates.items():
        if rate > float(limit["most"]) and received[source] >= int(limit["least_received"]):
            lines.append(f"source {source}: {rate:.0%} refused: see 'cairn intake rejected list --source {source}'")
    return rates, lines
