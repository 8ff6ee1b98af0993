"""From the analytic sample to estimates: one path, chosen by the design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pilots import effect_size, inference, permutation, posterior
from pilots.plan import Plan
from pilots.sample import Sample

METHODS = {
    "formative": "formative: too few schools for inference",
    "permutation": "exact permutation of schools over the draws that could have been made",
    "cr2": "CR2 with Bell-McCaffrey degrees of freedom, clustered by school",
}


@dataclass(frozen=True)
class Analysis:
    """Estimates in SD of the outcome unless said; what is not defined for the design is None."""

    rung: str
    means: inference.SchoolMeans
    effect_sd: float
    effect_points: float
    interval_sd: tuple[float, float] | None
    df: float | None
    p_value: float | None
    smallest_p: float | None
    baseline_g: float
    belief: posterior.Posterior
    sensitivity: dict[str, posterior.Posterior]

    @property
    def improvement_index(self) -> float:
        """In percentile points."""
        return effect_size.improvement_index(self.effect_sd)


def analyse(plan: Plan, sample: Sample) -> Analysis | None:
    """The analysis, or None where an arm has no pupil with both scores or the scores do not vary."""
    frame = sample.analytic
    if min(sample.schools_treatment, sample.schools_comparison) < 1 or len(frame) < 4:
        return None
    treated = (frame["arm"] == "treatment").to_numpy(dtype=bool)
    baseline = frame["baseline_score"].to_numpy(dtype=float)
    outcome = frame["outcome_score"].to_numpy(dtype=float)
    school = frame["school_id"].to_numpy(dtype=str)
    if min(treated.sum(), (~treated).sum()) < 2 or np.ptp(outcome) == 0 or np.ptp(baseline) == 0:
        return None
    prior = _prior(plan)
    means = inference.school_means(school, treated, baseline, outcome)
    weights = inference.precision(means, prior.between_variance)
    difference = inference.weighted_difference(means.mean, means.is_treated, weights)
    rung = inference.ladder(sample.schools_smaller_arm, plan.is_random)
    half, df, p_value = _clustered(rung, treated, baseline, outcome, school)
    effect = effect_size.omega(len(frame)) * difference
    test = _permuted(plan, means, weights)
    if rung == "permutation":
        p_value = test.p_value
    beliefs = {
        name: posterior.posterior(means.mean, means.error_variance, means.is_treated, p, plan.is_random)
        for name, p in {
            "plan": prior,
            "flat": posterior.Prior(None, prior.icc, prior.r2),
            "sceptical": posterior.Prior(posterior.SCEPTICAL_SD, prior.icc, prior.r2),
        }.items()
    }
    baseline_difference = float(baseline[treated].mean() - baseline[~treated].mean())
    return Analysis(
        rung=rung,
        means=means,
        effect_sd=effect,
        effect_points=difference * means.sd,
        interval_sd=None if half is None else (effect - half / means.sd, effect + half / means.sd),
        df=df,
        p_value=p_value,
        smallest_p=test.smallest_p if plan.is_random else None,
        baseline_g=effect_size.hedges_g(
            baseline_difference, inference.pooled_outcome_sd(baseline, treated), len(frame)
        ),
        belief=beliefs.pop("plan"),
        sensitivity=beliefs,
    )


def _prior(plan: Plan) -> posterior.Prior:
    given: dict[str, Any] = plan.analysis["prior"]
    return posterior.Prior(float(given["effect_sd"]), float(given["icc"]), float(given["r2"]))


def _clustered(
    rung: str, treated: Any, baseline: Any, outcome: Any, school: Any
) -> tuple[float | None, float | None, float | None]:
    """(half of the 95 % interval in points, df, p) from pupils clustered by school; nothing for a formative design."""
    if rung == "formative":
        return None, None, None
    design = np.column_stack([np.ones(len(outcome)), treated.astype(float), baseline - baseline.mean()])
    fit = inference.cr2(design, outcome, school)
    low, high = fit.interval(1)
    return (high - low) / 2, float(fit.df[1]), fit.p_value(1)


def _permuted(plan: Plan, means: inference.SchoolMeans, weights: Any) -> permutation.PermutationTest:
    position = {school: index for index, school in enumerate(means.school_ids)}
    assignment = plan.analysis["assignment"]
    blocks = [[position[s] for s in block if s in position] for block in assignment.get("blocks", ())] or None
    draws, is_exact = permutation.allocations(means.is_treated, blocks, int(assignment.get("seed", 0)))
    return permutation.permutation_test(means.mean, means.is_treated, draws, weights, is_exact)
