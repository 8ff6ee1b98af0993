"""A school's page: the five questions of 06:10, each answered in three rows, each count a link to exactly its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pinned_releases import Opened, Pinned
from answers.published_numbers import text
from answers.pupil_names import Names, look_up
from answers.school_answers import SchoolView, load_school
from answers.school_lists import LISTS, NEWS, Maker, SchoolList, school_list
from answers.school_trust import verdict
from answers.wording import did_it_work
from answers.words_now import words_now
from cairn.language import gettext
from cairn.teacher_words import load_teacher_words
from portal.as_of import asked_day, numbers_of
from portal.live_today import live_school
from portal.web import Portal, guarded, portal_of, render

FIRST_ROWS = 3
LEADS = (("needs-adult", FIRST_ROWS), ("moves-on", FIRST_ROWS), ("changes", 1))
# Classes on the first page; the rest are a tap away.
FIRST_CLASSES = 4
# What the table of classes counts, by list and the kind it is narrowed by.
BY_CLASS = (("needs-adult", "first"), ("moves-on", ""), ("quick-checks", ""))
# Too long to be made for its length: the share of it is in the card of trust.
COUNTED_APART = ("not-enough-evidence",)


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


@dataclass(frozen=True)
class OpenSchool:
    """The school of the address, as one request reads it."""

    portal: Portal
    pinned: Pinned
    release: Opened
    view: SchoolView
    make: Maker

    @property
    def school_id(self) -> str:
        """Its id."""
        return str(self.view.school["school_id"])

    @property
    def base(self) -> str:
        """Where its pages lie."""
        return f"/schools/{quote(self.school_id, safe='')}"


def open_school(request: Request, account: Account) -> OpenSchool:
    """The school that the account may open. Raises HTTPException 403, 404 or 503."""
    portal = portal_of(request)
    school_id = request.path_params["school_id"]
    require_school(account, school_id)
    pinned = portal.reader.pin()
    release, view = need_release(pinned), load(pinned, school_id)
    make = Maker(view, release, portal.settings.zone, load_teacher_words(portal.settings))
    return OpenSchool(portal, pinned, release, view, make)


def shared_context(school: OpenSchool) -> dict[str, Any]:
    """What every page of a school says: which school, of when, held or not."""
    return {"school": school.view.school, "view": school.view, "base": school.base}


def names_on(school: OpenSchool, account: Account, keys: set[str], route: str, purpose: str) -> Names:
    """Names of those whom the page shows, written down."""
    return look_up(
        school.portal.settings,
        keys,
        actor=account.name,
        role=account.role,
        route=route,
        purpose=purpose,
        kind="page",
        school_id=school.school_id,
        release_id=school.release.release_id,
    )


def class_counts(lists: dict[str, SchoolList]) -> dict[str, Counter[str]]:
    """By list: how many of its rows each class has."""
    return {name: Counter(class_id for row in lists[name].rows for class_id in row.class_ids) for name, _ in BY_CLASS}


@guarded("school_leader", "central_office", "engineer")
def school_page(request: Request, account: Account) -> Response:
    """The five questions. Names only for the school's own leader; others get totals, small ones protected."""
    school = open_school(request, account)
    portal, view = school.portal, school.view
    age = portal.age(school.release.data_date)
    context: dict[str, Any] = shared_context(school) | {
        "title": view.school["school_name"],
        "trust": view.trust,
        "verdict": verdict(view.trust, view.school["held_reason"], age, portal.settings.zone),
        "days": list(reversed(view.days)),
        "live": live_school(portal.settings, school.school_id),
        "first": FIRST_ROWS,
    }
    if account.role != "school_leader":
        # As published, not counted here: two nights of true totals tell on a few pupils.
        context |= {"numbers": numbers_of(request), "text": text, "asked_day": asked_day(request)}
        return render(request, "school_totals.html", context, pinned=school.pinned)
    kinds = dict(BY_CLASS)
    lists = {name: school_list(school.make, name, kinds.get(name, "")) for name in LISTS if name not in COUNTED_APART}
    # Of what changed the first alone: its other two rows are the counts by kind, and whether action worked.
    leads = {name: lists[name].rows[:rows] for name, rows in LEADS}
    shown = {key for rows in leads.values() for row in rows for key in row.student_keys}
    context |= {
        "names": names_on(school, account, shown, "/schools/{school_id}", "school page"),
        "now": words_now(portal.settings, shown),
        "lists": lists,
        "leads": leads,
        "later": len(school_list(school.make, "needs-adult", "later").rows),
        "news": [
            (kind, gettext(word), len(school_list(school.make, "changes", kind).rows)) for kind, word in NEWS.items()
        ],
        "set_aside": len(school_list(school.make, "teachers-words", "set-aside").rows),
        "did_it_work": did_it_work(view.action_summary),
        "has_no_rate": view.action_summary is not None and view.action_summary["pupils_compared"] is None,
        "n_min": portal.n_min(),
        "work_since": len(school_list(school.make, "actions", "work-since").rows),
        "by_class": class_counts(lists),
        "first_classes": FIRST_CLASSES,
        "is_behind": {row["class_id"] for row in view.pace if row["mastered_share"] < row["needed_share"]},
    }
    return render(request, "school.html", context, pinned=school.pinned)
