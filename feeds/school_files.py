"""The lists of a school's feed: which columns, from which rows. Names enter here and nowhere before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from answers import wording
from answers.pupil_names import Names
from answers.school_answers import Group, SchoolView
from cairn.language import noted
from cairn.teacher_words import TeacherWords
from feeds.feed_file import (
    COUNT,
    DATE,
    LOCAL,
    NUMBER,
    TEXT,
    YES,
    Column,
    Columns,
    FeedFile,
    local_minutes,
    mapped,
    of_rows,
    of_table,
    percents,
)

Row = dict[str, Any]
STANDING = """
select * from mart_student_competency where school_id = ?
order by class_title, class_id, student_key, competency_code, competency_id"""


def text(title: str, field: str | None = None) -> Column:
    """A column as it stands in the mart; ``field`` where the mart calls it otherwise."""
    return Column(title, TEXT, lambda rows: rows[field or title])


def count(title: str, field: str | None = None) -> Column:
    """A whole number."""
    return Column(title, COUNT, lambda rows: rows[field or title])


def day(title: str, field: str | None = None) -> Column:
    """A local day."""
    return Column(title, DATE, lambda rows: rows[field or title])


def percent(title: str, field: str) -> Column:
    """A share as whole percent."""
    return Column(title, COUNT, lambda rows: percents(rows[field]))


def tenths(title: str, field: str) -> Column:
    """A number to one decimal."""

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 1)

    return Column(title, NUMBER, lambda rows: mapped(rows[field], rounded, NUMBER))


def yes(title: str, field: str) -> Column:
    """Yes or no; no where the mart says neither."""
    return Column(title, YES, lambda rows: mapped(rows[field], bool, YES))


def words(title: str, field: str, say: Callable[[Any], str]) -> Column:
    """What ``say`` makes of the mart's value, of none too."""
    return Column(title, TEXT, lambda rows: mapped(rows[field], say))


def state(title: str, field: str) -> Column:
    """A state in words."""
    return words(title, field, wording.state)


def said(title: str, field: str) -> Column:
    """A teacher's word, empty where there is none."""
    return words(title, field, lambda value: wording.SAID.get(value or "", ""))


def pupil_columns(names: Names) -> Columns:
    """Who, by name and by key, and in which class."""
    return (
        words("pupil", "student_key", names),
        text("pupil_key", "student_key"),
        text("class", "class_title"),
        text("class_id"),
    )


TOPIC: Columns = (text("competency_code"), text("competency", "competency_title"))
WORD: Columns = (said("teacher_said", "override_state"), day("teacher_said_date", "override_date"))


def feed_files(
    view: SchoolView, standing: pa.Table, names: Names, zone: ZoneInfo, teachers: TeacherWords
) -> list[FeedFile]:
    """All lists of a school's feed, rows in the order of the page; ``standing``: rows of :data:`STANDING`."""
    pupil = pupil_columns(names)

    def local(title: str, field: str) -> Column:
        return Column(title, LOCAL, lambda rows: local_minutes(rows[field], zone))

    def resources(field: str) -> Column:
        """The district's resources for the competency in a column, title and address."""

        def offered(competency_id: str | None) -> str:
            found = view.resources.get(competency_id or "", [])
            return "; ".join(f"{one['resource_title']} {one['resource_url']}" for one in found)

        return words("resources", field, offered)

    expected = percent("expected_right_pct", "expected_share")
    bounds = (percent("expected_right_low_pct", "share_low"), percent("expected_right_high_pct", "share_high"))
    last_work = local("last_work_local", "last_event_at")
    needs: Columns = (
        count("priority"),
        yes("is_first", "is_first"),
        *pupil,
        words("reason", "reason", wording.reason),
        text("detail"),
        *TOPIC,
        text("likely_gap_code", "gap_competency_code"),
        text("likely_gap", "gap_competency_title"),
        count("counted_attempts"),
        *(expected, last_work, *WORD, resources("competency_id")),
    )
    moves: Columns = (
        *pupil,
        *TOPIC,
        local("mastered_local", "mastered_at"),
        *(expected, *bounds),
        text("next_competency_code"),
        text("next_competency", "next_competency_title"),
        words("mastered_by", "is_by_teacher", lambda is_so: "a teacher's word" if is_so else "the number"),
        day("teacher_said_date", "said_date"),
        resources("next_competency_id"),
    )
    changes: Columns = (
        *pupil,
        *TOPIC,
        state("from_state", "from_state"),
        state("to_state", "to_state"),
        local("work_local", "decided_at"),
    )
    overrides: Columns = (
        *(*pupil, *TOPIC, *WORD),
        day("teacher_said_until_date", "override_until_date"),
        words("reason", "override_reason", teachers.of),
        state("computed_state", "computed_state"),
        expected,
        yes("needs_no_adult_by_it", "is_set_aside"),
    )
    stands: Columns = (
        *(*pupil, *TOPIC, text("competency_id"), text("subject")),
        state("state", "state"),
        *(expected, *bounds, count("counted_attempts"), last_work),
        local("state_since_local", "state_since_at"),
        yes("is_stuck", "is_stuck"),
        *WORD,
    )
    groups = [_group(group, names) for group in view.groups]
    grouped = frozenset(key for group in view.groups for key in group.student_keys)
    return [
        of_rows("needs_adult", noted("Who needs an adult, on what, the most urgent first"), view.needs_adult, needs),
        of_rows("moves_on", noted("Who moves on, and to what"), view.moves_on, moves),
        of_rows(
            "reviews_due",
            noted("Whose mastery is due for a short check"),
            view.reviews_due,
            (*pupil, *TOPIC, expected, last_work, *WORD),
        ),
        of_rows("teachers_words", noted("What teachers said beside the computed state"), view.overrides, overrides),
        of_rows("changes", noted("What changed in the night"), view.changes, changes),
        of_table("standing", noted("Where each pupil stands in each competency with evidence"), standing, stands),
        of_rows("classes", noted("Which class needs you"), view.classes, _classes(names)),
        of_rows("pace", noted("How each class comes through its plan"), view.pace, PACE),
        of_rows(
            "groups", noted("Small groups that would help"), groups, (*GROUPS, resources("competency_id")), grouped
        ),
    ]


PACE: Columns = (
    *(text("class", "class_title"), text("class_id"), text("subject")),
    *(count(name) for name in ("pupils", "planned_pairs", "mastered_pairs", "review_due_pairs")),
    percent("mastered_pct", "mastered_share"),
    percent("even_pace_pct", "needed_share"),
    day("term_end_date"),
    percent("even_pace_by_term_end_pct", "needed_by_term_end_share"),
    tenths("needed_a_week", "needed_a_week"),
    tenths("lately_a_week", "a_week"),
    text("outlook"),
    *(day(name) for name in ("projected_date", "earliest_date", "latest_date")),
)
GROUPS: Columns = (
    text("class", "class_titles"),
    *TOPIC,
    count("pupils"),
    text("names"),
    text("group", "group_id"),
    day("since", "since_date"),
    yes("is_locked", "is_locked"),
    text("new"),
    text("left"),
)


def _classes(names: Names) -> Columns:
    return (
        *(text("class", "class_title"), text("class_id"), text("subject")),
        words("teacher", "teacher_key", names),
        text("why", "attention_reason"),
        *(count(name) for name in ("pupils", "active_pupils_7d", "attempts_7d", "stuck_pupils")),
        *(count(name) for name in ("ready_pupils", "mastered_pairs", "developing_pairs")),
        Column("attention_score", NUMBER, lambda rows: rows["attention_score"]),
    )


def _group(group: Group, names: Names) -> Row:
    """A small group as one row, its pupils by name; who has left, with the reason."""
    return {
        **group.competency,
        "class_titles": group.class_titles,
        "pupils": len(group.members),
        "names": "; ".join(names(row["student_key"]) for row in group.members),
        "group_id": group.group_id,
        "since_date": group.since_date,
        "is_locked": group.is_locked,
        "new": "; ".join(names(row["student_key"]) for row in group.members if row["is_new"]),
        "left": "; ".join(f"{names(row['student_key'])}: {wording.left(row['left_reason'])}" for row in group.left),
    }
