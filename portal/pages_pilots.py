"""Pilots: the list, the scorecard in the order of decisions, its PDF, and the form that records what was decided."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from answers.accounts import Account
from answers.pilot_answers import load_scorecard, load_scorecards
from answers.pinned_releases import Pinned
from answers.school_trust import Age
from answers.scorecard_parts import interval_told, main_estimate, present, unit_told, value_told
from cairn.errors import CairnError
from cairn.language import ENGLISH, gettext, speaking
from cairn.protection.rules import Rules
from pilots import registry
from pilots.decision import DECISIONS
from portal.as_of import asked_day, numbers_of
from portal.charts import ChartCache
from portal.kept_pages import render_kept
from portal.pdf import scorecard_pdf
from portal.web import Portal, check_csrf, guarded, portal_of, render

READERS = ("central_office", "engineer")
REASON_LIMIT = 500
CHARTS = ChartCache()


def _card(request: Request, pinned: Pinned) -> dict[str, Any]:
    card = load_scorecard(pinned.evaluation, request.path_params["pilot_id"])
    if card is None:
        raise HTTPException(404, "The current evaluation has no such pilot.")
    return present(card, portal_of(request).rules(), numbers_of(request))


def charts_of(request: Request, pinned: Pinned, card: dict[str, Any]) -> dict[str, str | None]:
    """The card's charts, drawn of the numbers that its page prints."""
    assert pinned.evaluation is not None  # the card came from it
    found = numbers_of(request).publication
    return CHARTS.charts(pinned.evaluation.release_id, found.publication_id if found else None, card)


def decisions_of(portal: Portal, card: dict[str, Any]) -> list[dict[str, Any]]:
    """What people decided about the pilot, newest first."""
    return list(reversed(registry.decisions(portal.settings, card["pilot_id"])))


@guarded(*READERS)
def pilots_page(request: Request, account: Account) -> Response:
    """Every pilot with what the rule recommends."""
    pinned = portal_of(request).reader.pin()
    numbers = numbers_of(request)

    def context(_: Age | None, rules: Rules) -> dict[str, Any]:
        return {"cards": [present(card, rules, numbers) for card in load_scorecards(pinned.evaluation)]}

    return render_kept(request, "pilots.html", gettext("Pilots"), pinned, numbers, (), context)


@guarded(*READERS)
def pilot_page(request: Request, account: Account) -> Response:
    """One scorecard."""
    return _pilot(request, account, None, 200)


def _pilot(request: Request, account: Account, problem: str | None, status: int) -> Response:
    portal = portal_of(request)
    pinned = portal.reader.pin()
    card = _card(request, pinned)
    assert pinned.evaluation is not None  # the card came from it
    context = card_context(card, charts_of(request, pinned, card), portal.n_min())
    context |= {
        "numbers": numbers_of(request),
        "asked_day": asked_day(request),
        "decisions": decisions_of(portal, card),
        "may_decide": account.role == "central_office",
        "problem": problem,
    }
    return render(request, "pilot.html", context, pinned=pinned, status_code=status)


def card_context(card: dict[str, Any], charts: dict[str, str | None], n_min: int) -> dict[str, Any]:
    """What ``pilot.html`` reads of a presented card for a reader who decides nothing, before anybody has decided."""
    return {
        "title": gettext("Pilot: {title}").format(title=card["title"]),
        "card": card,
        "charts": charts,
        "estimate": main_estimate(card),
        "interval_told": interval_told,
        "value_told": value_told,
        "unit_told": unit_told,
        "numbers": None,
        "asked_day": None,
        "decisions": [],
        "choices": choices(card),
        "may_decide": False,
        "problem": None,
        "n_min": n_min,
    }


@guarded(*READERS)
def pilot_pdf(request: Request, account: Account) -> Response:
    """The scorecard as a tagged PDF for the board, in English whatever the page speaks: it is filed as it is."""
    with speaking(ENGLISH):
        return _pdf(request)


def _pdf(request: Request) -> Response:
    portal = portal_of(request)
    pinned = portal.reader.pin()
    card = _card(request, pinned)
    assert pinned.evaluation is not None  # the card came from it
    release_id = pinned.evaluation.release_id
    body = scorecard_pdf(
        card,
        charts_of(request, pinned, card),
        decisions_of(portal, card),
        {"evaluation": release_id, "learning": pinned.learning.release_id if pinned.learning else "none"},
    )
    headers = {"Content-Disposition": f'inline; filename="{release_id}-{card["pilot_id"]}.pdf"'}
    return Response(body, media_type="application/pdf", headers=headers)


def decision_problem(card: dict[str, Any], decision: str, reason: str) -> str | None:
    """What is wrong with a decision's form, or None. A reason is needed where the decision differs from the rule."""
    if decision not in choices(card):
        return "Choose a decision."
    if len(reason) > REASON_LIMIT:
        return f"The reason is too long: at most {REASON_LIMIT} characters."
    differs = decision != code_of(card["recommendation"])
    return "Say why the decision differs from the recommendation." if differs and not reason else None


def code_of(recommendation: Any) -> str:
    """A recommendation as the rule writes it: upper case, with blanks."""
    return str(recommendation).upper().replace("_", " ")


def choices(card: dict[str, Any]) -> list[str]:
    """What can be decided: what the rule says first."""
    said = code_of(card["recommendation"])
    return [said, *(one for one in DECISIONS if one != said)]


@guarded("central_office")
async def decide(request: Request, account: Account) -> Response:
    """Record a decision; the central office only."""
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    decision, reason = str(form.get("decision", "")), str(form.get("reason", "")).strip()
    return await run_in_threadpool(_decide, request, account, decision, reason)


def _decide(request: Request, account: Account, decision: str, reason: str) -> Response:
    portal = portal_of(request)
    pinned = portal.reader.pin()
    card = _card(request, pinned)
    assert pinned.evaluation is not None  # the card came from it
    problem = decision_problem(card, decision, reason)
    if problem:
        return _pilot(request, account, problem, 422)
    # The evaluation that the person looked at; results are recorded by the evaluation that published them.
    seen = registry.Recommended(pinned.evaluation.release_id, card["plan_hash"], code_of(card["recommendation"]))
    try:
        registry.decide(portal.settings, card["pilot_id"], decision, account.role, reason, seen, account=account.told)
    except CairnError as error:
        return _pilot(request, account, str(error), 409)
    return RedirectResponse(f"/pilots/{card['pilot_id']}#decisions", status_code=303)
