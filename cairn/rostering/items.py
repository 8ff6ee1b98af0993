"""Item alignments: which item gives evidence of which competency, from when (items.csv)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from cairn.rostering.listed import Listed, read_list
from cairn.rostering.tabular import CellError, Row, parse_date, parse_number

REQUIRED = ("item_id", "competency_id")
COLUMNS = (*REQUIRED, "difficulty", "valid_from_date", "valid_to_date")
# Logits beyond this are a share or a score in the wrong column, not a difficulty.
LARGEST_LOGIT = 20.0


def read_items(path: Path, competency_ids: Collection[str]) -> Listed:
    """Read items.csv into rows of silver.item_alignment; ``competency_ids`` are the competencies loaded.

    Raises CairnError for missing columns.
    """
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
