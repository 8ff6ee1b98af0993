"""One pupil's page: competencies, states, evidence and the decisions behind them. Entitled and logged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pinned_releases import Opened, Pinned
from answers.pupil_names import look_up
from answers.school_answers import OLDER_FOLLOWUPS
from answers.words_now import actions_now, local_today, words_now
from cairn.language import gettext
from cairn.teacher_words import NOTE_CHARACTERS, load_teacher_words
from portal.entitled import own_classes, require_pupil
from portal.web import guarded, portal_of, render

Row = dict[str, Any]
COMPETENCIES = """
select * from mart_student_competency where student_key = ? and school_id = ?
order by subject nulls last, competency_code nulls last, competency_title, class_title"""

DECISIONS = """
select * from mart_student_decision where student_key = ? and school_id = ? order by decided_at desc, decision_id"""
ACTIONS = """
select * from mart_action_followup where student_key = ? and school_id = ?
order by action_date desc, competency_id, action"""
# Releases from before teachers' words have decisions of the computed ledger only.
OLDER_DECISIONS = {"decided_by": "computed", "said_by_role": None, "said_reason": None, "said_until_date": None}
# What can be spoken of: all competencies that somebody in the district has worked on.
KNOWN = """
select competency_id, competency_code, competency_title, subject from mart_district_competency
order by subject nulls last, competency_code nulls last, competency_title"""


# As the ledger names them, for when it cannot be read.
WORDS = """
select competency_id, override_state as said, override_date as said_date, override_by_role as role,
  override_until_date as until_date, override_reason as reason, null as note
from mart_override where student_key = ? and school_id = ? order by override_date desc, competency_id"""


class Topics(dict[str, Row]):
    """Competencies by id, in the order in which a form offers them."""

    def options(self, own: Collection[str], is_own: bool, chosen: str) -> Markup:
        """The choices of a form among ``own`` competencies, or among all others: of 400 a template takes long."""
        found = [
            _option(key, str(row["competency_code"]), str(row["competency_title"]), key == chosen)
            for key, row in self.items()
            if (key in own) == is_own
        ]
        return Markup("\n  ").join(found)


@lru_cache(maxsize=4096)
def _option(key: str, code: str, title: str, is_chosen: bool) -> Markup:
    return Markup('<option value="{}"{}>{} {}</option>').format(key, Markup(" selected" * is_chosen), code, title)


@dataclass(frozen=True)
class Pupil:
    """A pupil of the account's own, in the releases of this page; ``competencies`` by id, own ones first.

    A school leader sees all of her work, a teacher that of her own classes: ``subjects`` has what it is on.
    """

    student_key: str
    school_id: str
    pinned: Pinned
    learning: Opened
    rows: list[Row]
    competencies: Topics
    subjects: frozenset[str]

    def of_her(self, rows: Iterable[Row]) -> list[Row]:
        """Of rows by competency those that the account may see."""
        return [row for row in rows if row["competency_id"] in self.competencies]


def pupil_of(request: Request, account: Account) -> Pupil:
    """The pupil of the address. Raises HTTPException 403 for any other key, alike whether it exists or not."""
    pinned = portal_of(request).reader.pin()
    if pinned.learning is None:
        raise HTTPException(403, "Nothing has been published yet.")
    key = request.path_params["student_key"]
    school_id = require_pupil(pinned.learning, account, key)
    rows = pinned.learning.rows(COMPETENCIES, [key, school_id])
    known = pinned.learning.rows(KNOWN)
    if account.role == "teacher":
        classes = {row["class_id"] for row in own_classes(pinned.learning, account)}
        rows = [row for row in rows if row["class_id"] in classes]
        known = [row for row in known if row["subject"] in {row["subject"] for row in rows}]
    competencies = {row["competency_id"]: row for row in [*rows, *known][::-1]}
    subjects = frozenset(row["subject"] for row in rows)
    return Pupil(key, school_id, pinned, pinned.learning, rows, Topics(reversed(competencies.items())), subjects)


ROLLED_UP = """
select * from mart_student_rollup where student_key = ? and school_id = ?
order by subject, levels_below desc, sequence, competency_id"""

CARRIED = """
select * from mart_student_carried where student_key = ? and school_id = ?
order by subject, competency_code, competency_id"""


def areas_of(release: Opened, pupil: list[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(areas rolled up, competencies with a carried standing) of [student key, school].

    A release from before these tables is shown until the next night: without them.
    """
    rolled_up = release.rows(ROLLED_UP, pupil) if release.has_table("mart_student_rollup") else []
    return rolled_up, release.rows(CARRIED, pupil) if release.has_table("mart_student_carried") else []


@guarded("school_leader", "teacher")
def student_page(request: Request, account: Account) -> Response:
    """A pupil of the leader's own school or the teacher's own classes; any other key is refused alike."""
    return show_student(request, account, pupil_of(request, account))


def show_student(
    request: Request,
    account: Account,
    pupil: Pupil,
    *,
    problems: Mapping[str, str] = MappingProxyType({}),
    status: int = 200,
) -> Response:
    """The page; ``problems`` says, by part of the page, what was wrong with the form that was sent from there."""
    portal = portal_of(request)
    key, rows = pupil.student_key, pupil.rows
    names = look_up(
        portal.settings,
        [key],
        actor=account.name,
        role=account.role,
        route="/students/{student_key}",
        purpose="pupil page",
        kind="page",
        school_id=pupil.school_id,
        release_id=pupil.learning.release_id,
    )
    now = words_now(portal.settings, [key]).of_school(pupil.school_id)
    place = [key, pupil.school_id]
    followups = pupil.of_her(OLDER_FOLLOWUPS | row for row in pupil.learning.rows(ACTIONS, place))
    logged = pupil.of_her(actions_now(portal.settings, [key], followups, pupil.learning.data_date))
    rolled_up, carried = (
        [row for row in rows if row["subject"] in pupil.subjects] for rows in areas_of(pupil.learning, place)
    )
    decided = pupil.learning.rows(DECISIONS, place)
    if account.role == "teacher":
        decided = pupil.of_her(decided)
    context = {
        "title": gettext("Pupil {name}").format(name=names(key)),
        "name": names(key),
        "student_key": key,
        "school_id": pupil.school_id,
        "rows": rows,
        "classes": sorted({(row["class_title"], row["class_id"]) for row in rows if row["class_title"]}),
        "decisions": [OLDER_DECISIONS | row for row in decided],
        "competencies": pupil.competencies,
        "own": {row["competency_id"] for row in rows},
        "now": now,
        "standing": pupil.of_her(now.standing.values() if now.is_read else _released_words(pupil)),
        "said": pupil.of_her(now.said),
        "lists": load_teacher_words(portal.settings),
        "note_characters": NOTE_CHARACTERS,
        "chosen": request.query_params.get("on", ""),
        "problem": problems.get("words"),
        "followups": followups,
        "actions": [row for row in logged if row["school_id"] == pupil.school_id],
        "action_problem": problems.get("actions"),
        "today": local_today(portal.settings),
        "rolled_up": rolled_up,
        "carried": carried,
        "by_state": {
            state: sum(row["state"] == state for row in rows)
            for state in ("mastered", "developing", "not_enough_evidence", "review_due")
        },
    }
    return render(request, "student.html", context, pinned=pupil.pinned, status_code=status)


def _released_words(pupil: Pupil) -> list[dict[str, Any]]:
    if not pupil.learning.has_table("mart_override"):
        return []
    return pupil.learning.rows(WORDS, [pupil.student_key, pupil.school_id])
