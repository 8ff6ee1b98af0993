"""Reads a panel for waves: one row a unit and period, in long form, made balanced, with what was left out said."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from cairn.errors import CairnError
from pilots.estimators import checks
from pilots.estimators.group_time import Panel
from pilots.estimators.table import MISSING, SERIAL_DATES, Rows, Table

NEVER = MISSING | {"0", "0.0", "inf", "never"}
NAMED = 5


def read_panel(
    table: Table, outcome: str, unit: str, time: str, cohort: str, cluster: str | None, covariates: Sequence[str]
) -> tuple[Panel, list[str]]:
    """(panel, what was left out and why). ``cohort`` is the first treated period; empty, 0, inf or never is none.

    Raises CairnError where a unit is twice in a period, changes its cohort or cluster, or too little is left.
    """
    table.need([cohort])
    told = ["0" if value.strip().lower() in NEVER else value for value in table.columns[cohort]]
    table = dataclasses.replace(table, columns=table.columns | {cohort: told})
    text = [unit] if cluster is None else [unit, cluster]
    rows = table.complete([outcome, time, cohort, *covariates], text)
    if len(rows) == 0:
        raise CairnError(f"{table.path}: no row has all of the columns named; " + "; ".join(rows.warnings))
    checks.need_variation(rows, outcome)
    warnings = [*rows.warnings, *_dates(rows, time)]
    ids, index = checks.index_of(rows.texts[unit])
    periods, period = np.unique(rows.numbers[time], return_inverse=True)
    if len(periods) < 2:
        raise CairnError(f"{table.path}, column {time}: one period only; a change needs two")
    _once(rows, unit, time, index * len(periods) + period)
    starts = np.where(rows.numbers[cohort] == 0, np.inf, rows.numbers[cohort])
    _same_in_unit(rows, index, starts, unit, cohort)
    clusters = index if cluster is None else checks.index_of(rows.texts[cluster])[1]
    _same_in_unit(rows, index, clusters.astype(float), unit, cluster or unit)

    seen = np.bincount(index, minlength=len(ids))
    first = _first_of(index, len(ids))
    late = np.isfinite(starts) & (starts > periods[-1])
    if late.any():
        warnings.append(f"{len(set(index[late].tolist()))} units start after the last period: never treated here")
    starts = np.where(late, np.inf, starts)
    whole, early = seen == len(periods), starts[first] <= periods[0]
    warnings += _left_out(ids, ~whole, f"lack one of the {len(periods)} periods")
    warnings += _left_out(ids, whole & early, "were treated from the first period on, so they have no before")
    kept = whole & ~early
    if not np.isfinite(starts[first][kept]).any():
        raise CairnError(
            f"{table.path}, column {cohort}: no unit is left that is treated after the first period; "
            + "; ".join(warnings)
        )
    order = np.lexsort((period, index))
    order = order[kept[index[order]]]
    shape = (int(kept.sum()), len(periods))
    constant = [np.ones(shape)]
    x = np.stack([*constant, *(rows.numbers[name][order].reshape(shape) for name in covariates)], axis=2)
    chosen = first[kept]
    labels = np.unique(clusters[chosen], return_inverse=True)[1].ravel().astype(np.int64)
    panel = Panel(
        [one for one, is_kept in zip(ids, kept, strict=True) if is_kept],
        periods,
        rows.numbers[outcome][order].reshape(shape),
        x,
        starts[chosen],
        labels,
    )
    if cluster is not None:
        _same_in_cluster(rows, chosen, labels, starts, cluster, cohort)
    return panel, warnings


def _dates(rows: Rows, time: str) -> list[str]:
    values = rows.numbers[time]
    if ((values >= SERIAL_DATES[0]) & (values <= SERIAL_DATES[1])).all():
        return [f"{time} looks like days as spreadsheets store dates: event times are then in days"]
    return []


def _first_of(index: np.ndarray, count: int) -> np.ndarray:
    """Position of the first row of each unit."""
    first = np.full(count, len(index))
    np.minimum.at(first, index, np.arange(len(index)))
    return first


def _once(rows: Rows, unit: str, time: str, key: np.ndarray) -> None:
    order = np.argsort(key, kind="stable")
    again = order[1:][key[order][1:] == key[order][:-1]]
    if len(again):
        row = int(again.min())
        raise CairnError(
            f"{rows.at(row)}: {unit} {rows.texts[unit][row]} has a second row for {time} {rows.numbers[time][row]:g}; "
            "keep one, or give their mean"
        )


def _same_in_unit(rows: Rows, index: np.ndarray, values: np.ndarray, unit: str, column: str) -> None:
    first = _first_of(index, int(index.max()) + 1)
    other = np.flatnonzero(values != values[first[index]])
    if len(other):
        row = int(other[0])
        raise CairnError(
            f"{rows.at(row)}: {unit} {rows.texts[unit][row]} has another {column} here than on line "
            f"{rows.lines[first[index[row]]]}; a unit keeps one"
        )


def _same_in_cluster(
    rows: Rows, chosen: np.ndarray, labels: np.ndarray, starts: np.ndarray, cluster: str, cohort: str
) -> None:
    first = _first_of(labels, int(labels.max()) + 1)
    other = np.flatnonzero(starts[chosen] != starts[chosen][first[labels]])
    if len(other):
        row = int(chosen[other[0]])
        raise CairnError(
            f"{rows.at(row)}: {cluster} {rows.texts[cluster][row]} has units of several {cohort}; waves are of whole "
            "clusters: name as --cluster what was assigned together"
        )


def _left_out(ids: list[str], which: np.ndarray, why: str) -> list[str]:
    names = [ids[k] for k in np.flatnonzero(which)]
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{len(names)} units were left out, they {why}: {', '.join(names[:NAMED])}{more}"]
