"""What the rule and the rating look at: the evidence of one pilot on one day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from cairn.privacy import DEFAULT_SMALLEST_GROUP
from pilots import wwc
from pilots.analysis import ALPHA, Analysis, NoComparison, balance_at_start
from pilots.decision import FORMATIVE_BELOW, Evidence
from pilots.guardrails import Finding, for_decision
from pilots.plan import Plan
from pilots.posterior import chances_of
from pilots.sample import Lost, Sample, lost_from


@dataclass(frozen=True)
class Judged:
    """The day's view of a pilot. ``too_early`` holds why the effect is not looked at; while it does, nothing that
    outcomes were compared for may be shown. ``is_over``: no outcome is to come any more; ``n_min``: the district's
    smallest group of pupils that is told of."""

    plan: Plan
    sample: Sample
    analysis: Analysis | NoComparison
    too_early: list[str]
    is_over: bool
    frozen_late: str | None
    n_min: int = DEFAULT_SMALLEST_GROUP

    @property
    def effect(self) -> Analysis | None:
        """The analysis, where there is one and it is time to look at it."""
        return self.analysis if isinstance(self.analysis, Analysis) and not self.too_early else None

    @cached_property
    def baseline_g(self) -> float | None:
        """Difference at the start: of the pupils compared, and until they are of everybody assigned."""
        return balance_at_start(self.sample, self.n_min) if self.effect is None else self.effect.baseline_g

    @cached_property
    def lost(self) -> tuple[Lost, Lost]:
        """(schools, pupils of those that stayed) lost to the comparison; while there is none, to any."""
        if self.effect is None:
            return self.sample.lost_schools, self.sample.lost_pupils
        return lost_from(self.plan, self.sample.assigned, self.effect.compared)

    @property
    def schools_smaller_arm(self) -> int:
        """Schools in the smaller arm: of those compared, where there are some."""
        if isinstance(self.analysis, Analysis):
            return min(self.analysis.schools_treatment, self.analysis.schools_comparison)
        return self.sample.schools_smaller_arm

    @property
    def is_formative(self) -> bool:
        """Whether schools are too few for a chance."""
        return self.schools_smaller_arm < FORMATIVE_BELOW


def too_early(plan: Plan, sample: Sample, today: date) -> list[str]:
    """Why the effect is not looked at yet; empty where it is."""
    minimum = float(plan.analysis["minimum_outcome_coverage_share"])
    if today < plan.outcome_opens_on:
        return [f"The assessment window opens on {plan.outcome_opens_on.isoformat()}."]
    if sample.coverage < minimum:
        closes = f"clos{'ed' if today > plan.outcome_closes_on else 'es'} on {plan.outcome_closes_on.isoformat()}"
        return [
            f"{sample.coverage:.0%} of pupils have an outcome; the plan asks for {minimum:.0%}; the window {closes}."
        ]
    return []


def frozen_late(plan: Plan, frozen_at: datetime | None) -> str | None:
    """What to print of a plan whose analysis was frozen when outcomes could be seen; None where it was not, or where
    nobody knows when."""
    if frozen_at is None or not plan.is_late(frozen_at):
        return None
    return (
        f"Frozen late: the plan was frozen on {frozen_at.date().isoformat()}, and outcomes could be seen from"
        f" {plan.outcome_opens_on.isoformat()} on; it cannot lead to more schools."
    )


def evidence(
    judged: Judged,
    rating: dict[str, Any],
    red_gates: Sequence[str],
    moved: list[str],
    findings: Sequence[Finding] = (),
    not_as_drawn: str | None = None,
) -> Evidence:
    """Everything that the rule looks at. ``moved`` are schools whose arm in the data is not the plan's; ``findings``
    those of the plan's guardrails, and ``not_as_drawn`` where its arms are not those that were drawn."""
    plan, sample, analysis = judged.plan, judged.sample, judged.analysis
    invalid = [f"The gate {gate} is red for schools of this pilot." for gate in red_gates]
    if moved:
        invalid.append(f"Assignment is not as planned at {', '.join(moved)}.")
    if not_as_drawn is not None:
        invalid.append(not_as_drawn)
    if plan.analysis["outcome"].get("is_made_by_the_tool"):
        invalid.append("The outcome is made by the tool itself, so the arms are not measured alike.")
    if not judged.too_early or judged.is_over:
        invalid += _not_alike(judged, rating)
    failed, still_open = for_decision(findings)
    return Evidence(
        chances=chances_of(judged.effect.beliefs, plan.smallest_effect) if judged.effect else {},
        smallest_effect=plan.smallest_effect,
        schools_smaller_arm=judged.schools_smaller_arm,
        dosage_met_share=sample.dosage.met_share,
        invalid=invalid,
        too_early=judged.too_early,
        cannot_compare=[analysis.reason] if isinstance(analysis, NoComparison) else [],
        guardrails_failed=failed,
        guardrails_open=still_open,
        frozen_late=judged.frozen_late,
        direction=plan.direction,
        decides_by=plan.decides_by,
    )


def _not_alike(judged: Judged, rating: dict[str, Any]) -> list[str]:
    """Why a comparison of groups that were not alike at the start cannot be used."""
    g = judged.baseline_g
    if g is None or wwc.baseline_equivalence(g) != "not_satisfied":
        return []
    apart = f"the groups were {abs(g):.2f} SD apart at the start, more than adjusting can make good (0.25)"
    if not judged.plan.is_random:
        return [f"Schools were not drawn at random, and {apart}."]
    attrition = rating["attrition"]
    if attrition is not None and attrition["level"] == "high":
        return [f"Many of those assigned are missing at the end, and {apart}."]
    return []


def rating(judged: Judged) -> dict[str, Any]:
    """WWC rating, ESSA tier and what they rest on; the rating is None while there is nothing to rate.

    Attrition is told once the effect is looked at or no outcome is to come: before that, who has none yet is not lost.
    """
    plan, analysis = judged.plan, judged.effect
    boundary = plan.analysis["attrition_boundary"]
    lost_schools, lost_pupils = (
        wwc.Attrition(units, lost.overall, lost.differential, boundary)
        for units, lost in zip(("schools", wwc.PUPILS_THAT_STAYED), judged.lost, strict=True)
    )
    level = "high" if "high" in (lost_schools.level, lost_pupils.level) else "low"
    g = judged.baseline_g
    equivalence = None if g is None else wwc.baseline_equivalence(g)
    found: dict[str, Any] = {
        "wwc_version": plan.analysis["wwc_version"],
        "design": "schools drawn at random" if plan.is_random else "comparison schools, not drawn at random",
        "attrition": None
        if judged.too_early and not judged.is_over
        else {
            "overall_share": round(lost_pupils.overall, 4),
            "differential_share": round(lost_pupils.differential, 4),
            "of_pupils": lost_pupils.level,
            "schools_overall_share": round(lost_schools.overall, 4),
            "schools_differential_share": round(lost_schools.differential, 4),
            "of_schools": lost_schools.level,
            "boundary": boundary,
            "level": level,
        },
        "baseline_g": None if g is None else round(g, 4),
        "equivalence": equivalence,
        "rating": None,
        "essa_tier": None,
        "reasons": ["There are no outcomes to rate yet."],
    }
    if analysis is None or equivalence is None:
        return found
    p_value = analysis.inference.p_value
    rated = wwc.rate(
        is_random=plan.is_random,
        attrition=lost_pupils,
        school_attrition=lost_schools,
        equivalence=equivalence,
        baseline_g=g,
        is_adjusted=True,
        is_outcome_independent=not plan.analysis["outcome"].get("is_made_by_the_tool", False),
        schools_treatment=analysis.schools_treatment,
        schools_comparison=analysis.schools_comparison,
        pupils=int(analysis.schools.pupils.sum()),
        is_significant_positive=analysis.effect_sd > 0 and p_value is not None and p_value < ALPHA,
    )
    return found | {"rating": rated.rating, "essa_tier": rated.essa_tier, "reasons": rated.reasons}
