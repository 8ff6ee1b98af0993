"""The health of a scorecard: what a board should know of the evidence before it reads the recommendation.

Eight checks in a fixed order (nine where schools start in waves), so that cards compare side by side; each is good, to
look at or bad, with its number in a sentence, and none is told by colour alone. The thresholds are those of the rule
and of the rating (pilots/decision.py, pilots/wwc.py, pilots/waves_told.py): a check never says other than what the card
rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from answers import wording
from answers.protected_card import share_told
from pilots.decision import (
    CANNOT_TELL,
    DOSAGE_AS_INTENDED,
    FORMATIVE_BELOW,
    HARM,
    INVALID,
    NEXT_CHANCE,
    NEXT_WAVE,
    SCALE,
    SCALE_CHANCE,
    SCALE_MATTERS,
    STOP,
    STOP_MATTERS,
    TOO_EARLY,
    WANTED,
)
from pilots.guardrails import FAILED, SAFE
from pilots.waves_told import APART, WANTED_BEFORE
from pilots.wwc import baseline_equivalence

GOOD, LOOK, BAD, NOT_TOLD = "good", "care", "bad", "none"
WORDS = {GOOD: "Good", LOOK: "Look", BAD: "Bad", NOT_TOLD: "Not told"}


@dataclass(frozen=True)
class Check:
    """One thing that the evidence rests on: ``level`` is good, care (look), bad or none (cannot be told), ``says`` a
    sentence with the number."""

    name: str
    level: str
    says: str

    @property
    def word(self) -> str:
        """The level as a word."""
        return WORDS[self.level]


def health(card: Mapping[str, Any]) -> list[Check]:
    """The checks of a card with every part present (``scorecard_parts.present``). Of a card that says why its pilot
    could not be evaluated none is told: nobody looked."""
    found = [
        _schools(card),
        _start(card),
        *_before_waves(card),
        _attrition(card),
        _coverage(card),
        _dosage(card),
        _sceptic(card),
        _guardrails(card),
        _frozen(card),
    ]
    return [replace(one, level=NOT_TOLD, says="Not evaluated.") for one in found] if card.get("failure") else found


def read_with(checks: list[Check]) -> str | None:
    """What to read the recommendation with: the checks that are not good, the bad ones first; None where all are."""
    named = [
        f"{one.name.lower()} ({one.word.lower()})" for level in (BAD, LOOK) for one in checks if one.level == level
    ]
    return f"Read it with: {', '.join(named)}." if named else None


def verdict(card: Mapping[str, Any]) -> str:
    """How the recommendation is to look: ``judged``, ``open`` where there is no judgement of the effect, ``harm``."""
    said = _said(card)
    return "harm" if said == HARM else "open" if said in (INVALID, TOO_EARLY, CANNOT_TELL) else "judged"


def told(card: Mapping[str, Any]) -> str:
    """The recommendation as it stands in large letters; what was hardly done is stopped as it was delivered only."""
    word, share = wording.recommendation(_said(card)), card["did_it_happen"]["dosage_met_share"]
    return f"{word}, as delivered" if _said(card) == STOP and share is not None and share < DOSAGE_AS_INTENDED else word


def _said(card: Mapping[str, Any]) -> str:
    """The recommendation as the rule writes it."""
    return str(card["recommendation"]).upper().replace("_", " ")


def is_too_early(card: Mapping[str, Any]) -> bool:
    """Whether outcomes are not looked at yet, whatever the recommendation is (a guardrail can fail, a gate be red)."""
    return bool(card.get("is_too_early", _said(card) == TOO_EARLY))


def _estimate(card: Mapping[str, Any], name: str) -> float | None:
    return next((one["value"] for one in card["estimates"] if one["name"] == name), None)


def schools_counted(card: Mapping[str, Any]) -> tuple[int, int, bool] | None:
    """(schools with the change, schools without, whether they are compared already); None where none is known.

    Before outcomes are in they are those of the plan.
    """
    sure = card["how_sure"]
    if not is_too_early(card):
        arms = sure["schools_treatment"], sure["schools_comparison"]
        return None if None in arms else (*arms, True)
    arms = tuple(sum(one["arm"] == arm for one in card["schools"]) for arm in ("treatment", "comparison"))
    return (arms[0], arms[1], False) if sum(arms) else None


def schools_told(card: Mapping[str, Any]) -> str:
    """The schools of both arms in a sentence."""
    counted = schools_counted(card)
    if counted is None:
        return "No school was compared."
    return f"{counted[0]} schools with it, {counted[1]} without{'' if counted[2] else ': not compared yet'}."


def _schools(card: Mapping[str, Any]) -> Check:
    """How many schools are compared, and whether chance chose them."""
    name, counted = "Schools compared", schools_counted(card)
    if counted is None:
        return Check(name, NOT_TOLD, "Nothing was compared.")
    says = f"{counted[0]} with the change, {counted[1]} without{'' if counted[2] else ' as planned'}"
    if min(counted[:2]) < FORMATIVE_BELOW:
        return Check(name, BAD, f"{says}: under {FORMATIVE_BELOW} an arm, too few for any chance.")
    if "not drawn" in str(card["rating"].get("design", "")):
        return Check(name, LOOK, f"{says}; not drawn at random.")
    return Check(name, GOOD, f"{says}{', drawn at random' if card['rating'].get('design') else ''}.")


def _start(card: Mapping[str, Any]) -> Check:
    """How far the arms were apart before (WWC 5.0: .05 and .25 SD)."""
    name, g = "Groups at the start", card["rating"].get("baseline_g")
    g = _estimate(card, "baseline_g") if g is None else g
    if g is None:
        return Check(name, NOT_TOLD, "There are no scores from before to compare.")
    apart = f"{abs(g):.2f} SD apart"
    level, says = {
        "satisfied": (GOOD, f"{apart}: alike."),
        "with_adjustment": (LOOK, f"{apart}: adjusted for; up to 0.05 is alike."),
        "not_satisfied": (BAD, f"{apart}: more than adjusting can make good (0.25)."),
    }[baseline_equivalence(g)]
    return Check(name, level, says)


def _before_waves(card: Mapping[str, Any]) -> list[Check]:
    """Whether waves were on the way already before they started; nothing of a card without waves."""
    if not (waves := card.get("waves")):
        return []
    name, trend = "Before the waves started", waves["pre_trend"]
    unseen = [wave for one in waves["groups"] if one["windows_before"] < WANTED_BEFORE for wave in one["waves"]]
    rest = f" Of wave {' and '.join(map(str, unseen))} too little is known before." if unseen else ""
    if trend is None:
        return [Check(name, NOT_TOLD, f"No trend before the start could be looked at.{rest}")]
    if trend["p_value"] < APART:
        return [Check(name, LOOK, f"Later waves had moved apart already.{rest}")]
    return [Check(name, GOOD, f"Later waves had moved like the others.{rest}")]


def _attrition(card: Mapping[str, Any]) -> Check:
    """Who of those assigned is missing at the end (WWC 5.0: schools first, then pupils of those that stayed)."""
    name, lost = "Lost on the way", card["rating"].get("attrition")
    if not lost or "level" not in lost:
        return Check(name, NOT_TOLD, "Not counted before the outcomes are in.")
    schools = lost.get("schools_overall_share")
    of_schools = "" if schools is None else f", {wording.percent(schools)} of schools"
    says = f"{share_told(card, lost['overall_share'])} of pupils{of_schools}; arms differ by"
    says += f" {share_told(card, abs(lost['differential_share']))}"
    if lost["level"] == "low":
        return Check(name, GOOD, f"{says}: low.")
    return Check(name, BAD if card["rating"].get("equivalence") == "not_satisfied" else LOOK, f"{says}: high.")


def _coverage(card: Mapping[str, Any]) -> Check:
    """Whether as many pupils have an outcome as the plan asks for."""
    name, share, planned = "Outcomes in", _estimate(card, "outcome_coverage"), card["planned"]
    if share is None:
        return Check(name, NOT_TOLD, "Not counted.")
    says, wanted = f"{share_told(card, share)} of pupils", planned["coverage_share"]
    if wanted is None:
        return Check(name, LOOK if is_too_early(card) else GOOD, f"{says}.")
    asked = f"{says}; the plan asks for {wording.percent(wanted)}"
    opens = planned["outcome_opens_on"]
    if card["data_date"] is not None and str(card["data_date"]) < opens:
        return Check(name, NOT_TOLD, f"{asked} from {wording.short_day(opens)} on.")
    return Check(name, GOOD if share >= wanted else BAD, f"{asked}.")


def _dosage(card: Mapping[str, Any]) -> Check:
    """Whether it was tried as meant: the share of pupils with the planned time."""
    name, share = "Tried as intended", card["did_it_happen"]["dosage_met_share"]
    if share is None:
        return Check(name, LOOK, "Nobody measured the time pupils spent.")
    says = f"{card['did_it_happen']['told']['dosage_met_share']} of pupils got the planned time"
    if share >= DOSAGE_AS_INTENDED:
        return Check(name, GOOD, f"{says}.")
    if is_too_early(card):
        return Check(name, NOT_TOLD, f"{says} so far.")
    return Check(name, BAD, f"{says}: not tested as intended (under {wording.percent(DOSAGE_AS_INTENDED)}).")


def _sceptic(card: Mapping[str, Any]) -> Check:
    """Whether somebody who expects little of any change would say the same."""
    name = "What a sceptic sees"
    row = next((one for one in card["how_sure"]["sensitivity"] if one["prior"] == "sceptical"), None)
    if row is None:
        return Check(name, NOT_TOLD, card["how_sure"]["why_no_chance"] or "No sceptical chance was worked out.")
    gained, enough = row["chance_gained"], row["chance_gained_enough"]
    thing = WANTED[card["planned"]["direction"]].thing
    says = f"Chance of {thing} {wording.percent(gained)}, of one that matters {wording.percent(enough)}"
    said = _said(card)
    agrees = {
        SCALE: gained >= SCALE_CHANCE and enough >= SCALE_MATTERS,
        NEXT_WAVE: gained >= NEXT_CHANCE,
        HARM: gained <= 1 - NEXT_CHANCE,
    }.get(said, enough <= STOP_MATTERS if said == STOP else enough > STOP_MATTERS)
    return Check(name, GOOD if agrees else LOOK, f"{says}{'' if agrees else ': would not say it yet'}.")


def _guardrails(card: Mapping[str, Any]) -> Check:
    """Whether what must not get worse did not."""
    name, found = "Side effects", card["guardrails"]
    if not found:
        return Check(name, LOOK, "No guardrail was planned, so nobody looked.")
    by_status = {status: [one["name"] for one in found if one.get("status") == status] for status in (FAILED, SAFE)}
    if failed := by_status[FAILED]:
        return Check(name, BAD, f"Worse than allowed: {', '.join(failed)}.")
    planned = wording.plural(len(found), "guardrail")
    safe = f"{len(by_status[SAFE])} of {planned} shown to be safe"
    if len(by_status[SAFE]) == len(found):
        return Check(name, GOOD, f"{safe}.")
    return Check(name, NOT_TOLD if is_too_early(card) else LOOK, f"{safe}{' so far' if is_too_early(card) else ''}.")


def _frozen(card: Mapping[str, Any]) -> Check:
    """Whether the analysis was fixed before anybody could see outcomes."""
    name, frozen = "Plan frozen", card["frozen"]
    if frozen is None:
        return Check(name, NOT_TOLD, "Nobody knows when.")
    day = wording.day(frozen["at"])
    if frozen["is_late"]:
        return Check(name, BAD, f"Late: on {day}, when outcomes could be seen.")
    after = sum(bool(one["is_after_outcomes"]) for one in frozen["amendments"])
    if after:
        amended = wording.plural(after, "time")
        return Check(name, LOOK, f"On {day}, but amended {amended} after outcomes could be seen.")
    times = sorted({wording.day(one["at"]) for one in frozen.get("changes", ()) if _moves_the_bar(one)})
    if times:
        return Check(
            name, LOOK, f"On {day}, but what counts as time was changed on {', '.join(times)}, outcomes in sight."
        )
    return Check(name, GOOD, f"On {day}, before any outcome.")


def _moves_the_bar(change: Mapping[str, Any]) -> bool:
    """Whether a change beside the analysis came when outcomes could be seen and says anew what counts as time."""
    return bool(change["is_after_outcomes"]) and any("dosage" in key for key in change["keys"])
