"""For whom: the effect in the groups of pupils that the plan names, each leaning on the others (partial pooling).

A group's own effect comes from the pilot's own model, on the school means of its pupils and on the scale of all of
them; what is shown is pooled (``estimators.pooling``), for the luckiest of several groups is not to be taken at its
word. Groups are of one column each: grade, or third of the score before within grade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cairn.grades import grade_key, grade_order
from cairn.privacy import held_back
from pilots import inference, school_model
from pilots.analysis import Scored, blocks_of, numbered, school_means
from pilots.decision import FORMATIVE_BELOW
from pilots.estimators.pooling import USUAL_SPREAD, pool, widened
from pilots.plan import Plan
from pilots.sample import Sample
from pilots.school_model import SchoolModel

if TYPE_CHECKING:
    import pandas as pd

THIRDS = ("lowest third before", "middle third before", "highest third before")
NAMES = {"grade": "grade", "start": "score before"}

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Own:
    """A group's own effect, and the SD of its error widened for the degrees of freedom, both in SD of the outcome."""

    effect: float
    error: float


def subgroups_of(plan: Plan, sample: Sample, scored: Scored, n_min: int) -> list[dict[str, Any]]:
    """A row for each group of the plan's columns: ``by``, ``group``, and where it can be told ``pupils``, the pooled
    ``effect_sd`` with ``low`` and ``high`` (95 %); else ``why_not``.

    A group with fewer than ``n_min`` pupils in an arm is not told of, nor one that it could be worked out from.
    """
    found = []
    for by in plan.subgroups:
        of = _by_grade(scored) if by == "grade" else _by_start(scored)
        found += _rows(by, of, plan, sample, scored, n_min)
    return found


def _by_grade(scored: Scored) -> dict[str, Bools]:
    grade = scored.frame["grade"].map(grade_key).to_numpy()
    names = sorted(set(grade), key=grade_order)
    return {f"grade {name}": np.asarray(grade == name) for name in names}


def _by_start(scored: Scored) -> dict[str, Bools]:
    """Thirds of the standard score before among pupils of the same grade, both arms together: it knows no arm."""
    rank = scored.frame.assign(start=scored.baseline).groupby("grade", dropna=False)["start"].rank(pct=True)
    third = np.minimum(np.floor(rank.to_numpy(dtype=float) * 3), 2)
    return {name: np.asarray(third == number) for number, name in enumerate(THIRDS)}


def _rows(
    by: str, of: Mapping[str, Bools], plan: Plan, sample: Sample, scored: Scored, n_min: int
) -> list[dict[str, Any]]:
    treated = scored.is_treated
    smaller = {name: int(min((one & treated).sum(), (one & ~treated).sum())) for name, one in of.items()}
    hidden = held_back(smaller, n_min)
    own: dict[str, Own | str] = {
        name: f"fewer than {n_min} pupils in an arm, or to protect such a group"
        if name in hidden
        else _own(plan, sample, scored, one)
        for name, one in of.items()
    }
    told = {name: one for name, one in own.items() if isinstance(one, Own)}
    pooled = None
    if len(told) > 1:
        pooled = pool([one.effect for one in told.values()], [one.error for one in told.values()], USUAL_SPREAD)
    rows: list[dict[str, Any]] = []
    for name, one in own.items():
        row = {"by": NAMES[by], "group": name, "pupils": None, "effect_sd": None, "low": None, "high": None}
        if isinstance(one, str):
            rows.append(row | {"why_not": one})
        elif pooled is None:
            rows.append(row | {"why_not": "no second group to hold it against"})
        else:
            k = list(told).index(name)
            numbers = {"effect_sd": pooled.estimates[k], "low": pooled.low[k], "high": pooled.high[k]}
            rows.append(row | {"pupils": int(of[name].sum()), "why_not": None} | numbers)
    return rows


def _own(plan: Plan, sample: Sample, scored: Scored, members: Bools) -> Own | str:
    """A group's own effect by the pilot's model on its pupils, or why there is none."""
    part: pd.DataFrame = scored.frame[members]
    schools = school_means(
        replace(sample, assigned=part),
        part,
        numbered(part["school_id"]),
        scored.baseline[members],
        scored.outcome[members],
    )
    with_it = int(schools.is_treated.sum())
    if min(with_it, len(schools.ids) - with_it) < FORMATIVE_BELOW:
        return f"under {FORMATIVE_BELOW} schools in an arm have such pupils"
    blocks = blocks_of(plan, schools.ids)
    terms, _ = school_model.terms_of(schools.ids, schools.is_treated, schools.pretest, blocks, plan.waves)
    prior = plan.analysis["prior"]
    variance = school_model.expected_variance(schools.assigned, float(prior["icc"]), float(prior["r2"]))
    model = SchoolModel.of(schools.value, schools.is_treated, terms, variance)
    if not model.is_identified or model.df < 1 or model.residual_squares <= school_model.NONE_LEFT:
        return "schools leave nothing to judge chance by"
    fit = inference.cr2_of(model)
    error = widened(float(fit.standard_errors[0]), float(fit.df[0]))
    return "too few schools for a standard error" if error is None else Own(model.estimate, error)
