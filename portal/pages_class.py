"""Classes for those who teach them: what is to do, the grid, one period's groups, the lists, one page to print."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.class_answers import ClassView, class_counts, load_class
from answers.pinned_releases import Opened, Pinned
from answers.pupil_names import Names, look_up
from answers.school_answers import leading
from answers.words_now import actions_now, local_today, words_now
from cairn.class_period import WORDS
from cairn.group_rules import load_group_rules
from cairn.language import gettext
from cairn.teacher_words import TeacherWords, load_teacher_words
from portal.access_log import route_of
from portal.class_grid import drawn_rows
from portal.entitled import own_classes, require_class
from portal.live_today import FRESH_SECONDS, behind_seconds, changed, live_pupils
from portal.web import guarded, portal_of, render
from releases.holding import NO_REASON

Row = dict[str, Any]
# What the night said of the class's pupils, in any of their classes: what today's work is set beside.
PAIRS = """
select student_key, competency_id, class_id, subject, state, expected_share, competency_code, competency_title
from mart_student_competency where school_id = ? and list_contains(?, student_key)"""
TOPICS = """
select distinct competency_id, competency_code, competency_title, subject
from mart_student_competency where school_id = ?"""
# One click logs this; where the district's list has no such kind, the first that it has.
GROUP_KIND, ADULT_KIND = "small_group", "one_to_one"
# Of who moves on so many stand open, the others behind a line: a list of three screens is not read.
FIRST_ROWS = 8
# The print is one page: so many lines of each list, names of a line, letters of a title; the rest is counted out.
PRINT_MOST = {"adult": 8, "moves": 8, "reviews": 5, "others": 16, "resources": 1, "names": 8, "title": 44}


def _release(pinned: Pinned) -> Opened:
    if pinned.learning is None:
        raise HTTPException(503, "Nothing has been published yet. The first night publishes the first answers.")
    return pinned.learning


@guarded("teacher", "school_leader")
def classes_page(request: Request, account: Account) -> Response:
    """The account's own classes with what there is to do in each; names nobody."""
    pinned = portal_of(request).reader.pin()
    release = _release(pinned)
    classes = own_classes(release, account)
    counts = class_counts(release, [row["class_id"] for row in classes])
    context = {"title": gettext("Classes"), "classes": classes, "counts": counts, "data_date": release.data_date}
    return render(request, "classes.html", context, pinned=pinned)


@guarded("teacher", "school_leader")
def class_page(request: Request, account: Account) -> Response:
    """One class: what changed since the night, groups of a period, who needs an adult, who moves on, the grid."""
    settings = portal_of(request).settings
    pinned, view = _own_class(request, account)
    school_id = view.head["school_id"]
    live = live_pupils(settings, view.pupils)
    rows = _changed(_release(pinned), live["rows"], view) if live else []
    names = _names(request, account, pinned, view, {row["student_key"] for row in rows}, "class page")
    lists = load_teacher_words(settings)
    logged = actions_now(settings, view.student_keys, (), view.data_date)
    show = request.query_params.get("show", "")
    known = {code for code, _ in view.units}
    columns = view.shown_columns(show)
    now = words_now(settings, view.student_keys).of_school(school_id)
    context = {
        "title": view.head["class_title"],
        "view": view,
        "names": names,
        "pupils": _by_name(view.pupils, names),
        "columns": columns,
        "cells": drawn_rows(view, columns, now.standing),
        "show": show if show in known or show == "all" else "",
        "held": _held_reason(_release(pinned), school_id),
        "live": live,
        "behind_seconds": behind_seconds(live, datetime.now(UTC)) if live else None,
        "fresh_seconds": FRESH_SECONDS,
        "rows": sorted(rows, key=lambda row: (not row["is_other"], names(row["student_key"]), row["competency_code"])),
        "reviews": _by_topic(view.reviews_due),
        "first_rows": FIRST_ROWS,
        "why": WORDS,
        "rules": load_group_rules(settings),
        "lists": lists,
        "group_kind": _kind(lists, GROUP_KIND),
        "adult_kind": _kind(lists, ADULT_KIND),
        "now": now,
        "done": _done(logged, school_id),
        "today": local_today(settings),
    }
    return render(request, "class.html", context, pinned=pinned)


@guarded("teacher", "school_leader")
def print_page(request: Request, account: Account) -> Response:
    """One page of paper for a class: groups, who needs an adult, who moves on, short reviews, what the others do."""
    pinned, view = _own_class(request, account)
    names = _names(request, account, pinned, view, (), "class page, to print")
    first = [row for row in view.needs_adult if row["is_first"]]
    context = {
        "title": gettext("{title}, to print").format(title=view.head["class_title"]),
        "view": view,
        "names": names,
        "why": WORDS,
        "needs_adult": leading(first, len(first)),
        "moves_on": leading(view.moves_on, len(view.moves_on)),
        "reviews": _by_topic(view.reviews_due),
        "most": PRINT_MOST,
    }
    return render(request, "class_print.html", context, pinned=pinned)


def _changed(release: Opened, live: list[Row], view: ClassView) -> list[Row]:
    """What of the live table is the class's. Nothing is read of the night where nothing has come since."""
    if not live:
        return []
    school_id = view.head["school_id"]
    pairs = release.rows(PAIRS, [school_id, tuple(view.pupils)])
    return changed(live, pairs, release.rows(TOPICS, [school_id]), view.head["class_id"])


def _own_class(request: Request, account: Account) -> tuple[Pinned, ClassView]:
    """The class of the address. Raises HTTPException 403 for any that is not the account's own."""
    pinned = portal_of(request).reader.pin()
    release = _release(pinned)
    school_id, class_id = request.path_params["school_id"], request.path_params["class_id"]
    require_class(release, account, school_id, class_id)
    view = load_class(release, school_id, class_id)
    if view is None:
        raise HTTPException(404, "The current release has no such class in this school.")
    return pinned, view


def _names(
    request: Request, account: Account, pinned: Pinned, view: ClassView, more: Iterable[str], purpose: str
) -> Names:
    return look_up(
        portal_of(request).settings,
        view.student_keys.union(more),
        actor=account.name,
        role=account.role,
        route=route_of(request),
        purpose=purpose,
        kind="page",
        school_id=view.head["school_id"],
        release_id=_release(pinned).release_id,
    )


def _by_name(keys: Iterable[str], names: Names) -> list[str]:
    return sorted(keys, key=lambda key: (names(key), key))


def _kind(lists: TeacherWords, wanted: str) -> str:
    return wanted if wanted in lists.action_kinds else next(iter(lists.action_kinds))


def _done(logged: Iterable[Row], school_id: str) -> dict[tuple[str, str], list[Row]]:
    """What was logged on pages of the school since the release's day, by pupil and competency, newest first."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in logged:
        if row["school_id"] == school_id:
            found.setdefault((row["student_key"], row["competency_id"]), []).append(row)
    return found


def _by_topic(reviews: Iterable[Row]) -> list[tuple[Row, list[str]]]:
    """Reviews that a class can do together: by competency, where most are due first."""
    found: dict[str, tuple[Row, list[str]]] = {}
    for row in reviews:
        found.setdefault(row["competency_id"], (row, []))[1].append(row["student_key"])
    return sorted(found.values(), key=lambda topic: (-len(topic[1]), topic[0]["competency_code"]))


def _held_reason(release: Opened, school_id: str) -> str | None:
    rows = release.rows("select held_reason from mart_school where school_id = ? and is_held_back", [school_id])
    return (rows[0]["held_reason"] or NO_REASON) if rows else None
