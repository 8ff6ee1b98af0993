"""The pupils behind an evaluation: who counts, who is missing, who moved, who got how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilots.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

CROSSOVER_WARNING = 0.05


@dataclass(frozen=True)
class Sample:
    """``analytic`` holds the pupils with both scores who were there at assignment, analysed as assigned; shares are of
    the pupils assigned. ``schools_lost`` are schools of the plan without any analytic pupil."""

    analytic: pd.DataFrame
    assigned: int
    joiners: int
    coverage: float
    attrition_overall: float
    attrition_differential: float
    schools_treatment: int
    schools_comparison: int
    schools_lost: list[str]
    moved_share: float
    dosage_met_share: float | None
    mean_minutes: float | None
    comparison_minutes: float
    grades: list[str]

    @property
    def schools_smaller_arm(self) -> int:
        """Schools with outcomes in the smaller arm."""
        return min(self.schools_treatment, self.schools_comparison)


def make_sample(plan: Plan, pupils: pd.DataFrame) -> Sample:
    """Count everybody once. ``pupils`` has the columns of ``mart_pilot_pupil``; other pilots' rows are ignored."""
    frame = pupils[pupils["pilot_id"] == plan.pilot_id] if "pilot_id" in pupils.columns else pupils
    frame = frame[frame["school_id"].isin(list(plan.arms))]
    is_joiner = frame["is_joiner"].fillna(False).astype(bool)
    original = frame[~is_joiner]
    original = original.assign(arm=original["school_id"].map(plan.arms))
    has_both = original["baseline_score"].notna() & original["outcome_score"].notna()
    analytic = original[has_both]
    # Everybody assigned counts: who lacks either score is lost to the study, whichever window it was.
    lost = (~has_both).groupby(original["arm"]).mean()
    treated = frame[frame["school_id"].map(plan.arms) == "treatment"]
    minutes = treated["dosage_minutes"].fillna(0.0).astype(float)
    planned = float(plan.implementation["dosage_minutes_planned"])
    present = set(analytic["school_id"])
    other = frame[frame["school_id"].map(plan.arms) == "comparison"]
    arm_of = analytic.drop_duplicates("school_id")["arm"]
    return Sample(
        analytic=analytic,
        assigned=len(original),
        joiners=int(is_joiner.sum()),
        coverage=float(original["outcome_score"].notna().mean()) if len(original) else 0.0,
        attrition_overall=float((~has_both).mean()) if len(original) else 1.0,
        attrition_differential=abs(float(lost.get("treatment", 1.0)) - float(lost.get("comparison", 1.0))),
        schools_treatment=int((arm_of == "treatment").sum()),
        schools_comparison=int((arm_of == "comparison").sum()),
        schools_lost=sorted(set(plan.arms) - present),
        moved_share=float(original["has_moved_school"].fillna(False).astype(bool).mean()) if len(original) else 0.0,
        dosage_met_share=float((minutes >= planned).mean()) if len(minutes) else None,
        mean_minutes=float(minutes.mean()) if len(minutes) else None,
        comparison_minutes=float(other["dosage_minutes"].fillna(0.0).astype(float).mean()) if len(other) else 0.0,
        grades=sorted({str(grade) for grade in analytic["grade"].dropna()}),
    )


def arms_differ(plan: Plan, pupils: pd.DataFrame) -> list[str]:
    """Schools whose arm in the data is not the plan's."""
    rows = pupils[pupils["pilot_id"] == plan.pilot_id] if "pilot_id" in pupils.columns else pupils
    pairs = rows[["school_id", "arm"]].drop_duplicates()
    return sorted(
        str(school) for school, arm in pairs.itertuples(index=False) if plan.arms.get(str(school), str(arm)) != str(arm)
    )


def cost_of(schools: pd.DataFrame, plan: Plan) -> dict[str, Any]:
    """Total and per pupil of the treated schools, from ``mart_pilot_school``."""
    rows = schools[schools["pilot_id"] == plan.pilot_id] if "pilot_id" in schools.columns else schools
    treated = rows[rows["school_id"].map(plan.arms) == "treatment"]
    total = float(treated["cost_usd"].fillna(0.0).sum())
    pupils = int(treated["pupils_assigned"].fillna(0).sum())
    notes = [] if total > 0 else ["No costs were loaded for this pilot."]
    if missing := int((treated["cost_usd"].fillna(0.0) <= 0).sum()):
        notes += [f"{missing} of {len(treated)} schools report no cost."] if total > 0 else []
    return {
        "total_usd": round(total, 2),
        "per_pupil_usd": round(total / pupils, 2) if pupils and total > 0 else None,
        "notes": notes,
    }
