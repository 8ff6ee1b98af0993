"""What a school leader or teacher says of a pupil, and did for one or a group: the forms' way into the ledgers."""

from __future__ import annotations

import functools
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
from cairn.language import gettext
from cairn.settings import Settings
from loading.actions import Action, log_action, log_actions
from loading.judgements import Judgement, say
from portal.entitled import require_class
from portal.pages_student import Pupil, pupil_of, show_student
from portal.web import check_csrf, guarded, portal_of

SPEAKERS = ("school_leader", "teacher")
# What a form writes of the pupil on one of her competencies. Raises CairnError with what to mend.
Write = Callable[[Settings, Account, Pupil, str, FormData], None]
# What answers a form, once it is sure who sent it and from where.
Answer = Callable[[Request, Account, FormData], Response]
# Parts of a class's page that hold forms about one pupil.
CLASS_PARTS = ("needs-adult", "moves-on", "groups")
MEMBERS = """
select student_key, competency_id from mart_group_member
where school_id = ? and class_id = ? and group_id = ? and is_member order by student_key"""


@guarded(*SPEAKERS)
async def say_word(request: Request, account: Account) -> Response:
    """Set or withdraw a word on a pupil of the account's own."""
    return await _from_own_page(request, account, functools.partial(_answer, part="words", write=_say))


@guarded(*SPEAKERS)
async def act(request: Request, account: Account) -> Response:
    """Log, or take back, what was done for a pupil of the account's own."""
    return await _from_own_page(request, account, functools.partial(_answer, part="actions", write=_act))


@guarded(*SPEAKERS)
async def act_for_group(request: Request, account: Account) -> Response:
    """Log, or take back, what was done with a small group: a row for each of its members of the class."""
    return await _from_own_page(request, account, _answer_for_group)


async def _from_own_page(request: Request, account: Account, answer: Answer) -> Response:
    """A form of the account's, sent from our own page."""
    form = await request.form()
    check_csrf(request, form.get("csrf"))
    return await run_in_threadpool(answer, request, account, form)


def _answer(request: Request, account: Account, form: FormData, *, part: str, write: Write) -> Response:
    """Back to where the form was sent from, or the pupil's page with what to mend."""
    pupil = pupil_of(request, account)
    competency_id = _text(form, "competency_id")
    try:
        if competency_id not in pupil.competencies:
            raise CairnError(gettext("Choose a competency."))
        write(portal_of(request).settings, account, pupil, competency_id, form)
    except CairnError as error:
        return show_student(request, account, pupil, problems={part: str(error)}, status=422)
    return RedirectResponse(_back(pupil, form, part), status_code=303)


def _back(pupil: Pupil, form: FormData, part: str) -> str:
    """Where the form was sent from: the school's list, the page of one of the pupil's classes, or her own."""
    school = f"/schools/{quote(pupil.school_id, safe='')}"
    wanted = _text(form, "back")
    if wanted == "school":
        return f"{school}/needs-adult"
    anchor = _text(form, "at") if _text(form, "at") in CLASS_PARTS else "main"
    if wanted in {row["class_id"] for row in pupil.rows}:
        return f"{school}/classes/{quote(wanted, safe='')}#{anchor}"
    return f"/students/{quote(pupil.student_key)}#{part}"


def _answer_for_group(request: Request, account: Account, form: FormData) -> Response:
    """The action for each member, in one commit, and back to the class's groups."""
    portal = portal_of(request)
    school_id, class_id = request.path_params["school_id"], request.path_params["class_id"]
    release = portal.reader.pin().learning
    if release is None:
        raise HTTPException(403, "Nothing has been published yet.")
    require_class(release, account, school_id, class_id)
    members = release.rows(MEMBERS, [school_id, class_id, _text(form, "group_id")])
    if not members:
        raise HTTPException(404, "The current release has no such group in this class.")
    today = local_today(portal.settings)
    try:
        log_actions(
            portal.settings,
            [
                Action(
                    student_key=row["student_key"],
                    competency_id=row["competency_id"],
                    kind=_text(form, "kind"),
                    action_date=today,
                    school_id=school_id,
                    account_id=account.account_id,
                    role=account.role,
                    is_retraction=_text(form, "take_back") == "yes",
                )
                for row in members
            ],
        )
    except CairnError as error:
        raise HTTPException(422, str(error)) from error
    return RedirectResponse(
        f"/schools/{quote(school_id, safe='')}/classes/{quote(class_id, safe='')}#groups", status_code=303
    )


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
        school_id=pupil.school_id,
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
        raise CairnError(gettext("That day is still to come."))
    log_action(settings, one)


def day_of(text: str) -> date | None:
    """A day from a form, None where empty. Raises CairnError where it is none."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CairnError(gettext("Write the day as 2026-10-30.")) from None
