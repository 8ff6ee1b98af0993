"""Files with a line for each school: read by column name, refused with file, line and column."""

from __future__ import annotations

from cairn.errors import CairnError
from cairn.rostering.tabular import CellError, Row, Table, parse_number


def need_readable(table: Table) -> None:
    """Raise CairnError where lines of the file could not be read: schools are too few to lose one."""
    if refused := [problem for problem in table.problems if problem.is_rejected]:
        raise CairnError(f"{refused[0]}; nothing was taken from the file")


def number_of(table: Table, row: Row, column: str) -> float:
    """The number in a cell. Raises CairnError where it is empty or none."""
    try:
        found = parse_number(row.get(column), f"column {column}")
    except CellError as error:
        raise CairnError(f"{table.name}:{row.line}: {error}; write it as 1250 or 12.5") from error
    if found is None:
        raise CairnError(f"{table.name}:{row.line}: column {column} is empty; every school needs a number there")
    return found
