"""One pupil's page: competencies, states, evidence and the decisions behind them. Entitled and logged."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pinned_releases import Opened
from answers.pupil_names import look_up
from portal.web import guarded, portal_of, render

COMPETENCIES = """
select * from mart_student_competency where student_key = ? and school_id = ?
order by subject nulls last, competency_code nulls last, competency_title, class_title"""

DECISIONS = """
select * from mart_student_decision where student_key = ? and school_id = ? order by decided_at desc, decision_id"""

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


@guarded("school_leader")
def student_page(request: Request, account: Account) -> Response:
    """A pupil of the leader's own school; any other key is refused alike, whether it exists or not."""
    portal = portal_of(request)
    pinned = portal.reader.pin()
    key = request.path_params["student_key"]
    rows = pinned.learning.rows(COMPETENCIES, [key, account.school_id]) if pinned.learning else []
    if pinned.learning is None or not rows:
        raise HTTPException(403, "Your account opens pupils of your own school only.")
    names = look_up(
        portal.settings,
        [key],
        actor=account.name,
        role=account.role,
        route="/students/{student_key}",
        purpose="pupil page",
        kind="page",
        school_id=account.school_id,
        release_id=pinned.learning.release_id,
    )
    release, pupil = pinned.learning, [key, account.school_id]
    rolled_up, carried = areas_of(release, pupil)
    titles = {row["competency_id"]: row["competency_code"] or row["competency_title"] for row in rows}
    context = {
        "title": f"Pupil {names(key)}",
        "name": names(key),
        "student_key": key,
        "school_id": account.school_id,
        "rows": rows,
        "classes": sorted({row["class_title"] for row in rows if row["class_title"]}),
        "decisions": release.rows(DECISIONS, pupil),
        "rolled_up": rolled_up,
        "carried": carried,
        "titles": titles,
        "by_state": {
            state: sum(row["state"] == state for row in rows)
            for state in ("mastered", "developing", "not_enough_evidence", "review_due")
        },
    }
    return render(request, "student.html", context, pinned=pinned)
