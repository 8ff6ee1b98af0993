"""What a school leader says of a pupil, and did for one: the forms' way into the ledgers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from answers.accounts import Account
from answers.words_now import local_today
from cairn.errors import CairnError
from loading.actions import Action, log_action
from loading.judgements import Judgement, say
from portal.pages_student import pupil_of, show_student
from portal.web import check_csrf, current_account, login_redirect, portal_of

Step = Callable[[Request, Account, FormData], Response]


async def say_word(request: Request) -> Response:
    """Set or withdraw a word on a pupil of the leader's own school."""
    return await _of_own_leader(request, _say)


async def act(request: Request) -> Response:
    """Log, or take back, what was done for a pupil of the leader's own school."""
    return await _of_own_leader(request, _act)


async def _of_own_leader(request: Request, step: Step) -> Response:
    """A form of a school leader, sent from our own page."""
    account = await run_in_threadpool(current_account, request)
    if account is None:
        return login_redirect(request)
    request.state.account = account
    if account.role != "school_leader":
        raise HTTPException(403, "Words on a pupil are the school's own.")
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    return await run_in_threadpool(step, request, account, form)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name) or "").strip()


def _say(request: Request, account: Account, form: FormData) -> Response:
    portal = portal_of(request)
    pupil = pupil_of(request, account)
    competency_id = _text(form, "competency_id")
    try:
        if competency_id not in pupil.competencies:
            raise CairnError("Choose a competency.")
        one = Judgement(
            student_key=pupil.student_key,
            competency_id=competency_id,
            said=_text(form, "said"),
            said_date=local_today(portal.settings),
            role=account.role,
            source="page",
            reason=_text(form, "reason") or None,
            note=_text(form, "note"),
            until_date=day_of(_text(form, "until")),
            school_id=account.school_id,
            account_id=account.account_id,
        )
        say(portal.settings, [one])
    except CairnError as error:
        return show_student(request, account, pupil, problem=str(error), status=422)
    return RedirectResponse(f"/students/{quote(pupil.student_key)}#words", status_code=303)


def _act(request: Request, account: Account, form: FormData) -> Response:
    portal = portal_of(request)
    pupil = pupil_of(request, account)
    competency_id = _text(form, "competency_id")
    try:
        if competency_id not in pupil.competencies:
            raise CairnError("Choose a competency.")
        one = Action(
            student_key=pupil.student_key,
            competency_id=competency_id,
            kind=_text(form, "kind"),
            action_date=day_of(_text(form, "done_on")) or local_today(portal.settings),
            school_id=pupil.school_id,
            account_id=account.account_id,
            role=account.role,
            note=_text(form, "note"),
            is_retraction=_text(form, "take_back") == "yes",
        )
        if one.action_date > local_today(portal.settings):
            raise CairnError("That day is still to come.")
        log_action(portal.settings, one)
    except CairnError as error:
        return show_student(request, account, pupil, action_problem=str(error), status=422)
    here = f"/schools/{quote(pupil.school_id, safe='')}#needs-adult"
    back = here if _text(form, "back") == "school" else f"/students/{quote(pupil.student_key)}#actions"
    return RedirectResponse(back, status_code=303)


def day_of(text: str) -> date | None:
    """A day from a form, None where empty. Raises CairnError where it is none."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CairnError("Write the day as 2026-10-30.") from None
