"""The central office's first page: every school's trust, protected totals, and the pilots."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pilot_answers import load_scorecards
from answers.pinned_releases import Opened
from answers.school_trust import verdict
from cairn.teacher_words import load_teacher_words
from portal.web import Portal, portal_of, render

SCHOOLS = """
select s.school_id, s.school_name, s.pupils, s.classes, s.is_held_back, s.held_reason,
  coalesce(n.pupils, 0) as need_adult, coalesce(m.pupils, 0) as moves_on
from mart_school s
left join (select school_id, count(distinct student_key) as pupils from mart_needs_adult group by 1) n using (school_id)
left join (select school_id, count(distinct student_key) as pupils from mart_moves_on group by 1) m using (school_id)
order by s.school_name, s.school_id"""
KINDS = """
select * from mart_action_kind order by action"""
COMPETENCIES = """
select * from mart_district_competency
order by subject nulls last, competency_code nulls last, competency_title"""


def protect(count: int, n_min: int) -> str:
    """A count for those who may not see small groups: under ``n_min`` it is only said to be so."""
    return f"{count:,}" if count >= n_min else f"under {n_min}"


def school_rows(portal: Portal, release: Opened) -> list[dict[str, Any]]:
    """Every school with its verdict and protected counts, those that need a look first."""
    age, zone, n_min = portal.age(release.data_date), portal.settings.zone, portal.n_min()
    newest: dict[str, dict[str, Any]] = {}
    for row in release.rows("select * from mart_school_trust order by data_date"):
        newest[row["school_id"]] = row
    rows = []
    for school in release.rows(SCHOOLS):
        answer = verdict(newest.get(school["school_id"]), school["held_reason"], age, zone)
        protected = {name: protect(school[name], n_min) for name in ("pupils", "need_adult", "moves_on")}
        rows.append(school | protected | {"verdict": answer})
    order = {"bad": 0, "care": 1, "good": 2}
    return sorted(rows, key=lambda row: order[row["verdict"].level])


def overview(request: Request, account: Account) -> Response:
    """All schools, the district's competencies and the pilots; no pupil is named and no small group shown."""
    portal = portal_of(request)
    pinned = portal.reader.pin()
    learning = pinned.learning
    context = {
        "title": "District overview",
        "schools": school_rows(portal, learning) if learning else [],
        "competencies": learning.rows(COMPETENCIES) if learning else [],
        "kinds": learning.rows(KINDS) if learning and learning.has_table("mart_action_kind") else [],
        "lists": load_teacher_words(portal.settings),
        "pilots": load_scorecards(pinned.evaluation),
        "n_min": portal.n_min(),
    }
    return render(request, "overview.html", context, pinned=pinned)
