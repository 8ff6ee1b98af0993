"""What an evaluation says now, for the commands that show it: nothing is written, and no gate is loaded.

A task a pilot starts a process each: what the gates import takes several times as long as the evaluation itself.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from cairn.privacy import smallest_group
from cairn.settings import Settings
from pilots import registry
from releases import rollout_tables, scorecards, store
from releases.learning_marts import release_of


def evaluate(settings: Settings, pilot_id: str, as_of: date | None = None) -> dict[str, Any]:
    """One pilot's scorecard on the current learning release, or the newest up to ``as_of``; nothing is written."""
    learning = release_of(settings, as_of)
    frozen = registry.frozen_plan(settings, pilot_id)
    with store.connect(settings, learning) as source:
        return scorecards.scorecard(source, frozen, learning, settings)


def rollout(settings: Settings, as_of: date | None = None) -> dict[str, Any]:
    """``metrics`` and ``release_id`` of the rollout on the current learning release, or the newest up to ``as_of``; and
    each other table of it (schools, course, learning, support and so on) under its own name, protected as published."""
    learning = release_of(settings, as_of)
    with store.connect(settings, learning) as source:
        tables = rollout_tables.tables(source, learning, smallest_group(settings))
    metrics = tables.pop("rollout_metric").to_pylist()
    more = {name.removeprefix("rollout_"): rows.to_pylist() for name, rows in tables.items()}
    return {"metrics": metrics, "release_id": learning.release_id} | more
