"""Rollout metrics: is it reaching pupils, as much as planned, on time, and at what cost.

Every number of a rollout is worked out in :func:`figures` and nowhere else: the scorecard, its PDF, the rollout page,
``cairn rollout report`` and the table of metrics print what it says, so that two pages cannot have two numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
MORE_UNITS = {
    "adults_shown_share": "share",
    "readiness_share": "share",
    "support_visits": "visits",
    "support_hours": "hours",
    "cost_classroom_share": "share",
    "barriers_open": "barriers",
    "barrier_days_open_max": "days",
}
BARRIERS = ("barriers_open", "barrier_days_open_max")
# The kind of fact without which a metric has no value, and the layout by which it is loaded.
NEEDS = {
    **dict.fromkeys(("pupils_reached", "pupils_reached_share", "dosage_minutes_mean", "dosage_met_share"), "dosage"),
    **dict.fromkeys(("milestones_planned", "milestones_done", "milestones_late"), "milestone"),
    **dict.fromkeys(("cost_usd", "cost_per_pupil_usd", "cost_per_pupil_reached_usd", "cost_classroom_share"), "cost"),
    "adults_shown_share": "training",
    "readiness_share": "readiness",
    **dict.fromkeys(("support_visits", "support_hours"), "support"),
}
LAYOUTS = {
    "dosage": "cairn_dosage",
    "cost": "cairn_costs",
    "milestone": "cairn_milestones",
    "training": "cairn_training",
    "readiness": "cairn_readiness",
    "support": "cairn_support",
    "pupil_group": "cairn_pupil_groups",
}


@dataclass(frozen=True)
class Figures:
    """What is said of a pilot's rollout. Pupils are those of the treatment schools at assignment, joiners not counted;
    shares and means are of all of them, those with no minutes as well, and so is the cost for each pupil. A value that
    nothing is known about is None: what the district has not sent is no 0. Over several pilots a share is of those
    whose part of it was sent."""

    schools: int
    pupils_planned: int
    pupils_reached: int | None
    pupils_reached_share: float | None
    dosage_minutes_mean: float | None
    dosage_met_share: float | None
    milestones_planned: int | None
    milestones_done: int | None
    milestones_late: int | None
    cost_usd: float | None
    cost_per_pupil_usd: float | None
    cost_per_pupil_reached_usd: float | None


def figures(rollout: pd.DataFrame, pilot_id: str | None = None) -> Figures:
    """The figures of ``mart_rollout_school``, of one pilot or of all rows. A school's mean and share count as much as
    it has planned pupils, so that the whole's are what its pupils' are."""
    rows = rollout if pilot_id is None else of_pilot(rollout, pilot_id)

    def total(column: str, known: str = "school_id") -> float | None:
        """The sum over the rows in which the column ``known`` says something; None where no row says anything."""
        values = rows[column][rows[known].notna()].dropna() if len(rows) else rows.index
        return float(values.sum()) if len(values) else None

    def weighted(column: str, digits: int) -> float | None:
        known = rows[rows[column].notna() & (rows["pupils_planned"].fillna(0) > 0)] if len(rows) else rows
        if not len(known):
            return None
        weight = known["pupils_planned"].astype(float)
        return round(float((known[column].astype(float) * weight).sum() / weight.sum()), digits)

    planned, reached, cost = total("pupils_planned"), total("pupils_reached"), total("cost_usd")
    paid_for = total("pupils_planned", "cost_usd")
    # Both of the same rows: the cost of a pilot of whose work nothing was sent reached nobody who is known.
    reaching_cost, paid_reached = total("cost_usd", "pupils_reached"), total("pupils_reached", "cost_usd")
    return Figures(
        schools=int(rows["school_id"].nunique()) if len(rows) else 0,
        pupils_planned=int(planned or 0),
        pupils_reached=_whole(reached),
        pupils_reached_share=_each(reached, total("pupils_planned", "pupils_reached"), 4),
        dosage_minutes_mean=weighted("dosage_minutes_mean", 4),
        dosage_met_share=weighted("dosage_met_share", 4),
        milestones_planned=_whole(total("milestones_planned")),
        milestones_done=_whole(total("milestones_done")),
        milestones_late=_whole(total("milestones_late")),
        cost_usd=None if cost is None else round(cost, 2),
        cost_per_pupil_usd=_each(cost or None, paid_for, 2),
        cost_per_pupil_reached_usd=_each(reaching_cost or None, paid_reached, 2),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _each(total: float | None, count: float | None, digits: int) -> float | None:
    """The share of one in a total; None where one of the two is not known or nobody is there."""
    return None if total is None or not count else round(total / count, digits)


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


def more_metrics(parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Metrics of what stands in tables of their own, of each pilot and of all, as :func:`metrics` has them.

    ``parts`` are the published tables by name (``releases.rollout_tables``), so that no sum says what they hide. A
    table that a release does not have makes no metric; one without a row of a pilot a value of None.
    """
    pilots = sorted({row["pilot_id"] for row in parts["rollout_school"]})
    found: list[dict[str, Any]] = []
    for scope, chosen in (*((f"pilot:{one}", {one}) for one in pilots), (DISTRICT, set(pilots))):
        own = {name: [row for row in rows if row["pilot_id"] in chosen] for name, rows in parts.items()}
        found += [
            {"name": name, "value": value, "unit": MORE_UNITS[name], "scope": scope}
            for name, value in _more(own).items()
        ]
    return found


def _more(own: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float | None]:
    said: dict[str, float | None] = {}
    if "rollout_learning" in own:
        told = [row for row in own["rollout_learning"] if row["is_planned"] and row["adults_to_learn"] is not None]
        said["adults_shown_share"] = _part(told, "adults_shown", "adults_to_learn")
    if "rollout_readiness_item" in own:
        said["readiness_share"] = _part(own["rollout_readiness_item"], "ready", "schools")
    if "rollout_support" in own:
        visits = own["rollout_support"]
        said["support_visits"] = float(sum(row["visits"] for row in visits)) if visits else None
        said["support_hours"] = round(sum(row["hours"] for row in visits), 2) if visits else None
    if "rollout_cost" in own:
        said["cost_classroom_share"] = classroom_share(own["rollout_cost"])
    if "rollout_barrier" in own:
        barriers = [row for row in own["rollout_barrier"] if row["closed_date"] is None]
        said["barriers_open"] = float(len(barriers)) if own["rollout_barrier"] else None
        said["barrier_days_open_max"] = float(max(row["days_open"] for row in barriers)) if barriers else None
    return said


def _part(rows: Sequence[Mapping[str, Any]], part: str, whole: str) -> float | None:
    """The share that one column's sum is of another's; None where there is nothing."""
    count = sum(row[whole] for row in rows)
    return round(sum(row[part] for row in rows) / count, 4) if count else None


def classroom_share(costs: Sequence[Mapping[str, Any]]) -> float | None:
    """Of the costs of which the district says where they go, the share that reaches classrooms; None where of none."""
    classroom, central = (sum(row[name] or 0.0 for row in costs) for name in ("classroom_usd", "central_usd"))
    return round(classroom / (classroom + central), 4) if classroom + central > 0 else None


def why_empty(name: str, sent: Mapping[str, Mapping[str, Any]], barriers_open: float | None = None) -> str:
    """Why a metric has no value, in words: what of it was not sent and how it comes, or that it is not known.

    ``sent`` are the rows of ``rollout_sent`` of one pilot by kind of fact; none for all pilots together.
    ``barriers_open`` is the metric of that name beside this one: 0 where all are closed, None where no plan names one.
    """
    if name in BARRIERS:
        return "the plan names none" if barriers_open is None else "no barrier is open"
    kind = NEEDS.get(name)
    if kind is None or (row := sent.get(kind)) is None or row["facts"]:
        return "the costs do not say where they go (column Code)" if name == "cost_classroom_share" else "not known"
    return not_sent(kind, str(row["sent_by"]))


def not_sent(kind: str, sent_by: str = "files") -> str:
    """That nothing of a kind of fact was sent, and the command that brings it."""
    if sent_by == "stream":
        return "not sent: no event is the pilot's work by its plan"
    return f"not sent: cairn facts load PATH --layout {LAYOUTS[kind]}"
