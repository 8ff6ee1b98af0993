"""Effects by cohort and period (Callaway and Sant'Anna 2021), for the real adoption times or many redrawn ones.

ATT(g, t) is the change of cohort g since its base period minus that of its controls; with covariates the controls'
change is predicted from them (outcome regression, Sant'Anna and Zhao 2020). Never a two-way fixed effects regression,
which compares late adopters with early ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["pre", "lead", "post"]

CHUNK = 1_000
# The condition of the controls' X'X above which a covariate cannot be told from the others.
SINGULAR = 1e12


@dataclass(frozen=True)
class Panel:
    """A balanced panel. ``outcome`` [units, periods], ``covariates`` [units, periods, columns] with the constant first.

    ``cohort`` [units] is the first treated period, inf for never; ``cluster`` [units] what was assigned together.
    """

    unit_ids: list[str]
    periods: Floats
    outcome: Floats
    covariates: Floats
    cohort: Floats
    cluster: Ints

    @property
    def cohorts(self) -> Floats:
        """Cohorts that are treated at some time, in order."""
        return np.unique(self.cohort[np.isfinite(self.cohort)])

    @property
    def cohort_of_cluster(self) -> Floats:
        """The cohort of each cluster (its units share one)."""
        found = np.empty(int(self.cluster.max()) + 1)
        found[self.cluster] = self.cohort
        return found


@dataclass(frozen=True)
class Cell:
    """One ATT(g, t): positions of the period and of its base period. ``pre`` before anticipation begins, ``lead`` from
    then to treatment, ``post`` from treatment on. Pre-periods are compared with the period before them ("varying")."""

    cohort: float
    time: float
    period: int
    base: int
    kind: Kind


def cells_of(panel: Panel, control: str, anticipation: float) -> list[Cell]:
    """All cells that have controls, cohort by cohort. Raises CairnError where no cell after treatment has any."""
    found = []
    for cohort in panel.cohorts:
        before = np.flatnonzero(panel.periods + anticipation < cohort)
        if len(before) == 0:
            continue
        for period in range(1, len(panel.periods)):
            time = float(panel.periods[period])
            if time < cohort - anticipation:
                cell = Cell(float(cohort), time, period, period - 1, "pre")
            else:
                cell = Cell(float(cohort), time, period, int(before[-1]), "post" if time >= cohort else "lead")
            if is_control(panel.cohort, cell, control, anticipation).any():
                found.append(cell)
    if not any(cell.kind == "post" for cell in found):
        raise CairnError(
            "no cohort can be compared after it began: everybody is treated by then, or none was seen before; "
            "give a period before the first cohort, and units that start later or never"
        )
    return found


def is_control(cohorts: Floats, cell: Cell, control: str, anticipation: float) -> NDArray[np.bool_]:
    """Which of ``cohorts`` (any shape) are a cell's controls: the never treated, or those not yet treated either."""
    if control == "never":
        return np.asarray(np.isinf(cohorts))
    return np.asarray((cohorts > cell.time + anticipation) & (cohorts != cell.cohort))


@dataclass(frozen=True)
class CellSums:
    """Sums by cluster over its units for one cell: how many, X, XX', and X times each answer's change."""

    count: Floats  # [clusters]
    x: Floats  # [clusters, columns]
    xx: Floats  # [clusters, columns * columns]
    xy: Floats  # [clusters, columns * answers]
    y: Floats  # [clusters, answers]


def sums_of(panel: Panel, cell: Cell, answers: Floats) -> CellSums:
    """``answers`` [answers, units, periods]: the outcome, and whatever else is to go the same way."""
    x = panel.covariates[:, cell.base, :]
    change = (answers[:, :, cell.period] - answers[:, :, cell.base]).T
    size = int(panel.cluster.max()) + 1

    def by_cluster(values: Floats) -> Floats:
        flat = values.reshape(len(values), -1)
        return np.stack([np.bincount(panel.cluster, column, minlength=size) for column in flat.T], axis=1)

    return CellSums(
        np.bincount(panel.cluster, minlength=size).astype(float),
        by_cluster(x),
        by_cluster(x[:, :, None] * x[:, None, :]),
        by_cluster(x[:, :, None] * change[:, None, :]),
        by_cluster(change),
    )


def effects(
    panel: Panel, cells: list[Cell], cohorts: Floats, answers: Floats, control: str, anticipation: float
) -> Floats:
    """ATT of every cell for each assignment of cohorts to clusters: [assignments, cells, answers].

    ``cohorts`` [assignments, clusters]; a row equal to the panel's own gives the estimates themselves.
    """
    found = np.empty((len(cohorts), len(cells), len(answers)))
    columns = panel.covariates.shape[2]
    for number, cell in enumerate(cells):
        sums = sums_of(panel, cell, answers)
        for start in range(0, len(cohorts), CHUNK):
            drawn = cohorts[start : start + CHUNK]
            treated = (drawn == cell.cohort).astype(float)
            controls = is_control(drawn, cell, control, anticipation).astype(float)
            xx = (controls @ sums.xx).reshape(-1, columns, columns)
            xy = (controls @ sums.xy).reshape(-1, columns, len(answers))
            # Some redrawn controls may not vary in a covariate: then the least of the solutions that fit alike.
            slopes = np.linalg.pinv(xx, hermitian=True) @ xy
            expected = ((treated @ sums.x)[:, None, :] @ slopes)[:, 0, :]
            found[start : start + CHUNK, number] = ((treated @ sums.y) - expected) / (treated @ sums.count)[:, None]
    return found


def need_slopes(panel: Panel, cells: list[Cell], control: str, anticipation: float) -> None:
    """Raise CairnError where the controls of a cell do not determine the covariates' slopes."""
    for cell in cells:
        controls = is_control(panel.cohort, cell, control, anticipation)
        x = panel.covariates[controls, cell.base, :]
        gram = x.T @ x
        scale = np.sqrt(np.diag(gram))
        if (scale == 0).any() or np.linalg.cond(gram / np.outer(scale, scale)) > SINGULAR:
            raise CairnError(
                f"the {controls.sum()} controls of cohort {cell.cohort:g} at {cell.time:g} do not determine the "
                "covariates' slopes: leave a covariate out, or add controls"
            )


def influence(panel: Panel, cells: list[Cell], control: str, anticipation: float) -> Floats:
    """Influence functions of the real cells: [units, cells]; the variance of a cell is the mean square over n.

    Sant'Anna and Zhao (2020), outcome regression, panel data; without covariates the difference of two means.
    """
    units = len(panel.cohort)
    found = np.zeros((units, len(cells)))
    for number, cell in enumerate(cells):
        x = panel.covariates[:, cell.base, :]
        change = panel.outcome[:, cell.period] - panel.outcome[:, cell.base]
        treated = panel.cohort == cell.cohort
        controls = is_control(panel.cohort, cell, control, anticipation)
        gram = x[controls].T @ x[controls]
        inverse = np.linalg.inv(gram)
        rest = change - x @ (inverse @ (x[controls].T @ change[controls]))
        found[treated, number] = units / treated.sum() * (rest[treated] - rest[treated].mean())
        found[controls, number] = -units * rest[controls] * (x[controls] @ (inverse @ x[treated].mean(axis=0)))
    return found
