"""Reading delimited files as real systems write them: by column name, with BOMs, and every row with its line.

RFC 4180 with tolerance: UTF-8 with or without BOM (or Windows-1252), any newline, columns in any order, header compared
without case, another separator where the header says so, empty cells beyond the last column, rows of nothing but
commas, blanks around a cell (those that take no width too). Cells are text and stay text.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from cairn.errors import CairnError
from cairn.rostering.decoding import decode
from cairn.rostering.separators import separated
from cairn.spreadsheets import NUMBER_RULES, SPREADSHEET_DAY, day_meant, day_of_number, number_meant

# A cell longer than this is a file gone wrong (an open quote), not data.
LONGEST_CELL = 1_000_000
TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0"})
ISO_DATE = "%Y-%m-%d"
ISO_DATE_FORMATS = (ISO_DATE,)
# Marks that take no width, as pasting and joining files leave them; blanks of all widths are stripped by Python itself.
WIDTHLESS = "\ufeff\u200b\u2060"
ISO_DAY = re.compile(r"(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d.*)?")


@dataclass(frozen=True)
class Problem:
    """Something in a file that a person should look at; ``reason`` never holds a value of a person's field.

    ``is_rejected`` says whether the row was refused (and counted) or is loaded all the same.
    """

    file: str
    line: int
    reason: str
    is_rejected: bool = True

    def __str__(self) -> str:
        """``file:line: reason``, as editors jump to."""
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True)
class Row:
    """One row: ``cells`` by column name as the reader asked for it, stripped; absent columns read as empty."""

    line: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """The cell, or empty where the file has no such column."""
        return self.cells.get(column, "")


@dataclass
class Table:
    """One file: its rows, the header as written, rows that could not be read, and what a person should know."""

    name: str
    header: list[str]
    rows: list[Row]
    problems: list[Problem] = field(default_factory=list)

    @property
    def unreadable(self) -> int:
        """Rows that could not be read: whom or what they are about is not known."""
        return sum(problem.is_rejected for problem in self.problems)

    @property
    def row_count(self) -> int:
        """Data rows of the file, those that could not be read among them."""
        return len(self.rows) + self.unreadable

    def require(self, columns: Sequence[str]) -> None:
        """Raise CairnError naming file and columns where the header lacks any of them."""
        present = {name.lower() for name in self.header}
        missing = [column for column in columns if column.lower() not in present]
        if missing:
            raise CairnError(
                f"{self.name}:1: missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}: "
                "export the file again with them; nothing was loaded"
            )

    def has(self, column: str) -> bool:
        """Whether the header names the column."""
        return column.lower() in {name.lower() for name in self.header}

    def unknown(self, known: Sequence[str]) -> list[str]:
        """Header names that are not among ``known``, in order."""
        names = {name.lower() for name in known}
        return [name for name in self.header if name.lower() not in names]


def read_table(name: str, content: bytes, known: Sequence[str] = (), delimiter: str = ",") -> Table:
    """A delimited file with a header row.

    ``known`` gives the spelling of columns the caller asks for, whatever case the file uses. Raises CairnError with
    file and line for a file that is empty, not UTF-8, has a column twice, or is cut inside quotes.
    """
    text, note = decode(name, content)
    found = separated(text, delimiter, known)
    reader = csv.reader(io.StringIO(found.text, newline=""), delimiter=found.delimiter, strict=True)
    csv.field_size_limit(LONGEST_CELL)
    lines = _numbered(name, reader, found.lines_before)
    header_line, header = next(((line, cells) for line, cells in lines if _says_something(cells)), (0, []))
    if not header:
        raise CairnError(f"{name}:1: the file is empty: expected a header row")
    header = [_bare(column) for column in header]
    named = [column.lower() for column in header if column]
    spelling = {column.lower(): column for column in known}
    # Some vendors name a column twice; which of the two is meant matters only where it is read.
    repeated = sorted({column for column in named if named.count(column) > 1 and (column in spelling or not spelling)})
    if repeated:
        raise CairnError(f"{name}:{header_line}: column {', '.join(repeated)} is there more than once: keep one")
    keys = [spelling.get(column.lower(), column) for column in header]
    table = Table(name=name, header=list(dict.fromkeys(filter(None, header))), rows=[])
    for said in filter(None, (note, found.note)):
        table.problems.append(Problem(name, 1, said, is_rejected=False))
    _read_rows(table, keys, lines)
    return table


def _read_rows(table: Table, keys: Sequence[str], lines: Iterator[tuple[int, list[str]]]) -> None:
    """Rows under the header. A surplus cell is refused with its row where it holds something, else read past."""
    surplus: list[int] = []
    for line, cells in lines:
        if not _says_something(cells):
            continue
        if _says_something(cells[len(keys) :]):
            reason = f"{len(cells)} values for {len(keys)} columns: quote values that hold a comma"
            table.problems.append(Problem(table.name, line, reason))
            continue
        if len(cells) > len(keys):
            surplus.append(line)
        table.rows.append(Row(line, {key: _bare(cell) for key, cell in zip(keys, cells, strict=False) if key}))
    if surplus:
        reason = f"empty cells beyond the last column, here and in {len(surplus) - 1:,} more rows: read past"
        table.problems.append(Problem(table.name, surplus[0], reason, is_rejected=False))


def _bare(cell: str) -> str:
    """A cell without what surrounds it and is not seen, nor the formula that tells a spreadsheet to keep zeros."""
    text = cell.strip().strip(WIDTHLESS).strip()
    return text[2:-1].strip() if len(text) > 2 and text.startswith('="') and text.endswith('"') else text


def _says_something(cells: Sequence[str]) -> bool:
    """Whether any cell holds something. An old end-of-file mark (Ctrl-Z) alone does not."""
    return any(_bare(cell).strip("\x1a") for cell in cells)


def read_table_file(path: Path, known: Sequence[str] = (), delimiter: str = ",") -> Table:
    """:func:`read_table` of a file on disk; a problem names the file without its folders."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    return read_table(path.name, content, known, delimiter)


class _CsvReader(Protocol):
    """What ``csv.reader`` returns; its own type has no public name."""

    line_num: int

    def __next__(self) -> list[str]:
        """The next row."""


def _numbered(name: str, reader: _CsvReader, before: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start on (a quoted value may span several), after ``before`` lines of the file."""
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CairnError(f"{name}:{line}: not valid CSV ({error}): look for an open quote") from error
        yield line, cells


class CellError(ValueError):
    """A cell that cannot be used; the message names the column and what was expected, never the value."""


def parse_date(text: str, column: str, formats: Sequence[str] = ISO_DATE_FORMATS) -> date | None:
    """A date in one of the formats (of strptime, or SPREADSHEET_DAY), None where empty. Raises CellError.

    A time after an ISO date is left aside: it is the local day that counts, whatever zone the time claims.
    """
    if not text:
        return None
    for form in formats:
        found = _date_in(text, form)
        if found is not None:
            return found
    meant = day_meant(text)
    wanted = f"in any of the layout's formats ({', '.join(formats)})"
    if formats is ISO_DATE_FORMATS:
        wanted = "like 2026-08-17"
    raise CellError(f"{column} is not a date {wanted}{f': it is {meant.what}' if meant else ''}")


def _date_in(text: str, form: str) -> date | None:
    """The date in one format; None where the text is not of it."""
    try:
        if form == ISO_DATE:
            found = ISO_DAY.fullmatch(text)
            return date.fromisoformat(found[1]) if found else None
        if form == SPREADSHEET_DAY:
            return day_of_number(text)
        return datetime.strptime(text, form).date()
    except ValueError:
        return None


def parse_bool(text: str, column: str, default: bool | None = None) -> bool | None:
    """A yes or no in the words real files use; ``default`` where empty. Raises CellError."""
    word = text.lower()
    if not word:
        return default
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise CellError(f"{column} is neither true nor false")


def parse_number(text: str, column: str, rules: Sequence[str] = ()) -> float | None:
    """A finite number with a decimal point, None where empty. Raises CellError.

    ``rules`` name what else is read as one, see ``cairn.spreadsheets.NUMBER_RULES``.
    """
    if not text:
        return None
    try:
        number: float | None = float(text.replace("_", "?"))  # Python alone reads 1_000
    except ValueError:
        number = next((found for rule in rules if (found := NUMBER_RULES[rule](text)) is not None), None)
    if number is None:
        meant = number_meant(text)
        raise CellError(f"{column} is not a number{f': it is {meant.what}' if meant else ''}")
    if not math.isfinite(number):
        raise CellError(f"{column} is not a finite number")
    return number


def first_of(text: str) -> str | None:
    """First entry of a comma-separated list, as OneRoster writes grades and subjects; None where empty."""
    head = text.split(",")[0].strip()
    return head or None
