"""What a pilot cost, and what that bought: a pupil, a pupil who got the planned time, a pupil more who is proficient.

A cost is divided by what there is of something and never by nothing: where there is none, the card says so in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from cairn.grades import grade_key
from pilots.analysis import Analysis
from pilots.plan import Plan
from pilots.sample import Sample, as_measured, of_pilot

if TYPE_CHECKING:
    import pandas as pd

# Numbers of pupils, and what the total is divided by them: whoever has one and the total has the other.
_OF_PUPILS = {
    "pupils_met_dosage": "per_pupil_met_dosage_usd",
    "additional_proficient": "per_additional_proficient_usd",
}


def cost_of(
    plan: Plan, schools: pd.DataFrame, sample: Sample, analysis: Analysis | None, why_no_effect: str | None, today: date
) -> dict[str, Any]:
    """Costs of the treated schools in US dollars, the card's part ``cost``; ``notes`` say what is not known, and why.

    ``schools`` is ``mart_pilot_school``. ``analysis`` is the comparison where its effect is looked at, and
    ``why_no_effect`` says why what it bought is not told where it is not.
    """
    rows = of_pilot(schools, plan.pilot_id)
    treated = rows[rows["school_id"].map(plan.arms) == "treatment"]
    total = float(treated["cost_usd"].fillna(0.0).sum())
    pupils = int(treated["pupils_assigned"].fillna(0).sum())
    notes = [] if total > 0 else ["No costs were loaded for this pilot."]
    if missing := int((treated["cost_usd"].fillna(0.0) <= 0).sum()):
        notes += [f"{missing} of {len(treated)} schools report no cost."] if total > 0 else []
    bought = _proficient(plan, analysis, sample, why_no_effect)
    more = bought["additional_proficient"]
    licences = _licences(treated, sample)
    found = {
        # No cost sent is no cost of 0.
        "total_usd": round(total, 2) if total > 0 else None,
        "per_pupil_usd": _each(total, pupils),
        "pupils_met_dosage": sample.dosage.pupils_met,
        "per_pupil_met_dosage_usd": _each(total, sample.dosage.pupils_met),
        **bought,
        # Of less than one pupil there is no cost of one.
        "per_additional_proficient_usd": _each(total, more) if more is not None and more >= 1 else None,
        **licences,
        "when_money_ends": when_money_ends(plan, today),
    }
    if sample.dosage.pupils_met == 0:
        notes.append("No pupil had the planned time yet, so there is no cost of one.")
    elif sample.dosage.pupils_met is None:
        notes.append("Nobody measured the time pupils spent, so there is no cost of one who got the planned time.")
    return found | {"notes": [*notes, *_said(found), found["when_money_ends"]]}


def _each(total: float, count: float | None) -> float | None:
    """The share of one in the total; None where there is no total, or nobody, or nobody knows how many."""
    return round(total / count, 2) if count is not None and count > 0 and total > 0 else None


def _proficient(plan: Plan, analysis: Analysis | None, sample: Sample, why_not: str | None) -> dict[str, Any]:
    """Treated pupils who are proficient and would not have been: those with both scores who reach the cut score of
    their grade, less those who still reach it with the effect taken off their score.

    From the card's own effect and interval in points, so that it has their sign. ``additional_low`` and
    ``additional_high`` are the same for the ends of the interval; all None where there is nothing to tell.
    """
    found: dict[str, Any] = {"additional_proficient": None, "additional_low": None, "additional_high": None}
    if not plan.proficient_from:
        return found | {"why_no_proficiency": "the plan names no score from which a pupil is proficient"}
    if analysis is None or why_not is not None:
        return found | {"why_no_proficiency": (why_not or "there is nothing to compare").rstrip(".")}
    scored = sample.analytic[sample.analytic["arm"] == "treatment"]
    cut = as_measured(plan, scored["grade"].map(lambda grade: plan.proficient_from.get(grade_key(grade))).astype(float))
    if not cut.notna().any():
        return found | {"why_no_proficiency": "the plan names no score for the grades of these pupils"}
    score, cut_score = scored["outcome_score"][cut.notna()].to_numpy(dtype=float), cut.dropna().to_numpy(dtype=float)

    def more(points: float) -> int:
        return int(np.sum(score >= cut_score) - np.sum(score - points >= cut_score))

    low, high = analysis.interval_points or (None, None)
    return {
        "additional_proficient": more(analysis.effect_sd * analysis.sd_points),
        "additional_low": None if low is None else more(low),
        "additional_high": None if high is None else more(high),
        "why_no_proficiency": None,
    }


def _licences(treated: pd.DataFrame, sample: Sample) -> dict[str, Any]:
    """Licences bought for the treated schools, and how many nobody there used; each None where nothing tells."""
    column = treated["licences_bought"].dropna() if "licences_bought" in treated.columns else []
    if not len(column):
        return {"licences_bought": None, "licences_unused": None}
    bought = round(float(np.sum(column)))
    users = sample.dosage.users
    return {"licences_bought": bought, "licences_unused": None if users is None else max(0, bought - users)}


def _said(found: Mapping[str, Any]) -> list[str]:
    """The parts that need words."""
    notes = []
    if why := found["why_no_proficiency"]:
        notes.append(f"Cost of a pupil more who is proficient: not shown, {why[0].lower()}{why[1:]}.")
    elif found["additional_proficient"] < 1:
        notes.append("No pupil more is proficient than would have been, so there is no cost of one.")
    else:
        low, high = found["additional_low"], found["additional_high"]
        between = "the interval has no bounds" if low is None else f"95 % interval {low} to {high}"
        notes.append(
            f"About {found['additional_proficient']} pupils more are proficient than would have been ({between})."
        )
    if found["licences_bought"] is None:
        notes.append("Unused licences are not known: no file of licences was loaded.")
    elif found["licences_unused"] is None:
        notes.append("Unused licences are not known: nobody measured the time pupils spent.")
    else:
        notes.append(f"{found['licences_unused']} of {found['licences_bought']} licences were used by nobody.")
    return notes


def when_money_ends(plan: Plan, today: date) -> str:
    """What happens when the money ends, as a sentence."""
    funding = plan.implementation.get("funding")
    if not funding:
        return "The plan does not say what happens when the money ends."
    ends_on, yearly = date.fromisoformat(funding["ends_on"]), float(funding["yearly_usd"])
    ended = f"ended on {ends_on.isoformat()}" if ends_on < today else f"ends on {ends_on.isoformat()}"
    schools = sum(arm == "treatment" for arm in plan.arms.values())
    place = f"{schools} schools" if schools > 1 else "its school"
    return (
        f"{funding['source']} {ended}; going on in {place} then costs {yearly:,.0f} USD a year from somewhere else,"
        " or the change stops there."
    )


def protected(cost: Mapping[str, Any], n_min: int) -> dict[str, Any]:
    """The part as it may be published: of fewer than ``n_min`` pupils no number, nor what they could be told from."""
    shown, notes = dict(cost), list(cost.get("notes", ()))
    for count, each in _OF_PUPILS.items():
        if (number := shown.get(count)) is not None and 0 < number < n_min:
            shown |= {count: None, each: None}
            notes.append(f"Costs of fewer than {n_min} pupils are not shown.")
            if count == "additional_proficient":
                shown |= {"additional_low": None, "additional_high": None}
                notes = [note for note in notes if not note.startswith("About ")]
    return shown | {"notes": list(dict.fromkeys(notes))}
