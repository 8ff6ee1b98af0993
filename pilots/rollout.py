"""Rollout metrics: is it reaching pupils, as much as planned, on time, and at what cost.

Every number of a rollout is worked out in :func:`figures` and nowhere else: the scorecard, its PDF, the rollout page,
``cairn rollout report`` and the table of metrics print what it says, so that two pages cannot have two numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilots.sample import of_pilot

if TYPE_CHECKING:
    import pandas as pd

DISTRICT = "district"
UNITS = {
    "pupils_reached_share": "share",
    "dosage_minutes_mean": "minutes",
    "dosage_met_share": "share",
    "cost_usd": "usd",
    "cost_per_pupil_usd": "usd",
    "cost_per_pupil_reached_usd": "usd",
}


@dataclass(frozen=True)
class Figures:
    """What is said of a pilot's rollout. Pupils are those of the treatment schools at assignment, joiners not counted;
    shares and means are of all of them, those with no minutes as well, and so is the cost for each pupil. A value that
    nothing is known about is None."""

    schools: int
    pupils_planned: int
    pupils_reached: int
    pupils_reached_share: float | None
    dosage_minutes_mean: float | None
    dosage_met_share: float | None
    milestones_planned: int
    milestones_done: int
    milestones_late: int
    cost_usd: float
    cost_per_pupil_usd: float | None
    cost_per_pupil_reached_usd: float | None


def figures(rollout: pd.DataFrame, pilot_id: str | None = None) -> Figures:
    """The figures of ``mart_rollout_school``, of one pilot or of all rows. A school's mean and share count as much as
    it has planned pupils, so that the whole's are what its pupils' are."""
    rows = rollout if pilot_id is None else of_pilot(rollout, pilot_id)

    def total(column: str) -> float:
        return float(rows[column].fillna(0).sum()) if len(rows) else 0.0

    def weighted(column: str, digits: int) -> float | None:
        known = rows[rows[column].notna() & (rows["pupils_planned"].fillna(0) > 0)] if len(rows) else rows
        if not len(known):
            return None
        weight = known["pupils_planned"].astype(float)
        return round(float((known[column].astype(float) * weight).sum() / weight.sum()), digits)

    planned, reached, cost = int(total("pupils_planned")), int(total("pupils_reached")), total("cost_usd")
    return Figures(
        schools=int(rows["school_id"].nunique()) if len(rows) else 0,
        pupils_planned=planned,
        pupils_reached=reached,
        pupils_reached_share=round(reached / planned, 4) if planned else None,
        dosage_minutes_mean=weighted("dosage_minutes_mean", 4),
        dosage_met_share=weighted("dosage_met_share", 4),
        milestones_planned=int(total("milestones_planned")),
        milestones_done=int(total("milestones_done")),
        milestones_late=int(total("milestones_late")),
        cost_usd=round(cost, 2),
        cost_per_pupil_usd=round(cost / planned, 2) if planned and cost else None,
        cost_per_pupil_reached_usd=round(cost / reached, 2) if reached and cost else None,
    )


def metrics(rollout: pd.DataFrame) -> list[dict[str, Any]]:
    """Metrics of ``mart_rollout_school`` as {name, value, unit, scope}; scope is ``pilot:<id>`` or ``district``."""
    pilots = sorted(rollout["pilot_id"].dropna().unique()) if len(rollout) else []
    found = [_of(figures(rollout, pilot_id), f"pilot:{pilot_id}") for pilot_id in pilots]
    return [row for rows in (*found, _of(figures(rollout), DISTRICT)) for row in rows]


def _of(said: Figures, scope: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": None if value is None else float(value),
            "unit": UNITS.get(name, name.partition("_")[0]),
            "scope": scope,
        }
        for name, value in vars(said).items()
    ]
