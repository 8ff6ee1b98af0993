"""The pilot marts, made straight from the simulator's files: what the platform should arrive at."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from pilots.plan import Plan


def _read(path: Path) -> pd.DataFrame:
    with path.open() as file:
        return pd.DataFrame(list(csv.DictReader(file)))


def marts(district: Path, plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(mart_pilot_pupil, mart_pilot_school, mart_rollout_school) of one pilot."""
    enrolments = _read(district / "roster" / "enrollments.csv").query("role == 'student'")
    first = enrolments.sort_values("sourcedId").drop_duplicates("userSourcedId").set_index("userSourcedId")
    last = enrolments.sort_values("sourcedId").drop_duplicates("userSourcedId", keep="last").set_index("userSourcedId")
    users = _read(district / "roster" / "users.csv").set_index("sourcedId")
    pupils = pd.DataFrame({"school_id": first.schoolSourcedId, "grade": users.grades.reindex(first.index)})
    pupils["is_joiner"] = first.beginDate != first.beginDate.min()
    pupils["has_moved_school"] = last.schoolSourcedId.reindex(first.index) != first.schoolSourcedId
    for name in ("baseline", "outcome"):
        part = plan.analysis[name]
        scores = _read(district / "assessments" / f"{part['window']}.csv")
        chosen = scores[(scores.Assessment == part["assessment"]) & (scores.Measure == part["measure"])]
        pupils[f"{name}_score"] = chosen.set_index("StudentId").ScaleScore.astype(float)
    dosage = _read(district / "facts" / "dosage.csv").query("PilotId == @plan.pilot_id")
    pupils["dosage_minutes"] = dosage.Value.astype(float).groupby(dosage.StudentId).sum()
    pupils["dosage_minutes"] = pupils.dosage_minutes.fillna(0.0)
    pupils = pupils[pupils.school_id.isin(list(plan.arms))].reset_index(names="student_key")
    pupils["pilot_id"], pupils["plan_hash"], pupils["wave"] = plan.pilot_id, plan.plan_hash, 1
    pupils["arm"] = pupils.school_id.map(plan.arms)

    costs = _read(district / "facts" / "costs.csv").query("PilotId == @plan.pilot_id")
    cost = costs.Value.astype(float).groupby(costs.SchoolId).sum()
    names = _read(district / "roster" / "orgs.csv").set_index("sourcedId").name
    schools = pd.DataFrame({"school_id": list(plan.arms), "arm": list(plan.arms.values())})
    schools["pilot_id"], schools["school_name"] = plan.pilot_id, schools.school_id.map(names)
    schools["pupils_assigned"] = schools.school_id.map(pupils[~pupils.is_joiner].groupby("school_id").size())
    schools["cost_usd"] = schools.school_id.map(cost).fillna(0.0)

    milestones = _read(district / "facts" / "milestones.csv").query("PilotId == @plan.pilot_id")
    by_school = milestones.groupby("SchoolId").Code
    rollout = schools[schools.arm == "treatment"].assign(wave=1)
    reached = pupils[pupils.dosage_minutes > 0].groupby("school_id").size()
    rollout["pupils_planned"] = rollout.pupils_assigned
    rollout["pupils_reached"] = rollout.school_id.map(reached)
    rollout["dosage_minutes_mean"] = rollout.school_id.map(pupils.groupby("school_id").dosage_minutes.mean())
    planned = float(plan.implementation["dosage_minutes_planned"])
    met = (pupils.dosage_minutes >= planned).groupby(pupils.school_id).mean()
    rollout["dosage_met_share"] = rollout.school_id.map(met)
    rollout["milestones_planned"] = rollout.school_id.map(by_school.size())
    rollout["milestones_done"] = rollout.school_id.map(by_school.agg(lambda c: c.str.startswith("done").sum()))
    rollout["milestones_late"] = rollout.school_id.map(by_school.agg(lambda c: (c == "done_late").sum()))
    return pupils, schools, rollout
