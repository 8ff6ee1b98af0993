"""A scorecard as a page prints it: every part present, rates as words, no p-value in the first part."""

from __future__ import annotations

from typing import Any

from answers import wording
from answers.card_health import health, read_with, schools_told, verdict
from cairn.privacy import school_told
from pilots.decision import PRIOR_NAMES, in_words, joint_of


def present(card: dict[str, Any], n_min: int) -> dict[str, Any]:
    """The card with every key the page reads; schools under ``n_min`` pupils without their means.

    ``health`` holds the checks of its first screen, ``read_with`` the sentence under the recommendation, ``verdict``
    how that is to look.
    """
    parts = _parts(card, n_min)
    checks = health(parts)
    return parts | {
        "health": checks,
        "read_with": read_with(checks),
        "verdict": verdict(parts),
        "schools_told": schools_told(parts),
        "effect_told": effect_told(parts),
        "waves_told": waves_told(parts),
    }


def _parts(card: dict[str, Any], n_min: int) -> dict[str, Any]:
    """Every part that an evaluation gives; cards of earlier versions have fewer."""
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
        "interval_is_unbounded": False,
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
            "frozen": None,
            "waves": None,
        }
        | card
        | {
            "planned": {"smallest_effect_sd": None, "coverage_share": None, "outcome_opens_on": None}
            | (card.get("planned") or {}),
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
    return school_told(school, n_min) | {"is_small": (school.get("pupils") or 0) < n_min}


def main_estimate(card: dict[str, Any]) -> dict[str, Any] | None:
    """The estimate that the chart shows first: the effect, with or without bounds.

    None where no chance is told (too few schools, too early, not a valid comparison): a picture with an interval would
    say that there is an effect to be read.
    """
    if not card["how_sure"]["statements"]:
        return None
    bounded = (one for one in card["estimates"] if one.get("low") is not None)
    unbounded = (one for one in card["estimates"] if card["how_sure"]["interval_is_unbounded"])
    return next(unbounded, None) or next(bounded, None)


def interval_told(card: dict[str, Any], estimate: dict[str, Any]) -> str:
    """An estimate's interval in words: its bounds, that it has none, or a dash where none belongs to it."""
    if estimate.get("low") is not None:
        return f"{wording.number(estimate['low'], 2)} to {wording.number(estimate['high'], 2)}"
    is_effect = estimate["name"] in ("hedges_g", "difference")
    return "no bounds" if is_effect and card["how_sure"]["interval_is_unbounded"] else "–"


def effect_told(card: dict[str, Any]) -> str:
    """What the effect chart says, for those who cannot see it."""
    estimate = main_estimate(card)
    if estimate is None:
        return "No estimate."
    return (
        f"Difference between arms {wording.number(estimate['value'], 2)} {wording.unit(estimate.get('unit'))}, "
        f"interval {interval_told(card, estimate)}."
    )


def waves_told(card: dict[str, Any]) -> str:
    """What the event study's chart says, for those who cannot see it."""
    study = (card["waves"] or {}).get("event_study") or []
    each = (f"{since_start(one['windows_since_start'])} {wording.number(one['effect_sd'], 2)}" for one in study)
    return f"Effect in SD by windows since a school started: {', '.join(each)}." if study else "No effect by window."


def since_start(windows: int) -> str:
    """A window of the event study in words: 0 is the first with the change."""
    if windows == 0:
        return "first with it"
    count = abs(windows)
    return f"{count} window{'s' if count > 1 else ''} {'before' if windows < 0 else 'later'}"
