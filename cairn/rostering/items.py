"""Item alignments: which item gives evidence of which competency, from when (items.csv)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.rostering.tabular import CellError, Problem, Row, parse_date, parse_number, read_table_file

REQUIRED = ("item_id", "competency_id")
COLUMNS = (*REQUIRED, "difficulty", "valid_from_date", "valid_to_date")
# Logits beyond this are a share or a score in the wrong column, not a difficulty.
LARGEST_LOGIT = 20.0


@dataclass
class Alignments:
    """Rows of silver.item_alignment without the recorded times; ``row_count``: data rows read."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    row_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Rows refused."""
        return sum(problem.is_rejected for problem in self.problems)


def read_items(path: Path, competency_ids: Collection[str]) -> Alignments:
    """Read items.csv; ``competency_ids`` are the competencies loaded. Raises CairnError for missing columns."""
    table = read_table_file(path, COLUMNS)
    table.require(REQUIRED)
    result = Alignments(
        row_count=len(table.rows) + len(table.problems),
        problems=list(table.problems),
        unknown_columns=table.unknown(COLUMNS),
    )
    seen: dict[tuple[str, str], int] = {}
    for row in table.rows:
        try:
            alignment = _alignment(row, competency_ids)
            key = (alignment["item_id"], alignment["competency_id"])
            if key in seen:
                raise CellError(f"item and competency are there already in line {seen[key]}")
            seen[key] = row.line
            result.rows.append(alignment)
        except CellError as error:
            result.problems.append(Problem(table.name, row.line, str(error)))
    return result


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
