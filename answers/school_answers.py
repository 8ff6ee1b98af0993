"""What a school's page and a school's feed are made of: the same rows from the same queries.

Everything here is by key; names are added at the edge (``answers.pupil_names``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from answers.pinned_releases import Opened
from loading.actions import SUMMED_DAYS

Row = dict[str, Any]

# Order is part of the answer: the most urgent first, then stable.
NEEDS_ADULT = """
select * from mart_needs_adult where school_id = ?
order by priority, counted_attempts desc, student_key, competency_id, reason"""
REVIEWS_DUE = """
select * from mart_review_due where school_id = ? order by class_title, competency_code, due_since_at, student_key"""
MOVES_ON = """
select * from mart_moves_on where school_id = ? order by mastered_at desc, student_key, competency_id"""
# What the newest night decided; the mart holds a fortnight. Good news and bad apart, the newest first.
CHANGES = """
select c.* from mart_change c where c.school_id = ?1 and c.data_date = cast(?2 as date)
order by c.decided_at desc, c.student_key, c.competency_id, c.to_state"""
CLASSES = """
select * from mart_class_attention where school_id = ? order by attention_score desc, class_title, class_id, subject"""
# Who needs it most first; who has left comes after the members.
GROUP_ROWS = """
select * from mart_group_member where school_id = ?
order by competency_code, group_id, is_member desc, is_stuck desc, expected_share, student_key"""
# A school's own fortnight of actions, summed; a release from before it has none until the next night.
ACTION_SUMMARY = "select * from mart_action_school where school_id = ?"
# How much cannot be told yet, of all that pupils have begun.
EVIDENCE = """
select count(*) as pairs, count(*) filter (where state = 'not_enough_evidence') as pairs_without
from mart_student_competency where school_id = ?"""
# A release from before the mart said what came of an action shows none until the next night.
FOLLOWUPS = """
select * from mart_action_followup where school_id = ?
order by action_date desc, student_key, competency_id"""
# What releases from before these columns do not say, until the next night: everybody comes first, with no gap told.
OLDER_NEEDS = {
    "is_first": True,
    "is_old": False,
    "blocks": 0,
    "gap_competency_id": None,
    "gap_competency_code": None,
    "gap_competency_title": None,
    "gap_share": None,
}
OLDER_FOLLOWUPS = {"next_answers": 0, "next_right": 0} | dict.fromkeys(
    ("comparables", "comparable_share", "comparable_low", "comparable_high")
)
OLDER_WORDS = dict.fromkeys(("override_state", "override_date"))
OLDER_MOVES = dict.fromkeys(("expected_share", "share_low", "share_high", "said_date")) | {"is_by_teacher": False}
OVERRIDES = """
select * from mart_override where school_id = ? order by override_date desc, student_key, competency_id"""
DAYS = "select * from mart_school_day where school_id = ? order by work_date desc limit 20"


PACE = "select * from mart_class_pace where school_id = ? order by class_title, class_id, subject"
RESOURCES = "select * from mart_competency_resource order by competency_id, place"


@dataclass(frozen=True)
class Group:
    """A small group and what it works on: its members, and who has left it tonight, with the reason.

    A group that has ended has no members and no ``since_date``.
    """

    group_id: str
    competency: Row
    since_date: date | None
    members: list[Row]
    left: list[Row]

    @property
    def is_locked(self) -> bool:
        """Whether the school keeps it as it is."""
        return any(row["is_locked"] for row in self.members)

    @property
    def class_titles(self) -> str:
        """Titles of the classes that its members are in."""
        return ", ".join(sorted({row["class_title"] for row in self.members if row["class_title"]}))

    @property
    def student_keys(self) -> list[str]:
        """Who is named with it: its members first, who needs it most first, then who has left."""
        return [row["student_key"] for row in (*self.members, *self.left)]


def groups_of(rows: list[Row]) -> list[Group]:
    """Groups from the rows of mart_group_member, the largest first; a group that has ended is told by who left it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["group_id"], []).append(row)
    groups = [
        Group(
            group_id=group_id,
            competency={name: of_it[0][name] for name in ("competency_id", "competency_code", "competency_title")},
            since_date=of_it[0]["group_since_date"],
            members=[row for row in of_it if row["is_member"]],
            left=[row for row in of_it if not row["is_member"]],
        )
        for group_id, of_it in found.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.members), group.class_titles))


@dataclass(frozen=True)
class Evidence:
    """Pupils' topics of a school that were worked on, and of how many of them too little is known to say more."""

    pairs: int
    pairs_without: int

    @property
    def share_without(self) -> float:
        """Share with too little evidence, 0 to 1."""
        return self.pairs_without / self.pairs if self.pairs else 0.0


@dataclass(frozen=True)
class SchoolView:
    """One school in one release. Lists are whole; a page shows their first rows first.

    ``action_summary``: the row of mart_action_school, None without an action of the last fortnight; ``resources``: by
    competency, what the district has to offer; ``pace``: each class's way through its plan.
    """

    school: Row
    data_date: date
    trust: Row | None
    needs_adult: list[Row]
    reviews_due: list[Row]
    moves_on: list[Row]
    changes: list[Row]
    followups: list[Row]
    classes: list[Row]
    groups: list[Group]
    overrides: list[Row]
    days: list[Row]
    resources: dict[str, list[Row]]
    pace: list[Row]
    action_summary: Row | None
    evidence: Evidence

    @property
    def student_keys(self) -> set[str]:
        """Every pupil who appears in any list."""
        lists = (self.needs_adult, self.reviews_due, self.moves_on, self.changes, self.followups, self.overrides)
        named = {row["student_key"] for rows in lists for row in rows}
        return named.union(*(group.student_keys for group in self.groups))

    @property
    def recent_followups(self) -> list[Row]:
        """The actions that the school's page sums up: those of its last fourteen days."""
        first = self.data_date - timedelta(days=SUMMED_DAYS)
        return [row for row in self.followups if row["action_date"] > first]

    @property
    def teacher_keys(self) -> set[str]:
        """The teachers of the classes."""
        return {row["teacher_key"] for row in self.classes if row["teacher_key"]}


def load_school(release: Opened, school_id: str) -> SchoolView | None:
    """A school's rows, or None where the release does not know it."""
    schools = release.rows("select * from mart_school where school_id = ?", [school_id])
    if not schools:
        return None
    trust = release.rows(
        "select * from mart_school_trust where school_id = ? order by data_date desc limit 1", [school_id]
    )
    return SchoolView(
        school=schools[0],
        data_date=release.shown_date(school_id),
        trust=trust[0] if trust else None,
        needs_adult=[OLDER_NEEDS | OLDER_WORDS | row for row in release.rows(NEEDS_ADULT, [school_id])],
        reviews_due=[OLDER_WORDS | row for row in rows_where_there(release, "mart_review_due", REVIEWS_DUE, school_id)],
        moves_on=[OLDER_MOVES | row for row in release.rows(MOVES_ON, [school_id])],
        # A release from before the mart said what kind of news it is shows none until the next night.
        changes=[row for row in release.rows(CHANGES, [school_id, release.shown_date(school_id)]) if "kind" in row],
        followups=[OLDER_FOLLOWUPS | row for row in release.rows(FOLLOWUPS, [school_id]) if "outcome" in row],
        classes=release.rows(CLASSES, [school_id]),
        # A release from before groups had a memory shows none until the next night.
        groups=groups_of(release.rows(GROUP_ROWS, [school_id])) if release.has_table("mart_group_member") else [],
        overrides=rows_where_there(release, "mart_override", OVERRIDES, school_id),
        days=release.rows(DAYS, [school_id]),
        resources=resources_of(release),
        pace=release.rows(PACE, [school_id]) if release.has_table("mart_class_pace") else [],
        action_summary=next(iter(rows_where_there(release, "mart_action_school", ACTION_SUMMARY, school_id)), None),
        evidence=Evidence(**release.rows(EVIDENCE, [school_id])[0]),
    )


def rows_where_there(release: Opened, table: str, query: str, school_id: str) -> list[Row]:
    """Rows of a mart that releases from before it do not have."""
    return release.rows(query, [school_id]) if release.has_table(table) else []


def resources_of(release: Opened) -> dict[str, list[Row]]:
    """The district's resources by competency, in the order to try them; none in a release of before."""
    found: dict[str, list[Row]] = {}
    for row in release.rows(RESOURCES) if release.has_table("mart_competency_resource") else []:
        found.setdefault(row["competency_id"], []).append(row)
    return found


def pupils(rows: list[Row]) -> int:
    """Different pupils in rows."""
    return len({row["student_key"] for row in rows})


def leading(rows: list[Row], count: int) -> list[Row]:
    """The first ``count`` different pupils of rows: each one's first row, with ``more``, how many rows follow it."""
    first: dict[str, Row] = {}
    for row in rows:
        key = row["student_key"]
        if key in first:
            first[key]["more"] += 1
        elif len(first) < count:
            first[key] = row | {"more": 0}
    return list(first.values())
