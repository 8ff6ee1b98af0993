"""The central office's first page: the pilots as a portfolio, schools with doubt, equity, data quality. Every number of
pupils is a published one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.card_health import BAD, LOOK
from answers.funnel import Funnel, Point, by_school, funnel, words
from answers.pilot_answers import load_scorecards
from answers.pinned_releases import Opened, Pinned
from answers.published_numbers import Numbers, text
from answers.school_trust import Age, verdict
from answers.scorecard_parts import present
from cairn.language import gettext
from cairn.protection.published import EMPTY, NOTHING
from cairn.protection.rules import Rules
from cairn.teacher_words import load_teacher_words
from portal.as_of import numbers_of
from portal.funnel_chart import funnel_chart
from portal.kept_pages import render_kept
from portal.web import portal_of

SCHOOLS = """
select school_id, school_name, is_held_back, held_reason from mart_school order by school_name, school_id"""
KINDS = "select * from mart_action_kind order by action"
COMPETENCIES = """
select competency_id, competency_code, competency_title, subject from mart_district_competency
order by subject nulls last, competency_code nulls last, competency_title"""
# What the table of schools can be sorted by: key in the address, words.
SORTS = {"need": "need", "trust": "trust in today’s data", "size": "pupils", "name": "name"}
NEED = "need_adult"
TRUST_ORDER = {"bad": 0, "care": 1, "good": 2}


def school_rows(release: Opened, numbers: Numbers, age: Age, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Every school with its verdict, books and published numbers, by name."""
    newest: dict[str, dict[str, Any]] = {}
    for row in release.rows("select * from mart_school_trust order by data_date"):
        newest[row["school_id"]] = row
    rows = []
    for school in release.rows(SCHOOLS):
        trust = newest.get(school["school_id"])
        answer = verdict(trust, school["held_reason"], age, zone)
        rows.append(school | {"verdict": answer, "trust": trust, "told": numbers.school(school["school_id"])})
    return rows


def funnel_of(rows: list[dict[str, Any]]) -> Funnel | None:
    """The funnel of pupils who need an adult; None where nothing is published to draw it from."""
    return funnel(
        [
            (row["school_id"], row["school_name"], row["told"].get("pupils", EMPTY), row["told"].get(NEED, EMPTY))
            for row in rows
        ]
    )


def sorted_by(rows: list[dict[str, Any]], points: Mapping[str, Point], sort: str) -> list[dict[str, Any]]:
    """The schools in an order: those with most need, least trust or most pupils first, as published; then by name."""

    def need(row: dict[str, Any]) -> float:
        point = points.get(row["school_id"])
        return -point.middle if point else 1.0

    orders: dict[str, Callable[[dict[str, Any]], Any]] = {
        "need": need,
        "trust": lambda row: TRUST_ORDER[row["verdict"].level],
        "size": lambda row: -(row["told"].get("pupils", EMPTY).value or 0),
        "name": lambda row: 0,
    }
    return sorted(rows, key=lambda row: (orders[sort](row), row["school_name"], row["school_id"]))


def portfolio(release: Opened | None, numbers: Numbers, rules: Rules) -> list[dict[str, Any]]:
    """The pilots' cards, those that harm or rest on something bad first."""
    cards = [present(card, rules, numbers) for card in load_scorecards(release)]
    for card in cards:
        levels = [one.level for one in card["health"]]
        card["to_look_at"] = [one for level in (BAD, LOOK) for one in card["health"] if one.level == level]
        card["is_good"] = sum(level == "good" for level in levels)
    return sorted(cards, key=lambda card: (card["verdict"] != "harm", -len(card["to_look_at"]), card["title"]))


def kind_rows(release: Opened | None, rules: Rules) -> list[dict[str, Any]]:
    """What followed each kind of action; pupils compared are a part of those it was done for, and told as such: not
    where fewer than may be told of are left over."""
    if release is None or not release.has_table("mart_action_kind"):
        return []
    rows = release.rows(KINDS)
    for row in rows:
        pupils, compared = row["pupils"], row["pupils_compared"]
        is_told = pupils is not None and compared is not None and pupils - compared >= rules.n_min
        row["pupils_told"] = rules.count(pupils or 0).text
        row["compared_told"] = rules.count(compared).text if is_told else NOTHING
    return rows


def equity_rows(numbers: Numbers, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Reach of pilots by group of pupils, as published."""
    return [
        {"pilot": titles.get(pilot, pilot), "grouping": grouping, "group": group, "told": row}
        for pilot, grouping, group, row in numbers.groups()
    ]


@lru_cache(maxsize=8)
def funnel_drawn(found: Funnel) -> str:
    """The funnel's chart, kept: Vega's drawing takes longer than the page may."""
    return funnel_chart(found)


def overview(request: Request, account: Account) -> Response:
    """Pilots, schools, equity and data quality; no pupil is named, and no number is not a published one."""
    portal = portal_of(request)
    sort = request.query_params.get("sort", "need")
    if sort not in SORTS:
        raise HTTPException(404, f"Schools can be sorted by {', '.join(SORTS)}.")
    pinned, numbers = portal.reader.pin(), numbers_of(request)
    lists, zone = load_teacher_words(portal.settings), portal.settings.zone

    def context(age: Age | None, rules: Rules) -> dict[str, Any]:
        schools = school_rows(pinned.learning, numbers, age, zone) if pinned.learning and age else []
        return _context(pinned, numbers, rules, schools, sort) | {"lists": lists}

    return render_kept(
        request, "overview.html", gettext("District overview"), pinned, numbers, (sort, repr(lists)), context
    )


def _context(
    pinned: Pinned, numbers: Numbers, rules: Rules, schools: list[dict[str, Any]], sort: str
) -> dict[str, Any]:
    """What the template reads beside releases, numbers and the district's own words for what was done."""
    learning = pinned.learning
    found = funnel_of(schools)
    points = by_school(found)
    cards = portfolio(pinned.evaluation, numbers, rules)
    return {
        "text": text,
        "pilots": cards,
        "schools": sorted_by(schools, points, sort),
        "by_trust": sorted_by(schools, points, "trust"),
        "points": points,
        "funnel_words": words,
        "funnel": found,
        "funnel_svg": funnel_drawn(found) if found else None,
        "sort": sort,
        "sorts": SORTS,
        "equity": equity_rows(numbers, {card["pilot_id"]: card["title"] for card in cards}),
        "competencies": learning.rows(COMPETENCIES) if learning else [],
        "kinds": kind_rows(learning, rules),
        "n_min": rules.n_min,
    }
