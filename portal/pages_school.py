"""A school's page: the five questions of 06:10."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pinned_releases import Opened, Pinned
from answers.published_numbers import text
from answers.pupil_names import look_up
from answers.school_answers import SchoolView, followup_summary, leading, load_school, pupils
from answers.school_trust import verdict
from answers.words_now import actions_now, words_now
from cairn.teacher_words import load_teacher_words
from portal.as_of import asked_day, numbers_of
from portal.live_today import live_school
from portal.web import guarded, portal_of, render

FIRST_ROWS = 3
# A list longer than this is cut on the page, with a link to the whole of it.
PAGE_ROWS = 150


def require_school(account: Account, school_id: str) -> None:
    """A school leader opens her own school only. Raises HTTPException 403."""
    if account.role == "school_leader" and account.school_id != school_id:
        raise HTTPException(403, "Your account opens your own school only.")


def need_release(pinned: Pinned) -> Opened:
    """The pinned release of learning. Raises HTTPException 503 before the first."""
    if pinned.learning is None:
        raise HTTPException(503, "Nothing has been published yet. The first night publishes the first answers.")
    return pinned.learning


def load(pinned: Pinned, school_id: str) -> SchoolView:
    """The school in the pinned release. Raises HTTPException 404 where it has none."""
    view = load_school(need_release(pinned), school_id)
    if view is None:
        raise HTTPException(404, "The current release has no such school.")
    return view


@guarded("school_leader", "central_office", "engineer")
def school_page(request: Request, account: Account) -> Response:
    """The five questions. Names only for the school's own leader; others get totals, small ones protected."""
    portal = portal_of(request)
    school_id = request.path_params["school_id"]
    require_school(account, school_id)
    pinned = portal.reader.pin()
    release, view = need_release(pinned), load(pinned, school_id)
    age = portal.age(release.data_date)
    context: dict[str, Any] = {
        "title": view.school["school_name"],
        "school": view.school,
        "trust": view.trust,
        "verdict": verdict(view.trust, view.school["held_reason"], age, portal.settings.zone),
        "days": list(reversed(view.days)),
        "live": live_school(portal.settings, school_id),
        "first": FIRST_ROWS,
    }
    if account.role != "school_leader":
        # As published, not counted here: two nights of true totals tell on a few pupils.
        context |= {"numbers": numbers_of(request), "text": text, "asked_day": asked_day(request)}
        return render(request, "school_totals.html", context, pinned=pinned)
    names = look_up(
        portal.settings,
        view.student_keys | view.teacher_keys,
        actor=account.name,
        role=account.role,
        route="/schools/{school_id}",
        purpose="school page",
        kind="page",
        school_id=school_id,
        release_id=release.release_id,
    )
    wants_all = "all" in request.query_params
    context |= {
        "view": view,
        "names": names,
        "leading": {
            "needs_adult": leading(view.needs_adult, FIRST_ROWS),
            "moves_on": leading(view.moves_on, FIRST_ROWS),
        },
        "actions": actions_now(portal.settings, view.student_keys, view.followups, view.data_date),
        "now": words_now(portal.settings, view.student_keys),
        "lists": load_teacher_words(portal.settings),
        "set_aside": sum(row["is_set_aside"] for row in view.overrides),
        "followup": followup_summary(view.followups),
        "places_per_class": portal.settings.adult_places_per_class,
        "limit": None if wants_all else PAGE_ROWS,
        "counts": {
            "needs_adult": pupils(view.needs_adult),
            "adult_first": pupils([row for row in view.needs_adult if row["is_first"]]),
            "reviews_due": pupils(view.reviews_due),
            "moves_on": pupils(view.moves_on),
            "overrides": pupils(view.overrides),
            "changes": len(view.changes),
        },
    }
    return render(request, "school.html", context, pinned=pinned)
