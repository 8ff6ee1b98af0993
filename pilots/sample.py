"""The pupils behind an evaluation: who counts, who is missing, who moved, who got how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cairn.grades import grade_key
from pilots.dosage import Dosage, dosage_of
from pilots.plan import Plan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Number = TypeVar("Number", float, "pd.Series", NDArray[np.float64])

CROSSOVER_WARNING = 0.05
SCORES = ("baseline_score", "outcome_score")


@dataclass(frozen=True)
class Lost:
    """Who of those assigned is missing from the analysis: shares of all, and how far the arms are apart."""

    overall: float
    differential: float


@dataclass(frozen=True)
class Sample:
    """``assigned`` holds the pupils of the plan's grades who were there at assignment, ``analytic`` those of them with
    both scores, analysed as assigned; in both, higher scores are better (:func:`better_up`). ``schools_lost`` are
    schools of the plan without any analytic pupil.

    Attrition is that of schools first and then that of pupils in the schools that stayed (WWC 5.0): the loss of a
    school is one loss and not that of all its pupils. ``coverage`` is of all pupils assigned.
    """

    assigned: pd.DataFrame
    analytic: pd.DataFrame
    joiners: int
    of_other_grades: int
    coverage: float
    lost_schools: Lost
    lost_pupils: Lost
    schools_treatment: int
    schools_comparison: int
    schools_lost: list[str]
    moved_share: float
    dosage: Dosage

    @property
    def schools_smaller_arm(self) -> int:
        """Schools with outcomes in the smaller arm."""
        return min(self.schools_treatment, self.schools_comparison)


def make_sample(plan: Plan, pupils: pd.DataFrame) -> Sample:
    """Count everybody once. ``pupils`` has the columns of ``mart_pilot_pupil``; other pilots' rows are ignored."""
    there, of_other_grades = _of_plan(plan, pupils)
    there = better_up(plan, there, SCORES).reset_index(drop=True)
    is_joiner = _true(there["is_joiner"])
    original = there[~is_joiner]
    has_both = original["baseline_score"].notna() & original["outcome_score"].notna()
    analytic = original[has_both]
    present = set(analytic["school_id"])
    lost_schools, lost_pupils = lost_from(plan, original, analytic)
    arms = list(plan.arms.items())
    return Sample(
        assigned=original,
        analytic=analytic,
        joiners=int(is_joiner.sum()),
        of_other_grades=of_other_grades,
        coverage=float(original["outcome_score"].notna().mean()) if len(original) else 0.0,
        lost_schools=lost_schools,
        lost_pupils=lost_pupils,
        schools_treatment=sum(arm == "treatment" and school in present for school, arm in arms),
        schools_comparison=sum(arm == "comparison" and school in present for school, arm in arms),
        schools_lost=sorted(set(plan.arms) - present),
        moved_share=float(_true(original["has_moved_school"]).mean()) if len(original) else 0.0,
        dosage=dosage_of(plan, original, there),
    )


def better_up(plan: Plan, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with scores turned so that higher is better: of a measure that is to fall, with the other sign.

    The one place where a measure is turned. All that is judged reads scores from here, so that an effect above 0 is the
    better one everywhere; scores in points are turned back where they are shown (:func:`as_measured`).
    """
    return frame.assign(**{name: as_measured(plan, frame[name]) for name in columns})


def as_measured(plan: Plan, score: Number) -> Number:
    """A score that was turned, on the test's own scale again (turning twice changes nothing)."""
    return -score if plan.is_lower_better else score


def of_pilot(rows: pd.DataFrame, pilot_id: str) -> pd.DataFrame:
    """The pilot's own rows of a mart; all of them where it does not tell pilots apart."""
    return rows[rows["pilot_id"] == pilot_id] if "pilot_id" in rows.columns else rows


def _true(column: pd.Series) -> pd.Series:
    """What is missing is not true."""
    return column.astype("boolean").fillna(value=False).astype(bool)


def _of_plan(plan: Plan, pupils: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """(pupils of the plan's schools and grades, with the arm that the plan gives their school; how many of its schools
    are in other grades)."""
    frame = of_pilot(pupils, plan.pilot_id)
    frame = frame[frame["school_id"].isin(list(plan.arms))]
    frame = frame.assign(arm=frame["school_id"].map(plan.arms))
    if not plan.grades:
        return frame, 0
    wanted = {grade_key(grade) for grade in plan.grades}
    is_wanted = frame["grade"].map(lambda grade: grade_key(grade) in wanted).astype(bool)
    return frame[is_wanted], int((~is_wanted).sum())


def lost_from(plan: Plan, assigned: pd.DataFrame, kept: pd.DataFrame) -> tuple[Lost, Lost]:
    """(schools lost, pupils lost in the schools that stayed) where ``kept`` are those of ``assigned`` who are analysed.

    Whoever is left out of the analysis is lost to it, for whatever reason: WWC counts the sample that is analysed.
    """
    present = set(kept["school_id"])
    stayed = assigned["school_id"].isin(present)
    is_kept = assigned.index.isin(kept.index)
    return (
        _lost([(arm, school in present) for school, arm in plan.arms.items()]),
        _lost(list(zip(assigned["arm"][stayed], is_kept[stayed.to_numpy()].tolist(), strict=True))),
    )


def _lost(units: list[tuple[str, bool]]) -> Lost:
    """Attrition of units, each (arm, whether it is there); an arm that had none counts as lost."""
    kept = {arm: [is_there for of, is_there in units if of == arm] for arm in ("treatment", "comparison")}
    shares = {arm: 1.0 - sum(there) / len(there) if there else 1.0 for arm, there in kept.items()}
    overall = 1.0 - sum(is_there for _, is_there in units) / len(units) if units else 1.0
    return Lost(overall, abs(shares["treatment"] - shares["comparison"]))


def arms_differ(plan: Plan, pupils: pd.DataFrame) -> list[str]:
    """Schools whose arm in the data is not the plan's."""
    pairs = of_pilot(pupils, plan.pilot_id)[["school_id", "arm"]].drop_duplicates()
    return sorted(
        str(school) for school, arm in pairs.itertuples(index=False) if plan.arms.get(str(school), str(arm)) != str(arm)
    )
