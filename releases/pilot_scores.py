"""Whether a pilot's scores are those that its plan means: of this plan, one subject, one unit, in the planned days.

What is asked here is asked of the marts and not of the estimate: a comparison of the wrong scores is none, however
precise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairn.errors import CairnError
from pilots.known import same
from pilots.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

# Scores of one test in one unit lie within a few standard deviations of each other from one window to the next.
MOST_SDS_APART, MOST_TIMES_AS_WIDE = 8.0, 5.0


def refuse_other_plan(plan_hash: str, pupils: pd.DataFrame) -> None:
    """Raise CairnError where the marts were made for another plan of the pilot, which was amended since."""
    others = sorted(set(pupils["plan_hash"].dropna()) - {plan_hash})
    if others:
        raise CairnError(
            f"the release holds the pupils and scores of plan {others[0][:12]}, and the plan was amended to"
            f" {plan_hash[:12]} since: the next night brings those of the new one ('cairn night run')"
        )


def refuse(plan: Plan, pupils: pd.DataFrame, schools: pd.DataFrame) -> None:
    """Raise CairnError where the scores mix subjects, or where baseline and outcome of one test are in two units.

    ``pupils`` and ``schools`` are the pilot's rows of ``mart_pilot_pupil`` and ``mart_pilot_school``.
    """
    subjects = int(schools["subjects_tested"].max()) if "subjects_tested" in schools and len(schools) else 1
    if subjects > 1:
        raise CairnError(
            f"the plan names no subject, and its pupils have results of {subjects} subjects in"
            f" {plan.analysis['outcome']['assessment']!r}: freeze a plan that names analysis.subject"
        )
    baseline, outcome = plan.analysis["baseline"], plan.analysis["outcome"]
    before, after = pupils["baseline_score"].dropna().astype(float), pupils["outcome_score"].dropna().astype(float)
    if same(baseline["assessment"]) != same(outcome["assessment"]) or min(len(before), len(after)) < 2:
        return
    narrow, wide = sorted((float(before.std()), float(after.std())))
    apart = abs(float(after.mean()) - float(before.mean()))
    if apart > MOST_SDS_APART * wide or wide > MOST_TIMES_AS_WIDE * narrow > 0:
        raise CairnError(
            f"baseline and outcome of {outcome['assessment']!r} are not in one unit: their means are"
            f" {before.mean():.4g} and {after.mean():.4g}, their standard deviations {before.std():.3g} and"
            f" {after.std():.3g}; load the file that is in another unit again"
        )


def warnings(plan: Plan, schools: pd.DataFrame) -> list[str]:
    """What a reader has to know of the scores: a plan that the release does not know yet; pupils tested outside the
    planned days, whose score does not count."""
    if not len(schools):
        return ["This release was made before the plan was frozen; the next night brings its pupils and scores."]
    if "pupils_outside_window" not in schools or not (outside := int(schools["pupils_outside_window"].sum())):
        return []
    opens, closes = plan.outcome_opens_on.isoformat(), plan.outcome_closes_on.isoformat()
    return [f"{outside} pupils were tested outside {opens} to {closes}, so they count as without an outcome."]
