"""Rollout metrics: is it reaching pupils, as much as planned, on time, and at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

DISTRICT = "district"


def metrics(rollout: pd.DataFrame) -> list[dict[str, Any]]:
    """Metrics of ``mart_rollout_school`` as {name, value, unit, scope}; scope is ``pilot:<id>`` or ``district``.

    Shares and means are of the pupils planned, as schools' are, so that a district's is what its pupils' is; a value
    that nothing is known about is None.
    """
    found: list[dict[str, Any]] = []
    for pilot_id in sorted(rollout["pilot_id"].dropna().unique()) if len(rollout) else []:
        found += _of(rollout[rollout["pilot_id"] == pilot_id], f"pilot:{pilot_id}")
    return found + _of(rollout, DISTRICT)


def _of(rows: pd.DataFrame, scope: str) -> list[dict[str, Any]]:
    def total(column: str) -> float:
        return float(rows[column].fillna(0).sum()) if len(rows) else 0.0

    def weighted(column: str) -> float | None:
        known = rows[rows[column].notna() & (rows["pupils_planned"].fillna(0) > 0)] if len(rows) else rows
        weight = known["pupils_planned"].astype(float) if len(known) else None
        return None if weight is None else round(float((known[column].astype(float) * weight).sum() / weight.sum()), 4)

    reached, planned, cost = total("pupils_reached"), total("pupils_planned"), total("cost_usd")
    values: list[tuple[str, float | None, str]] = [
        ("schools", float(rows["school_id"].nunique()) if len(rows) else 0.0, "schools"),
        ("pupils_planned", planned, "pupils"),
        ("pupils_reached", reached, "pupils"),
        ("pupils_reached_share", round(reached / planned, 4) if planned else None, "share"),
        ("dosage_minutes_mean", weighted("dosage_minutes_mean"), "minutes"),
        ("dosage_met_share", weighted("dosage_met_share"), "share"),
        ("milestones_planned", total("milestones_planned"), "milestones"),
        ("milestones_done", total("milestones_done"), "milestones"),
        ("milestones_late", total("milestones_late"), "milestones"),
        ("cost_usd", round(cost, 2), "usd"),
        ("cost_per_pupil_usd", round(cost / reached, 2) if reached and cost else None, "usd"),
    ]
    return [{"name": name, "value": value, "unit": unit, "scope": scope} for name, value, unit in values]
