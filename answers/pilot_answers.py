"""Scorecards and rollout as the evaluation release holds them."""

from __future__ import annotations

import json
from typing import Any

from answers.pinned_releases import Opened


def load_scorecards(release: Opened | None) -> list[dict[str, Any]]:
    """Every scorecard of the release, by title."""
    if release is None or not release.has_table("pilot_scorecard"):
        return []
    cards = [json.loads(row["scorecard_json"]) for row in release.rows("select scorecard_json from pilot_scorecard")]
    return sorted(cards, key=lambda card: (str(card.get("title")), str(card["pilot_id"])))


def load_scorecard(release: Opened | None, pilot_id: str) -> dict[str, Any] | None:
    """One pilot's scorecard, or None."""
    return next((card for card in load_scorecards(release) if card["pilot_id"] == pilot_id), None)


def load_rollout(release: Opened | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metrics (those of all pilots together under the id ``district``) and schools of the rollout."""
    if release is None or not release.has_table("rollout_metric"):
        return [], []
    metrics = release.rows("select * from rollout_metric")
    for row in metrics:
        row["pilot_id"] = row["pilot_id"] or row["scope"].removeprefix("pilot:")
    schools = release.rows("select * from rollout_school order by pilot_id, wave, school_name")
    return metrics, schools
