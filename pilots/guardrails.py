"""Guardrails: what must not get worse for the change to count as a success, measured and not only declared.

A guardrail (attendance, another subject, a survey) has a margin: how much worse is still no reason to stop. It is
measured as the difference between arms of school means, less what schools were before where that is known, and judged
by the chance that pupils with the change are worse off by more than the margin.

The chance is under a prior N(0, (2 margins)^2): such side effects are mostly within two margins. Without it a measure
that says little (a standard error of several margins) would fail harmless pilots; with it, it stays open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from cairn.errors import CairnError
from pilots.decision import FORMATIVE_BELOW
from pilots.looks import GUARDRAILS, Look, looks_of
from pilots.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

SAFE, OPEN, FAILED, NOT_MEASURED = "safe", "open", "failed", "not measured"
# Chance of being worse by more than the margin: failed from the first on, safe up to the second.
FAILED_CHANCE, SAFE_CHANCE = 0.90, 0.05
PRIOR_MARGINS = 2.0
GRID_POINTS = 4001


@dataclass(frozen=True)
class Guardrail:
    """One guardrail of a plan. ``margin`` is above 0, in ``unit``, the unit of the values (SD, points, percent);
    ``is_more_better``: whether a higher value is the better one (not so for days missed)."""

    name: str
    margin: float
    unit: str
    source: str
    is_more_better: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.margin) and self.margin > 0):
            raise CairnError(f"guardrail {self.name!r}: a margin of {self.margin}; give one above 0 in {self.unit}")


@dataclass(frozen=True)
class SchoolValue:
    """A school's mean of a guardrail's measure; ``before`` is the same before the start, None where it is not known."""

    school_id: str
    is_treated: bool
    value: float
    people: int
    before: float | None = None


@dataclass(frozen=True)
class Finding:
    """What a guardrail says. ``difference`` is treatment less comparison in the guardrail's unit, ``chance_worse`` the
    chance of being worse by more than the margin; both None where it could not be measured, the chance also with too
    few schools."""

    guardrail: Guardrail
    status: str
    schools_treatment: int
    schools_comparison: int
    difference: float | None
    standard_error: float | None
    df: int | None
    chance_worse: float | None
    why: str

    @property
    def sentence(self) -> str:
        """The finding for a person."""
        one = self.guardrail
        if self.difference is None:
            return f"{one.name}: {self.status} ({self.why}; {one.source})"
        return (
            f"{one.name}: {self.status}; {self.difference:+.2f} {one.unit} against the comparison schools, where "
            f"{one.margin:g} the wrong way would be too much ({self.why}; {one.source})"
        )


def of_plan(plan: Plan) -> list[Guardrail]:
    """The guardrails of a plan, in its order. Raises CairnError where two have one name."""
    found = [_from_plan(one) for one in plan.analysis.get("guardrails", ())]
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CairnError(f"two guardrails of {plan.pilot_id!r} are called {', '.join(twice)}: give each its own name")
    return found


def _from_plan(planned: Mapping[str, object]) -> Guardrail:
    """A guardrail as plans name one: an assessment in SD, absences, or a survey's question."""
    name = str(planned["name"])
    source = str(planned.get("source", "assessment"))
    if source == "attendance":
        return Guardrail(name, float(str(planned["margin"])), "days absent in 30", "attendance", is_more_better=False)
    if source == "survey":
        is_more_better = bool(planned.get("is_more_better", True))
        return Guardrail(
            name, float(str(planned["margin"])), "points", f"survey, {planned['question']}", is_more_better
        )
    test = f"{planned['assessment']}, {planned['window']}, {planned['measure']}"
    return Guardrail(name, float(str(planned["margin_sd"])), "SD", test)


def is_ahead(plan: Plan, today: date) -> bool:
    """Whether the look at guardrails is yet to come: until then that they are not measured is as planned."""
    return today < _look(plan).due_on


def _look(plan: Plan) -> Look:
    return next(look for look in looks_of(plan) if look.kind == GUARDRAILS)


def findings_on(plan: Plan, rows: pd.DataFrame | None, today: date) -> list[Finding]:
    """A finding for each guardrail on a day: before the look at guardrails is due none is measured.

    ``rows`` are those of ``mart_pilot_guardrail``; None: the release has none.
    """
    if is_ahead(plan, today) or rows is None:
        due_on = _look(plan).due_on.isoformat()
        why = f"the look at it is due on {due_on}" if is_ahead(plan, today) else "this release holds no values"
        return [Finding(one, NOT_MEASURED, 0, 0, None, None, None, None, why) for one in of_plan(plan)]
    return findings(plan, rows)


def told(finding: Finding) -> dict[str, object]:
    """A finding as a scorecard and a command tell it."""
    one = finding.guardrail
    return {
        "name": one.name,
        "source": one.source,
        "margin": one.margin,
        "unit": one.unit,
        "status": finding.status,
        "difference": finding.difference,
        "standard_error": finding.standard_error,
        "df": finding.df,
        "chance_worse": finding.chance_worse,
        "schools_treatment": finding.schools_treatment,
        "schools_comparison": finding.schools_comparison,
        "sentence": finding.sentence,
    }


def findings(plan: Plan, rows: pd.DataFrame) -> list[Finding]:
    """A finding for each guardrail of the plan, from rows of ``mart_pilot_guardrail``; none without rows is measured.

    A school counts in the arm that the plan gave it.
    """
    own = rows[(rows["pilot_id"] == plan.pilot_id) & rows["school_id"].isin(list(plan.arms))]
    found = []
    for guardrail in of_plan(plan):
        named = own[own["guardrail"] == guardrail.name]
        columns = (named[column].tolist() for column in ("school_id", "value", "value_before", "people"))
        values = [
            SchoolValue(
                str(school),
                plan.arms[str(school)] == "treatment",
                float(value),
                int(people),
                None if before is None or math.isnan(before) else float(before),
            )
            for school, value, before, people in zip(*columns, strict=True)
        ]
        found.append(measure(guardrail, values))
    return found


def measure(guardrail: Guardrail, values: Sequence[SchoolValue]) -> Finding:
    """Compare the arms of one guardrail. Schools without people are not counted.

    Raises CairnError where a school is there twice or a value is no number.
    """
    seen: set[str] = set()
    for one in values:
        if one.school_id in seen:
            raise CairnError(
                f"guardrail {guardrail.name!r}: school {one.school_id!r} is there twice; give one mean each"
            )
        if not math.isfinite(one.value) or (one.before is not None and not math.isfinite(one.before)):
            raise CairnError(f"guardrail {guardrail.name!r}: school {one.school_id!r} has a value that is no number")
        seen.add(one.school_id)
    counted = [one for one in values if one.people > 0]
    treated = sum(one.is_treated for one in counted)
    counts = (treated, len(counted) - treated)
    if min(counts) < 2:
        why = f"{counts[0]} schools with the change and {counts[1]} without have values"
        return Finding(guardrail, NOT_MEASURED, *counts, None, None, None, None, why)
    difference, error, df = _difference(counted)
    if min(counts) < FORMATIVE_BELOW:
        why = f"{min(counts)} schools in the smaller arm are too few for a chance"
        return Finding(guardrail, OPEN, *counts, difference, error, df, None, why)
    if error <= 0:
        why = "schools do not differ within the arms, so there is no chance to tell"
        return Finding(guardrail, OPEN, *counts, difference, None, df, None, why)
    chance = _chance_worse(difference if guardrail.is_more_better else -difference, error, df, guardrail.margin)
    status = FAILED if chance >= FAILED_CHANCE else SAFE if chance <= SAFE_CHANCE else OPEN
    # Never 0 or 100 %: nothing is proved.
    why = f"chance of being worse by more than that {min(0.99, max(0.01, chance)):.0%}"
    return Finding(guardrail, status, *counts, difference, error, df, chance, why)


def _difference(counted: Sequence[SchoolValue]) -> tuple[float, float, int]:
    """(difference of arms, its standard error, df) by least squares over schools, each counting once.

    With the value before as a covariate where every school has one, it varies, and there are schools to spare.
    """
    treated = np.array([one.is_treated for one in counted], dtype=float)
    value = np.array([one.value for one in counted])
    columns = [np.ones(len(counted)), treated]
    before = np.array([math.nan if one.before is None else one.before for one in counted])
    if len(counted) >= 2 * FORMATIVE_BELOW and np.isfinite(before).all() and np.ptp(before) > 0:
        columns.append(before - before.mean())
    design = np.column_stack(columns)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        design = design[:, :2]
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ value
    df = len(counted) - design.shape[1]
    residual = value - design @ coefficients
    # What is left of a value that does not vary is rounding.
    scale = float(np.abs(value).max()) or 1.0
    squares = float(residual @ residual)
    variance = squares / df if squares > (1e-12 * scale) ** 2 * len(counted) else 0.0
    return float(coefficients[1]), math.sqrt(variance * bread[1, 1]), df


def _chance_worse(better_by: float, error: float, df: int, margin: float) -> float:
    """P(true difference < -margin) where ``better_by`` was seen: t likelihood on a grid, prior N(0, (2 margins)^2).

    A t likelihood gives way to the prior where both contradict each other: values that are worse still would count as
    safer. So what was seen counts as the least bad value, up to none, that says at least as much.
    """
    reach = 6 * PRIOR_MARGINS * margin
    grid = np.linspace(-reach, reach, GRID_POINTS)
    log_prior = -0.5 * (grid / (PRIOR_MARGINS * margin)) ** 2

    def chance(seen: float) -> float:
        log_density = log_prior - 0.5 * (df + 1) * np.log1p(((grid - seen) / error) ** 2 / df)
        density = np.exp(log_density - log_density.max())
        return float(density[grid < -margin].sum() / density.sum())

    found = chance(better_by)
    if better_by >= -margin:
        return found
    milder = minimize_scalar(lambda seen: -chance(seen), bounds=(better_by, 0.0), method="bounded")
    return max(found, -float(milder.fun))


def for_decision(findings: Sequence[Finding]) -> tuple[list[str], list[str]]:
    """(names of guardrails that failed, names of those not shown to be safe): what the decision rule asks for."""
    failed = [one.guardrail.name for one in findings if one.status == FAILED]
    return failed, [one.guardrail.name for one in findings if one.status in (OPEN, NOT_MEASURED)]
