"""Item alignments: which item gives evidence of which competency, from when (items.csv, CASE or QTI packages)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.rostering.items_case import read_case_items
from cairn.rostering.items_named import Competencies, Validity, align
from cairn.rostering.items_qti import read_qti_items
from cairn.rostering.listed import Listed, read_list
from cairn.rostering.tabular import CellError, Row, parse_date, parse_number

REQUIRED = ("item_id", "competency_id")
COLUMNS = (*REQUIRED, "difficulty", "valid_from_date", "valid_to_date")
# Logits beyond this are a share or a score in the wrong column, not a difficulty.
LARGEST_LOGIT = 20.0


def read_items(
    path: Path, loaded: Competencies, template: str = "{identifier}", validity: Validity | None = None
) -> Listed:
    """Read a file or package into rows of silver.item_alignment, by what it is.

    ``template`` makes of a QTI item's identifier what sources call it. ``validity`` is for CASE and QTI, which have no
    days of their own. Raises CairnError for a file that is none of these, and for missing columns.
    """
    kind = _kind(path)
    if kind == "csv":
        if validity is not None:
            raise CairnError(f"{path.name}: a CSV has its days in valid_from_date and valid_to_date: fill in these")
        return _read_csv(path, loaded.ids)
    named = read_qti_items(path, template) if kind == "qti" else read_case_items(path, path.read_bytes(), loaded)
    return align(path.name, named, loaded, validity or Validity())


def _kind(path: Path) -> str:
    """csv, case or qti, by the first bytes: names of files say little."""
    if path.is_dir():
        return "qti"
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"PK\x03\x04", b"\xff\xfe<", b"\xfe\xff\x00<")) or text.startswith(b"<"):
        return "qti"
    return "case" if text.startswith(b"{") else "csv"


def _read_csv(path: Path, competency_ids: Collection[str]) -> Listed:
    return read_list(
        path,
        COLUMNS,
        REQUIRED,
        lambda row: _alignment(row, competency_ids),
        key=("item_id", "competency_id"),
        twice="item and competency are there already in line {line}",
    )


def _alignment(row: Row, competency_ids: Collection[str]) -> dict[str, Any]:
    item_id, competency_id = row.get("item_id"), row.get("competency_id")
    if not item_id or not competency_id:
        raise CellError(f"{'item_id' if not item_id else 'competency_id'} is empty")
    if competency_id not in competency_ids:
        raise CellError(f"competency {competency_id} is not loaded: load its CASE package first")
    difficulty = parse_number(row.get("difficulty"), "difficulty")
    if difficulty is not None and abs(difficulty) > LARGEST_LOGIT:
        raise CellError(f"difficulty is beyond {LARGEST_LOGIT:g} logits")
    first = parse_date(row.get("valid_from_date"), "valid_from_date")
    last = parse_date(row.get("valid_to_date"), "valid_to_date")
    if first and last and last < first:
        raise CellError("valid_to_date lies before valid_from_date")
    return {
        "item_id": item_id,
        "competency_id": competency_id,
        "difficulty": difficulty,
        "valid_from_date": first,
        "valid_to_date": last,
    }
