"""The menu: models proven here, with what a school needs to take one up; and those stopped, with why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilots.known import same
from pilots.registry import FrozenPlan

PROVEN, STOPPED = "SCALE", "STOP"


def entry(
    frozen: FrozenPlan, card: Mapping[str, Any] | None, decided: Sequence[Mapping[str, Any]], recommendation: str | None
) -> dict[str, Any]:
    """One pilot's line of the menu. ``card`` is its published scorecard, where there is one, ``decided`` are people's
    decisions, oldest first, ``recommendation`` is the rule's newest word."""
    plan = frozen.plan
    last = decided[-1] if decided else None
    reason = last["reason"] if last else None
    if last and not reason and card and last["decision"] == card["recommendation"]:
        reason = " ".join(card["why"])  # the rule's own words, where the person agreed
    return {
        "pilot_id": frozen.pilot_id,
        "title": frozen.title,
        "plan_hash": frozen.plan_hash,
        "recommendation": recommendation,
        "decision": last["decision"] if last else None,
        "reason": reason,
        "decided_on": last["decided_at"].date().isoformat() if last else None,
        "hypothesis": plan.hypothesis,
        "evidence": _evidence(card),
        "for_whom": {"subject": plan.subject, "grades": list(plan.grades)}
        | ({key: card["for_whom"][key] for key in ("pupils", "schools")} if card else {}),
        "cost_per_pupil_usd": card["cost"]["per_pupil_usd"] if card else None,
        "practice_card": {
            "on_monday": list(plan.implementation.get("on_monday", ())),
            "minutes_planned": plan.implementation["dosage_minutes_planned"],
            "as_done_last": frozen.versions[-1].what if frozen.versions else None,
            "learned": [one.learned for one in frozen.versions if one.learned],
        },
    }


def _evidence(card: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Effect with its interval, rating and tier of the published scorecard; None where there is no number yet."""
    if card is None:
        return None
    effect = next((one for one in card["estimates"] if one["name"] == "hedges_g"), None)
    if effect is None:
        return None
    return {
        "effect_sd": effect["value"],
        "low": effect["low"],
        "high": effect["high"],
        "rating": card["rating"].get("rating"),
        "essa_tier": card["rating"].get("essa_tier"),
        "release_id": card["release_id"],
    }


def menu(entries: Sequence[Mapping[str, Any]], search: str = "") -> dict[str, list[Mapping[str, Any]]]:
    """``proven`` and ``stopped``, by what people decided; with ``search`` only those that hold each of its words in
    title, hypothesis, subject, reason, practice card or what was learned."""
    words = same(search).split()

    def holds(one: Mapping[str, Any]) -> bool:
        card = one["practice_card"]
        parts = [one["title"], one["hypothesis"], one["for_whom"]["subject"], one["reason"], card["as_done_last"]]
        text = same(" ".join(str(part or "") for part in [*parts, *card["on_monday"], *card["learned"]]))
        return all(word in text for word in words)

    return {
        name: [one for one in entries if one["decision"] == decision and holds(one)]
        for name, decision in (("proven", PROVEN), ("stopped", STOPPED))
    }
