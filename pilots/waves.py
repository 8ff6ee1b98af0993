"""Waves: a pilot whose schools start at different assessment windows, judged by the staggered estimator.

Chosen by the plan and never by the result: it names windows ``between`` and first days of waves that put its schools
in front of different windows. A school and window is a row: the mean of standard scores of its pupils who have a score
in every window. Effects are Callaway and Sant'Anna's (``estimators.staggered``); with few schools starts are permuted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError
from cairn.privacy import DEFAULT_SMALLEST_GROUP
from pilots import inference, posterior
from pilots.analysis import (
    OTHER_PRIORS,
    Adjustment,
    Analysis,
    Inference,
    NoComparison,
    baseline_g_of,
    numbered,
    school_means,
)
from pilots.estimators import staggered
from pilots.estimators.result import Estimate
from pilots.estimators.staggered import Staggered, StaggeredResult
from pilots.estimators.table import Table, table_of
from pilots.plan import Plan
from pilots.sample import Sample, of_pilot
from pilots.standard_scores import compared_grades, standard_scores

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

OUTCOME, SCHOOL, WINDOW, START = "mean standard score", "school", "window", "first window with the change"
CONTROLS = {"never": "schools that never start", "not-yet": "schools that have not started yet"}


@dataclass(frozen=True)
class Spread:
    """What a belief reads of an estimate of waves (``posterior.Estimated``).

    The plan's ICC and R2 are of levels and say nothing of changes, so the variance expected is the one seen:
    ``standard_error`` comes from influence functions, by school, on ``df`` degrees of freedom.
    """

    estimate: float
    standard_error: float
    df: int

    @property
    def information(self) -> float:
        """One over the variance of the estimate."""
        return self.standard_error**-2

    @property
    def residual_squares(self) -> float:
        """What is left, in units of its expectation."""
        return float(self.df)


@dataclass(frozen=True, kw_only=True)
class WavesAnalysis(Analysis):
    """An analysis of waves. ``overall`` and ``by_group`` are one estimate, averaged over all treated cells and by
    wave; ``wave_of_window`` names the waves that start before each window (from 1), ``schools_by_start`` counts
    their schools."""

    overall: StaggeredResult
    by_group: StaggeredResult
    wave_of_window: dict[int, list[int]]
    schools_by_start: dict[int, int]


def starts(plan: Plan) -> dict[str, int | None]:
    """The number (from 1) of the first window that opens when a school has started; None where it starts after the
    last, or never (the comparison arm)."""
    opens, days = [window.opens_on for window in plan.windows], plan.wave_starts
    found: dict[str, int | None] = {}
    for school, arm in plan.arms.items():
        after = [
            k for k, day in enumerate(opens, start=1) if arm == "treatment" and day >= days[plan.waves[school] - 1]
        ]
        found[school] = min(after, default=None)
    return found


def is_staggered(plan: Plan) -> bool:
    """Whether the plan's waves start before different windows that it names."""
    if not plan.analysis.get("between") or not plan.wave_starts:
        return False
    return len({start for start in starts(plan).values() if start is not None}) > 1


def analyse_waves(
    plan: Plan, sample: Sample, between: pd.DataFrame | None, stored: NDArray[np.bool_] | None = None
) -> WavesAnalysis | NoComparison:
    """The analysis of waves, or why there can be none.

    ``between`` holds the scores of the windows between baseline and outcome, one row a pupil and window:
    ``student_key``, ``from_date`` (the window's first day), ``score``, and where it holds several pilots ``pilot_id``.
    ``stored`` is the set of allocations that the draw was made from, as in ``analysis.analyse``: it says which schools
    have the change and not when, so starts are permuted over all schools, and that is said.
    """
    read = _all_windows(plan, sample, between)
    if isinstance(read, NoComparison):
        return read
    frame, scores, notes = read
    if stored is not None or plan.analysis["assignment"].get("blocks"):
        notes.append(
            "Schools were drawn in blocks or from a stored set; starts are permuted over all schools, so that p is not"
            " exact for this draw."
        )
    start_of = starts(plan)
    last = max((k for k in start_of.values() if k is not None), default=0)
    is_control = frame["school_id"].map(lambda one: start_of[str(one)] is None).to_numpy(dtype=bool)
    if not is_control.any():  # no holdback: the last to start are compared with
        is_control = frame["school_id"].map(lambda one: start_of[str(one)] == last).to_numpy(dtype=bool)
    grade, school = numbered(frame["grade"]), numbered(frame["school_id"])
    can = compared_grades(grade, school, ~is_control)
    if not can.all():
        notes.append(f"{int((~can).sum())} pupils of grades that only one side has are left out.")
        frame, scores, is_control = frame[can], scores[can], is_control[can]
        grade, school = numbered(frame["grade"]), numbered(frame["school_id"])
    if min(is_control.sum(), (~is_control).sum()) < DEFAULT_SMALLEST_GROUP:
        return NoComparison(
            f"Schools with the change or without it have fewer than {DEFAULT_SMALLEST_GROUP} pupils with a score in"
            " every window."
        )
    standard = [standard_scores(column, grade, school, ~is_control) for column in scores.T]
    if any(one is None for one in standard):
        return NoComparison("The scores of pupils without the change do not vary within their grades in some window.")
    values = np.column_stack([one.score for one in standard if one is not None])
    table = _rows(sorted(set(frame["school_id"].astype(str))), school, values, start_of)
    try:
        return _judged(
            plan, sample, frame, values, table, start_of, float(standard[-1].sd if standard[-1] else 1.0), notes
        )
    except CairnError as error:
        return NoComparison(f"Waves cannot be compared: {error}")


def _all_windows(
    plan: Plan, sample: Sample, between: pd.DataFrame | None
) -> tuple[pd.DataFrame, Floats, list[str]] | NoComparison:
    """(pupils with a score in every window, scores [pupil, window], notes)."""
    if between is None:
        return NoComparison("This release holds no scores of the windows between baseline and outcome.")
    rows = of_pilot(between, plan.pilot_id)
    frame = sample.analytic
    columns = [frame["baseline_score"].to_numpy(dtype=float)]
    for window in plan.windows[1:-1]:
        day = window.opens_on.isoformat()
        own = rows[rows["from_date"].astype(str).str[:10] == day].dropna(subset=["score"])
        if own["student_key"].duplicated().any():
            raise CairnError(f"pilot {plan.pilot_id}: a pupil has two scores in the window from {day}; keep one")
        column = frame["student_key"].map(own.set_index("student_key")["score"]).to_numpy(dtype=float)
        if np.isnan(column).all():
            return NoComparison(f"No pupil has a score in the window from {day}.")
        columns.append(column)
    scores = np.column_stack([*columns, frame["outcome_score"].to_numpy(dtype=float)])
    whole = ~np.isnan(scores).any(axis=1)
    notes = []
    if not whole.all():
        notes.append(
            f"{int((~whole).sum())} of {len(whole)} pupils with both scores lack one of the windows between and are"
            " left out."
        )
    return frame[whole], scores[whole], notes


def _rows(ids: list[str], school: NDArray[np.int64], values: Floats, start_of: Mapping[str, int | None]) -> Table:
    """A row a school and window; windows are numbered from 1."""
    count = np.bincount(school)
    means = [np.bincount(school, column) / count for column in values.T]
    cells = [(one, k + 1, float(mean[position])) for position, one in enumerate(ids) for k, mean in enumerate(means)]
    return table_of(
        {
            SCHOOL: [one for one, _, _ in cells],
            WINDOW: [window for _, window, _ in cells],
            OUTCOME: [mean for _, _, mean in cells],
            START: [start_of[one] or "never" for one, _, _ in cells],
        },
        "school means",
    )


def _judged(
    plan: Plan,
    sample: Sample,
    frame: pd.DataFrame,
    values: Floats,
    table: Table,
    start_of: Mapping[str, int | None],
    sd_points: float,
    notes: list[str],
) -> WavesAnalysis:
    """Estimates, inference and beliefs of the rows. Raises CairnError where the waves hold no comparison."""
    seed = int(plan.analysis["assignment"].get("seed", 0))

    def found(aggregate: str, method: str = "auto") -> StaggeredResult:
        return staggered.estimate(
            table,
            Staggered(
                OUTCOME, SCHOOL, WINDOW, START, cluster=SCHOOL, aggregate=aggregate, method=method, seed=seed, n_min=0
            ),
        )

    overall, by_group = found("simple"), found("group")
    schools = school_means(sample, frame, numbered(frame["school_id"]), values[:, 0], values[:, -1])
    started = [start_of[one] for one in schools.ids]
    schools = replace(schools, is_treated=np.array([start is not None for start in started]))
    treated, named = int(schools.is_treated.sum()), sorted({start for start in started if start is not None})
    line = overall.estimates[0]
    is_formative = inference.ladder(min(treated, len(started) - treated), plan.is_random) == "formative"
    by_influence = overall if overall.method == "analytic" else found("simple", "analytic")
    spread = _spread(by_influence.estimates[0], len(started), len(set(started)))
    prior = posterior.deciding_priors(float(plan.analysis["prior"]["effect_sd"]))
    return WavesAnalysis(
        rung="formative" if is_formative else "waves permuted" if overall.method == "permutation" else "waves",
        schools=schools,
        effect_sd=line.estimate,
        sd_points=sd_points,
        inference=_inference(line, overall, is_formative, spread.df),
        baseline_g=baseline_g_of(values[:, 0], (frame["arm"] == "treatment").to_numpy(dtype=bool)),
        beliefs=posterior.beliefs(spread, prior, plan.is_random),
        others=posterior.beliefs(spread, OTHER_PRIORS, plan.is_random),
        adjustments=[Adjustment("as planned: changes of schools since before they started", line.estimate)],
        notes=[*notes, *(f"Waves: {one}." for one in overall.warnings)],
        overall=overall,
        by_group=by_group,
        wave_of_window={k: sorted({plan.waves[one] for one, start in start_of.items() if start == k}) for k in named},
        schools_by_start={k: started.count(k) for k in named},
    )


def _spread(line: Estimate, schools: int, cohorts: int) -> Spread:
    """The estimate and its error with a degree of freedom less for each cohort, where the estimator counts one."""
    if line.standard_error is None:
        raise CairnError("schools leave nothing to judge chance by")
    df = max(schools - cohorts, 1)
    return Spread(line.estimate, line.standard_error * math.sqrt((schools - 1) / df), df)


def _inference(line: Estimate, overall: StaggeredResult, is_formative: bool, df: int) -> Inference:
    """p and interval of the average over all treated cells; none with too few schools."""
    if is_formative:
        return Inference(None, None, None, overall.smallest_p)
    bounds = (line.low, line.high)
    is_open = bounds[0] is None or bounds[1] is None
    interval = None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1])
    return Inference(line.p_value, interval, line.df or float(df), overall.smallest_p, is_open)


def told(analysis: WavesAnalysis, plan: Plan) -> dict[str, Any]:
    """The part of the card: windows, effect by wave, by windows since the start, and the trend before.

    Effects are in SD. With too few schools there is no p and no interval.
    """
    is_formative = analysis.rung == "formative"

    def numbers(p_value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
        return (
            dict.fromkeys(("p_value", "low", "high"))
            if is_formative
            else {"p_value": p_value, "low": low, "high": high}
        )

    windows, trend = plan.windows, analysis.overall.pre_trend
    groups = []
    for line in analysis.by_group.estimates[1:]:
        start = int(float(line.term.rsplit(" ", 1)[1]))
        groups.append(
            {
                "waves": analysis.wave_of_window[start],
                "first_window": windows[start - 1].opens_on.isoformat(),
                "schools": analysis.schools_by_start[start],
                "effect_sd": line.estimate,
            }
            | numbers(line.p_value, line.low, line.high)
        )
    return {
        "compared_with": CONTROLS[analysis.overall.control],
        "windows": [{"name": one.name, "from_date": one.opens_on.isoformat()} for one in windows],
        "groups": groups,
        "event_study": [
            {"windows_since_start": int(one.event_time), "effect_sd": one.estimate}
            | numbers(one.p_value, one.low, one.high)
            for one in analysis.overall.event_study
        ],
        "pre_trend": None
        if trend is None or is_formative
        else {"statistic": trend.statistic, "df": trend.df, "p_value": trend.p_value},
    }
