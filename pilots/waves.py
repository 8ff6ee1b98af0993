"""Waves: a pilot whose schools start at different assessment windows, judged by the staggered estimator.

Chosen by the plan and never by the result: it names windows ``between`` and first days of waves that put its schools
in front of different windows. A school and window is a row: the mean of standard scores of its pupils who have a score
in every window. Effects are Callaway and Sant'Anna's (``estimators.staggered``); with few schools starts are permuted,
over the orders that were drawn from where the waves were drawn. ``waves_told`` puts it into words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError
from cairn.privacy import DEFAULT_SMALLEST_GROUP, held_back
from pilots import inference, posterior
from pilots.analysis import (
    OTHER_PRIORS,
    Adjustment,
    Analysis,
    Inference,
    NoComparison,
    Schools,
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

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OUTCOME, SCHOOL, WINDOW, START = "mean standard score", "school", "window", "first window with the change"


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
    wave; ``wave_of_window`` names the waves that start before each window (from 1), ``schools_by_start`` their schools
    that are compared. ``hidden_starts`` and ``hidden_events`` (windows since the start) rest on too few pupils, or
    could be told from one another: their effects are not told. ``orders`` is how many orders of the waves the starts
    were permuted over, None where they were not, or not over a stored set."""

    overall: StaggeredResult
    by_group: StaggeredResult
    wave_of_window: dict[int, list[int]]
    schools_by_start: dict[int, list[str]]
    hidden_starts: set[int]
    hidden_events: set[int]
    orders: int | None


def starts_of_waves(plan: Plan) -> dict[int, int | None]:
    """Wave to the number (from 1) of the first window that opens when it has started; None where it starts after the
    last."""
    opens = [window.opens_on for window in plan.windows]
    return {
        wave: min((k for k, first in enumerate(opens, start=1) if first >= day), default=None)
        for wave, day in enumerate(plan.wave_starts, start=1)
    }


def starts(plan: Plan) -> dict[str, int | None]:
    """School to the number of the first window that opens when it has started; None where it starts after the last, or
    never (the comparison arm)."""
    of_wave = starts_of_waves(plan)
    return {school: of_wave[plan.waves[school]] if arm == "treatment" else None for school, arm in plan.arms.items()}


def is_staggered(plan: Plan) -> bool:
    """Whether the plan's waves start before different windows that it names."""
    if not plan.analysis.get("between") or not plan.wave_starts:
        return False
    return len({start for start in starts(plan).values() if start is not None}) > 1


def analyse_waves(
    plan: Plan,
    sample: Sample,
    between: pd.DataFrame | None,
    stored: Bools | None = None,
    orders: Ints | None = None,
    n_min: int = DEFAULT_SMALLEST_GROUP,
) -> WavesAnalysis | NoComparison:
    """The analysis of waves, or why there can be none: also where a side has fewer than ``n_min`` pupils, the
    district's smallest group.

    ``between`` holds the scores of the plan's windows (``mart_pilot_window``), one row a pupil and window:
    ``student_key``, ``from_date`` (the window's first day), ``score``, and where it holds several pilots ``pilot_id``.
    ``orders`` is the set of orders of the waves that one was drawn of, the real one first, a column a school of the
    plan in sorted order (wave from 1, 0 held back): starts are permuted over it. ``stored`` is a set of allocations, as
    in ``analysis.analyse``: it says which schools have the change and not when, so starts are permuted over all
    schools, and that is said.
    """
    read = _all_windows(plan, sample, between)
    if isinstance(read, NoComparison):
        return read
    frame, scores, notes = read
    if orders is None and (stored is not None or plan.analysis["assignment"].get("blocks")):
        notes.append(
            "Schools were drawn in blocks or from a stored set, and the order of the waves was not; starts are permuted"
            " over all schools, so that p is not exact for this draw."
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
    if min(is_control.sum(), (~is_control).sum()) < n_min:
        return NoComparison(
            f"Schools with the change or without it have fewer than {n_min} pupils with a score in every window."
        )
    standard = [standard_scores(column, grade, school, ~is_control) for column in scores.T]
    if any(one is None for one in standard):
        return NoComparison("The scores of pupils without the change do not vary within their grades in some window.")
    values = np.column_stack([one.score for one in standard if one is not None])
    table = _rows(sorted(set(frame["school_id"].astype(str))), school, values, start_of)
    try:
        return _judged(
            plan, sample, frame, values, table, orders, float(standard[-1].sd if standard[-1] else 1.0), notes, n_min
        )
    except CairnError as error:
        return NoComparison(f"Waves cannot be compared: {error}")


def _all_windows(
    plan: Plan, sample: Sample, between: pd.DataFrame | None
) -> tuple[pd.DataFrame, Floats, list[str]] | NoComparison:
    """(pupils with a score in every window, scores [pupil, window], notes)."""
    if between is None:
        return NoComparison(
            "This release holds no scores of the windows between baseline and outcome; the next night brings them."
        )
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
    orders: Ints | None,
    sd_points: float,
    notes: list[str],
    n_min: int,
) -> WavesAnalysis:
    """Estimates, inference and beliefs of the rows. Raises CairnError where the waves hold no comparison."""
    seed = int(plan.analysis["assignment"].get("seed", 0))
    schools = school_means(sample, frame, numbered(frame["school_id"]), values[:, 0], values[:, -1])
    start_of = starts(plan)
    started = [start_of[one] for one in schools.ids]
    drawn = None if orders is None else _stored_starts(plan, schools.ids, orders)

    def found(aggregate: str, method: str = "auto") -> StaggeredResult:
        return staggered.estimate(
            table,
            Staggered(
                OUTCOME, SCHOOL, WINDOW, START, cluster=SCHOOL, aggregate=aggregate, method=method, seed=seed, n_min=0
            ),
            drawn,
        )

    overall, by_group = found("simple"), found("group")
    schools = replace(schools, is_treated=np.array([start is not None for start in started]))
    treated, named = int(schools.is_treated.sum()), sorted({start for start in started if start is not None})
    wave_of_window = {k: sorted({plan.waves[one] for one, start in start_of.items() if start == k}) for k in named}
    line = overall.estimates[0]
    hidden_starts, hidden_events = _hidden(schools, start_of, overall, n_min)
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
        compared=frame,
        notes=[*notes, *(f"Waves: {_in_waves(one, wave_of_window)}." for one in overall.warnings)],
        overall=overall,
        by_group=by_group,
        wave_of_window=wave_of_window,
        schools_by_start={k: [one for one in schools.ids if start_of[one] == k] for k in named},
        hidden_starts=hidden_starts,
        hidden_events=hidden_events,
        orders=None if drawn is None or overall.method != "permutation" else len(drawn),
    )


def _hidden(
    schools: Schools, start_of: Mapping[str, int | None], overall: StaggeredResult, n_min: int
) -> tuple[set[int], set[int]]:
    """(starts, windows since the start) whose effects are not told: those of fewer than ``n_min`` pupils, windows that
    rest on one hidden start alone, and what all of these could be told from (the effect is an average over them)."""
    pupils: dict[int, int] = {}
    for school, count in zip(schools.ids, schools.pupils.tolist(), strict=True):
        if (start := start_of[school]) is not None:
            pupils[start] = pupils.get(start, 0) + count
    starts_hidden = {int(one) for one in held_back({str(start): count for start, count in pupils.items()}, n_min)}
    resting: dict[int, set[int]] = {}
    for cell in overall.group_time:
        resting.setdefault(int(cell.time - cell.cohort), set()).add(int(cell.cohort))
    # What rests on one hidden start alone counts as a single pupil, so that it is held back with company.
    sizes = {
        str(event): 1 if len(cohorts) == 1 and cohorts <= starts_hidden else sum(pupils[one] for one in cohorts)
        for event, cohorts in resting.items()
    }
    before = {name: size for name, size in sizes.items() if int(name) < 0}
    after = {name: size for name, size in sizes.items() if int(name) >= 0}
    return starts_hidden, {int(one) for part in (before, after) for one in held_back(part, n_min)}


def _stored_starts(plan: Plan, ids: Sequence[str], orders: Ints) -> Floats:
    """The orders as first windows with the change [order, school of ``ids``], inf for never.

    Where schools were lost, only those orders that give each start as many of the schools that are there as the real
    one: what is permuted over is then alike in what is known of it.
    """
    of_wave = [math.inf, *(math.inf if start is None else start for start in starts_of_waves(plan).values())]
    columns = [sorted(plan.arms).index(school) for school in ids]
    found = np.array(of_wave)[orders][:, columns]
    is_alike = (np.sort(found, axis=1) == np.sort(found[0])).all(axis=1)
    return np.asarray(found[is_alike])


def _in_waves(warning: str, wave_of_window: Mapping[int, Sequence[int]]) -> str:
    """A warning of the estimator, which numbers first windows, in the plan's words."""

    def named(found: re.Match[str]) -> str:
        waves = wave_of_window[int(found[1])]
        return f"wave {' and '.join(map(str, waves))}"

    return re.sub(r"cohort (\d+)\b", named, warning).replace("period", "window")


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
