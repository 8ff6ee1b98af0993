"""The district's lists (items.csv, resources.csv): a row is taken whole or refused by line, and none stands twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.rostering.tabular import CellError, Problem, Row, read_table_file


@dataclass
class Listed:
    """Rows of a table of silver without the recorded times; ``row_count``: data rows read."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    row_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Rows refused."""
        return sum(problem.is_rejected for problem in self.problems)


def read_list(
    path: Path,
    columns: Sequence[str],
    required: Sequence[str],
    read: Callable[[Row], dict[str, Any]],
    key: tuple[str, ...],
    twice: str,
) -> Listed:
    """Read a list by ``read``, which raises CellError for a row that must be refused.

    Of rows with equal ``key`` (names of columns that ``read`` gives) the later is refused with ``twice``, whose
    ``{line}`` is the line of the first. Raises CairnError for missing columns.
    """
    table = read_table_file(path, columns)
    table.require(required)
    found = Listed(
        row_count=table.row_count,
        problems=list(table.problems),
        unknown_columns=table.unknown(columns),
    )
    seen: dict[tuple[Any, ...], int] = {}
    for row in table.rows:
        try:
            told = read(row)
            first = seen.setdefault(tuple(told[name] for name in key), row.line)
            if first != row.line:
                raise CellError(twice.format(line=first))
            found.rows.append(told)
        except CellError as error:
            found.problems.append(Problem(table.name, row.line, str(error)))
    return found
