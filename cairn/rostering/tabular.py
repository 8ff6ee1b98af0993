"""Reading delimited files as real systems write them: by column name, with BOMs, and every row with its line.

RFC 4180 with tolerance: UTF-8 with or without BOM, any newline, columns in any order, header compared without case.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from cairn.errors import CairnError
from cairn.spreadsheets import day_meant, number_meant

# A cell longer than this is a file gone wrong (an open quote), not data.
LONGEST_CELL = 1_000_000
TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0"})
ISO_DATE_FORMATS = ("%Y-%m-%d",)


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
    """One file: its rows, the header as written, and rows that could not be read."""

    name: str
    header: list[str]
    rows: list[Row]
    problems: list[Problem] = field(default_factory=list)

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
    text = _decode(name, content)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(LONGEST_CELL)
    lines = _numbered(name, reader)
    try:
        _, header = next(lines)
    except StopIteration:
        raise CairnError(f"{name}:1: the file is empty: expected a header row") from None
    header = [column.strip() for column in header]
    named = [column.lower() for column in header if column]
    repeated = sorted({column for column in named if named.count(column) > 1})
    if repeated:
        raise CairnError(f"{name}:1: column {', '.join(repeated)} is there more than once: keep one")
    spelling = {column.lower(): column for column in known}
    keys = [spelling.get(column.lower(), column) for column in header]
    table = Table(name=name, header=[column for column in header if column], rows=[])
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(keys):
            reason = f"{len(cells)} values for {len(keys)} columns: quote values that hold a comma"
            table.problems.append(Problem(name, line, reason))
            continue
        table.rows.append(Row(line, {key: cell.strip() for key, cell in zip(keys, cells, strict=False) if key}))
    return table


def read_table_file(path: Path, known: Sequence[str] = (), delimiter: str = ",") -> Table:
    """:func:`read_table` of a file on disk; a problem names the file without its folders."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    return read_table(path.name, content, known, delimiter)


def _decode(name: str, content: bytes) -> str:
    """Text in UTF-8, BOM removed; the line of the first byte that is not."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CairnError(f"{name}:{line}: not UTF-8: save the file as 'CSV UTF-8' and load it again") from error


class _CsvReader(Protocol):
    """What ``csv.reader`` returns; its own type has no public name."""

    line_num: int

    def __next__(self) -> list[str]:
        """The next row."""


def _numbered(name: str, reader: _CsvReader) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start on (a quoted value may span several)."""
    while True:
        line = reader.line_num + 1
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
    """A date, None where empty; a time after an ISO date is left aside. Raises CellError."""
    if not text:
        return None
    if formats is ISO_DATE_FORMATS:
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            meant = day_meant(text)
            raise CellError(
                f"{column} is not a date like 2026-08-17{f': it is {meant.what}' if meant else ''}"
            ) from None
    for form in formats:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    meant = day_meant(text)
    raise CellError(
        f"{column} is not a date in any of the layout's formats ({', '.join(formats)})"
        f"{f': it is {meant.what}' if meant else ''}"
    )


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


def parse_number(text: str, column: str) -> float | None:
    """A finite number with a decimal point, None where empty. Raises CellError."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        meant = number_meant(text)
        raise CellError(f"{column} is not a number{f': it is {meant.what}' if meant else ''}") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise CellError(f"{column} is not a finite number")
    return number


def first_of(text: str) -> str | None:
    """First entry of a comma-separated list, as OneRoster writes grades and subjects; None where empty."""
    head = text.split(",")[0].strip()
    return head or None
