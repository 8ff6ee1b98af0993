"""What every design asks of its rows before it estimates, and what it warns of: said with file, line and column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cairn.errors import CairnError
from pilots.decision import FORMATIVE_BELOW
from pilots.estimators.regression import Floats, Ints, dependent_column
from pilots.estimators.table import Bools, Rows, Table, Texts

INDEPENDENT_ROWS = "rows were taken to be independent; name the schools with --cluster where schools were assigned"


def arms_of(rows: Rows, treatment: str) -> Bools:
    """Treatment as yes or no. Raises CairnError where a value is neither 0 nor 1, or an arm has no row."""
    values = rows.numbers[treatment]
    odd = np.flatnonzero((values != 0) & (values != 1))
    if len(odd):
        raise CairnError(
            f"{rows.at(int(odd[0]))}, column {treatment}: {values[odd[0]]:g} is neither 0 (comparison) nor 1 (treated)"
        )
    is_treated = values == 1
    if is_treated.all() or not is_treated.any():
        which = "all rows are treated" if len(values) and is_treated.all() else "no row is treated"
        left = " once rows with a missing value are left out" if rows.warnings else ""
        said = f" ({'; '.join(rows.warnings)})" if rows.warnings else ""
        raise CairnError(f"{rows.path}, column {treatment}: {which}{left}, so there is nothing to compare{said}")
    return np.asarray(is_treated)


def index_of(labels: Texts) -> tuple[list[str], Ints]:
    """(labels in order, index of each row's label)."""
    names, index = np.unique(labels, return_inverse=True)
    return [str(name) for name in names], index.ravel().astype(np.int64)


def clusters_by_arm(cluster: Ints, is_treated: Bools) -> tuple[int, int, bool]:
    """(clusters with treated rows, clusters with others, whether every cluster is in one arm only)."""
    treated, others = set(cluster[is_treated].tolist()), set(cluster[~is_treated].tolist())
    return len(treated), len(others), not treated & others


def need_two_clusters_an_arm(treated: int, others: int, column: str) -> None:
    """Raise CairnError where one cluster is an arm: its own ways and the treatment's effect are then the same thing."""
    for count, arm in ((treated, "treated"), (others, "comparison")):
        if count < 2:
            raise CairnError(
                f"one {column} is the whole {arm} arm, so what is special about it cannot be told from the treatment "
                f"(WWC 5.0: a confound); add a second {column} to that arm"
            )


def lost_clusters(table: Table, rows: Rows, column: str | None) -> list[str]:
    """Clusters of which no row is complete, by name: schools that left the comparison with their pupils' values."""
    if column is None:
        return []
    there = set(rows.texts[column].tolist())
    lost = sorted({value.strip() for value in table.columns[column]} - there - {""})
    return [f"no row of {column} {', '.join(lost)} is complete: left out with all its rows"] if lost else []


def need_variation(rows: Rows, column: str) -> None:
    """Raise CairnError where all values of a column are the same."""
    values = rows.numbers[column]
    if np.ptp(values) == 0:
        raise CairnError(f"{rows.path}, column {column}: all {len(values)} values are {values[0]:g}: nothing varies")


def need_independent(rows: Rows, design: Floats, names: Sequence[str]) -> None:
    """Raise CairnError where a column of the design is determined by the ones before it."""
    if column := dependent_column(design, names):
        raise CairnError(
            f"{rows.path}, column {column}: it is constant or determined by the others in the model; leave it out"
        )


def need_residual(rows: Rows, design: Floats, outcome: str) -> None:
    """Raise CairnError where the model leaves nothing of the outcome: no error to judge by, only rounding."""
    values = rows.numbers[outcome] - rows.numbers[outcome].mean()
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    if np.linalg.norm(left) <= 1e-9 * np.linalg.norm(values):
        raise CairnError(
            f"{rows.path}, column {outcome}: the other columns of the model determine it exactly, so nothing varies "
            "about the estimate; is a covariate made from the outcome?"
        )


def few_pupils(is_treated: Bools, n_min: int) -> list[str]:
    """A label for arms with fewer rows than the district says anything about."""
    small = min(int(is_treated.sum()), int((~is_treated).sum()))
    if small >= n_min:
        return []
    return [f"only {small} rows in an arm, fewer than the {n_min} of whom anything may be published: not for a page"]


def few_clusters(smaller_arm: int, smallest_p: float, alpha: float, column: str) -> list[str]:
    """What the number of clusters means for the result."""
    said = []
    if smaller_arm < FORMATIVE_BELOW:
        said.append(
            f"formative only: {smaller_arm} of {column} in the smaller arm; "
            f"{FORMATIVE_BELOW} in each would be a comparison"
        )
    if smallest_p > alpha:
        said.append(f"this design cannot reach significance: its smallest p is {smallest_p:.4g}")
    return said
