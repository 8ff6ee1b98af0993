"""Named pupils for the central office: only after a reason, which is written down with every name that shows.

Pages of their own, to read: what schools and teachers say and do stays on theirs.
"""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from answers.accounts import Account
from answers.pinned_releases import Opened, Pinned
from answers.pupil_names import look_up
from cairn.access_rules import load_access_rules
from cairn.errors import CairnError
from cairn.language import gettext
from cairn.teacher_words import NOTE_CHARACTERS
from portal import reasons
from portal.access_log import note
from portal.web import SESSION, check_csrf, guarded, portal_of, render

SCHOOL_ROUTE = "/named/schools/{school_id}"
PUPIL_ROUTE = "/named/students/{student_key}"
SCHOOL = "select school_id, school_name from mart_school where school_id = ?"
PUPILS = """
select student_key, string_agg(distinct class_title, ', ' order by class_title) as classes,
  count(*) filter (where state = 'mastered') as mastered, count(*) filter (where state = 'developing') as developing,
  count(*) filter (where state = 'review_due') as review_due,
  count(*) filter (where state = 'not_enough_evidence') as not_enough_evidence,
  count(*) filter (where is_stuck) as stuck
from mart_student_competency where school_id = ? group by student_key"""
COMPETENCIES = """
select * from mart_student_competency where student_key = ?
order by school_id, subject nulls last, competency_code nulls last, competency_title, class_title"""


def _release(request: Request) -> tuple[Pinned, Opened]:
    pinned = portal_of(request).reader.pin()
    if pinned.learning is None:
        raise HTTPException(503, "Nothing has been published yet. The first night publishes the first answers.")
    return pinned, pinned.learning


def _school(release: Opened, school_id: str) -> dict[str, Any]:
    found = release.rows(SCHOOL, [school_id])
    if not found:
        raise HTTPException(404, "The current release has no such school.")
    return found[0]


def _given(request: Request, about: str) -> str | None:
    return reasons.standing(portal_of(request).settings, request.session[SESSION], about)


@guarded("central_office")
def school_page(request: Request, account: Account) -> Response:
    """The school's pupils by name, once there is a reason; before that the form for it."""
    _, release = _release(request)
    school = _school(release, request.path_params["school_id"])
    reason = _given(request, f"school:{school['school_id']}")
    if reason is None:
        return _form(request, gettext("Names of {school}").format(school=school["school_name"]))
    return _school_named(request, account, school, reason)


def _school_named(request: Request, account: Account, school: dict[str, Any], reason: str) -> Response:
    pinned, release = _release(request)
    rows = release.rows(PUPILS, [school["school_id"]])
    names = look_up(
        portal_of(request).settings,
        {row["student_key"] for row in rows},
        actor=account.name,
        role=account.role,
        route=SCHOOL_ROUTE,
        purpose=f"named school: {reason}",
        kind="page",
        school_id=school["school_id"],
        release_id=release.release_id,
    )
    context = {
        "title": gettext("Pupils of {school}").format(school=school["school_name"]),
        "school": school,
        "reason": reason,
        "names": names,
        "rows": sorted(rows, key=lambda row: (names(row["student_key"]), row["student_key"])),
    }
    return render(request, "named_school.html", context, pinned=pinned)


@guarded("central_office")
def student_page(request: Request, account: Account) -> Response:
    """One pupil by name, once there is a reason for her or her school; before that the form, alike for every key."""
    pinned, release = _release(request)
    key = request.path_params["student_key"]
    rows = release.rows(COMPETENCIES, [key])
    reason = _given(request, f"pupil:{key}")
    if reason is None:
        by_school = {
            school_id: _given(request, f"school:{school_id}") for school_id in {row["school_id"] for row in rows}
        }
        rows = [row for row in rows if by_school[row["school_id"]]]
        reason = next((by_school[row["school_id"]] for row in rows), None)
    if reason is None:
        return _form(request, gettext("A pupil’s name"))
    if not rows:
        raise HTTPException(404, "The current release has no such pupil.")
    names = look_up(
        portal_of(request).settings,
        [key],
        actor=account.name,
        role=account.role,
        route=PUPIL_ROUTE,
        purpose=f"named pupil: {reason}",
        kind="page",
        school_id=rows[0]["school_id"],
        release_id=release.release_id,
    )
    context = {
        "title": gettext("Pupil {name}").format(name=names(key)),
        "name": names(key),
        "reason": reason,
        "rows": rows,
    }
    return render(request, "named_student.html", context, pinned=pinned)


@guarded("central_office")
async def school_reason(request: Request, account: Account) -> Response:
    """Give the reason to see names of a school."""
    return await run_in_threadpool(_give, request, account, await request.form())


@guarded("central_office")
async def student_reason(request: Request, account: Account) -> Response:
    """Give the reason to see a pupil's name."""
    return await run_in_threadpool(_give, request, account, await request.form())


def _give(request: Request, account: Account, form: FormData) -> Response:
    """Keep the reason, and to the page that it opens; or the form again, with what to mend."""
    check_csrf(request, form.get("csrf"))
    settings = portal_of(request).settings
    school_id, key = request.path_params.get("school_id"), request.path_params.get("student_key")
    if school_id is not None:
        title = gettext("Names of {school}").format(school=_school(_release(request)[1], school_id)["school_name"])
        about = f"school:{school_id}"
    else:
        title, about = gettext("A pupil’s name"), f"pupil:{key}"
    code, line = str(form.get("reason") or ""), str(form.get("note") or "")
    try:
        reason = reasons.told(load_access_rules(settings).reasons, code, line)
    except CairnError as error:
        return _form(request, title, code=code, line=line, problem=str(error), status=422)
    reasons.give(settings, request.session[SESSION], about, reason)
    note(request, "gave a reason", account=account, reason=reason)
    return RedirectResponse(request.url.path, status_code=303)


def _form(
    request: Request, title: str, *, code: str = "", line: str = "", problem: str | None = None, status: int = 200
) -> Response:
    context = {
        "title": title,
        "reasons": load_access_rules(portal_of(request).settings).reasons,
        "minutes": reasons.REASON_SECONDS // 60,
        "most": NOTE_CHARACTERS,
        "code": code,
        "line": line,
        "problem": problem,
    }
    return render(request, "reason.html", context, status_code=status)
