"""Reads a table of rows for an estimator: numbers as numbers, ids as text, and what is missing counted and said.

Nothing is guessed. A number with thousands separators is read and said; a time, a date, a per cent or a decimal comma
is refused with its line and column, for one reading of it would be wrong by a factor.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError, UsageError
from pilots.known import nearest

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "."})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
# What spreadsheets write for something else than a number, and what to write in its place.
NOT_NUMBERS = (
    (re.compile(r"\d+:\d\d(:\d\d)?"), "a time as spreadsheets write it: write it as a number of minutes"),
    (re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"), "a date: write a number"),
    (re.compile(r"[+-]?[\d.,]+\s*%"), "a per cent: write it without the sign, all values in one unit"),
    (re.compile(r"[+-]?\d+,\d+"), "written with a comma: write 3.5 for a decimal, 1250 or 1,250 for a thousand"),
)
# Days since 1899-12-30, as spreadsheets store dates: mid 2009 to early 2064.
SERIAL_DATES = (40_000, 60_000)
SCORES_UP_TO = 4_000


@dataclass(frozen=True)
class Rows:
    """Rows without a missing value in the columns asked for, in the file's order; ``lines`` are their lines there.

    ``numbers`` and ``texts`` have one array a column. ``warnings`` say what was left out and read in another way.
    """

    path: Path
    lines: NDArray[np.int64]
    numbers: dict[str, Floats]
    texts: dict[str, Texts]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def at(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.path}, line {self.lines[row]}"

    def take(self, chosen: NDArray[np.int64] | Bools) -> Rows:
        """Some of the rows, with nothing said of the others."""
        return Rows(
            self.path,
            self.lines[chosen],
            {name: values[chosen] for name, values in self.numbers.items()},
            {name: values[chosen] for name, values in self.texts.items()},
            self.warnings,
        )


@dataclass(frozen=True)
class Table:
    """A CSV file as text: column by column, with the line on which each row ends."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def complete(self, numeric: Iterable[str], text: Iterable[str] = ()) -> Rows:
        """Rows with all of these columns filled. Raises CairnError with line and column where a value is no number."""
        numeric, text = list(dict.fromkeys(numeric)), list(dict.fromkeys(text))
        self.need([*numeric, *text])
        warnings: list[str] = []
        numbers = {name: self._numbers(name, warnings) for name in numeric}
        texts = {name: np.array([value.strip() for value in self.columns[name]], dtype=str) for name in text}
        missing = {name: np.isnan(values) for name, values in numbers.items()} | {
            name: np.isin(np.char.lower(values), list(MISSING)) for name, values in texts.items()
        }
        kept = ~np.logical_or.reduce(list(missing.values()))
        if not kept.all():
            by_column = ", ".join(f"{name} {gone.sum()}" for name, gone in missing.items() if gone.any())
            warnings.append(f"{(~kept).sum()} of {len(kept)} rows were left out for a missing value ({by_column})")
        for name, values in texts.items():
            warnings.extend(_zeros_that_count(name, values[kept]))
        return Rows(
            self.path,
            np.asarray(self.lines, dtype=np.int64)[kept],
            {name: values[kept] for name, values in numbers.items()},
            {name: values[kept] for name, values in texts.items()},
            tuple(warnings),
        )

    def where(self, column: str, value: str) -> Table:
        """The rows in which a column has this text."""
        self.need([column])
        rows = [row for row, one in enumerate(self.columns[column]) if one.strip() == value]
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return Table(self.path, columns, [self.lines[row] for row in rows])

    def need(self, names: Sequence[str]) -> None:
        """Raise UsageError for a column that is not there, with the nearest that is."""
        for name in names:
            if name not in self.columns:
                hint = nearest(name, self.columns, f"columns are {', '.join(self.columns)}")
                raise UsageError(f"{self.path}: no column {name!r}; {hint}")

    def names(self, given: Sequence[str]) -> tuple[str, ...]:
        """Columns of an option that may be given several times, or once with commas between the names."""
        found: list[str] = []
        for one in given:
            found += [one] if one in self.columns else [part.strip() for part in one.split(",") if part.strip()]
        if given and not found:
            raise UsageError(f"an option names no column; columns are {', '.join(self.columns)}")
        if twice := sorted({name for name in found if found.count(name) > 1}):
            raise UsageError(f"column {twice[0]!r} is named twice in one option")
        self.need(found)
        return tuple(found)

    def _numbers(self, name: str, warnings: list[str]) -> Floats:
        values = np.full(len(self.lines), np.nan)
        separated: list[int] = []
        for row, raw in enumerate(self.columns[name]):
            value = raw.strip()
            if NUMBER.fullmatch(value):
                values[row] = float(value)
            elif value.lower() in MISSING:
                continue
            elif THOUSANDS.fullmatch(value):
                values[row] = float(value.replace(",", ""))
                separated.append(self.lines[row])
            else:
                raise CairnError(f"{self.path}, line {self.lines[row]}, column {name}: {_why_not(value)}")
        if separated:
            warnings.append(
                f"{name}: {len(separated)} numbers with a comma between thousands were read as 1,250 = 1250 "
                f"(first on line {separated[0]})"
            )
        self._no_dates_among(name, values)
        return values

    def _no_dates_among(self, name: str, values: Floats) -> None:
        """Refuse a few whole numbers of the size of stored dates among values that are all at least ten times less."""
        known = values[~np.isnan(values)]
        as_date = (known >= SERIAL_DATES[0]) & (known <= SERIAL_DATES[1]) & (known == np.round(known))
        if not as_date.any() or as_date.all() or np.abs(known[~as_date]).max() >= SCORES_UP_TO:
            return
        row = int(np.flatnonzero(np.isin(values, known[as_date]))[0])
        day = np.datetime64("1899-12-30") + int(values[row])
        raise CairnError(
            f"{self.path}, line {self.lines[row]}, column {name}: {values[row]:.0f} stands far from all others and is "
            f"how spreadsheets store the date {day}; write the number that was meant"
        )


def table_of(columns: Mapping[str, Sequence[object]], name: str = "rows in memory") -> Table:
    """The same from columns in memory, for callers that have no file; None is a missing value, rows count from 2.

    Raises CairnError where columns differ in length.
    """
    texts = {column: ["" if value is None else str(value) for value in values] for column, values in columns.items()}
    lengths = {len(values) for values in texts.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise CairnError(f"{name}: columns must be of one length, and not empty")
    return Table(Path(name), texts, list(range(2, lengths.pop() + 2)))


def read_table(path: Path) -> Table:
    """Read a CSV file (also .gz) with a header line. Raises CairnError with file and line where it is not one."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}); give a CSV file") from error
    except UnicodeDecodeError as error:
        raise CairnError(f"{path}: is not UTF-8 at byte {error.start}; save it as 'CSV UTF-8'") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise CairnError(f"{path}, line 1: no header; the first line names the columns")
    if len(header) == 1 and ";" in header[0]:
        raise CairnError(f"{path}, line 1: columns are separated by semicolons; save it with commas")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise CairnError(f"{path}, line 1: column {twice[0]!r} is there twice; give each column its own name")
    columns: list[list[str]] = [[] for _ in header]
    lines: list[int] = []
    for row in reader:
        if not any(row):
            continue
        if len(row) != len(header):
            raise CairnError(f"{path}, line {reader.line_num}: {len(row)} values for {len(header)} columns")
        lines.append(reader.line_num)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    if not lines:
        raise CairnError(f"{path}: no rows after the header")
    return Table(path, dict(zip(header, columns, strict=True)), lines)


def _why_not(value: str) -> str:
    for form, what in NOT_NUMBERS:
        if form.fullmatch(value):
            return f"{value!r} is {what}"
    return f"{value!r} is not a number; write a number, or leave it empty where it is missing"


def _zeros_that_count(name: str, values: Texts) -> list[str]:
    """Ids are text, so 007 is not 7: said where a column holds both."""
    different = set(np.unique(values).tolist())
    both = sorted(value for value in different if value != value.lstrip("0") and value.lstrip("0") in different)
    if not both:
        return []
    return [f"{name} is read as text: {both[0]!r} and {both[0].lstrip('0')!r} are two different ids"]
