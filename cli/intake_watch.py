"""What ``cairn intake watch`` does: one look, alarms brought in line with it, people told of what is new."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from answers.accounts import list_accounts
from cairn.settings import Settings
from gates import intake_alarms
from gates.intake_watch import look, recent_days
from infra import alerts
from releases.books import breaks


def watch(settings: Settings, now: datetime | None = None) -> dict[str, Any]:
    """``findings`` (a line for each alarm that stands), ``alarms``, ``raised``, ``cleared``, and what was looked at.

    An alarm is raised once, written to the log of alerts and mailed once; ``mailed`` is false where the mail server did
    not take it, and then the next look tries again.
    """
    at = now or datetime.now(UTC)
    broken, unseen = breaks(settings, recent_days(settings, at))
    found = look(settings, at, intake_alarms.standing(settings), broken, unseen)
    change = intake_alarms.reconcile(settings, found.alarms, at, found.not_looked_at)
    lines = [f"ALARM {alarm.line()}" for alarm in change.raised] + [f"CLEARED {one.line()}" for one in change.cleared]
    alerts.note(settings, lines, at)
    return {
        "findings": [alarm.line() for alarm in change.standing],
        "alarms": [asdict(alarm) for alarm in change.standing],
        "raised": len(change.raised),
        "cleared": len(change.cleared),
        "mailed": _mail(settings, at),
        "lag": found.lag,
        "silent_sources": {source: last.isoformat() for source, last in found.silent_sources.items()},
        "rejection_rates": found.rejection_rates,
    }


def _mail(settings: Settings, at: datetime) -> bool:
    """Tell the engineers of what was raised or cleared and nobody was told of; whether nothing is left to tell."""
    raised, cleared = intake_alarms.untold(settings)
    if not raised and not cleared:
        return True
    to = [account.mail for account in list_accounts(settings) if account.role == "engineer" and account.mail]
    both = [alarm for alarm in raised if alarm.cleared_at]
    lines = [f"Raised: {alarm.line()}" for alarm in raised] + [f"Over: {alarm.line()}" for alarm in (*both, *cleared)]
    is_told = alerts.mail(settings, to, lines)
    if is_told:
        intake_alarms.note_told(settings, raised, cleared, at)
    return is_told
