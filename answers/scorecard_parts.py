"""A scorecard as a page prints it: every part present, rates as words, no p-value in the first part."""

from __future__ import annotations

from typing import Any

from answers import wording
from pilots.decision import PRIOR_NAMES, in_words, joint_of


def present(card: dict[str, Any], n_min: int) -> dict[str, Any]:
    """The card with every key the page reads; schools under ``n_min`` pupils without their means."""
    sure = {
        "statements": [],
        "sensitivity": [],
        "adjustments": [],
        "why_no_chance": "No chance is told.",
        "standardised_by": None,
        "df": None,
        "smallest_p": None,
        "method": None,
        "p_value": None,
    } | card["how_sure"]
    sure["statements"] = [_statement(statement) for statement in sure["statements"]]
    sure["sensitivity"] = [row | {"prior_name": _prior_name(row["prior"])} for row in sure["sensitivity"]]
    sure |= {f"{name}_told": _p_told(sure[name]) for name in ("p_value", "smallest_p")}
    schools = [_protected(school, n_min) for school in card.get("schools") or ()]
    rating = card.get("rating")
    defaults: dict[str, Any] = {"title": card["pilot_id"], "hypothesis": "", "why": [], "next": "", "warnings": []}
    return (
        defaults
        | {
            "estimates": [],
            "guardrails": [],
            "recommendation_text": "",
            "data_date": None,
            "evaluated_at": None,
            "plan_hash": "",
        }
        | card
        | {
            "how_sure": {"schools_treatment": None, "schools_comparison": None} | sure,
            "for_whom": {"pupils": None, "schools": None, "grades": [], "notes": []} | (card.get("for_whom") or {}),
            "did_it_happen": {
                "dosage_met_share": None,
                "planned_minutes": None,
                "mean_minutes": None,
                "milestones_planned": None,
                "milestones_done": None,
                "milestones_late": None,
            }
            | (card.get("did_it_happen") or {}),
            "cost": {"total_usd": None, "per_pupil_usd": None, "notes": []} | (card.get("cost") or {}),
            "schools": schools,
            "rating": rating if isinstance(rating, dict) else {"rating": rating} if rating else {},
        }
    )


def _statement(given: dict[str, Any]) -> dict[str, Any]:
    """A statement with its words, what joins the two in a sentence, and the chances: the one told, then by prior."""
    words = str(given.get("words") or in_words(given["probability"]))
    each = [f"{wording.percent(chance)} by {_prior_name(name)}" for name, chance in given.get("by_prior", {}).items()]
    chance = f"chance {wording.percent(given['probability'])}" + (f": {', '.join(each)}" if each else "")
    return given | {"words": words, "joint": joint_of(words), "chance": chance}


def _p_told(p: float | None) -> str:
    """A p to four digits; never 0."""
    return "under 0.0001" if p is not None and p < 0.0001 else wording.number(p, 4)


def _prior_name(prior: str) -> str:
    return PRIOR_NAMES.get(prior, f"a {wording.plain(prior).lower()} prior")


def _protected(school: dict[str, Any], n_min: int) -> dict[str, Any]:
    """A school's row; a small one keeps its name and arm only."""
    pupils = school.get("pupils") or 0
    if pupils >= n_min:
        return school | {"is_small": False}
    return school | {"pupils": None, "mean_baseline": None, "mean_outcome": None, "is_small": True}


def main_estimate(card: dict[str, Any]) -> dict[str, Any] | None:
    """The first estimate with an interval: what the chart shows first."""
    return next((one for one in card["estimates"] if one.get("low") is not None), None)
