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
    if release is None or not release.has_table("pilot_scorecard"):
        return None
    rows = release.rows("select scorecard_json from pilot_scorecard where pilot_id = ?", [pilot_id])
    return json.loads(rows[0]["scorecard_json"]) if rows else None


# Parts of a rollout beside metrics and schools, each a table of the release, in the order in which it is read.
ROLLOUT_PARTS = {
    "course": "select * from rollout_course order by pilot_id, unit, on_date",
    "forecast": "select * from rollout_forecast order by pilot_id, unit",
    "late": "select * from rollout_milestone where status in ('done_late', 'overdue')"
    " order by pilot_id, owner, days_late desc nulls last, school_name, milestone",
    "costs": "select * from rollout_cost order by pilot_id, cost_usd desc, cost_kind",
    "groups": "select * from rollout_group order by pilot_id, grouping_name,"
    " try_cast(group_name as integer) nulls last,"
    " list_position(['lowest third', 'middle third', 'highest third'], group_name) nulls last, group_name",
    "barriers": "select * from rollout_barrier order by pilot_id, closed_date is not null, days_open desc, place",
    "learning": "select * from rollout_learning order by pilot_id, not is_planned, adult_role, competency",
    "readiness": "select * from rollout_readiness order by pilot_id, school_name, school_id, on_date",
    "readiness_items": "select * from rollout_readiness_item order by pilot_id, ready / schools, item",
    "support": "select * from rollout_support order by pilot_id, school_name, school_id, support_kind",
    "sent": "select * from rollout_sent order by pilot_id, fact_type",
}


def load_rollout(release: Opened | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metrics (those of all pilots together under the id ``district``) and schools of the rollout."""
    if release is None or not release.has_table("rollout_metric"):
        return [], []
    metrics = release.rows("select * from rollout_metric")
    for row in metrics:
        row["pilot_id"] = row["pilot_id"] or row["scope"].removeprefix("pilot:")
    schools = release.rows("select * from rollout_school order by pilot_id, wave, school_name")
    return metrics, schools


def load_rollout_parts(release: Opened | None) -> dict[str, list[dict[str, Any]]]:
    """Every part of :data:`ROLLOUT_PARTS` over all pilots; one that a release of before does not have is empty."""
    return {
        part: release.rows(query) if release and release.has_table(query.split()[3]) else []
        for part, query in ROLLOUT_PARTS.items()
    }
