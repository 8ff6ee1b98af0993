"""What a class's page and its print are made of: the grid, one period's groups, and the lists of this class alone.

Everything here is by key; names are added at the edge (``answers.pupil_names``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from answers.pinned_releases import Opened
from answers.school_answers import (
    CLASSES,
    GROUP_ROWS,
    MOVES_ON,
    NEEDS_ADULT,
    OLDER_MOVES,
    OLDER_NEEDS,
    OLDER_WORDS,
    REVIEWS_DUE,
    Group,
    groups_of,
    resources_of,
    rows_where_there,
)
from cairn.class_period import Place, Ways, Why, period

Row = dict[str, Any]
# What a column of the grid counts as worked on lately, and how many of those a phone shows side by side.
LATELY_DAYS = 14
LATELY_COLUMNS = 6
MASTERED_STATES = ("mastered", "review_due")
# A page's heading of the competencies, by the first part of their codes that names more than one.
Unit = tuple[str, str]

PAIRS = """
select * from mart_student_competency where school_id = ? and class_id = ?
order by subject, competency_code, competency_id, student_key"""
PLANNED = "select distinct student_key from mart_pupil_plan where school_id = ? and class_id = ?"
ORDER = "select competency_id, sequence from mart_competency"
AREAS = "select distinct competency_code, competency_title from mart_student_rollup where school_id = ?"


@dataclass(frozen=True)
class Column:
    """A competency of the grid. ``is_lately``: among those that most of the class worked on in the last fortnight."""

    competency_id: str
    competency_code: str
    competency_title: str
    unit: str
    pupils_lately: int
    is_lately: bool


@dataclass(frozen=True)
class ClassGroup:
    """A group of one period: its members of this class, who has left, and how many members are of other classes."""

    group: Group
    members: list[Row]
    left: list[Row]
    others: int

    @property
    def student_keys(self) -> list[str]:
        """Members of this class."""
        return [row["student_key"] for row in self.members]


@dataclass(frozen=True)
class Meanwhile:
    """What pupils in no group do: why and on what, with who does it."""

    why: Why
    competency: Row | None
    student_keys: list[str]


@dataclass(frozen=True)
class ClassView:
    """One class in one release. ``cells`` has the evidence by pupil and competency; lists are whole."""

    head: Row
    data_date: date
    pupils: list[str]
    columns: list[Column]
    units: list[Unit]
    cells: Mapping[tuple[str, str], Row]
    groups: list[ClassGroup]
    meanwhile: list[Meanwhile]
    needs_adult: list[Row]
    reviews_due: list[Row]
    moves_on: list[Row]
    resources: dict[str, list[Row]]

    @property
    def student_keys(self) -> set[str]:
        """Every pupil whom the page names."""
        lists = (self.needs_adult, self.reviews_due, self.moves_on, *(one.left for one in self.groups))
        return set(self.pupils).union(row["student_key"] for rows in lists for row in rows)

    def shown_columns(self, show: str) -> list[Column]:
        """The grid's columns: of one unit where ``show`` names one, else all."""
        return [one for one in self.columns if one.unit == show] or self.columns


def load_class(release: Opened, school_id: str, class_id: str) -> ClassView | None:
    """A class's rows, or None where the release does not know it."""
    place = [school_id, class_id]

    def own(query: str, table: str) -> list[Row]:
        """The class's of the school's rows: a statement takes longer than to look through what was kept of it."""
        return [row for row in rows_where_there(release, table, query, school_id) if row["class_id"] == class_id]

    heads = own(CLASSES, "mart_class_attention")
    if not heads:
        return None
    pairs = release.rows(PAIRS, place)
    planned = release.rows(PLANNED, place) if release.has_table("mart_pupil_plan") else []
    needs_adult = [OLDER_NEEDS | OLDER_WORDS | row for row in own(NEEDS_ADULT, "mart_needs_adult")]
    reviews = sorted(own(REVIEWS_DUE, "mart_review_due"), key=_longest_due)
    moves_on = [OLDER_MOVES | row for row in own(MOVES_ON, "mart_moves_on")]
    grouped = _groups_with(class_id, rows_where_there(release, "mart_group_member", GROUP_ROWS, school_id))
    pupils = sorted({row["student_key"] for row in (*pairs, *planned, *needs_adult)})
    data_date = release.shown_date(school_id)
    columns = columns_of(release, school_id, pairs, data_date)
    groups, meanwhile = _period_of(class_id, pupils, grouped, pairs, reviews, moves_on, columns)
    codes = {one.unit for one in columns}
    return ClassView(
        head=heads[0],
        data_date=data_date,
        pupils=pupils,
        columns=columns,
        units=[(code, title) for code, title in _areas(release, school_id, columns).items() if len(codes) > 1],
        cells={(row["student_key"], row["competency_id"]): row for row in pairs},
        groups=groups,
        meanwhile=meanwhile,
        needs_adult=needs_adult,
        reviews_due=[OLDER_WORDS | row for row in reviews],
        moves_on=moves_on,
        resources=resources_of(release),
    )


def _longest_due(row: Row) -> tuple[bool, Any, str, str]:
    """Reviews in the order of a class's page: the longest due first."""
    return row["due_since_at"] is None, row["due_since_at"], row["competency_code"], row["student_key"]


def _groups_with(class_id: str, grouped: list[Row]) -> list[Row]:
    """All rows of groups in which the class has somebody: a school may group across classes."""
    own = {row["group_id"] for row in grouped if row["class_id"] == class_id}
    return [row for row in grouped if row["group_id"] in own]


def columns_of(release: Opened, school_id: str, pairs: Sequence[Row], data_date: date) -> list[Column]:
    """Competencies with any work of the class, in the order of the plan: subject, then the framework's order."""
    sequence = {}
    if release.has_table("mart_competency"):
        sequence = {row["competency_id"]: row["sequence"] for row in release.rows(ORDER)}
    since = data_date - timedelta(days=LATELY_DAYS)
    worked = [row for row in pairs if row["last_event_at"]]
    lately = Counter(row["competency_id"] for row in worked if row["last_event_at"].date() > since)
    newest = {
        row["competency_id"]: row["last_event_at"] for row in sorted(worked, key=lambda row: row["last_event_at"])
    }
    # Where the class rests, what it worked on last stands in.
    by_work = sorted(newest, key=lambda topic: (lately[topic], newest[topic], topic), reverse=True)
    most = set(by_work[:LATELY_COLUMNS])
    found = {row["competency_id"]: row for row in pairs}
    ordered = sorted(
        found.values(),
        key=lambda row: (
            row["subject"] or "",
            sequence.get(row["competency_id"]) is None,
            sequence.get(row["competency_id"]) or 0,
            row["competency_code"],
            row["competency_id"],
        ),
    )
    return [
        Column(
            row["competency_id"],
            row["competency_code"],
            row["competency_title"],
            unit_of(row),
            lately[row["competency_id"]],
            row["competency_id"] in most,
        )
        for row in ordered
    ]


def unit_of(row: Mapping[str, Any]) -> str:
    """The part of a competency's code before its last dot names its unit; the subject where it has no dot."""
    return str(row["competency_code"]).rpartition(".")[0] or str(row["subject"] or "")


def _areas(release: Opened, school_id: str, columns: Iterable[Column]) -> dict[str, str]:
    """Units of the columns in their order, with the title where the framework has a heading of that code."""
    titles: dict[str, str] = {}
    if release.has_table("mart_student_rollup"):
        titles = {row["competency_code"]: row["competency_title"] for row in release.rows(AREAS, [school_id])}
    return {one.unit: titles.get(one.unit, "") for one in columns}


def _period_of(
    class_id: str,
    pupils: list[str],
    grouped: list[Row],
    pairs: list[Row],
    reviews: list[Row],
    moves_on: list[Row],
    columns: list[Column],
) -> tuple[list[ClassGroup], list[Meanwhile]]:
    """The groups of one period and what everybody else does; :mod:`cairn.class_period` has the rule."""
    places = [
        Place(row["group_id"], row["student_key"], row["joined_date"])
        for row in grouped
        if row["is_member"] and row["class_id"] == class_id
    ]
    one = period(pupils, places, _ways(pupils, pairs, reviews, moves_on, columns))
    groups = []
    for group in groups_of(grouped):
        own = set(one.groups.get(group.group_id, ()))
        members = [row for row in group.members if row["student_key"] in own]
        left = [row for row in group.left if row["student_key"] in pupils]
        elsewhere = sum(row["class_id"] != class_id for row in group.members)
        if members or left:
            groups.append(ClassGroup(group, members, left, elsewhere))
    named = {row["competency_id"]: row for row in pairs}
    named |= {
        row["next_competency_id"]: {
            "competency_id": row["next_competency_id"],
            "competency_code": row["next_competency_code"],
            "competency_title": row["next_competency_title"],
        }
        for row in moves_on
        if row["next_competency_id"]
    }
    by_work = sorted(one.others, key=lambda other: (other.why, other.competency_id or ""))
    meanwhile = [
        Meanwhile(why, named[competency_id] if competency_id else None, [other.student_key for other in same])
        for (why, competency_id), same in groupby(by_work, key=lambda other: (other.why, other.competency_id))
    ]
    return groups, sorted(meanwhile, key=lambda line: (-len(line.student_keys), line.why, str(line.competency)))


def _ways(pupils: list[str], pairs: list[Row], reviews: list[Row], moves_on: list[Row], columns: list[Column]) -> Ways:
    """What each pupil could do alone. A teacher's "mastered" is not worked on, her "not yet" is no review."""
    done = {
        (row["student_key"], row["competency_id"])
        for row in pairs
        if row["state"] in MASTERED_STATES or row["override_state"] == "mastered"
    }
    by_class = [one.competency_id for one in sorted(columns, key=lambda one: -one.pupils_lately)]
    open_work = sorted(
        (row for row in pairs if row["last_event_at"]), key=lambda row: row["last_event_at"], reverse=True
    )
    return Ways(
        moves_on=_lists((row["student_key"], row["next_competency_id"]) for row in moves_on),
        reviews=_lists((row["student_key"], row["competency_id"]) for row in reviews),
        open_work=_lists(
            (row["student_key"], row["competency_id"])
            for row in open_work
            if (row["student_key"], row["competency_id"]) not in done
        ),
        with_class={key: [topic for topic in by_class if (key, topic) not in done] for key in pupils},
        stuck={(row["student_key"], row["competency_id"]) for row in pairs if row["is_stuck"]},
    )


def _lists(pairs: Iterable[tuple[str, str | None]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, competency_id in pairs:
        if competency_id:
            found[key].append(competency_id)
    return found


@dataclass(frozen=True)
class ClassCount:
    """What a class's teacher has to do today, in counts of pupils (and of groups)."""

    groups: int
    needs_adult: int
    moves_on: int
    reviews_due: int


COUNTS = {
    "needs_adult": "select class_id, count(distinct student_key) as n from mart_needs_adult group by class_id",
    "moves_on": "select class_id, count(distinct student_key) as n from mart_moves_on group by class_id",
    "reviews_due": "select class_id, count(distinct student_key) as n from mart_review_due group by class_id",
    "groups": (
        "select class_id, count(distinct group_id) as n from mart_group_member where is_member group by class_id"
    ),
}
COUNTED_TABLES = {"reviews_due": "mart_review_due", "groups": "mart_group_member"}


def class_counts(release: Opened, class_ids: Iterable[str]) -> dict[str, ClassCount]:
    """By class, how much there is to do; 0 where a table of it is not in the release yet."""
    found: dict[str, dict[str, int]] = {
        name: {row["class_id"]: row["n"] for row in release.rows(sql)}
        for name, sql in COUNTS.items()
        if name not in COUNTED_TABLES or release.has_table(COUNTED_TABLES[name])
    }
    return {key: ClassCount(**{name: found.get(name, {}).get(key, 0) for name in COUNTS}) for key in class_ids}
