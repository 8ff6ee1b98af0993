"""What a school leader says of a pupil, and did for one: the forms' way into the ledgers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from answers.accounts import Account
from answers.words_now import local_today
from cairn.errors import CairnError
from cairn.settings import Settings
from loading.actions import Action, log_action
from loading.judgements import Judgement, say
from portal.pages_student import Pupil, pupil_of, show_student
from portal.web import check_csrf, guarded, portal_of

# What a form of the leader's writes of the pupil on one of her competencies. Raises CairnError with what to mend.
Write = Callable[[Settings, Account, Pupil, str, FormData], None]


@guarded("school_leader")
async def say_word(request: Request, account: Account) -> Response:
    """Set or withdraw a word on a pupil of the leader's own school."""
    return await _of_own_leader(request, account, "words", _say)


@guarded("school_leader")
async def act(request: Request, account: Account) -> Response:
    """Log, or take back, what was done for a pupil of the leader's own school."""
    return await _of_own_leader(request, account, "actions", _act)


async def _of_own_leader(request: Request, account: Account, part: str, write: Write) -> Response:
    """A form of a school leader, sent from our own page; ``part`` of the pupil's page holds it."""
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    return await run_in_threadpool(_answer, request, account, form, part, write)


def _answer(request: Request, account: Account, form: FormData, part: str, write: Write) -> Response:
    """Back to where the form was sent from, or the pupil's page with what to mend."""
    pupil = pupil_of(request, account)
    competency_id = _text(form, "competency_id")
    try:
        if competency_id not in pupil.competencies:
            raise CairnError("Choose a competency.")
        write(portal_of(request).settings, account, pupil, competency_id, form)
    except CairnError as error:
        return show_student(request, account, pupil, problems={part: str(error)}, status=422)
    school = f"/schools/{quote(pupil.school_id, safe='')}#needs-adult"
    back = school if _text(form, "back") == "school" else f"/students/{quote(pupil.student_key)}#{part}"
    return RedirectResponse(back, status_code=303)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name) or "").strip()


def _say(settings: Settings, account: Account, pupil: Pupil, competency_id: str, form: FormData) -> None:
    one = Judgement(
        student_key=pupil.student_key,
        competency_id=competency_id,
        said=_text(form, "said"),
        said_date=local_today(settings),
        role=account.role,
        source="page",
        reason=_text(form, "reason") or None,
        note=_text(form, "note"),
        until_date=day_of(_text(form, "until")),
        school_id=account.school_id,
        account_id=account.account_id,
    )
    say(settings, [one])


def _act(settings: Settings, account: Account, pupil: Pupil, competency_id: str, form: FormData) -> None:
    one = Action(
        student_key=pupil.student_key,
        competency_id=competency_id,
        kind=_text(form, "kind"),
        action_date=day_of(_text(form, "done_on")) or local_today(settings),
        school_id=pupil.school_id,
        account_id=account.account_id,
        role=account.role,
        note=_text(form, "note"),
        is_retraction=_text(form, "take_back") == "yes",
    )
    if one.action_date > local_today(settings):
        raise CairnError("That day is still to come.")
    log_action(settings, one)


def day_of(text: str) -> date | None:
    """A day from a form, None where empty. Raises CairnError where it is none."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CairnError("Write the day as 2026-10-30.") from None
