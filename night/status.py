"""Which night it is, and what one did: what may be asked often, so nothing heavy is imported for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from cairn.settings import Settings
from night import lock
from night import state as states
from night.state import NightResult


def default_date(settings: Settings, now: datetime | None = None) -> date:
    """The data date of a night that starts now: yesterday in the district's zone."""
    return (now or datetime.now(UTC)).astimezone(settings.zone).date() - timedelta(days=1)


def status(settings: Settings, data_date: date | None = None) -> NightResult:
    """What a night did: ``data_date``, ``state``, ``steps``, ``release_id``, ``held``. The newest by default.

    A night whose process died in a step shows that step as failed. Raises CairnError where there was none.
    """
    state = states.load(settings, data_date or states.newest_date(settings))
    running = [step for step in state["steps"] if step["state"] == "running"]
    if running and not lock.is_running(settings):
        for step in running:
            step.update({"state": "failed", "error": "the process ended in this step: run 'cairn night resume'"})
    return states.result(state)
