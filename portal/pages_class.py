"""A class as it is right now: what changed since the night, by what the live service folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pinned_releases import Opened
from answers.pupil_names import look_up
from portal.live_today import live_pupils
from portal.pages_school import require_school
from portal.web import guarded, portal_of, render

Row = dict[str, Any]
NOT_STARTED = "not_started"
TITLE = "select class_title from mart_class_attention where school_id = ? and class_id = ?"
PAIRS = "select * from mart_student_competency where school_id = ?"
# Live reads a record within seconds: further behind than this, the page says so first.
FRESH_SECONDS = 60


@guarded("school_leader")
def class_page(request: Request, account: Account) -> Response:
    """The class's pupils with work since the night: state then and now. For the school's own leader, names logged."""
    portal = portal_of(request)
    school_id, class_id = request.path_params["school_id"], request.path_params["class_id"]
    require_school(account, school_id)
    pinned = portal.reader.pin()
    if pinned.learning is None:
        raise HTTPException(503, "Nothing has been published yet. The first night publishes the first answers.")
    titles = pinned.learning.rows(TITLE, [school_id, class_id])
    if not titles:
        raise HTTPException(404, "The current release has no such class in this school.")
    title = titles[0]["class_title"]
    pairs = pinned.learning.rows(PAIRS, [school_id])
    pupils = sorted({row["student_key"] for row in pairs if row["class_id"] == class_id})
    live = live_pupils(portal.settings, pupils)
    rows = changed(live["rows"], pairs, class_id) if live else []
    names = look_up(
        portal.settings,
        {row["student_key"] for row in rows},
        actor=account.name,
        role=account.role,
        route="/schools/{school_id}/classes/{class_id}",
        purpose="class page, live",
        kind="page",
        school_id=school_id,
        release_id=pinned.learning.release_id,
    )
    context = {
        "title": f"{title} now",
        "class_title": title,
        "school_id": school_id,
        "pupils": len(pupils),
        "data_date": pinned.learning.shown_date(school_id),
        "held": _held_reason(pinned.learning, school_id),
        "live": live,
        "behind_seconds": behind_seconds(live, datetime.now(UTC)) if live else None,
        "fresh_seconds": FRESH_SECONDS,
        "names": names,
        "rows": sorted(rows, key=lambda row: (not row["is_other"], names(row["student_key"]), row["competency_code"])),
    }
    return render(request, "class.html", context, pinned=pinned)


def _held_reason(release: Opened, school_id: str) -> str | None:
    rows = release.rows("select held_reason from mart_school where school_id = ? and is_held_back", [school_id])
    return (rows[0]["held_reason"] or "see operations") if rows else None


def changed(live: Sequence[Mapping[str, Any]], pairs: Sequence[Row], class_id: str) -> list[Row]:
    """Rows of the live table that are of the class, each beside what the night said of the pair.

    A pair that the night did not have is of the class where the class works on its subject.
    """
    then = {(row["student_key"], row["competency_id"]): row for row in pairs}
    known = {row["competency_id"]: row for row in pairs}
    subjects = {row["subject"] for row in pairs if row["class_id"] == class_id}
    found = []
    for row in live:
        before = then.get((row["student_key"], row["competency_id"]))
        named = before or known.get(row["competency_id"], {})
        is_ours = before["class_id"] == class_id if before else named.get("subject") in subjects
        if not is_ours or (row["is_removed"] and not before):
            continue
        from_state = before["state"] if before else NOT_STARTED
        last_us = row["last_event_at_us"]
        found.append(
            {
                **row,
                "competency_code": named.get("competency_code") or "",
                "competency_title": named.get("competency_title") or "a topic new to this school",
                "from_state": from_state,
                "from_share": before["expected_share"] if before else None,
                "is_other": row["state"] != from_state,
                "last_event_at": datetime.fromtimestamp(last_us / 1e6, UTC) if last_us else None,
            }
        )
    return found


def behind_seconds(live: Mapping[str, Any], now: datetime) -> float:
    """How far live is behind what the gateway has taken: 0 where nothing waits, else the age of the newest event."""
    if live["word"] == "ready" and not live["behind_records"] and not live["behind_pupils"]:
        return 0.0
    last = live["last_received_at"]
    return max(0.0, (now - datetime.fromisoformat(last)).total_seconds()) if last else float(FRESH_SECONDS)
