"""Whether a pilot's scores are those that its plan means: of this plan, one subject, one unit, in the planned days.

What is asked here is asked of the marts and not of the estimate: a comparison of the wrong scores is none, however
precise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

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


def refuse(plan: Plan, pupils: pd.DataFrame, schools: pd.DataFrame, windows: pd.DataFrame | None = None) -> None:
    """Raise CairnError where the scores mix subjects, or baseline and a later window of one test are in two units.

    ``pupils`` and ``schools`` are the pilot's rows of ``mart_pilot_pupil`` and ``mart_pilot_school``, ``windows`` those
    of ``mart_pilot_window`` for a plan in waves.
    """
    subjects = int(schools["subjects_tested"].max()) if "subjects_tested" in schools and len(schools) else 1
    if subjects > 1:
        raise CairnError(
            f"the plan names no subject, and its pupils have results of {subjects} subjects in"
            f" {plan.analysis['outcome']['assessment']!r}: freeze a plan that names analysis.subject"
        )
    before = pupils["baseline_score"].dropna().astype(float)
    for measure, name, scores in _later(plan, pupils, windows):
        if same(plan.analysis["baseline"]["assessment"]) == same(measure["assessment"]):
            _need_one_unit(measure["assessment"], before, name, scores.dropna().astype(float))


def _later(
    plan: Plan, pupils: pd.DataFrame, windows: pd.DataFrame | None
) -> Iterator[tuple[Mapping[str, Any], str, pd.Series]]:
    """(measure, what it is called, scores) of every window after the baseline's."""
    if windows is not None:
        for number, measure in enumerate(plan.analysis.get("between", ()), start=2):
            yield measure, f"the window from {measure['from_date']}", _of_window(windows, number)["score"]
    yield plan.analysis["outcome"], "outcome", pupils["outcome_score"]


def _of_window(windows: pd.DataFrame, number: int) -> pd.DataFrame:
    """Rows of the plan's window of this number, from 1."""
    return windows[windows["window_number"] == number]


def _need_one_unit(test: str, before: pd.Series, name: str, after: pd.Series) -> None:
    if min(len(before), len(after)) < 2:
        return
    narrow, wide = sorted((float(before.std()), float(after.std())))
    apart = abs(float(after.mean()) - float(before.mean()))
    if apart > MOST_SDS_APART * wide or wide > MOST_TIMES_AS_WIDE * narrow > 0:
        raise CairnError(
            f"baseline and {name} of {test!r} are not in one unit: their means are"
            f" {before.mean():.4g} and {after.mean():.4g}, their standard deviations {before.std():.3g} and"
            f" {after.std():.3g}; load the file that is in another unit again"
        )


def warnings(plan: Plan, schools: pd.DataFrame, windows: pd.DataFrame | None = None) -> list[str]:
    """What a reader has to know of the scores: a plan that the release does not know yet; pupils tested outside the
    planned days, whose score does not count."""
    if not len(schools):
        return ["This release was made before the plan was frozen; the next night brings its pupils and scores."]
    said = []
    if windows is not None:
        for number, window in list(enumerate(plan.windows, start=1))[1:-1]:
            if outside := int(_of_window(windows, number)["is_only_outside"].sum()):
                said.append(
                    f"{outside} pupils were tested outside {window.opens_on} to {window.closes_on}, a window between,"
                    " so they have no score there and are left out."
                )
    if "pupils_outside_window" not in schools or not (outside := int(schools["pupils_outside_window"].sum())):
        return said
    opens, closes = plan.outcome_opens_on.isoformat(), plan.outcome_closes_on.isoformat()
    return [*said, f"{outside} pupils were tested outside {opens} to {closes}, so they count as without an outcome."]
