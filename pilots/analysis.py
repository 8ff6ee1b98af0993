"""From the analytic sample to estimates: one path, chosen by the design, and one model behind all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cairn.grades import grade_order
from cairn.privacy import DEFAULT_SMALLEST_GROUP
from pilots import effect_size, inference, permutation, posterior, school_model
from pilots.plan import Plan
from pilots.sample import Sample
from pilots.school_model import SchoolModel
from pilots.standard_scores import compared_grades, standard_scores

if TYPE_CHECKING:
    import pandas as pd

ALPHA = permutation.ALPHA
METHODS = {
    "formative": "formative: too few schools for inference",
    "permutation": "exact permutation of schools over the draws that could have been made, and the interval that"
    " inverts it",
    "cr2": "school means, CR2 with Bell-McCaffrey degrees of freedom",
    "waves permuted": "waves (Callaway and Sant'Anna), starts permuted among schools, and the interval that inverts it",
    "waves": "waves (Callaway and Sant'Anna), errors by school from influence functions",
}
OTHER_PRIORS = {"flat": posterior.FLAT, "sceptical": posterior.SCEPTICAL}
STANDARDISED_BY = "SD of comparison pupils of the same grade, each term by itself"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Schools:
    """One entry a school that has pupils with both scores, by id. ``outcome`` and ``pretest`` are mean standard scores,
    ``slope`` is that of pupils within schools; ``pupils`` have both scores, ``assigned`` were there at the start."""

    ids: list[str]
    is_treated: Bools
    pupils: Ints
    assigned: Ints
    outcome: Floats
    pretest: Floats
    slope: float
    raw_baseline: Floats
    raw_outcome: Floats

    @property
    def value(self) -> Floats:
        """Mean outcome, adjusted for the pretest by the slope within schools. It does not look at the arms, so values
        serve every permutation; where the pretest is a term of the model too, the term takes its place."""
        return np.asarray(self.outcome - self.slope * (self.pretest - self.pretest.mean()))


@dataclass(frozen=True)
class Scored:
    """The pupils compared, ``frame`` a row each, with their standard scores: for what is shown beside the effect."""

    frame: pd.DataFrame
    baseline: Floats
    outcome: Floats

    @property
    def is_treated(self) -> Bools:
        """Whether the pupil was assigned to the change."""
        return np.asarray(self.frame["arm"] == "treatment", dtype=bool)


@dataclass(frozen=True)
class Inference:
    """What the rung says of the model's effect; None where the rung says nothing. ``interval`` is None also where it
    has no bounds, and ``is_unbounded`` then says so."""

    p_value: float | None
    interval: tuple[float, float] | None
    df: float | None
    smallest_p: float | None
    is_unbounded: bool = False


@dataclass(frozen=True)
class Adjustment:
    """The effect analysed otherwise; ``effect_sd`` is None where that could not be done, and ``what`` says why."""

    what: str
    effect_sd: float | None


@dataclass(frozen=True)
class Analysis:
    """Estimates in SD of the outcome unless said.

    ``beliefs`` are those that decide, by name of the prior, ``others`` show what hangs on it; both are empty where
    schools leave no degree of freedom. ``notes`` say what was done to the data beside the plan. ``scored`` holds the
    pupils behind it; None of waves, whose pupils have a score in every window. ``compared`` holds the rows of
    the sample that the effect rests on, in waves too: who is not among them was lost.
    """

    rung: str
    schools: Schools
    effect_sd: float
    sd_points: float
    inference: Inference
    baseline_g: float
    beliefs: dict[str, posterior.Posterior]
    others: dict[str, posterior.Posterior]
    adjustments: list[Adjustment]
    compared: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    scored: Scored | None = None

    @property
    def schools_treatment(self) -> int:
        """Schools compared, with the change."""
        return int(self.schools.is_treated.sum())

    @property
    def schools_comparison(self) -> int:
        """Schools compared, without it."""
        return len(self.schools.ids) - self.schools_treatment

    @property
    def improvement_index(self) -> float:
        """In percentile points."""
        return effect_size.improvement_index(self.effect_sd)

    @property
    def interval_points(self) -> tuple[float, float] | None:
        """The interval in points of the test."""
        found = self.inference.interval
        return None if found is None else (found[0] * self.sd_points, found[1] * self.sd_points)


@dataclass(frozen=True)
class NoComparison:
    """Why there is nothing to compare, as a sentence."""

    reason: str


def analyse(
    plan: Plan, sample: Sample, stored: Bools | None = None, n_min: int = DEFAULT_SMALLEST_GROUP
) -> Analysis | NoComparison:
    """The analysis, or why there can be none: also where an arm has fewer than ``n_min`` pupils, the district's
    smallest group.

    ``stored`` is the set of allocations that the draw was made from: one a row, columns the plan's schools in sorted
    order. Raises CairnError where it does not hold the assignment of the plan.
    """
    frame = sample.analytic
    if reason := _nothing_to_compare(sample):
        return NoComparison(reason)
    grade, school = numbered(frame["grade"]), numbered(frame["school_id"])
    treated = (frame["arm"] == "treatment").to_numpy(dtype=bool)
    can = compared_grades(grade, school, treated)
    notes = []
    if not can.all():
        left_out = sorted({str(one) for one in frame["grade"][~can]}, key=grade_order)
        notes.append(
            f"{int((~can).sum())} pupils of grades that only one arm has ({', '.join(left_out)}) are compared with"
            " nobody and left out."
        )
        frame, treated = frame[can], treated[can]
    if min(treated.sum(), (~treated).sum()) < n_min:
        return NoComparison(f"An arm has fewer than {n_min} pupils with both scores in grades that both arms have.")
    return _compared(plan, sample, frame, treated, stored, notes)


def _nothing_to_compare(sample: Sample) -> str | None:
    """Why arms cannot be compared at all."""
    if not len(sample.assigned):
        return "No pupil of the plan's schools and grades was there at assignment."
    for column, name in (("baseline_score", "baseline"), ("outcome_score", "outcome")):
        if not sample.assigned[column].notna().any():
            return f"No pupil has a score in the {name} window."
    for arm, count in (("with", sample.schools_treatment), ("without", sample.schools_comparison)):
        if not count:
            return f"No school {arm} the change has pupils with both scores, so there is nothing to compare."
    return None


def numbered(column: pd.Series) -> Ints:
    """Values of a column numbered from 0; what is missing is one value."""
    return np.unique(column.fillna("not known").astype(str), return_inverse=True)[1].ravel().astype(np.int64)


def _compared(
    plan: Plan, sample: Sample, frame: pd.DataFrame, treated: Bools, stored: Bools | None, notes: list[str]
) -> Analysis | NoComparison:
    # Numbered anew: schools may have gone with the grades that were left out.
    grade, school = numbered(frame["grade"]), numbered(frame["school_id"])
    scores = []
    for column, name in (("baseline_score", "baseline"), ("outcome_score", "outcome")):
        found = standard_scores(frame[column].to_numpy(dtype=float), grade, school, treated)
        if found is None:
            return NoComparison(f"The {name} scores of comparison pupils do not vary within their grades.")
        scores.append(found)
    baseline, outcome = scores
    schools = school_means(sample, frame, school, baseline.score, outcome.score)
    with_it = int(schools.is_treated.sum())
    rung = inference.ladder(min(with_it, len(schools.ids) - with_it), plan.is_random)
    blocks = blocks_of(plan, schools.ids)
    pretest = None if rung == "formative" else schools.pretest
    terms, has_waves = school_model.terms_of(schools.ids, schools.is_treated, pretest, blocks, plan.waves)
    if len({plan.waves[one] for one in schools.ids}) > 1 and not has_waves:
        notes = [*notes, "A wave has schools of one arm only, so waves are compared together."]
    prior = plan.analysis["prior"]
    variance = school_model.expected_variance(schools.assigned, float(prior["icc"]), float(prior["r2"]))
    model = SchoolModel.of(schools.value, schools.is_treated, terms, variance)
    if not model.is_identified:
        return NoComparison("Blocks or waves hold schools of one arm only, so the change cannot be told from them.")
    if rung != "formative" and (model.df < 1 or model.residual_squares <= 1e-12):
        return NoComparison("Schools leave nothing to judge chance by: there are as many blocks and terms as schools.")
    return Analysis(
        rung=rung,
        schools=schools,
        effect_sd=model.estimate,
        sd_points=outcome.sd,
        inference=infer(model, rung, _draws(plan, schools, blocks, stored) if plan.is_random else None),
        baseline_g=baseline_g_of(baseline.score, treated),
        beliefs=posterior.beliefs(model, posterior.deciding_priors(float(prior["effect_sd"])), plan.is_random),
        others=posterior.beliefs(model, OTHER_PRIORS, plan.is_random),
        adjustments=_adjustments(plan, frame, schools, model, variance, blocks, baseline.sd),
        compared=frame,
        notes=notes,
        scored=Scored(frame, baseline.score, outcome.score),
    )


def school_means(sample: Sample, frame: pd.DataFrame, school: Ints, baseline: Floats, outcome: Floats) -> Schools:
    """Means of each school."""
    ids = sorted(set(frame["school_id"].astype(str)))
    pupils = np.bincount(school)
    x, y = np.bincount(school, baseline) / pupils, np.bincount(school, outcome) / pupils
    within = baseline - x[school]
    spread = float(within @ within)
    slope = float(within @ (outcome - y[school])) / spread if spread > 0 else 0.0
    assigned = sample.assigned["school_id"].astype(str).value_counts()
    arm = dict(zip(frame["school_id"].astype(str), frame["arm"], strict=True))
    raw = [
        np.bincount(school, frame[name].to_numpy(dtype=float)) / pupils for name in ("baseline_score", "outcome_score")
    ]
    return Schools(
        ids=ids,
        is_treated=np.array([arm[one] == "treatment" for one in ids]),
        pupils=pupils,
        assigned=np.array([int(assigned[one]) for one in ids]),
        outcome=y,
        pretest=x,
        slope=slope,
        raw_baseline=raw[0],
        raw_outcome=raw[1],
    )


def blocks_of(plan: Plan, ids: Sequence[str]) -> list[list[int]] | None:
    """Positions of each block's schools; schools that were lost are not there."""
    position = {school: index for index, school in enumerate(ids)}
    found = [[position[s] for s in block if s in position] for block in plan.analysis["assignment"].get("blocks", ())]
    return [block for block in found if block] or None


def _draws(plan: Plan, schools: Schools, blocks: list[list[int]] | None, stored: Bools | None) -> tuple[Bools, bool]:
    """The allocations to permute over; of a stored set the columns of the schools that are there."""
    if stored is not None:
        columns = [sorted(plan.arms).index(school) for school in schools.ids]
        stored = stored[:, columns] if stored.shape[1] == len(plan.arms) else stored
    seed = int(plan.analysis["assignment"].get("seed", 0))
    return permutation.allocations(schools.is_treated, blocks, seed, stored)


def infer(model: SchoolModel, rung: str, draws: tuple[Bools, bool] | None, alpha: float = ALPHA) -> Inference:
    """Interval (1 - alpha) and p of the model's effect by the rung's one method; ``draws`` of a random assignment."""
    smallest = None if draws is None else permutation.smallest_p(draws[0])
    if rung == "formative":
        return Inference(None, None, None, smallest)
    if rung == "permutation" and draws is not None:
        test = permutation.permutation_test(model, *draws, alpha)
        return Inference(test.p_value, test.interval, float(model.df), test.smallest_p, test.interval is None)
    fit = inference.cr2_of(model)
    df = float(fit.df[0])
    p_value, interval = inference.student(model.estimate, float(fit.standard_errors[0]), df, alpha)
    return Inference(p_value, interval, df, smallest)


def balance_at_start(sample: Sample, n_min: int) -> float | None:
    """Hedges g of the baseline of everybody assigned who has one; None where it cannot be had, or an arm has fewer than
    ``n_min`` of them. It is no outcome."""
    frame = sample.assigned[sample.assigned["baseline_score"].notna()]
    treated = (frame["arm"] == "treatment").to_numpy(dtype=bool)
    if min(treated.sum(), (~treated).sum()) < n_min:
        return None
    found = standard_scores(
        frame["baseline_score"].to_numpy(dtype=float), numbered(frame["grade"]), numbered(frame["school_id"]), treated
    )
    return None if found is None else baseline_g_of(found.score, treated)


def baseline_g_of(baseline: Floats, treated: Bools) -> float:
    """Hedges g of the baseline, unadjusted, of the pupils that are analysed (WWC 5.0)."""
    return effect_size.hedges_g_of(list(baseline[treated]), list(baseline[~treated]))


def _adjustments(
    plan: Plan,
    frame: pd.DataFrame,
    schools: Schools,
    model: SchoolModel,
    variance: Floats,
    blocks: list[list[int]] | None,
    baseline_sd: float,
) -> list[Adjustment]:
    """The sensitivity of the effect to how the pretest is adjusted for."""
    found = [Adjustment("as planned: school means, adjusted for the pretest", model.estimate)]
    if model.df < 1:
        return found
    terms, _ = school_model.terms_of(schools.ids, schools.is_treated, None, blocks, plan.waves)
    known = _reliability(plan, frame, baseline_sd)
    if known is None:
        return [
            *found,
            Adjustment("pretest corrected for its error: neither plan nor test says how reliable it is", None),
        ]
    reliability, by = known
    what = f"pretest corrected for its error (reliability {reliability:.2f} by {by})"
    error = (1.0 - reliability) / schools.pupils
    effect = school_model.corrected_for_error(
        schools.outcome, schools.is_treated, schools.pretest, terms, variance, error
    )
    return [*found, Adjustment(what if effect is not None else f"{what}: too little of it is left", effect)]


def _reliability(plan: Plan, frame: pd.DataFrame, baseline_sd: float) -> tuple[float, str] | None:
    """(reliability of the pretest within grades, whose word it is): the plan's, else from the standard errors that the
    test's maker reports with the scores: 1 less the mean squared error over the variance within grades (Lord and Novick
    1968, 3.8)."""
    if plan.pretest_reliability is not None:
        return plan.pretest_reliability, "the plan"
    if "baseline_standard_error" not in frame.columns:
        return None
    error = frame["baseline_standard_error"].astype(float).dropna()
    if not len(error):
        return None
    whose = "" if len(error) == len(frame) else f", known of {len(error) / len(frame):.0%} of pupils"
    reliability = float(np.clip(1.0 - (error**2).mean() / baseline_sd**2, 0.0, 1.0))
    return reliability, f"the test's own standard errors{whose}"
