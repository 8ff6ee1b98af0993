"""The files of a feed: which columns, from which rows. Names enter here and nowhere before."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from answers import wording
from answers.pupil_names import Names
from answers.school_answers import Group, SchoolView
from cairn.teacher_words import TeacherWords

Row = dict[str, Any]
# A cell that begins like this is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class FeedFile:
    """One CSV: its name, what it is, keys of the pupils it names, its rows as text."""

    name: str
    about: str
    pupils: frozenset[str]
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def content(self) -> bytes:
        """The file: UTF-8 with a header line, RFC 4180."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self.header)
        writer.writerows(tuple(map(safe_cell, row)) for row in self.rows)
        return text.getvalue().encode()


def safe_cell(value: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return "'" + value if value.startswith(FORMULA_STARTS) else value


def _text(value: Any) -> str:
    """A value as a cell; empty where there is none."""
    return "" if value is None else str(value)


def _percent(share: float | None) -> str:
    return "" if share is None else str(round(100 * share))


Columns = tuple[tuple[str, Callable[[Row], str]], ...]


def _file(name: str, about: str, rows: list[Row], columns: Columns, pupils: frozenset[str]) -> FeedFile:
    header = tuple(title for title, _ in columns)
    return FeedFile(name, about, pupils, header, [tuple(of(row) for _, of in columns) for row in rows])


def _field(name: str) -> Callable[[Row], str]:
    return lambda row: _text(row[name])


def feed_files(view: SchoolView, names: Names, zone: ZoneInfo, words: TeacherWords) -> list[FeedFile]:
    """All files of a school's feed, rows in the order of the page."""

    def local(name: str) -> Callable[[Row], str]:
        return lambda row: row[name].astimezone(zone).strftime("%Y-%m-%d %H:%M") if row[name] else ""

    pupil: Columns = (
        ("pupil", lambda row: names(row["student_key"])),
        ("pupil_key", _field("student_key")),
        ("class", _field("class_title")),
    )
    topic: Columns = (("competency_code", _field("competency_code")), ("competency", _field("competency_title")))
    word: Columns = (
        ("teacher_said", lambda row: wording.SAID.get(row["override_state"] or "", "")),
        ("teacher_said_date", _field("override_date")),
    )

    def resources(field: str) -> tuple[str, Callable[[Row], str]]:
        """The district's resources for the competency in a column, title and address."""

        def text(row: Row) -> str:
            offered = view.resources.get(row[field], [])
            return "; ".join(f"{one['resource_title']} {one['resource_url']}" for one in offered)

        return "resources", text

    needs: Columns = (
        ("priority", _field("priority")),
        ("is_first", lambda row: "yes" if row["is_first"] else "no"),
        *pupil,
        ("reason", lambda row: wording.reason(row["reason"])),
        ("detail", _field("detail")),
        *topic,
        ("likely_gap_code", _field("gap_competency_code")),
        ("likely_gap", _field("gap_competency_title")),
        ("counted_attempts", _field("counted_attempts")),
        ("expected_right_pct", lambda row: _percent(row["expected_share"])),
        ("last_work_local", local("last_event_at")),
        *word,
        resources("competency_id"),
    )
    moves: Columns = (
        *pupil,
        *topic,
        ("mastered_local", local("mastered_at")),
        ("expected_right_pct", lambda row: _percent(row["expected_share"])),
        ("expected_right_low_pct", lambda row: _percent(row["share_low"])),
        ("expected_right_high_pct", lambda row: _percent(row["share_high"])),
        ("next_competency_code", _field("next_competency_code")),
        ("next_competency", _field("next_competency_title")),
        ("mastered_by", lambda row: "a teacher's word" if row["is_by_teacher"] else "the number"),
        ("teacher_said_date", _field("said_date")),
        resources("next_competency_id"),
    )
    reviews: Columns = (
        *pupil,
        *topic,
        ("expected_right_pct", lambda row: _percent(row["expected_share"])),
        ("last_work_local", local("last_event_at")),
        *word,
    )
    changes: Columns = (
        *pupil,
        *topic,
        ("from_state", lambda row: wording.state(row["from_state"])),
        ("to_state", lambda row: wording.state(row["to_state"])),
        ("work_local", local("decided_at")),
    )
    classes: Columns = (
        ("class", _field("class_title")),
        ("class_id", _field("class_id")),
        ("subject", _field("subject")),
        ("teacher", lambda row: names(row["teacher_key"])),
        ("why", _field("attention_reason")),
        *((name, _field(name)) for name in ("pupils", "active_pupils_7d", "attempts_7d", "stuck_pupils")),
        *((name, _field(name)) for name in ("ready_pupils", "mastered_pairs", "developing_pairs", "attention_score")),
    )
    groups: Columns = (
        ("class", _field("class_titles")),
        *topic,
        ("pupils", _field("pupils")),
        ("names", _field("names")),
        ("group", _field("group_id")),
        ("since", _field("since_date")),
        ("is_locked", _field("is_locked")),
        ("new", _field("new")),
        ("left", _field("left")),
        resources("competency_id"),
    )
    said: Columns = (
        *pupil,
        *topic,
        *word,
        ("teacher_said_until_date", _field("override_until_date")),
        ("reason", lambda row: words.of(row["override_reason"])),
        ("computed_state", lambda row: wording.state(row["computed_state"])),
        ("expected_right_pct", lambda row: _percent(row["expected_share"])),
        ("needs_no_adult_by_it", lambda row: "yes" if row["is_set_aside"] else "no"),
    )
    pace: Columns = (
        ("class", _field("class_title")),
        ("class_id", _field("class_id")),
        ("subject", _field("subject")),
        *((name, _field(name)) for name in ("pupils", "planned_pairs", "mastered_pairs", "review_due_pairs")),
        ("mastered_pct", lambda row: _percent(row["mastered_share"])),
        ("even_pace_pct", lambda row: _percent(row["needed_share"])),
        ("term_end_date", _field("term_end_date")),
        ("even_pace_by_term_end_pct", lambda row: _percent(row["needed_by_term_end_share"])),
        ("needed_a_week", lambda row: f"{row['needed_a_week']:.1f}"),
        ("lately_a_week", lambda row: "" if row["a_week"] is None else f"{row['a_week']:.1f}"),
        *((name, _field(name)) for name in ("outlook", "projected_date", "earliest_date", "latest_date")),
    )
    grouped = frozenset(key for group in view.groups for key in group.student_keys)
    return [
        _people("needs_adult.csv", "Who needs an adult, on what, the most urgent first", view.needs_adult, needs),
        _people("moves_on.csv", "Who moves on, and to what", view.moves_on, moves),
        _people("reviews_due.csv", "Whose mastery is due for a short check", view.reviews_due, reviews),
        _people("teachers_words.csv", "What teachers said beside the computed state", view.overrides, said),
        _people("changes.csv", "What changed in the night", view.changes, changes),
        _file("classes.csv", "Which class needs you", view.classes, classes, frozenset()),
        _file("pace.csv", "How each class comes through its plan", view.pace, pace, frozenset()),
        _file("groups.csv", "Small groups that would help", [_group(g, names) for g in view.groups], groups, grouped),
    ]


def _group(group: Group, names: Names) -> Row:
    """A small group as one row, its pupils by name; who has left, with the reason."""
    return {
        **group.competency,
        "class_titles": group.class_titles,
        "pupils": len(group.members),
        "names": "; ".join(names(row["student_key"]) for row in group.members),
        "group_id": group.group_id,
        "since_date": group.since_date,
        "is_locked": "yes" if group.is_locked else "no",
        "new": "; ".join(names(row["student_key"]) for row in group.members if row["is_new"]),
        "left": "; ".join(f"{names(row['student_key'])}: {wording.left(row['left_reason'])}" for row in group.left),
    }


def _people(name: str, about: str, rows: list[Row], columns: Columns) -> FeedFile:
    return _file(name, about, rows, columns, frozenset(row["student_key"] for row in rows))
