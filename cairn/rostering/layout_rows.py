"""Files of a layout into rows of assessment results, facts and teachers' words, persons by their local identifier.

Rows come out as :class:`KeyedRow`: the local identifier of the person beside the target's columns. The caller turns
identifiers into student keys (the vault does) and calls :meth:`KeyedRow.finish`; the identifier goes nowhere else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from cairn.rostering.layouts import Layout, Measure
from cairn.rostering.tabular import CellError, Problem, Row, Table, read_table_file

# A school year begins here (district-local month); results of one window in two years are two results.
SCHOOL_YEAR_STARTS_IN_MONTH = 7
WINDOWS = ("fall", "winter", "spring", "other")
HASH_CHARACTERS = 32
# Free text about a pupil must not reach the lake: facts carry codes.
CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
Told = TypeVar("Told")


@dataclass(frozen=True)
class KeyedRow:
    """One row of the target without its id; ``student`` is the local identifier, empty where no person is meant."""

    line: int
    student: str
    columns: dict[str, Any]
    key: tuple[str, ...]
    id_column: str

    def __repr__(self) -> str:
        """Never the identifier."""
        return f"KeyedRow(line {self.line})"

    def finish(self, layout: str, student_key: str | None) -> dict[str, Any]:
        """The row with person and id: SHA-256 over layout, person and key, 32 hexadecimal digits."""
        parts = "\x1f".join((layout, student_key or "", *self.key))
        identity = hashlib.sha256(parts.encode("utf-8")).hexdigest()[:HASH_CHARACTERS]
        return {self.id_column: identity, "student_key": student_key, **self.columns}


@dataclass
class LayoutFile:
    """A file read by a layout. ``row_count``: data rows; ``missing_columns``: optional ones that are not there.

    ``repeated``: rows that say word for word what another one says, and add nothing.
    """

    file: str
    rows: list[KeyedRow] = field(default_factory=list)
    row_count: int = 0
    repeated: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)

    def note(self, line: int, reason: str) -> None:
        """What a person should know of a row that is loaded all the same."""
        self.problems.append(Problem(self.file, line, reason, is_rejected=False))


def read_assessments(path: Path, layout: Layout) -> LayoutFile:
    """Assessment results of a file. Raises CairnError naming the columns a needed one of which is missing."""
    return _read(path, layout, lambda row, file: _results(row, layout, file))


def read_facts(path: Path, layout: Layout, school_ids: Collection[str] = ()) -> LayoutFile:
    """Facts of a file; ``school_ids`` are the roster's schools, not checked where empty."""
    return _read(path, layout, lambda row, _: [_fact(row, layout, school_ids)])


def read_overrides(path: Path, layout: Layout, competency_ids: Collection[str]) -> LayoutFile:
    """What teachers said, row by row; ``competency_ids`` are the framework's, not checked where empty."""
    return _read(path, layout, lambda row, _: [_override(row, layout, competency_ids)])


def _read(path: Path, layout: Layout, convert: Callable[[Row, LayoutFile], list[KeyedRow]]) -> LayoutFile:
    columns = layout.columns()
    table: Table = read_table_file(path, columns, layout.delimiter)
    table.require(layout.required_columns())
    result = LayoutFile(
        file=table.name,
        row_count=table.row_count,
        problems=list(table.problems),
        unknown_columns=[column for column in table.unknown(columns) if not layout.is_ignored(column)],
        missing_columns=[column for column in columns if not table.has(column)],
    )
    for row in table.rows:
        try:
            result.rows += convert(row, result)
        except CellError as error:
            result.problems.append(Problem(table.name, row.line, str(error)))
    take_each_once(result, lambda row: (row.student, *row.key), "says otherwise than line {line} of the same")
    return result


def take_each_once(file: LayoutFile, identity: Callable[[KeyedRow], Hashable], reason: str) -> None:
    """Rows of one identity are taken once where they say the same, and not at all where they contradict each other.

    ``reason`` is told of the later one's line, with ``{line}`` the first one's, and the other way round: which of the
    two is right cannot be known, and the order of a file must not decide.
    """
    first: dict[Hashable, KeyedRow] = {}
    at_odds: dict[int, int] = {}
    kept: list[KeyedRow] = []
    again: dict[int, int] = {}
    for row in file.rows:
        before = first.setdefault(identity(row), row)
        if before is row:
            kept.append(row)
        elif before.columns == row.columns:
            again.setdefault(row.line, before.line)
        else:
            at_odds.setdefault(row.line, before.line)
            at_odds.setdefault(before.line, row.line)
    file.rows = [row for row in kept if row.line not in at_odds]
    taken = {row.line for row in file.rows}
    for line, other in sorted(again.items()):
        if line not in at_odds and line not in taken:
            file.repeated += 1
            file.note(line, f"says the same as line {other}: counted once")
    file.problems += [
        Problem(file.file, line, f"{reason.format(line=other)}: neither is taken; one of the two must go")
        for line, other in sorted(at_odds.items())
    ]


def _results(row: Row, layout: Layout, file: LayoutFile) -> list[KeyedRow]:
    """One result a measure that has a score."""
    student = _student(row, layout)
    base: dict[str, Any] = {
        "layout": layout.name,
        "assessment": layout.get("assessment").text(row),
        "subject": layout.get("subject").text(row),
    }
    is_rapid_guess = _beside(row, layout.get("is_rapid_guess").flag, file)
    inside = {*base, "student", "window_name", "taken_date"}
    extra = tuple(row.get(column) for column in layout.key if column not in inside)
    rows = []
    for measure in layout.measures:
        score = _score(row, measure, file)
        name = measure.measure.text(row)
        if score is None or not name:
            continue
        window = (measure.window_name or layout.get("window_name")).text(row) or "other"
        if window not in WINDOWS:
            raise CellError(f"{layout.get('window_name').column} is none of {', '.join(WINDOWS)}")
        taken = (measure.taken_date or layout.get("taken_date")).day(row)
        percentile = _beside(row, measure.percentile.number, file)
        if percentile is not None and not 0 <= percentile <= 100:  # cells have moved: nobody knows what the score is
            raise CellError(f"{measure.percentile.column} is not between 0 and 100")
        columns = {
            **base,
            "window_name": window,
            "taken_date": taken,
            "is_rapid_guess": is_rapid_guess,
            "measure": name,
            "scale_score": score,
            "standard_error": _beside(row, measure.standard_error.number, file),
            "percentile": percentile,
        }
        key = (base["assessment"], base["subject"], window, school_year(taken), name, *extra)
        rows.append(KeyedRow(row.line, student, columns, key, "result_id"))
    if not rows:
        file.note(row.line, "no measure has a score: nothing to take")
    return rows


def _score(row: Row, measure: Measure, file: LayoutFile) -> float | None:
    """The score; None for a strand without one. Raises CellError where a score that must be there is not."""
    if measure.is_optional:
        return _beside(row, measure.scale_score.number, file)
    score = measure.scale_score.number(row)
    if score is None:
        raise CellError(f"{measure.scale_score.column} is empty")
    return score


def _beside(row: Row, read: Callable[[Row], Told | None], file: LayoutFile) -> Told | None:
    """What stands beside the score: where it cannot be read, only it is lost, and the line is named."""
    try:
        return read(row)
    except CellError as error:
        file.note(row.line, f"{error}; the rest of the row is taken")
        return None


def school_year(day: date | None) -> str:
    """Year in which the day's school year ends; empty without a day."""
    if day is None:
        return ""
    return str(day.year + (day.month >= SCHOOL_YEAR_STARTS_IN_MONTH))


def _student(row: Row, layout: Layout) -> str:
    return layout.get("student").raw(row)


def _fact(row: Row, layout: Layout, school_ids: Collection[str]) -> KeyedRow:
    columns: dict[str, Any] = {
        "fact_type": layout.fact_type,
        "school_id": layout.get("school_id").text(row) or None,
        "pilot_id": layout.get("pilot_id").text(row) or None,
        "fact_date": layout.get("fact_date").day(row),
        "name": layout.get("name").text(row),
        "value": layout.get("value").number(row),
        "unit": layout.get("unit").text(row) or None,
        "text_value": layout.get("text_value").text(row) or None,
    }
    if columns["text_value"] is not None and not CODE.fullmatch(columns["text_value"]):
        raise CellError(f"{layout.get('text_value').column} is not a code (letters, digits and _ . : -): no free text")
    if school_ids and columns["school_id"] is not None and columns["school_id"] not in school_ids:
        raise CellError(f"{layout.get('school_id').column} is no school of the roster")
    key = tuple(_key_part(row, columns, name) for name in layout.key if name != "student")
    return KeyedRow(row.line, _student(row, layout), columns, key, "fact_id")


def _override(row: Row, layout: Layout, competency_ids: Collection[str]) -> KeyedRow:
    columns: dict[str, Any] = {
        "said_date": layout.get("said_date").day(row),
        "competency_id": layout.get("competency_id").text(row),
        "said": layout.get("said").text(row),
        "reason": layout.get("reason").text(row) or None,
        "until_date": layout.get("until_date").day(row),
    }
    if columns["said_date"] is None:
        raise CellError("no day on which it was said: give it")
    if competency_ids and columns["competency_id"] not in competency_ids:
        raise CellError(f"{layout.get('competency_id').column} is no competency of the framework")
    key = tuple(_key_part(row, columns, name) for name in layout.key if name != "student")
    return KeyedRow(row.line, _student(row, layout), columns, key, "judgement_id")


def _key_part(row: Row, columns: dict[str, Any], name: str) -> str:
    value = columns[name] if name in columns else row.get(name)
    return "" if value is None else str(value)
