"""Many looks at one table: several outcomes adjusted for their number, subgroups pooled partially."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cairn.errors import CairnError
from cairn.privacy import held_back
from pilots.estimators.pooling import USUAL_SPREAD, pool, widened
from pilots.estimators.result import Result, sd_within_arms
from pilots.estimators.table import MISSING, Table
from pilots.wwc import benjamini_hochberg


@dataclass(frozen=True)
class OutcomeLine:
    """One of several outcomes: its p, and that adjusted for their number (Benjamini and Hochberg 1995; WWC 5.0)."""

    outcome: str
    estimate: float
    hedges_g: float | None
    p_value: float | None
    p_adjusted: float | None


@dataclass(frozen=True)
class Subgroup:
    """One group: its own estimate, and the one that leans on the other groups, which is the one to read.

    ``warnings`` are those of its own estimate.
    """

    group: str
    n: int
    estimate: float
    standard_error: float
    pooled: float
    low: float
    high: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class NotEstimated:
    """A group of which nothing is said, and why."""

    group: str
    reason: str


@dataclass(frozen=True)
class Subgroups:
    """Groups by one column. ``between_sd`` is how far their effects differ, in the outcome's unit."""

    column: str
    groups: tuple[Subgroup, ...]
    not_estimated: tuple[NotEstimated, ...]
    mean: float | None
    between_sd: float | None


def outcome_lines(names: Sequence[str], results: Sequence[Result]) -> list[OutcomeLine]:
    """First estimate of each outcome with p-values adjusted over all that have one."""
    tested = [k for k, result in enumerate(results) if result.estimates[0].p_value is not None]
    adjusted = benjamini_hochberg([results[k].estimates[0].p_value or 0.0 for k in tested])
    by_place = dict(zip(tested, adjusted, strict=True))
    return [
        OutcomeLine(
            name,
            result.estimates[0].estimate,
            None if result.effect_size is None else result.effect_size.hedges_g,
            result.estimates[0].p_value,
            by_place.get(place),
        )
        for place, (name, result) in enumerate(zip(names, results, strict=True))
    ]


def subgroups(
    table: Table, column: str, outcome: str, treatment: str, n_min: int, estimate: Callable[[Table], Result]
) -> Subgroups:
    """Estimate in each group of ``column`` and pool partially, with the usual spread of subgroups as the prior.

    Groups under ``n_min`` are held back, and more where they could be worked out from the total. A group's standard
    error is widened for its degrees of freedom. Groups that share schools are not independent: the pooling takes
    them as if they were.
    """
    table.need([column])
    sizes = Counter(value.strip() for value in table.columns[column] if value.strip().lower() not in MISSING)
    hidden = held_back(sizes, n_min)
    left_out = [NotEstimated(group, f"fewer than {n_min} rows, or to protect such a group") for group in sorted(hidden)]
    found: list[tuple[str, Result, float]] = []
    for group in sorted(set(sizes) - hidden):
        part = table.where(column, group)
        smaller = _smaller_arm(part, outcome, treatment)
        if smaller < n_min:
            left_out.append(NotEstimated(group, f"{smaller} rows in its smaller arm, fewer than {n_min}"))
            continue
        try:
            result = estimate(part)
        except CairnError as error:
            left_out.append(NotEstimated(group, str(error)))
            continue
        line = result.estimates[0]
        error_sd = None if line.standard_error is None else widened(line.standard_error, line.df)
        if error_sd is None:
            left_out.append(NotEstimated(group, "too few schools for a standard error"))
        else:
            found.append((group, result, error_sd))
    if len(found) < 2:
        left_out += [NotEstimated(group, "no second group to hold it against") for group, _, _ in found]
        return Subgroups(column, (), tuple(left_out), None, None)
    rows = table.complete([outcome, treatment])
    spread = USUAL_SPREAD * sd_within_arms(rows.numbers[outcome], rows.numbers[treatment] == 1)
    own = [result.estimates[0].estimate for _, result, _ in found]
    pooled = pool(own, [error_sd for _, _, error_sd in found], spread)
    groups = tuple(
        Subgroup(group, result.n, own[k], error_sd, pooled.estimates[k], pooled.low[k], pooled.high[k], result.warnings)
        for k, (group, result, error_sd) in enumerate(found)
    )
    return Subgroups(column, groups, tuple(left_out), pooled.mean, pooled.between_sd)


def _smaller_arm(table: Table, outcome: str, treatment: str) -> int:
    treated = table.complete([outcome, treatment]).numbers[treatment]
    return min(int((treated == 1).sum()), int((treated == 0).sum()))
