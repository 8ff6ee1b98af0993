"""The scorecard of a pilot: a pure function of the plan, the marts of one release, and the day.

Its parts, in the order of reading: decision, why, how sure, for whom, did it happen, cost, next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pilots import power, wwc
from pilots.analysis import METHODS, Analysis, analyse
from pilots.decision import FORMATIVE_BELOW, Evidence, decide, statement
from pilots.effect_size import size_label
from pilots.plan import Plan
from pilots.sample import CROSSOVER_WARNING, Sample, arms_differ, cost_of, make_sample

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05


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
    evaluated_at: datetime | None = None,
) -> dict[str, Any]:
    """The scorecard, JSON-able. ``plan`` may be a Plan, its mapping or its JSON.

    ``pupils``, ``schools`` and ``rollout`` are ``mart_pilot_pupil``, ``mart_pilot_school`` and ``mart_rollout_school``
    of release ``release_id`` (rows of other pilots are ignored); ``red_gates`` names gates that are red for schools of
    this pilot.
    """
    if not isinstance(plan, Plan):
        plan = Plan.from_json(plan) if isinstance(plan, str) else Plan(plan)
    today = date.fromisoformat(data_date) if isinstance(data_date, str) else data_date
    sample = make_sample(plan, pupils)
    analysis = analyse(plan, sample)
    rating = _rating(plan, sample, analysis)
    evidence = _evidence(plan, sample, analysis, rating, today, [*red_gates], arms_differ(plan, pupils))
    said = decide(evidence)
    happened = _happened(plan, sample, rollout)
    return {
        "pilot_id": plan.pilot_id,
        "title": plan.title,
        "hypothesis": plan.hypothesis,
        "plan_hash": plan.plan_hash,
        "release_id": release_id,
        "evaluated_at": (evaluated_at or datetime.now(UTC)).isoformat(),
        "data_date": today.isoformat(),
        "recommendation": said.code,
        "recommendation_text": said.text,
        "why": said.why,
        "how_sure": _how_sure(plan, sample, analysis),
        "for_whom": _for_whom(sample),
        "did_it_happen": happened,
        "cost": cost_of(schools, plan),
        "next": said.next,
        "estimates": _estimates(sample, analysis, happened),
        "schools": _schools(plan, schools, analysis),
        "rating": rating,
        "warnings": _warnings(plan, sample, analysis),
    }


def _rating(plan: Plan, sample: Sample, analysis: Analysis | None) -> dict[str, Any]:
    """WWC rating, ESSA tier and what they rest on; the rating is None while there is nothing to rate."""
    attrition = wwc.attrition_level(
        sample.attrition_overall, sample.attrition_differential, plan.analysis["attrition_boundary"]
    )
    found: dict[str, Any] = {
        "wwc_version": plan.analysis["wwc_version"],
        "design": "schools drawn at random" if plan.is_random else "comparison schools, not drawn at random",
        "attrition": {
            "overall_share": round(sample.attrition_overall, 4),
            "differential_share": round(sample.attrition_differential, 4),
            "boundary": plan.analysis["attrition_boundary"],
            "level": attrition,
        },
        "baseline_g": None,
        "equivalence": None,
        "rating": None,
        "essa_tier": None,
        "reasons": ["There are no outcomes to rate yet."],
    }
    if analysis is None:
        return found
    equivalence = wwc.baseline_equivalence(analysis.baseline_g)
    is_positive = analysis.effect_sd > 0 and analysis.p_value is not None and analysis.p_value < ALPHA
    rating = wwc.rate(
        is_random=plan.is_random,
        attrition=attrition,
        equivalence=equivalence,
        is_adjusted=True,
        is_outcome_independent=not plan.analysis["outcome"].get("is_made_by_the_tool", False),
        schools_treatment=sample.schools_treatment,
        schools_comparison=sample.schools_comparison,
        pupils=len(sample.analytic),
        is_significant_positive=is_positive,
    )
    return found | {
        "baseline_g": round(analysis.baseline_g, 4),
        "equivalence": equivalence,
        "rating": rating.rating,
        "essa_tier": rating.essa_tier,
        "reasons": rating.reasons,
    }


def _evidence(
    plan: Plan,
    sample: Sample,
    analysis: Analysis | None,
    rating: Mapping[str, Any],
    today: date,
    red_gates: list[str],
    moved_arms: list[str],
) -> Evidence:
    outcome = plan.analysis["outcome"]
    opens, ends = date.fromisoformat(outcome["from_date"]), date.fromisoformat(outcome["to_date"])
    invalid = [f"The gate {gate} is red for schools of this pilot." for gate in red_gates]
    if moved_arms:
        invalid.append(f"Assignment is not as planned at {', '.join(moved_arms)}.")
    if outcome.get("is_made_by_the_tool"):
        invalid.append("The outcome is made by the tool itself, so the arms are not measured alike.")
    if today > ends and rating["attrition"]["level"] == "high" and rating["equivalence"] == "not_satisfied":
        invalid.append("Many pupils are missing at the end, and the groups were not alike at the start.")
    too_early = []
    minimum = float(plan.analysis["minimum_outcome_coverage_share"])
    if today < opens:
        too_early.append(f"The assessment window opens on {opens.isoformat()}.")
    elif sample.coverage < minimum:
        too_early.append(f"{sample.coverage:.0%} of pupils have an outcome; the plan asks for {minimum:.0%}.")
    belief = analysis.belief if analysis is not None else None
    return Evidence(
        chance_positive=belief.chance_above(0.0) if belief else None,
        chance_matters=belief.chance_above(plan.smallest_effect) if belief else None,
        smallest_effect=plan.smallest_effect,
        schools_smaller_arm=sample.schools_smaller_arm,
        dosage_met_share=sample.dosage_met_share,
        invalid=invalid,
        too_early=too_early,
        # Guardrails are not in the marts yet: one that is planned and not measured keeps the rule from SCALE.
        guardrails_open=[str(guardrail["name"]) for guardrail in plan.analysis.get("guardrails", ())],
    )


def _is_formative(sample: Sample) -> bool:
    return sample.schools_smaller_arm < FORMATIVE_BELOW


def _how_sure(plan: Plan, sample: Sample, analysis: Analysis | None) -> dict[str, Any]:
    """Statements with chances and words, and what they rest on; no chance under six schools in the smaller arm."""
    base: dict[str, Any] = {
        "statements": [],
        "sensitivity": [],
        "df": None,
        "smallest_p": None,
        "p_value": None,
        "method": METHODS["formative"],
        "can_reach_significance": None,
        "schools_treatment": sample.schools_treatment,
        "schools_comparison": sample.schools_comparison,
    }
    if analysis is None:
        return base | {"method": "nothing to compare yet"}
    base |= {
        "method": METHODS[analysis.rung],
        "df": round(analysis.df, 2) if analysis.df is not None else None,
        "smallest_p": analysis.smallest_p,
        "p_value": analysis.p_value,
        "can_reach_significance": None if analysis.smallest_p is None else analysis.smallest_p <= ALPHA,
    }
    if _is_formative(sample):
        return base
    c = plan.smallest_effect
    base["statements"] = [
        statement(
            "pupils gained at all",
            "pupils did not gain",
            analysis.belief.chance_above(0.0),
        ),
        statement(
            f"pupils gained enough to matter ({c:.2f} SD or more)",
            f"pupils did not gain enough to matter ({c:.2f} SD or more)",
            analysis.belief.chance_above(c),
        ),
    ]
    base["sensitivity"] = [
        {
            "prior": name,
            "chance_gained": round(belief.chance_above(0.0), 2),
            "chance_gained_enough": round(belief.chance_above(c), 2),
        }
        for name, belief in analysis.sensitivity.items()
    ]
    return base


def _for_whom(sample: Sample) -> dict[str, Any]:
    notes = ["Pupils are counted with the school they were assigned in, wherever they are now."]
    if sample.joiners:
        notes.append(f"{sample.joiners} pupils joined after the start; they are counted apart.")
    if sample.schools_lost:
        notes.append(f"{len(sample.schools_lost)} schools have no pupil with both scores.")
    notes.append("Findings for single groups of pupils were not planned and are not shown.")
    return {
        "pupils": len(sample.analytic),
        "schools": sample.schools_treatment + sample.schools_comparison,
        "grades": sample.grades,
        "notes": notes,
    }


def _happened(plan: Plan, sample: Sample, rollout: pd.DataFrame) -> dict[str, Any]:
    rows = rollout[rollout["pilot_id"] == plan.pilot_id] if "pilot_id" in rollout.columns else rollout

    def total(column: str) -> int:
        return int(rows[column].fillna(0).sum()) if len(rows) else 0

    met, minutes = sample.dosage_met_share, sample.mean_minutes
    return {
        "dosage_met_share": None if met is None else round(met, 4),
        "planned_minutes": float(plan.implementation["dosage_minutes_planned"]),
        "mean_minutes": None if minutes is None else round(minutes, 1),
        "milestones_planned": total("milestones_planned"),
        "milestones_done": total("milestones_done"),
        "milestones_late": total("milestones_late"),
    }


LABELS = {
    "hedges_g": "Effect, adjusted (Hedges g)",
    "difference": "Difference, adjusted",
    "expected_effect": "Expected effect (90 % interval)",
    "improvement_index": "Improvement index",
    "baseline_g": "Difference at baseline (Hedges g)",
    "dosage_met_share": "Pupils with the planned time",
    "outcome_coverage": "Pupils with an outcome",
}


def _estimates(sample: Sample, analysis: Analysis | None, happened: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every number as {name, label, value, low, high, unit}; the effect first, with Kraft's word for its size."""
    found: list[dict[str, Any]] = []

    def add(name: str, value: float | None, unit: str, bounds: tuple[float, float] | None = None) -> None:
        low, high = bounds or (None, None)
        found.append({"name": name, "label": LABELS[name], "value": value, "low": low, "high": high, "unit": unit})

    if analysis is not None:
        interval, sd = analysis.interval_sd, analysis.means.sd
        add("hedges_g", analysis.effect_sd, "sd", interval)
        found[0]["size"] = size_label(analysis.effect_sd)
        add("difference", analysis.effect_points, "points", (interval[0] * sd, interval[1] * sd) if interval else None)
        if not _is_formative(sample):
            add("expected_effect", analysis.belief.mean, "sd", analysis.belief.interval())
        add("improvement_index", analysis.improvement_index, "percentile points")
        add("baseline_g", analysis.baseline_g, "sd")
    add("dosage_met_share", happened["dosage_met_share"], "share")
    add("outcome_coverage", round(sample.coverage, 4), "share")
    return found


def _schools(plan: Plan, schools: pd.DataFrame, analysis: Analysis | None) -> list[dict[str, Any]]:
    rows = schools[schools["pilot_id"] == plan.pilot_id] if "pilot_id" in schools.columns else schools
    names = dict(zip(rows["school_id"], rows["school_name"], strict=True))
    found = {}
    if analysis is not None:
        means = analysis.means
        for index, school in enumerate(means.school_ids):
            found[school] = (int(means.pupils[index]), means.raw_baseline[index], means.raw_outcome[index])
    result = []
    for school, arm in plan.arms.items():
        pupils, baseline, outcome = found.get(school, (0, None, None))
        result.append(
            {
                "school_id": school,
                "school_name": str(names.get(school, school)),
                "arm": arm,
                "pupils": pupils,
                "mean_baseline": None if baseline is None else round(float(baseline), 2),
                "mean_outcome": None if outcome is None else round(float(outcome), 2),
            }
        )
    return result


def _could_miss(plan: Plan, analysis: Analysis | None) -> str | None:
    """What a comparison of this size cannot tell, where an effect that the plan calls enough could be missed."""
    if analysis is None or analysis.interval_sd is None or analysis.df is None:
        return None
    low, high = analysis.interval_sd
    found = power.detectable((high - low) / 2, analysis.df)
    if found <= plan.smallest_effect:
        return None
    return (
        f"A comparison of this size finds an effect of {found:.2f} SD in four of five cases and misses smaller ones"
        f" more often; the plan calls {plan.smallest_effect:.2f} SD enough."
    )


def _warnings(plan: Plan, sample: Sample, analysis: Analysis | None) -> list[str]:
    found = []
    if sample.moved_share > CROSSOVER_WARNING:
        found.append(f"{sample.moved_share:.0%} of pupils changed school; they are analysed as assigned.")
    if sample.schools_lost:
        found.append(f"No outcomes from {', '.join(sample.schools_lost)}.")
    if sample.comparison_minutes > 0:
        found.append(f"Comparison pupils got {sample.comparison_minutes:.0f} minutes of the change on average.")
    if analysis is not None and analysis.smallest_p is not None and analysis.smallest_p > ALPHA:
        found.append("This design cannot reach significance.")
    if missed := _could_miss(plan, analysis):
        found.append(missed)
    if guardrails := plan.analysis.get("guardrails", ()):
        found.append(f"{len(guardrails)} planned guardrails are not measured, so the rule does not say SCALE.")
    if not plan.is_random:
        found.append("Schools were not drawn at random: part of a difference may have been there before.")
    return found
