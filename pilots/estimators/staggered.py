"""Waves: the effect of a change that reaches units at different times, by Callaway and Sant'Anna (2021).

With many clusters standard errors come from influence functions, as R's `did` gives them analytically. With few the
adoption times of the clusters are permuted: p, interval and pre-trend come from the same redrawn estimator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cairn.errors import CairnError, UsageError
from pilots.estimators import checks
from pilots.estimators.aggregation import AGGREGATES, parts_of
from pilots.estimators.group_time import Cell, Floats, Panel, cells_of, need_slopes
from pilots.estimators.panel import read_panel
from pilots.estimators.result import ALPHA, EffectSize, Result, size_of
from pilots.estimators.table import Table
from pilots.estimators.waves_inference import Analytic, GroupTime, Permuted, PreTrend, Waves
from pilots.inference import PERMUTATION_UP_TO

CONTROLS = ("never", "not-yet")
METHODS = ("auto", "analytic", "permutation")


@dataclass(frozen=True)
class Staggered:
    """The design: columns by name, controls, aggregate, how long before treatment it may be felt, and the inference.

    ``control`` None: the never treated where there are any (a holdback), else those not yet treated.
    """

    outcome: str
    unit: str
    time: str
    cohort: str
    covariates: tuple[str, ...] = ()
    cluster: str | None = None
    control: str | None = None
    aggregate: str = "simple"
    anticipation: float = 0.0
    method: str = "auto"
    seed: int = 0
    n_min: int = 10
    alpha: float = ALPHA


@dataclass(frozen=True)
class Event:
    """The average effect so long after adoption (before it, where negative)."""

    event_time: float
    estimate: float
    standard_error: float | None
    p_value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class StaggeredResult(Result):
    """``clusters`` are the units where none were named.

    ``event_study`` has all event times, ``pre_trend`` is None where no period before adoption can be judged.
    """

    units: int
    control: str
    aggregate: str
    event_study: tuple[Event, ...]
    group_time: tuple[GroupTime, ...]
    pre_trend: PreTrend | None


def estimate(table: Table, design: Staggered, stored: Floats | None = None) -> StaggeredResult:
    """Effects of waves. ``stored`` [draw, cluster] are the adoption times that a permutation is over, clusters in the
    order of their names (inf: never), where they were drawn from a set; else from all that keep each wave's size.

    Raises CairnError where the panel does not hold such a comparison.
    """
    for given, known, what in (
        (design.aggregate, AGGREGATES, "aggregate"),
        (design.method, METHODS, "inference"),
        (design.control or "never", CONTROLS, "control"),
    ):
        if given not in known:
            raise UsageError(f"no {what} {given!r} for waves; known are {', '.join(known)}")
    if design.anticipation < 0:
        raise UsageError("anticipation is a length of time, 0 or more")
    columns = (design.outcome, design.unit, design.time, design.cohort, design.cluster)
    panel, warnings = read_panel(table, *columns, design.covariates)
    control = _control(panel, design)
    cells = cells_of(panel, control, design.anticipation)
    need_slopes(panel, cells, control, design.anticipation)
    warnings += _histories(panel, cells, design)
    treated = int(np.isfinite(panel.cohort_of_cluster).sum())
    controls = _controls(panel)
    if treated < 2 or control == "never":
        checks.need_two_clusters_an_arm(treated, controls, design.cluster or design.unit)
    smaller = min(treated, controls)
    method = design.method
    if method == "auto":
        method = "permutation" if smaller <= PERMUTATION_UP_TO else "analytic"
    waves = Waves(panel, cells, control, design.aggregate, design.anticipation, design.alpha)
    has_few = method == "permutation"
    judge = Permuted(waves, design.seed, stored) if has_few else Analytic(waves, design.cluster is not None)
    parts = [] if design.aggregate == "simple" else parts_of(cells, design.aggregate)
    what = {"dynamic": "event", "group": "cohort", "calendar": "time"}.get(design.aggregate, "")
    lines = [judge.overall(), *(judge.part(part, f"{what} {part.at:g}") for part in parts)]
    events = [(part.at, judge.part(part, "event")) for part in parts_of(cells, "dynamic")]
    before = int(np.flatnonzero(panel.periods < panel.cohorts[0])[-1])
    if design.cluster is None:
        warnings.append(f"errors are counted by {design.unit}; name --cluster where waves were of something larger")
    else:
        warnings += checks.few_pupils(np.isfinite(panel.cohort), design.n_min)
    warnings += checks.few_clusters(smaller, judge.smallest_p, design.alpha, design.cluster or design.unit)
    return StaggeredResult(
        design="staggered",
        method=method,
        n=panel.outcome.size,
        clusters=len(panel.cohort_of_cluster),
        estimates=tuple(lines),
        effect_size=_size(lines[0].estimate, panel, before),
        smallest_p=judge.smallest_p,
        warnings=(*warnings, *judge.warnings),
        units=len(panel.cohort),
        control=control,
        aggregate=design.aggregate,
        event_study=tuple(
            Event(at, line.estimate, line.standard_error, line.p_value, line.low, line.high) for at, line in events
        ),
        group_time=judge.cells(),
        pre_trend=judge.pre_trend(),
    )


def _control(panel: Panel, design: Staggered) -> str:
    has_never = bool(np.isinf(panel.cohort).any())
    if design.control == "never" and not has_never:
        raise CairnError(
            f"column {design.cohort}: every unit is treated at some time, so there is no never-treated unit; "
            "use --control not-yet"
        )
    return design.control or ("never" if has_never else "not-yet")


def _controls(panel: Panel) -> int:
    """Clusters that stay a control to the end: the never treated, without them those of the last wave."""
    starts = panel.cohort_of_cluster
    last = np.inf if np.isinf(starts).any() else starts.max()
    return int((starts == last).sum())


def _histories(panel: Panel, cells: list[Cell], design: Staggered) -> list[str]:
    """Cohorts that have one period before they begin, or none, and those that nothing can be said of."""
    said = []
    for cohort in panel.cohorts:
        before = int((panel.periods + design.anticipation < cohort).sum())
        if before == 0:
            said.append(f"cohort {cohort:g} has no period before anticipation begins: it is left out")
        elif before == 1:
            said.append(f"cohort {cohort:g} has one period before it begins: its trend before cannot be looked at")
        if int((panel.cohort_of_cluster == cohort).sum()) == 1:
            which = design.cluster or design.unit
            said.append(f"cohort {cohort:g} is one {which}: what is special about it is taken for the effect")
        if before and not any(cell.cohort == cohort and cell.kind == "post" for cell in cells):
            said.append(f"cohort {cohort:g} has no control left once it begins: it is a control only")
    return said


def _size(overall: float, panel: Panel, before: int) -> EffectSize:
    """In SD of the outcome in the last period in which nobody was treated."""
    return size_of(overall, panel.outcome[:, before], np.isfinite(panel.cohort) & (panel.cohort < panel.cohort.max()))
