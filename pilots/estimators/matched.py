"""A comparison group by matching: each treated row beside the comparison rows that were like it before.

The estimate is the mean over matched treated rows of their outcome minus that of their matches (the effect on the
treated). Matching takes care of what was measured, not of what was not: that is said with every result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cairn.errors import CairnError, UsageError
from pilots.estimators import checks
from pilots.estimators.neighbours import (
    DISTANCES,
    UP_TO,
    Floats,
    Ints,
    Matches,
    conditional_variance,
    coordinates,
    match,
)
from pilots.estimators.regression import fit
from pilots.estimators.resampling import smallest_p_of
from pilots.estimators.result import ALPHA, Estimate, Result, from_normal, from_t, size_of
from pilots.estimators.table import Bools, Rows, Table
from pilots.wwc import ALIKE, ALIKE_ADJUSTED

VARIANCE_NEIGHBOURS = 2


@dataclass(frozen=True)
class Matched:
    """The design: columns by name, how near a match must be, and how many are taken.

    ``exact`` columns (grade, subject, term) are text and must be the same; ``match_on`` are numbers; ``covariates``
    adjust the matched rows by regression; ``cluster`` is what the errors are counted by; ``row_id`` names rows.
    """

    outcome: str
    treatment: str
    match_on: tuple[str, ...]
    exact: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    cluster: str | None = None
    row_id: str | None = None
    neighbours: int = 1
    calipers: tuple[float, ...] = ()
    distance: str = "mahalanobis"
    n_min: int = 10
    alpha: float = ALPHA


@dataclass(frozen=True)
class Balance:
    """Standardised difference of a covariate, treated minus comparison, before and after matching.

    Over sqrt((s_T^2 + s_C^2)/2) of all rows, before and after alike (Rosenbaum and Rubin 1985).
    """

    covariate: str
    before: float
    after: float


@dataclass(frozen=True)
class Unmatched:
    """A treated row without a match: its id, its line, and why."""

    id: str
    line: int
    reason: str


@dataclass(frozen=True)
class MatchedResult(Result):
    """``calipers_used`` counts treated rows by the caliper that found them a match."""

    distance: str
    balance: tuple[Balance, ...]
    unmatched: tuple[Unmatched, ...]
    matched_treated: int
    matched_comparison: int
    calipers_used: tuple[int, ...]


@dataclass(frozen=True)
class _Sample:
    rows: Rows
    outcome: Floats
    is_treated: Bools
    covariates: Floats
    points: Floats
    cell: Ints
    cluster: Ints | None


def estimate(table: Table, design: Matched) -> MatchedResult:
    """The effect on the treated rows that found a match. Raises CairnError where none did, or there is no contrast."""
    _check(design)
    sample = _sample(table, design)
    scale = sample.covariates.std(axis=0, ddof=1)
    matches = match(
        sample.points,
        sample.covariates / scale,
        sample.is_treated,
        sample.cell,
        design.neighbours,
        design.calipers,
    )
    weight = matches.weights(len(sample.rows))
    used = weight > 0
    if not used.any():
        reasons = sorted({reason for reason in matches.reasons if reason})
        raise CairnError(f"no treated row has a match ({'; '.join(reasons)}): widen the caliper or ask for less alike")
    balance = _balance(sample, design.match_on, weight)
    method, lines, smallest, said = _estimates(sample, design, matches, weight)
    unmatched = _unmatched(sample.rows, design.row_id, matches)
    warnings = [*sample.rows.warnings, *checks.lost_clusters(table, sample.rows, design.cluster)]
    warnings += [*checks.few_pupils(sample.is_treated[used], design.n_min), *said]
    warnings += _said_of(balance, unmatched, matches, design, sample, weight)
    return MatchedResult(
        design="matched",
        method=method,
        n=int(used.sum()),
        clusters=None if sample.cluster is None else len(np.unique(sample.cluster[used])),
        estimates=lines,
        effect_size=size_of(lines[0].estimate, sample.outcome[used], sample.is_treated[used]),
        smallest_p=smallest,
        warnings=tuple(warnings),
        distance=design.distance,
        balance=balance,
        unmatched=unmatched,
        matched_treated=int((used & sample.is_treated).sum()),
        matched_comparison=int((used & ~sample.is_treated).sum()),
        calipers_used=tuple(matches.calipers_used),
    )


def _check(design: Matched) -> None:
    if not 1 <= design.neighbours <= UP_TO:
        raise UsageError(f"{design.neighbours} neighbours: ask for 1 to {UP_TO}")
    if design.distance not in DISTANCES:
        raise UsageError(f"no distance {design.distance!r}; known are {', '.join(DISTANCES)}")
    if not design.match_on:
        raise UsageError("matching needs at least one column with --match-on, best the score before")
    if any(not width > 0 for width in design.calipers):
        raise UsageError("a caliper is a distance in standard deviations, more than 0")
    for name, what in ((design.outcome, "outcome"), (design.treatment, "treatment")):
        if name in (*design.match_on, *design.exact, *design.covariates):
            raise UsageError(f"the {what} {name!r} cannot be matched on or adjusted for")


def _sample(table: Table, design: Matched) -> _Sample:
    text = [name for name in (*design.exact, design.cluster, design.row_id) if name is not None]
    numeric = [design.outcome, design.treatment, *design.match_on, *design.covariates]
    rows = table.complete(numeric, text)
    is_treated = checks.arms_of(rows, design.treatment)
    checks.need_variation(rows, design.outcome)
    covariates = np.column_stack([rows.numbers[name] for name in design.match_on])
    cell = np.zeros(len(rows), dtype=np.int64)
    for name in design.exact:
        labels, index = checks.index_of(rows.texts[name])
        cell = np.unique(cell * len(labels) + index, return_inverse=True)[1].ravel().astype(np.int64)
    return _Sample(
        rows,
        rows.numbers[design.outcome],
        is_treated,
        covariates,
        coordinates(covariates, design.match_on, design.distance),
        cell,
        None if design.cluster is None else checks.index_of(rows.texts[design.cluster])[1],
    )


def _balance(sample: _Sample, names: Sequence[str], weight: Floats) -> tuple[Balance, ...]:
    arms = (sample.is_treated, ~sample.is_treated)
    found = []
    for name, column in zip(names, sample.covariates.T, strict=True):
        spread = math.sqrt(sum(float(column[arm].var(ddof=1)) if arm.sum() > 1 else 0.0 for arm in arms) / 2)
        before = column[arms[0]].mean() - column[arms[1]].mean()
        after = np.average(column[arms[0]], weights=weight[arms[0]]) - np.average(
            column[arms[1]], weights=weight[arms[1]]
        )
        # Where both arms are constant (and differ) no SD is there to divide by; match_on columns vary over all rows.
        unit = spread if spread > 0 else float(column.std(ddof=1))
        found.append(Balance(name, float(before / unit), float(after / unit)))
    return tuple(found)


def _estimates(
    sample: _Sample, design: Matched, matches: Matches, weight: Floats
) -> tuple[str, tuple[Estimate, ...], float, list[str]]:
    """(method, estimates, smallest p, warnings): the inference follows from the columns named."""
    used = np.flatnonzero(weight)
    is_treated = sample.is_treated[used]
    smallest = smallest_p_of(is_treated)
    if sample.cluster is None and not design.covariates:
        line = _abadie_imbens(sample, design, matches, weight)
        return "abadie-imbens", (line,), smallest, [checks.INDEPENDENT_ROWS]
    extra = np.column_stack(
        [np.ones(len(used)), is_treated, *(sample.rows.numbers[name][used] for name in design.covariates)]
    )
    names = ["intercept", design.treatment, *design.covariates]
    checks.need_independent(sample.rows, extra, names)
    checks.need_residual(sample.rows.take(used), extra, design.outcome)
    root = np.sqrt(weight[used])
    weighted, outcome = extra * root[:, None], sample.outcome[used] * root
    said: list[str] = []
    if sample.cluster is None:
        said.append(checks.INDEPENDENT_ROWS)
        method, found = "hc3", fit("hc3", weighted, outcome)
    else:
        cluster = np.unique(sample.cluster[used], return_inverse=True)[1].ravel().astype(np.int64)
        treated, others, is_apart = checks.clusters_by_arm(cluster, is_treated)
        checks.need_two_clusters_an_arm(treated, others, str(design.cluster))
        if is_apart:
            smallest = smallest_p_of(np.arange(treated + others) < treated)
        else:
            said.append(f"some matches are in a {design.cluster} that has treated rows: they may have had a part of it")
        said += checks.few_clusters(min(treated, others), smallest, design.alpha, str(design.cluster))
        method, found = "cr2", fit("cr2", weighted, outcome, cluster)
    order = [1, 0, *range(2, len(names))]
    lines = [
        from_t(names[k], found.coefficients[k], found.standard_errors[k], found.df[k], design.alpha) for k in order
    ]
    return method, tuple(lines), smallest, said


def _abadie_imbens(sample: _Sample, design: Matched, matches: Matches, weight: Floats) -> Estimate:
    """Effect on the treated with the variance of Abadie and Imbens (2006), theorem 7, for the population.

    1/N^2 [ sum over treated of (Y - mean of matches - effect)^2 + sum over comparisons of (K^2 - K') s^2 ], where K is
    the weight of a comparison row, K' the sum of the squares of its parts, and s^2 its outcome's variance given the
    covariates.
    """
    outcome = sample.outcome
    pairs = [(row, found) for row, found in zip(matches.treated, matches.comparisons, strict=True) if len(found)]
    differences = np.array([outcome[row] - outcome[found].mean() for row, found in pairs])
    squares = np.zeros(len(outcome))
    for _, found in pairs:
        squares[found] += 1.0 / len(found) ** 2
    effect = float(differences.mean())
    others = np.flatnonzero((weight > 0) & ~sample.is_treated)
    twice = others[weight[others] ** 2 - squares[others] > 1e-12]
    variances = conditional_variance(
        sample.points, outcome, sample.cell, twice, np.flatnonzero(~sample.is_treated), VARIANCE_NEIGHBOURS
    )
    total = float(((differences - effect) ** 2).sum())
    total += float(((weight[twice] ** 2 - squares[twice]) * variances).sum())
    return from_normal(design.treatment, effect, math.sqrt(total) / len(differences), design.alpha)


def _unmatched(rows: Rows, row_id: str | None, matches: Matches) -> tuple[Unmatched, ...]:
    found = []
    for row, reason in zip(matches.treated.tolist(), matches.reasons, strict=True):
        if reason is not None:
            line = int(rows.lines[row])
            found.append(Unmatched(f"line {line}" if row_id is None else str(rows.texts[row_id][row]), line, reason))
    return tuple(found)


def _said_of(
    balance: Sequence[Balance],
    unmatched: Sequence[Unmatched],
    matches: Matches,
    design: Matched,
    sample: _Sample,
    weight: Floats,
) -> list[str]:
    said = ["matching takes care of what was measured: pupils who chose the change may differ in what was not"]
    if unmatched:
        total = len(matches.treated)
        said.append(f"{len(unmatched)} of {total} treated rows have no match: the effect is that of the others")
    for one in balance:
        if abs(one.after) > ALIKE_ADJUSTED:
            said.append(f"{one.covariate}: {one.after:.2f} SD apart after matching, over .25: not equivalent (WWC 5.0)")
        elif abs(one.after) > ALIKE and one.covariate not in design.covariates:
            said.append(
                f"{one.covariate}: {one.after:.2f} SD apart after matching, over .05: adjust for it with --covariates"
            )
    if len(design.calipers) > 1:
        steps = zip(sorted(design.calipers), matches.calipers_used, strict=True)
        said.append("treated rows matched within " + ", ".join(f"{width:g} SD: {count}" for width, count in steps))
    others = weight[(weight > 0) & ~sample.is_treated]
    effective = float(others.sum() ** 2 / (others**2).sum())
    if effective < len(others) / 2:
        said.append(f"{len(others)} comparison rows count as much as {effective:.0f}: some were matched many times")
    return said
