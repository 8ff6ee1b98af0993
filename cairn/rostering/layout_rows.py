"""Files of a layout into rows of assessment results, facts and teachers' words, persons by their local identifier.

Rows come out as :class:`KeyedRow`: the local identifier of the person beside the target's columns. The caller turns
identifiers into student keys (the vault does) and calls :meth:`KeyedRow.finish`; the identifier goes nowhere else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cairn.rostering.layouts import Layout
from cairn.rostering.tabular import CellError, Problem, Row, Table, read_table_file

# A school year begins here (district-local month); results of one window in two years are two results.
SCHOOL_YEAR_STARTS_IN_MONTH = 7
WINDOWS = ("fall", "winter", "spring", "other")
HASH_CHARACTERS = 32
# Free text about a pupil must not reach the lake: facts carry codes.
CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


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
    """A file read by a layout. ``row_count``: data rows; ``missing_columns``: optional ones that are not there."""

    file: str
    rows: list[KeyedRow] = field(default_factory=list)
    row_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)


def read_assessments(path: Path, layout: Layout) -> LayoutFile:
    """Assessment results of a file. Raises CairnError naming the columns a needed one of which is missing."""
    return _read(path, layout, lambda row: _results(row, layout))


def read_facts(path: Path, layout: Layout, school_ids: Collection[str] = ()) -> LayoutFile:
    """Facts of a file; ``school_ids`` are the roster's schools, not checked where empty."""
    return _read(path, layout, lambda row: [_fact(row, layout, school_ids)])


def read_overrides(path: Path, layout: Layout, competency_ids: Collection[str]) -> LayoutFile:
    """What teachers said, row by row; ``competency_ids`` are the framework's, not checked where empty."""
    return _read(path, layout, lambda row: [_override(row, layout, competency_ids)])


def _read(path: Path, layout: Layout, convert: Callable[[Row], list[KeyedRow]]) -> LayoutFile:
    columns = layout.columns()
    table: Table = read_table_file(path, columns, layout.delimiter)
    table.require(layout.required_columns())
    result = LayoutFile(
        file=table.name,
        row_count=len(table.rows) + len(table.problems),
        problems=list(table.problems),
        unknown_columns=table.unknown([*columns, *layout.ignored]),
        missing_columns=[column for column in columns if not table.has(column)],
    )
    seen: dict[tuple[str, ...], int] = {}
    for row in table.rows:
        try:
            converted = convert(row)
            for item in converted:
                earlier = seen.get((item.student, *item.key))
                if earlier is not None:
                    raise CellError(f"says the same again as line {earlier}: one of the two must go")
            for item in converted:
                seen[item.student, *item.key] = row.line
            result.rows += converted
        except CellError as error:
            result.problems.append(Problem(table.name, row.line, str(error)))
    return result


def _results(row: Row, layout: Layout) -> list[KeyedRow]:
    """One result a measure that has a score."""
    student = _student(row, layout)
    taken = layout.get("taken_date").day(row)
    base: dict[str, Any] = {
        "layout": layout.name,
        "assessment": layout.get("assessment").text(row),
        "subject": layout.get("subject").text(row),
        "window_name": layout.get("window_name").text(row) or "other",
        "taken_date": taken,
        "is_rapid_guess": layout.get("is_rapid_guess").flag(row),
    }
    if base["window_name"] not in WINDOWS:
        raise CellError(f"{layout.get('window_name').column} is none of {', '.join(WINDOWS)}")
    shared = (base["assessment"], base["subject"], base["window_name"], school_year(taken))
    extra = tuple(row.get(column) for column in layout.key if column not in base and column != "student")
    rows = []
    for measure in layout.measures:
        score = measure.scale_score.number(row)
        name = measure.measure.text(row)
        if score is None or not name:
            if not measure.is_optional:
                raise CellError(f"{measure.scale_score.column} is empty")
            continue
        percentile = measure.percentile.number(row)
        if percentile is not None and not 0 <= percentile <= 100:
            raise CellError(f"{measure.percentile.column} is not between 0 and 100")
        columns = {
            **base,
            "measure": name,
            "scale_score": score,
            "standard_error": measure.standard_error.number(row),
            "percentile": percentile,
        }
        rows.append(KeyedRow(row.line, student, columns, (*shared, name, *extra), "result_id"))
    return rows


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
