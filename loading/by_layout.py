"""Files by layout: assessment results, facts, teachers' words; a file never ends what it does not name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import lake
from cairn.errors import CairnError
from cairn.rostering.layout_rows import (
    KeyedRow,
    LayoutFile,
    read_assessments,
    read_facts,
    read_overrides,
    take_each_once,
)
from cairn.rostering.layouts import Layout, load_layout
from cairn.rostering.tabular import Problem
from cairn.settings import Settings
from cairn.teacher_words import TeacherWords, load_teacher_words
from identity.vault import Vault
from loading import history
from loading.judgements import Judgement, say
from loading.problems import shown
from loading.snapshot import Change, Row, Snapshot


def load_assessments(
    settings: Settings,
    path: Path | str,
    layout: str,
    recorded_at: datetime | None = None,
) -> dict[str, Any]:
    """Load a vendor's results by layout. Returns rows, results, repeated, rejected, unknown_columns; added, changed."""
    how = load_layout(settings, layout, "assessments")
    file = read_assessments(Path(path), how)
    rows = _with_students(settings, how, file)
    change = history.apply(settings, Snapshot("silver.assessment_result", rows), recorded_at)
    return _layout_result(file, rows, change)


def load_facts(
    settings: Settings,
    path: Path | str,
    layout: str,
    recorded_at: datetime | None = None,
) -> dict[str, Any]:
    """Load facts, or teachers' words, by layout.

    Returns rows, results, repeated, rejected, unknown_columns; added, changed.
    """
    how = load_layout(settings, layout, "facts", "overrides")
    if how.kind == "overrides":
        return _load_overrides(settings, Path(path), how, recorded_at)
    schools = {row["org_id"] for row in lake.read(settings, "silver.org", ["org_id"]).to_pylist()}
    file = read_facts(Path(path), how, schools)
    rows = _with_students(settings, how, file)
    change = history.apply(settings, Snapshot("silver.fact", rows), recorded_at)
    return _layout_result(file, rows, change)


def _load_overrides(settings: Settings, path: Path, how: Layout, recorded_at: datetime | None) -> dict[str, Any]:
    """Add to the ledger of teachers' words what the file says and the ledger does not have."""
    competencies = {
        row["competency_id"] for row in lake.read(settings, "silver.competency", ["competency_id"]).to_pylist()
    }
    file = read_overrides(path, how, competencies)
    words = load_teacher_words(settings)
    known = _students_of(settings, how, file)
    judgements = [
        one for row in file.rows if row.student in known and (one := _judgement(file, row, known[row.student], words))
    ]
    added = say(settings, judgements, recorded_at)
    return _layout_result(file, judgements, Change(len(added)))


def _judgement(file: LayoutFile, row: KeyedRow, student_key: str, words: TeacherWords) -> Judgement | None:
    """One row's word; None where it cannot be said, with the reason among the file's problems."""
    try:
        one = Judgement(student_key=student_key, role="district_system", source="file", **row.columns)
        return one.checked(words)
    except CairnError as error:
        file.problems.append(Problem(file.file, row.line, str(error)))
        return None


def _students_of(settings: Settings, layout: Layout, file: LayoutFile) -> dict[str, str]:
    """Local identifier to key of the file's pupils; a line whose pupil the vault does not know is refused, once."""
    identifiers = {row.student for row in file.rows if row.student}
    vault = Vault(settings)
    known = vault.resolve(layout.identifier, identifiers) if identifiers else {}
    unknown = identifiers - set(known)
    shared = vault.shared_among(layout.identifier, unknown) if unknown else set()
    column = layout.get("student").column
    nobody = f"{column} is no pupil of the roster: load the roster first"
    several = f"{column} is an identifier of several people and means nobody: see 'cairn students shared'"
    refused = {row.line: several if row.student in shared else nobody for row in file.rows if row.student in unknown}
    file.problems += [Problem(file.file, line, reason) for line, reason in sorted(refused.items())]
    return known


def _with_students(settings: Settings, layout: Layout, file: LayoutFile) -> list[dict[str, Any]]:
    """Finished rows; a line whose pupil the vault does not know is refused, once a line."""
    known = _students_of(settings, layout, file)
    file.rows = [row for row in file.rows if not row.student or row.student in known]
    # Two spellings of one identifier are one pupil, which only the vault can tell.
    reason = f"says otherwise than line {{line}} of one pupil, who has two spellings in {layout.get('student').column}"
    take_each_once(file, lambda row: (known.get(row.student), *row.key), reason)
    return [row.finish(layout.name, known[row.student] if row.student else None) for row in file.rows]


def _layout_result(file: LayoutFile, rows: Sequence[Row | Judgement], change: Change) -> dict[str, Any]:
    return {
        "rows": file.row_count,
        "results": len(rows),
        "repeated": file.repeated,
        "rejected": sum(problem.is_rejected for problem in file.problems),
        "unknown_columns": file.unknown_columns,
        "missing_columns": file.missing_columns,
        "added": change.added,
        "changed": change.changed,
        **shown(sorted(file.problems, key=lambda problem: problem.line)),
    }
