"""A scorecard as a page prints it: every part present, rates as words, no p-value in the first part."""

from __future__ import annotations

from typing import Any

from answers import metrics, wording
from answers.card_health import health, is_too_early, read_with, schools_told, told, verdict
from answers.protected_card import protected_card
from answers.published_numbers import NOT_YET, Numbers
from cairn.grades import grade_key
from cairn.protection.rules import Rules
from pilots.decision import PRIOR_NAMES, in_words, joint_of

# Heads of the columns of chances, by the direction of the plan's hypothesis.
GAIN_HEADS = {
    "rise": ("Gained at all", "Gained enough to matter"),
    "fall": ("Fell at all", "Fell enough to matter"),
}


def present(card: dict[str, Any], rules: Rules, numbers: Numbers = NOT_YET) -> dict[str, Any]:
    """The card with every key the page reads, its numbers of pupils as they may be told (``answers.protected_card``).

    ``health`` holds the checks of its first screen, ``told`` the recommendation in large letters, ``verdict`` how that
    is to look, ``read_with`` the sentence under it.
    """
    parts = _readable(protected_card(_parts(card), rules, numbers))
    checks = health(parts)
    return parts | {
        "health": checks,
        "read_with": read_with(checks),
        "verdict": verdict(parts),
        "told": told(parts),
        "schools_told": schools_told(parts),
        "effect_told": effect_told(parts),
        "who_told": who_told(parts),
        "dosage_told": dosage_told(parts),
        "groups_told": groups_told(parts),
        "happened_told": happened_told(parts),
        "cost_told": cost_told(parts),
        "gain_heads": GAIN_HEADS[parts["planned"]["direction"]],
        "log": log_of(parts),
        "waves_told": waves_told(parts),
    }


def _readable(card: dict[str, Any]) -> dict[str, Any]:
    """The card with days in its sentences as the page writes days."""
    lists = {name: [wording.days_told(one) for one in card[name]] for name in ("why", "warnings")}
    texts = {name: wording.days_told(card[name]) for name in ("hypothesis", "next", "recommendation_text")}
    guardrails = [
        one | ({"sentence": wording.days_told(one["sentence"])} if "sentence" in one else {})
        for one in card["guardrails"]
    ]
    cost = card["cost"] | {"notes": [wording.days_told(one) for one in card["cost"]["notes"]]}
    return card | lists | texts | {"guardrails": guardrails, "cost": cost}


def _parts(card: dict[str, Any]) -> dict[str, Any]:
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
        "decided_by": None,
    } | card["how_sure"]
    sure["statements"] = [_statement(statement) for statement in sure["statements"]]
    sure["sensitivity"] = [row | {"prior_name": _prior_name(row["prior"])} for row in sure["sensitivity"]]
    sure |= {f"{name}_told": _p_told(sure[name]) for name in ("p_value", "smallest_p")}
    schools = list(card.get("schools") or ())
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
            "planned": {
                "smallest_effect_sd": None,
                "coverage_share": None,
                "outcome_opens_on": None,
                "direction": "rise",
            }
            | (card.get("planned") or {}),
            "how_sure": {"schools_treatment": None, "schools_comparison": None} | sure,
            "for_whom": {
                "pupils": None,
                "schools": None,
                "pupils_assigned": None,
                "schools_assigned": None,
                "scores_from": None,
                "scores_until": None,
                "grades": [],
                "groups": [],
                "notes": [],
            }
            | (card.get("for_whom") or {}),
            "did_it_happen": {
                "dosage_met_share": None,
                "planned_minutes": None,
                "mean_minutes": None,
                "milestones_planned": None,
                "milestones_done": None,
                "milestones_late": None,
                "by_dosage": [],
                "by_dosage_note": None,
                "milestones_each": None,
                "minutes_in_step": None,
            }
            | (card.get("did_it_happen") or {}),
            "cost": {"total_usd": None, "per_pupil_usd": None, "notes": []} | (card.get("cost") or {}),
            "schools": schools,
            "rating": rating if isinstance(rating, dict) else {"rating": rating} if rating else {},
        }
    )


def who_told(card: dict[str, Any]) -> str:
    """Who is compared; while nobody is, who is assigned and on which days their scores are taken."""
    who = card["for_whom"]
    named = [grade_key(grade) for grade in who["grades"]]
    grades = f", grade{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""
    if not is_too_early(card) or who["pupils_assigned"] is None:
        return f"{who['pupils_told']} pupils in {wording.number(who['schools'])} schools{grades}."
    assigned = (
        f"{who['pupils_assigned_told']} pupils in {wording.number(who['schools_assigned'])} schools are"
        f" assigned{grades}."
    )
    today, opens, closes = str(card["data_date"]), who["scores_from"], who["scores_until"]
    if today < opens:
        return f"{assigned} Their scores are taken from {wording.day(opens)} to {wording.day(closes)}."
    ends = f"clos{'ed' if today > closes else 'es'} on {wording.day(closes)}"
    return f"{assigned} So far {who['pupils_told']} of them have both scores; the window {ends}."


def dosage_told(card: dict[str, Any]) -> str:
    """What the chart of schools' minutes says, for those who cannot see it."""
    found = []
    for arm, name in (("treatment", "with the change"), ("comparison", "without it")):
        minutes = [
            one["mean_minutes"] for one in card["schools"] if one["arm"] == arm and one.get("mean_minutes") is not None
        ]
        if minutes:
            between = f"{wording.number(min(minutes))} to {wording.number(max(minutes))} minutes a pupil"
            counted = wording.plural(len(minutes), "school")
            found.append(f"{counted} {name}: {between}")
    planned = card["did_it_happen"]["planned_minutes"]
    return f"{'; '.join(found)}; planned {wording.number(planned)}." if found else "No school may be shown."


def groups_told(card: dict[str, Any]) -> str:
    """What the chart of groups says, for those who cannot see it."""
    told = [
        f"{one['group']} {wording.number(one['effect_sd'], 2)} SD ({wording.number(one['low'], 2)} to"
        f" {wording.number(one['high'], 2)})"
        for one in card["for_whom"]["groups"]
        if one["effect_sd"] is not None
    ]
    return f"Effect by group: {'; '.join(told)}." if told else "No group may be shown."


def happened_told(card: dict[str, Any]) -> list[tuple[str, str]]:
    """(what it is, the figure) of whether it happened; while work goes on they are said to be so far."""
    found = card["did_it_happen"]
    step, late = found["minutes_in_step"], found["milestones_late"]
    far = " so far" if step is not None else ""
    had, wanted = found["told"]["dosage_minutes_mean"], metrics.text("dosage_minutes_mean", found["planned_minutes"])
    in_step = "" if step is None else f"; in step with the plan by now: {wording.number(step)}"
    done, planned, each = (found[f"milestones_{name}"] for name in ("done", "planned", "each"))
    schools = sum(one["arm"] == "treatment" for one in card["schools"])
    of_schools = f", {each} in each of {schools} schools" if each and planned == each * schools else ""
    return [
        (f"{metrics.title('dosage_met_share')}{far}", found["told"]["dosage_met_share"]),
        (f"Minutes a pupil{far}, mean of planned{in_step}", f"{had} of {wanted}"),
        (f"Milestones met{far}{of_schools}", f"{wording.number(done)} of {wording.number(planned)}"),
        (metrics.title("milestones_late"), metrics.text("milestones_late", late)),
    ]


def cost_told(card: dict[str, Any]) -> list[tuple[str, str]]:
    """(what it is, the figure) of what it cost."""
    return [(metrics.title(name), card["cost"]["told"][name]) for name in ("cost_per_pupil_usd", "cost_usd")]


def value_told(estimate: dict[str, Any]) -> str:
    """An estimate's number: a share as a percentage, one of pupils as it may be told."""
    if "told" in estimate:
        return str(estimate["told"])
    if estimate.get("unit") == "share":
        return wording.percent(estimate["value"])
    return wording.number(estimate["value"], 2)


def unit_told(estimate: dict[str, Any]) -> str:
    """An estimate's unit; a percentage has its own."""
    return "" if estimate.get("unit") == "share" else wording.unit(estimate.get("unit"))


def log_of(card: dict[str, Any]) -> list[dict[str, str]]:
    """The cycle's log, oldest first: when the plan was frozen, amended and changed, what was done and learned."""
    frozen = card["frozen"] or {}
    found = [(frozen["at"], "Plan frozen", _late(frozen["is_late"]))] if frozen else []
    found += [
        (one["at"], f"Analysis amended: {one['reason']}", _late(one["is_after_outcomes"]))
        for one in frozen.get("amendments", ())
    ]
    found += [
        (
            one["at"],
            f"Plan changed: {', '.join(_key_told(key) for key in one['keys'])}",
            _late(one["is_after_outcomes"]),
        )
        for one in frozen.get("changes", ())
    ]
    found += [
        (one["from_date"], f"Done: {one['what']}", f"Learned: {one['learned']}" if one.get("learned") else "")
        for one in card.get("practice") or ()
    ]
    found.sort(key=lambda one: one[0][:10])
    return [{"day": wording.day(at), "what": what, "more": more} for at, what, more in found]


def _late(is_after_outcomes: bool) -> str:
    return "When outcomes could be seen already." if is_after_outcomes else ""


def _key_told(key: str) -> str:
    """A plan's key for people: ``implementation.dosage.sources`` becomes ``dosage sources``."""
    return key.removeprefix("implementation.").replace(".", " ").replace("_", " ")


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
    study = [one for one in (card["waves"] or {}).get("event_study") or [] if one["effect_sd"] is not None]
    each = (f"{since_start(one['windows_since_start'])} {wording.number(one['effect_sd'], 2)}" for one in study)
    return f"Effect in SD by windows since a school started: {', '.join(each)}." if study else "No effect by window."


def since_start(windows: int) -> str:
    """A window of the event study in words: 0 is the first with the change."""
    if windows == 0:
        return "first with it"
    count = abs(windows)
    return f"{count} window{'s' if count > 1 else ''} {'before' if windows < 0 else 'later'}"
