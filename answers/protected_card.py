"""A scorecard's numbers of pupils as everybody may read them: by the rules of what is published, also in its sentences.

An evaluation says how many pupils were compared, lost, reached. Printed as they are, two such numbers give a third of
a few pupils (planned less analysed; a cost in all over a cost for each). So every count is told rounded, every share of
pupils in the steps of its base, and a cost for each is that of the rounded number. Numbers that the district has
published (``answers.published_numbers``) stand in place of the card's own: its page and the rollout's say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from answers import metrics
from answers.published_numbers import NOT_YET, Numbers, Row, text
from cairn.protection.published import EMPTY
from cairn.protection.rules import Rules

COUNTED = re.compile(r"\b(\d[\d,]*) pupils?\b")
SHARED = re.compile(r"\b(\d+) ?% of pupils\b")
LICENCES = re.compile(r"\b(\d[\d,]*) of (\d[\d,]*) licences\b")
# Shares of pupils in a card's rating.
RATED_SHARES = ("overall_share", "differential_share")
# Why a rating is as it is: pupils lost to a tenth of a per cent, and what the boundary allows at that whole per cent.
LOST = re.compile(
    r"(attrition of pupils[^:;]*): ([\d.]+) % overall and ([\d.]+) points between arms; the \w+ boundary allows"
    r" (?:nothing|[\d.]+ points)"
)
# That nobody is one of a group is a fact about each of it.
NOBODY = "No pupil had the planned time"


def protected_card(card: Mapping[str, Any], rules: Rules, numbers: Numbers = NOT_YET) -> dict[str, Any]:
    """The card with every number of pupils as it may be read; ``numbers`` are the district's published ones.

    ``pupils_told`` and ``pupils_assigned_told`` are the texts of whom it is about; ``told`` of ``did_it_happen`` and of
    ``cost`` the texts of its figures, by metric; ``share_base`` what shares of its pupils are told by.
    """
    published, assigned_to = numbers.pilot(card["pilot_id"]), numbers.assigned(card["pilot_id"])
    who = dict(card["for_whom"])
    assigned = who.get("pupils_assigned") or who.get("pupils") or 0
    shown = dict(card) | {"rules": rules, "share_base": int(assigned)}
    who |= {f"{name}_told": counted(rules, who.get(name)) for name in ("pupils", "pupils_assigned")}
    who["groups"] = [one | {"pupils_told": counted(rules, one.get("pupils"))} for one in who.get("groups", ())]
    shown["for_whom"] = who
    sentences = {name: [sentence(one, rules, int(assigned)) for one in card[name]] for name in ("why", "warnings")}
    shown |= sentences
    who["notes"] = [sentence(one, rules, int(assigned)) for one in who.get("notes", ())]
    shown["schools"] = [_school(one, rules, assigned_to.get(str(one.get("school_id")))) for one in card["schools"]]
    shown["rating_told"] = _rating(card["rating"], rules, int(assigned))
    shown["did_it_happen"] = _happened(card["did_it_happen"], rules, int(assigned), published)
    told = {"dosage_met_share": shown["did_it_happen"]["told"]["dosage_met_share"]}
    for one in card["estimates"]:
        if one["name"] == "outcome_coverage" and one["value"] is not None:
            told[one["name"]] = _share(rules, one["value"], int(assigned))
    shown["estimates"] = [
        one | {"told": told[one["name"]]} if one["name"] in told else one for one in card["estimates"]
    ]
    shown["cost"] = _cost(card["cost"], rules, int(assigned), published)
    return shown


def counted(rules: Rules, number: int | None) -> str:
    """A number of pupils as it is told; a dash where there is none."""
    return "–" if number is None else rules.count(int(number)).text


def share_told(card: Mapping[str, Any], share: float) -> str:
    """A share of the card's pupils as it is told."""
    return _share(card["rules"], share, card["share_base"])


def _share(rules: Rules, share: float, base: int) -> str:
    if not base:
        return "–"
    return rules.share(min(base, max(0, round(share * base))), base, rules.count(base)).text


def sentence(text: str, rules: Rules, base: int) -> str:
    """A sentence of the evaluation with its numbers of pupils told by the rules."""
    text = SHARED.sub(lambda found: f"{_share(rules, int(found[1]) / 100, base)} of pupils", text)
    text = COUNTED.sub(lambda found: f"{counted(rules, _int(found[1]))} pupils", text)
    return LICENCES.sub(
        lambda found: f"{counted(rules, _int(found[1]))} of {counted(rules, _int(found[2]))} licences", text
    )


def _int(text: str) -> int:
    return int(text.replace(",", ""))


def _school(school: Mapping[str, Any], rules: Rules, published: Row | None) -> dict[str, Any]:
    """A school's row as published: pupils assigned, the share with both tests, the means of the card; where nothing is
    published yet the card's own number of pupils by the rules, and its means where that number is told."""
    if published:
        means = {name: published.get(name, EMPTY).value for name in ("mean_baseline", "mean_outcome", "mean_minutes")}
        told = {"pupils_told": text(published, "pupils"), "both_tests_told": text(published, "both_tests")}
        return dict(school) | means | told
    cell = rules.count(int(school.get("pupils") or 0))
    is_small = not cell.is_told or not cell.value
    none = dict.fromkeys(("mean_baseline", "mean_outcome", "mean_minutes")) if is_small else {}
    return {"mean_minutes": None} | dict(school) | none | {"pupils_told": cell.text, "both_tests_told": "–"}


def _rating(rating: Mapping[str, Any], rules: Rules, assigned: int) -> dict[str, Any]:
    """The rating as it is printed in full: attrition's shares of pupils are told by the rules, not to four digits."""

    def lost_told(found: re.Match[str]) -> str:
        overall, apart = (_share(rules, float(found[place]) / 100, assigned) for place in (2, 3))
        return f"{found[1]}: {overall} overall and {apart} between arms"

    shown = dict(rating)
    if "reasons" in rating:
        shown["reasons"] = [sentence(LOST.sub(lost_told, one), rules, assigned) for one in rating["reasons"]]
    lost = rating.get("attrition")
    if isinstance(lost, Mapping):
        told = {name: _share(rules, lost[name], assigned) for name in RATED_SHARES if lost.get(name) is not None}
        shown["attrition"] = {**lost, **told}
    return shown


def _happened(happened: Mapping[str, Any], rules: Rules, assigned: int, published: Row) -> dict[str, Any]:
    """Whether it happened: shares and means of the district's published numbers where there are any."""
    share, mean = happened.get("dosage_met_share"), happened.get("mean_minutes")
    told = {
        "dosage_met_share": "–" if share is None else _share(rules, share, assigned),
        "dosage_minutes_mean": metrics.text("dosage_minutes_mean", mean),
    }
    named = {"dosage_met_share": "dosage_met", "dosage_minutes_mean": "dosage_minutes_mean"}
    told |= {name: published[of].text for name, of in named.items() if of in published}
    bands = [one | {"pupils_told": counted(rules, one["pupils"])} for one in happened.get("by_dosage", ())]
    return dict(happened) | {"told": told, "by_dosage": bands}


def _cost(cost: Mapping[str, Any], rules: Rules, assigned: int, published: Row) -> dict[str, Any]:
    """Costs: for each pupil that of the published number of them, or else of the rounded one: a total over the cost of
    each would give their true number."""
    total, each = cost.get("total_usd"), cost.get("per_pupil_usd")
    paid_for = rules.count(round(total / each)) if total and each else EMPTY
    cell = published.get("cost_per_pupil_usd") or rules.cost_each(total, paid_for)
    notes = [sentence(note, rules, assigned) for note in cost.get("notes", ()) if not note.startswith(NOBODY)]
    if len(notes) < len(cost.get("notes", ())):
        notes.append("Too few pupils had the planned time for a cost of one of them.")
    told = {"cost_usd": metrics.text("cost_usd", total), "cost_per_pupil_usd": cell.text}
    return dict(cost) | {"told": told, "notes": notes}
