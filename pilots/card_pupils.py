"""The parts of a scorecard that count people: for whom it is, and its schools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cairn.grades import grade_order
from pilots.judgement import Judged
from pilots.plan import Plan
from pilots.sample import as_measured, of_pilot
from pilots.subgroups import subgroups_of

if TYPE_CHECKING:
    import pandas as pd


def for_whom(judged: Judged, is_told: bool) -> dict[str, Any]:
    """Who is judged, and while nobody is, who is assigned and on which days their scores are taken.

    ``pupils`` and ``schools`` are those compared, or who could be. ``is_told``: whether chances are told, and so
    effects of groups may be.
    """
    plan, sample, analysis = judged.plan, judged.sample, judged.effect
    notes = ["Pupils are counted with the school they were assigned in, wherever they are now."]
    if sample.joiners:
        notes.append(f"{sample.joiners} pupils joined after the start; they are counted apart.")
    if sample.of_other_grades:
        notes.append(f"{sample.of_other_grades} pupils of these schools are in other grades than the plan's.")
    compared = sample.analytic if analysis is None else analysis.compared
    present = set(compared["school_id"])
    if (lost := len(set(plan.arms) - present)) and not judged.too_early:
        what = "with both scores" if analysis is None else "who is compared"
        notes.append(f"{lost} schools have no pupil {what}.")
    groups: list[dict[str, Any]] = []
    if not plan.subgroups:
        notes.append("Findings for single groups of pupils were not planned and are not shown.")
    elif is_told and analysis is not None:
        if analysis.scored is None:
            notes.append("Groups of pupils are not told apart for a pilot in waves.")
        else:
            groups = subgroups_of(plan, sample, analysis.scored, judged.n_min)
    grades = (sample.assigned if judged.too_early else compared)["grade"].dropna()
    return {
        "pupils": len(compared),
        "schools": len(present),
        "pupils_assigned": len(sample.assigned),
        "schools_assigned": len(plan.arms),
        "scores_from": plan.outcome_opens_on.isoformat(),
        "scores_until": plan.outcome_closes_on.isoformat(),
        "grades": sorted({str(grade) for grade in grades}, key=grade_order),
        "groups": groups,
        "notes": notes,
    }


def schools_of(judged: Judged, schools: pd.DataFrame) -> list[dict[str, Any]]:
    """Every school of the plan with the means of its pupils that are compared; while outcomes are not looked at, those
    of everybody assigned, and no mean outcome. ``mean_minutes`` are of everybody assigned, at any
    time; None where nobody measured them."""
    plan = judged.plan
    names = names_of(plan, schools)
    found = _means(judged)
    is_measured = judged.sample.dosage.met_share is not None
    minutes = judged.sample.assigned.groupby("school_id")["dosage_minutes"].agg(lambda each: each.fillna(0.0).mean())
    return [
        {
            "school_id": school,
            "school_name": names.get(school, school),
            "arm": arm,
            "pupils": found[school][0] if school in found else 0,
            "mean_baseline": found[school][1] if school in found else None,
            "mean_outcome": found[school][2] if school in found else None,
            "mean_minutes": float(minutes[school]) if is_measured and school in minutes.index else None,
        }
        for school, arm in plan.arms.items()
    ]


def names_of(plan: Plan, schools: pd.DataFrame) -> dict[str, str]:
    """Names of the pilot's schools, by id."""
    rows = of_pilot(schools, plan.pilot_id)
    return dict(zip(rows["school_id"], rows["school_name"].astype(str), strict=True))


def _means(judged: Judged) -> dict[str, tuple[int, float | None, float | None]]:
    """(pupils, mean baseline, mean outcome) by school, in points as the test has them."""
    plan = judged.plan
    if (analysis := judged.effect) is not None:
        of = analysis.schools
        raw = (as_measured(plan, column).tolist() for column in (of.raw_baseline, of.raw_outcome))
        return dict(zip(of.ids, zip(of.pupils.tolist(), *raw, strict=True), strict=True))
    by_school = judged.sample.assigned.groupby("school_id")
    baseline = as_measured(plan, by_school["baseline_score"].mean())
    return {
        str(school): (int(count), None if np.isnan(baseline[school]) else float(baseline[school]), None)
        for school, count in by_school.size().items()
    }
