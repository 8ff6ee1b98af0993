"""From ATT(g, t) to what a person asks: overall, by time since adoption, by cohort, by calendar period.

Callaway and Sant'Anna (2021), section 3; weights as R's `did` (aggte) has them, whose influence functions also carry
that the cohorts' shares are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilots.estimators.group_time import Cell, Floats, Ints, Panel

AGGREGATES = ("simple", "dynamic", "group", "calendar")


@dataclass(frozen=True)
class Part:
    """One average of cells: by the share of their cohorts, or all alike. ``at`` is the event time, cohort or period."""

    at: float
    cells: Ints
    by_share: bool


def parts_of(cells: list[Cell], aggregate: str) -> list[Part]:
    """The averages of an aggregate, in the order of ``at``; only 'dynamic' has any before treatment."""
    post = [k for k, cell in enumerate(cells) if cell.kind == "post"]
    if aggregate == "simple":
        return [Part(0.0, np.array(post), True)]
    keys = {
        "dynamic": [(cell.time - cell.cohort, k) for k, cell in enumerate(cells)],
        "group": [(cells[k].cohort, k) for k in post],
        "calendar": [(cells[k].time, k) for k in post],
    }[aggregate]
    return [
        Part(at, np.array([k for key, k in keys if key == at]), aggregate != "group")
        for at in sorted({key for key, _ in keys})
    ]


def shares(cohorts: Floats, units_of_cluster: Floats, cells: list[Cell]) -> Floats:
    """Share of all units in each cell's cohort: [assignments, cells], for ``cohorts`` [assignments, clusters]."""
    total = units_of_cluster.sum()
    return np.stack([(cohorts == cell.cohort) @ units_of_cluster / total for cell in cells], axis=1)


def average(part: Part, effects: Floats, share: Floats) -> Floats:
    """The part's average for each assignment: ``effects`` and ``share`` are [assignments, cells]."""
    weight = share[:, part.cells] if part.by_share else np.ones((len(share), len(part.cells)))
    return np.asarray((weight * effects[:, part.cells]).sum(axis=1) / weight.sum(axis=1))


def overall(aggregate: str, cells: list[Cell], effects: Floats, share: Floats) -> Floats:
    """One number an assignment: parts after treatment alike, cohorts by their share."""
    parts = [part for part in parts_of(cells, aggregate) if aggregate != "dynamic" or part.at >= 0]
    means = np.stack([average(part, effects, share) for part in parts], axis=1)
    weight = _weights(aggregate, parts, share)
    return np.asarray((weight * means).sum(axis=1) / weight.sum(axis=1))


def _weights(aggregate: str, parts: list[Part], share: Floats) -> Floats:
    if aggregate != "group":
        return np.ones((len(share), len(parts)))
    return np.stack([share[:, part.cells[0]] for part in parts], axis=1)


def part_influence(panel: Panel, cells: list[Cell], part: Part, effects: Floats, influences: Floats) -> Floats:
    """Influence function of a part's average: [units]. ``effects`` [cells], ``influences`` [units, cells]."""
    if not part.by_share:
        return np.asarray(influences[:, part.cells].mean(axis=1))
    return _by_share(
        panel, np.array([cells[k].cohort for k in part.cells]), effects[part.cells], influences[:, part.cells]
    )


def overall_influence(panel: Panel, aggregate: str, cells: list[Cell], effects: Floats, influences: Floats) -> Floats:
    """Influence function of the overall number: [units]."""
    parts = [part for part in parts_of(cells, aggregate) if aggregate != "dynamic" or part.at >= 0]
    own = np.stack([part_influence(panel, cells, part, effects, influences) for part in parts], axis=1)
    if aggregate != "group":
        return np.asarray(own.mean(axis=1))
    means = np.array([effects[part.cells].mean() for part in parts])
    return _by_share(panel, np.array([part.at for part in parts]), means, own)


def _by_share(panel: Panel, cohorts: Floats, means: Floats, influences: Floats) -> Floats:
    """Influence of a mean of ``means`` weighted by the estimated shares of ``cohorts``."""
    belongs: NDArray[np.float64] = (panel.cohort[:, None] == cohorts).astype(float)
    share = belongs.mean(axis=0)
    total = share.sum()
    centred = belongs - share
    of_weights = centred / total - np.outer(centred.sum(axis=1), share) / total**2
    return np.asarray(influences @ (share / total) + of_weights @ means)
