"""Golden folders of layouts: a vendor's columns, rows of ours, and every result, note and refusal by line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cairn.rostering.layout_rows import read_assessments
from cairn.rostering.layouts import load_layout
from cairn.settings import REPOSITORY, Settings

FOLDERS = sorted((REPOSITORY / "tests" / "golden" / "layouts").iterdir())
COLUMNS = ("subject", "window_name", "taken_date", "measure", "scale_score", "percentile")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_file_by_its_layout(settings: Settings, folder: Path) -> None:
    layout = load_layout(settings, folder.name, "assessments")
    file = read_assessments(folder / "input.csv", layout)
    told = [[str(row.line), row.student, *(_text(row.columns[name]) for name in COLUMNS)] for row in file.rows]
    told += [[str(one.line), "refused" if one.is_rejected else "noted", one.reason] for one in file.problems]
    with (folder / "expect.csv").open(newline="") as expected:
        header, *rows = csv.reader(expected)
    assert header == ["line", "student", *COLUMNS]
    assert sorted(told, key=lambda row: int(row[0])) == sorted(rows, key=lambda row: int(row[0]))
    assert file.unknown_columns == []
    ids = [row.finish(layout.name, row.student)["result_id"] for row in file.rows]
    assert len(set(ids)) == len(ids), "a retest and another year are results of their own"
    assert (folder / "README.md").is_file()


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
