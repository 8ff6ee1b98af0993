"""The scorecard of a pilot: a pure function of the plan, the marts of one release, and the day.

Its parts, in the order of reading: decision, why, how sure, for whom, did it happen, cost, next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cairn.privacy import DEFAULT_SMALLEST_GROUP
from pilots import judgement, power, waves, waves_told
from pilots.analysis import ALPHA, METHODS, STANDARDISED_BY, Analysis, analyse
from pilots.by_dosage import NOT_CAUSAL, by_dosage
from pilots.card_pupils import for_whom, names_of, schools_of
from pilots.cost import cost_of
from pilots.decision import INVALID, PRIOR_NAMES, Evidence, decide, look, printed, statement
from pilots.effect_size import size_label
from pilots.guardrails import SAFE, findings_on, is_ahead, told
from pilots.judgement import Judged
from pilots.plan import Plan
from pilots.rollout import Figures, figures
from pilots.sample import CROSSOVER_WARNING, Sample, arms_differ, as_measured, better_up, make_sample

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    plan: Plan | Mapping[str, Any] | str,
    pupils: pd.DataFrame,
    schools: pd.DataFrame,
    rollout: pd.DataFrame,
    release_id: str,
    data_date: date | str,
    *,
    red_gates: Sequence[str] = (),
    frozen_at: datetime | None = None,
    stored: NDArray[np.bool_] | None = None,
    guardrails: pd.DataFrame | None = None,
    not_as_drawn: str | None = None,
    windows: pd.DataFrame | None = None,
    orders: NDArray[np.int64] | None = None,
    n_min: int = DEFAULT_SMALLEST_GROUP,
    evaluated_at: datetime | None = None,
) -> dict[str, Any]:
    """The scorecard, JSON-able. ``plan`` may be a Plan, its mapping or its JSON.

    ``pupils``, ``schools`` and ``rollout`` are ``mart_pilot_pupil``, ``mart_pilot_school`` and ``mart_rollout_school``
    of release ``release_id`` (rows of other pilots are ignored); ``red_gates`` names gates that are red for schools of
    this pilot. ``frozen_at`` is when the plan was frozen (None: not known, which is not late), ``stored`` the set of
    allocations that its draw was made from (see ``analysis.analyse``). ``guardrails`` is ``mart_pilot_guardrail`` where
    the release has it; ``not_as_drawn`` says where the plan's arms are not those that were drawn. ``windows``
    (``mart_pilot_window``) holds scores of every window, and ``orders`` the set that the order of the waves was drawn
    from, for a plan whose waves start between baseline and outcome (``waves.analyse_waves``).
    ``n_min`` is the district's smallest group of pupils: of fewer nothing is compared, and no group is told of.

    Before the outcome window and under the planned coverage the card holds nothing that comes of comparing outcomes:
    no effect, no chance, no p, no school's mean outcome. Whoever looks early decides early.
    """
    if not isinstance(plan, Plan):
        plan = Plan.from_json(plan) if isinstance(plan, str) else Plan(plan)
    today = date.fromisoformat(data_date) if isinstance(data_date, str) else data_date
    sample, rolled_out = make_sample(plan, pupils), figures(rollout, plan.pilot_id)
    sample = replace(sample, dosage=sample.dosage.as_said(rolled_out.dosage_met_share))
    judged = Judged(
        plan,
        sample,
        waves.analyse_waves(
            plan, sample, None if windows is None else better_up(plan, windows, ["score"]), stored, orders, n_min
        )
        if waves.is_staggered(plan)
        else analyse(plan, sample, stored, n_min),
        judgement.too_early(plan, sample, today),
        today > plan.outcome_closes_on,
        judgement.frozen_late(plan, frozen_at),
        n_min,
    )
    rating = judgement.rating(judged)
    findings = findings_on(plan, guardrails, today)
    evidence = judgement.evidence(judged, rating, red_gates, arms_differ(plan, pupils), findings, not_as_drawn)
    said = decide(evidence)
    why_no_chance = _why_no_chance(judged, evidence)
    happened = _happened(plan, sample, rolled_out, today) | _beside_dosage(judged, why_no_chance is None)
    return {
        "pilot_id": plan.pilot_id,
        "title": plan.title,
        "hypothesis": plan.hypothesis,
        "plan_hash": plan.plan_hash,
        "planned": _planned(plan),
        "is_too_early": bool(judged.too_early),
        "release_id": release_id,
        "evaluated_at": (evaluated_at or datetime.now(UTC)).isoformat(),
        "data_date": today.isoformat(),
        "recommendation": said.code,
        "recommendation_text": said.text,
        "why": said.why,
        "how_sure": _how_sure(judged, evidence),
        "for_whom": for_whom(judged, why_no_chance is None),
        "did_it_happen": happened,
        "cost": cost_of(plan, schools, sample, judged.effect, why_no_chance, today),
        "next": said.next,
        "waves": waves_told.told(judged.effect, plan, names_of(plan, schools))
        if isinstance(judged.effect, waves.WavesAnalysis)
        else None,
        "estimates": _estimates(judged, evidence, happened),
        "schools": schools_of(judged, schools),
        "rating": rating,
        "guardrails": [told(one) for one in findings],
        "warnings": [
            *_warnings(judged, evidence),
            *(f"Guardrail {one.sentence}." for one in findings if one.status != SAFE and not is_ahead(plan, today)),
        ],
    }


def _planned(plan: Plan) -> dict[str, Any]:
    """What the plan had fixed and a reader measures the card by."""
    return {
        "smallest_effect_sd": plan.smallest_effect,
        "coverage_share": float(plan.analysis["minimum_outcome_coverage_share"]),
        "outcome_opens_on": plan.outcome_opens_on.isoformat(),
        "direction": plan.direction,
    }


def _why_no_chance(judged: Judged, evidence: Evidence) -> str | None:
    """Why no chance is told; None where it is."""
    if judged.too_early:
        return "It is too early for a chance."
    if evidence.invalid:
        return f"No chance is told of a comparison that is {INVALID.lower()}."
    if judged.effect is None:
        return "There is nothing to compare."
    if judged.is_formative:
        return "Too few schools for a probability."
    return None


def _how_sure(judged: Judged, evidence: Evidence) -> dict[str, Any]:
    """Statements with chances and words, and what they rest on."""
    analysis, sides = judged.effect, judged.effect or judged.sample
    why_not = _why_no_chance(judged, evidence)
    base: dict[str, Any] = {
        "statements": [],
        "sensitivity": [],
        "adjustments": [],
        "why_no_chance": why_not,
        "decided_by": _decided_by(judged.plan),
        "df": None,
        "smallest_p": None,
        "p_value": None,
        "interval_is_unbounded": False,
        "standardised_by": STANDARDISED_BY,
        "method": "nothing was compared yet",
        "can_reach_significance": None,
        "schools_treatment": sides.schools_treatment,
        "schools_comparison": sides.schools_comparison,
    }
    if analysis is None:
        return base
    found = analysis.inference
    base |= {
        "method": METHODS[analysis.rung],
        "df": found.df,
        "smallest_p": found.smallest_p,
        "p_value": found.p_value,
        "interval_is_unbounded": found.is_unbounded,
        "can_reach_significance": None if found.smallest_p is None else found.smallest_p < ALPHA,
        "adjustments": [
            {"analysis": one.what, "effect_sd": None if one.effect_sd is None else round(one.effect_sd, 4)}
            for one in analysis.adjustments
        ],
    }
    if why_not is not None:
        return base
    c = judged.plan.smallest_effect
    told, wanted, by = evidence.chances, evidence.wanted, evidence.decides_by
    base["statements"] = [
        statement(f"{wanted.happened} at all", wanted.did_not, {name: one.positive for name, one in told.items()}, by),
        statement(
            f"{wanted.happened} enough to matter ({c:.2f} SD or more)",
            f"{wanted.did_not} enough to matter ({c:.2f} SD or more)",
            {name: one.matters for name, one in told.items()},
            by,
        ),
    ]
    base["sensitivity"] = [
        {
            "prior": name,
            "chance_gained": printed(belief.chance_above(0.0)),
            "chance_gained_enough": printed(belief.chance_above(c)),
        }
        for name, belief in (analysis.beliefs | analysis.others).items()
    ]
    return base


def _decided_by(plan: Plan) -> str:
    """Whose chance the rule looked at, and why, where the plan chose one."""
    if plan.decides_by is None:
        return "The more sceptical of the two priors decides."
    return (
        f"By the plan {PRIOR_NAMES[plan.decides_by]} decides alone, and not the more sceptical of the two:"
        f" {str(plan.why_decides_by).rstrip('.')}."
    )


def _beside_dosage(judged: Judged, is_told: bool) -> dict[str, Any]:
    """Pupils by how much they got, where chances are told; never to be read as an effect."""
    rows = by_dosage(judged.plan, judged.effect, judged.n_min) if is_told and judged.effect is not None else []
    return {"by_dosage": rows, "by_dosage_note": NOT_CAUSAL if rows else None}


def _happened(plan: Plan, sample: Sample, said: Figures, today: date) -> dict[str, Any]:
    """What the rollout page says, in the same figures (:func:`pilots.rollout.figures`), and whose work it was.

    ``minutes_in_step`` are those of a pupil in step with the plan while work goes on: the share of days that are over,
    from the first day of a school's wave, the mean of treated schools;
    ``milestones_each`` the plan's for a school.
    """
    got = sample.dosage
    ends = date.fromisoformat(plan.implementation["ends_on"])
    waves_of = [plan.waves[school] for school, arm in plan.arms.items() if arm == "treatment"]
    began = [plan.wave_starts[wave - 1] if plan.wave_starts else plan.starts_on for wave in waves_of]
    # A wave that was to start after the last day has none of its own: all or nothing of it is over.
    over = fmean(min(1.0, max(0.0, ((today - one).days + 1) / max(1, (ends - one).days + 1))) for one in began)
    planned = float(plan.implementation["dosage_minutes_planned"])
    return {
        "dosage_met_share": said.dosage_met_share,
        "planned_minutes": planned,
        "minutes_in_step": round(planned * over, 1) if over < 1.0 else None,
        "mean_minutes": said.dosage_minutes_mean,
        "dosage_source": got.source,
        "minutes_by_stream": _rounded(got.stream_minutes, 1),
        "minutes_by_files": _rounded(got.file_minutes, 1),
        "comparison_minutes": round(got.comparison_minutes, 1),
        "contaminated_share": _rounded(got.contaminated_share, 4),
        "comparison_met_share": _rounded(got.comparison_met_share, 4),
        "moved_share": round(sample.moved_share, 4),
        "crossed_share": _rounded(got.crossed_share, 4),
        "milestones_each": len(plan.implementation["milestones"]),
        "milestones_planned": said.milestones_planned,
        "milestones_done": said.milestones_done,
        "milestones_late": said.milestones_late,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


LABELS = {
    "hedges_g": "Effect, adjusted",
    "difference": "Difference, adjusted",
    "expected_effect": "Expected effect (90 % interval)",
    "improvement_index": "Improvement index",
    "baseline_g": "Difference at baseline (Hedges g)",
    "dosage_met_share": "Pupils with the planned time",
    "outcome_coverage": "Pupils with an outcome",
}


def _estimates(judged: Judged, evidence: Evidence, happened: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every number as {name, label, value, low, high, unit}; the effect first, with Kraft's word for its size."""
    found: list[dict[str, Any]] = []

    def add(name: str, value: float | None, unit: str, bounds: tuple[float, float] | None = None) -> None:
        low, high = bounds or (None, None)
        found.append({"name": name, "label": LABELS[name], "value": value, "low": low, "high": high, "unit": unit})

    if (analysis := judged.effect) is not None:
        add("hedges_g", analysis.effect_sd, "sd", analysis.inference.interval)
        found[0]["size"] = size_label(analysis.effect_sd)
        add("difference", *_in_points(judged.plan, analysis))
        if _why_no_chance(judged, evidence) is None:
            belief = analysis.beliefs["plan"]
            add("expected_effect", belief.mean, "sd", belief.interval())
        add("improvement_index", analysis.improvement_index, "percentile points")
    if judged.baseline_g is not None:
        add("baseline_g", judged.baseline_g, "sd")
    add("dosage_met_share", happened["dosage_met_share"], "share")
    add("outcome_coverage", round(judged.sample.coverage, 4), "share")
    return found


def _in_points(plan: Plan, analysis: Analysis) -> tuple[float, str, tuple[float, float] | None]:
    """The effect in points with its unit and interval, as the test has them: below 0 where a measure fell."""
    bounds = analysis.interval_points
    if bounds is not None:
        low, high = sorted(as_measured(plan, bound) for bound in bounds)
        bounds = low, high
    unit = "points, less is better" if plan.is_lower_better else "points"
    return as_measured(plan, analysis.effect_sd * analysis.sd_points), unit, bounds


def _could_miss(plan: Plan, analysis: Analysis) -> str | None:
    """What a comparison of this size cannot tell, where an effect that the plan calls enough could be missed."""
    interval, df = analysis.inference.interval, analysis.inference.df
    if interval is None or df is None:
        return None
    found = power.detectable((interval[1] - interval[0]) / 2, df)
    if found <= plan.smallest_effect:
        return None
    return (
        f"A comparison of this size finds an effect of {found:.2f} SD in four of five cases and misses smaller ones"
        f" more often; the plan calls {plan.smallest_effect:.2f} SD enough."
    )


def _warnings(judged: Judged, evidence: Evidence) -> list[str]:
    plan, sample, analysis = judged.plan, judged.sample, judged.effect
    found = [judged.frozen_late] if judged.frozen_late else []
    if (warning := look(evidence)) is not None:
        found.append(warning)
    if sample.moved_share > CROSSOVER_WARNING:
        found.append(f"{sample.moved_share:.0%} of pupils changed school; they are analysed as assigned.")
    if sample.schools_lost and not judged.too_early:
        found.append(f"No outcomes from {', '.join(sample.schools_lost)}.")
    found += sample.dosage.warnings
    if analysis is not None:
        found += _limits(plan, analysis)
    if not plan.is_random:
        found.append("Schools were not drawn at random: part of a difference may have been there before.")
    return found


def _limits(plan: Plan, analysis: Analysis) -> list[str]:
    """What this comparison cannot tell."""
    found = list(analysis.notes)
    smallest = analysis.inference.smallest_p
    if analysis.inference.is_unbounded and smallest is not None:
        found.append(
            f"The interval has no bounds: the smallest p that this draw can give is {smallest:.3f}, so that no effect,"
            " however large, can be ruled out."
        )
    if smallest is not None and smallest >= ALPHA:
        found.append("This design cannot reach significance.")
    if missed := _could_miss(plan, analysis):
        found.append(missed)
    return found
