"""Vendors' files by layout: assessment results and facts, one row an id; a file never ends what it does not name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import lake
from cairn.rostering.layout_rows import LayoutFile, read_assessments, read_facts
from cairn.rostering.layouts import Layout, load_layout
from cairn.rostering.tabular import Problem
from cairn.settings import Settings
from identity.vault import Vault
from loading import history
from loading.problems import shown
from loading.snapshot import Change, Row, Snapshot


def load_assessments(
    settings: Settings,
    path: Path | str,
    layout: str,
    recorded_at: datetime | None = None,
) -> dict[str, Any]:
    """Load a vendor's results by layout. Returns rows, results, rejected, unknown_columns; added, changed."""
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
    """Load facts by layout. Returns rows, results, rejected, unknown_columns; added, changed."""
    how = load_layout(settings, layout, "facts")
    schools = {row["org_id"] for row in lake.read(settings, "silver.org", ["org_id"]).to_pylist()}
    file = read_facts(Path(path), how, schools)
    rows = _with_students(settings, how, file)
    change = history.apply(settings, Snapshot("silver.fact", rows), recorded_at)
    return _layout_result(file, rows, change)


def _with_students(settings: Settings, layout: Layout, file: LayoutFile) -> list[dict[str, Any]]:
    """Finished rows; a line whose pupil the vault does not know is refused, once a line."""
    identifiers = {row.student for row in file.rows if row.student}
    known = Vault(settings).resolve(layout.identifier, identifiers) if identifiers else {}
    column = layout.get("student").column
    rows: dict[str, dict[str, Any]] = {}
    refused: dict[int, str] = {}
    for row in file.rows:
        if row.student and row.student not in known:
            refused[row.line] = f"{column} is no pupil of the roster: load the roster first"
            continue
        finished = row.finish(layout.name, known[row.student] if row.student else None)
        # Two spellings of one identifier are one pupil, which only the vault can tell.
        if rows.setdefault(finished[row.id_column], finished) is not finished:
            refused[row.line] = f"says the same again of one pupil, who has two spellings in {column}"
    file.problems += [Problem(file.file, line, reason) for line, reason in sorted(refused.items())]
    return list(rows.values())


def _layout_result(file: LayoutFile, rows: Sequence[Row], change: Change) -> dict[str, Any]:
    return {
        "rows": file.row_count,
        "results": len(rows),
        "rejected": sum(problem.is_rejected for problem in file.problems),
        "unknown_columns": file.unknown_columns,
        "missing_columns": file.missing_columns,
        "added": change.added,
        "changed": change.changed,
        **shown(file.problems),
    }
