"""One list of a feed as typed columns, and the same rows as CSV and as Parquet; all of it, or one class's part."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Row = dict[str, Any]
TEXT, COUNT, NUMBER, YES, DATE = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32()
# Minutes of the district's own clock: what a school's spreadsheet shows.
LOCAL = pa.timestamp("s")
CSV, PARQUET = "csv", "parquet"
PUPIL_KEY, CLASS_ID = "pupil_key", "class_id"
# What follows a cell in a line whose second and last cell is empty.
BESIDE = ",\r\n"
# A cell that begins like this is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """A column of a list: its title, its type, and its value in a row of a mart (None where there is none)."""

    title: str
    kind: pa.DataType
    of: Callable[[Row], Any]


Columns = tuple[Column, ...]


@dataclass(frozen=True)
class FeedFile:
    """One list: its name without ending, what it is, its rows. ``named``: pupils it names beside its ``pupil_key``."""

    name: str
    about: str
    table: pa.Table
    named: frozenset[str] = field(default_factory=frozenset)

    @property
    def pupils(self) -> frozenset[str]:
        """Keys of the pupils whom it names."""
        if PUPIL_KEY not in self.table.column_names:
            return self.named
        return self.named | frozenset(pc.unique(self.table[PUPIL_KEY]).to_pylist())

    def of_class(self, class_id: str) -> FeedFile | None:
        """The rows of one class; None for a list that is not by class."""
        if CLASS_ID not in self.table.column_names:
            return None
        places = pc.indices_nonzero(pc.equal(self.table[CLASS_ID], class_id))
        part = FeedFile(self.name, self.about, self.table.take(places))
        # The same lines: a row is put into words once, though two files hold it.
        part.__dict__["lines"] = [self.lines[place] for place in places.to_pylist()]
        return part

    @cached_property
    def lines(self) -> list[str]:
        """The rows as lines of CSV, RFC 4180."""
        return [f"{','.join(cells)}\r\n" for cells in zip(*map(_cells, self.table.columns), strict=True)]

    def content(self, ending: str) -> bytes:
        """The file as ``csv`` or ``parquet``."""
        if ending == PARQUET:
            return parquet_content(self.table)
        return "".join([*csv_lines([self.table.column_names]), *self.lines]).encode()


def of_rows(
    name: str, about: str, rows: Sequence[Row], columns: Columns, named: frozenset[str] = frozenset()
) -> FeedFile:
    """A list from rows of a mart."""
    arrays = [pa.array([column.of(row) for row in rows], column.kind) for column in columns]
    return FeedFile(name, about, pa.Table.from_arrays(arrays, [column.title for column in columns]), named)


def safe_cell(value: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return "'" + value if value.startswith(FORMULA_STARTS) else value


def csv_content(table: pa.Table) -> bytes:
    """UTF-8 with a header line, RFC 4180; yes and no, local minutes, empty where there is no value."""
    return FeedFile("", "", table).content(CSV)


def csv_lines(rows: Iterable[Iterable[str]]) -> list[str]:
    """Each row as one line."""
    lines: list[str] = []
    csv.writer(_Lines(lines.append), lineterminator="\r\n").writerows(rows)
    return lines


@dataclass(frozen=True)
class _Lines:
    """What csv writes to: it calls ``write`` once a row."""

    write: Callable[[str], object]


def _cells(column: pa.ChunkedArray) -> list[str]:
    """A column as cells of CSV, quoted where they must be. Values repeat: each is put into words once."""
    coded = column.combine_chunks().dictionary_encode()
    cells = quoted(_told(value) for value in coded.dictionary.to_pylist())
    empty = len(cells)
    cells.append("")
    return [cells[code] for code in coded.indices.fill_null(empty).to_pylist()]


def _told(value: Any) -> str:
    if isinstance(value, str):
        return safe_cell(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat(" ", "minutes") if isinstance(value, datetime) else str(value)


def quoted(cells: Iterable[str]) -> list[str]:
    """Each as it stands in a line of CSV with others."""
    return [line[: -len(BESIDE)] for line in csv_lines((cell, "") for cell in cells)]


def parquet_content(table: pa.Table) -> bytes:
    """Parquet with the columns' types, readable by version 1 readers."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def local_minutes(value: datetime | None, zone: Any) -> datetime | None:
    """An instant as the district's wall clock, to the minute."""
    if value is None:
        return None
    return value.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
