"""One pupil's page: competencies, states, evidence and the decisions behind them. Entitled and logged."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import lake
from cairn.settings import Settings
from portal.accounts import Account
from portal.people import look_up
from portal.reads import Opened
from portal.web import guarded, portal_of, render

COMPETENCIES = """
select * from mart_student_competency where student_key = ? and school_id = ?
order by subject nulls last, competency_code nulls last, competency_title, class_title"""


def standing_decisions(settings: Settings, release: Opened, student_key: str) -> list[dict[str, Any]]:
    """The pupil's decisions up to the release's data date that were not taken back later, newest first.

    The ledger is append-only, so what a release stood on can be read back by data date.
    """
    import pyarrow.compute as pc

    wanted = (pc.field("student_key") == student_key) & (pc.field("data_date") <= release.data_date)
    rows = lake.read(settings, "gold.mastery_decision", filters=wanted).to_pylist()
    rows.sort(key=lambda row: (row["night"] or 0, row["recorded_at"], row["is_retraction"]))
    standing: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["is_retraction"]:
            standing.pop(row["decision_id"], None)
        else:
            standing[row["decision_id"]] = row
    return sorted(standing.values(), key=lambda row: row["decided_at"], reverse=True)


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
        purpose="pupil page",
        kind="page",
        school_id=account.school_id,
        release_id=pinned.learning.release_id,
    )
    titles = {row["competency_id"]: row["competency_code"] or row["competency_title"] for row in rows}
    context = {
        "title": f"Pupil {names(key)}",
        "name": names(key),
        "student_key": key,
        "school_id": account.school_id,
        "rows": rows,
        "classes": sorted({row["class_title"] for row in rows if row["class_title"]}),
        "decisions": standing_decisions(portal.settings, pinned.learning, key),
        "titles": titles,
        "by_state": {
            state: sum(row["state"] == state for row in rows)
            for state in ("mastered", "developing", "not_enough_evidence", "review_due")
        },
    }
    return render(request, "student.html", context, pinned=pinned)
