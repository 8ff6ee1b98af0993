"""One list of a feed as typed columns, and the same rows as CSV and as Parquet; all of it, or one class's part.

A school has some twenty thousand rows and fifty classes: rows are put into words by the column, each different value
once, and a class's files are cut out of the school's.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feeds.classes import ByClass

Row = dict[str, Any]
Values: TypeAlias = pa.Array | pa.ChunkedArray
TEXT, COUNT, NUMBER, YES, DATE = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32()
# Minutes of the district's own clock: what a school's spreadsheet shows.
LOCAL = pa.timestamp("s")
CSV, PARQUET = "csv", "parquet"
PUPIL_KEY, CLASS_ID = "pupil_key", "class_id"
# What follows a cell in a line whose second and last cell is empty.
BESIDE = ",\r\n"
LINE_END = "\r\n"
# A cell that begins like this is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """A column of a list: its title, its type, and its values in rows of a mart (null where there is none)."""

    title: str
    kind: pa.DataType
    of: Callable[[pa.Table], Values]


Columns = tuple[Column, ...]


@dataclass(frozen=True)
class FeedFile:
    """One list: its name without ending, what it is, its rows. ``named``: pupils it names beside its ``pupil_key``."""

    name: str
    about: str
    table: pa.Table
    named: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def pupils(self) -> frozenset[str]:
        """Keys of the pupils whom it names."""
        if not self.table.num_rows or PUPIL_KEY not in self.table.column_names:
            return self.named
        return self.named | frozenset(pc.unique(self.table[PUPIL_KEY]).to_pylist())

    def by_class(self, class_ids: Iterable[str]) -> dict[str, FeedFile]:
        """Each class's rows as a file, one without rows too; empty for a list that is not by class."""
        if CLASS_ID not in self.table.column_names:
            return {}
        places = ByClass.of(self.table[CLASS_ID])
        table, texts = places.sorted(self.table), places.joined(self.lines)
        parts = {}
        for class_id in class_ids:
            part = FeedFile(self.name, self.about, table.slice(*places.of_class(class_id)))
            # The same lines: a row is put into words once, though two files hold it.
            part.__dict__["text"] = texts.get(class_id, b"")
            parts[class_id] = part
        return parts

    @cached_property
    def lines(self) -> pa.Array:
        """The rows as lines of CSV, RFC 4180."""
        return joined_lines([_cells(column) for column in self.table.columns])

    @cached_property
    def text(self) -> bytes:
        """The rows as CSV without a header."""
        return "".join(self.lines.to_pylist()).encode()

    def content(self, ending: str) -> bytes:
        """The file as ``csv`` or ``parquet``."""
        if ending == CSV:
            return "".join(csv_lines([self.table.column_names])).encode() + self.text
        # Most classes have nothing in some lists: the same empty file.
        return parquet_content(self.table) if self.table.num_rows else _empty_parquet(self.table.schema)


def of_rows(
    name: str, about: str, rows: Sequence[Row], columns: Columns, named: frozenset[str] = frozenset()
) -> FeedFile:
    """A list from rows of a mart."""
    return of_table(name, about, pa.Table.from_pylist(list(rows)), columns, named)


def of_table(name: str, about: str, rows: pa.Table, columns: Columns, named: frozenset[str] = frozenset()) -> FeedFile:
    """A list from many rows of a mart."""
    # Without rows nothing says which columns the mart has: a release of before may not have it.
    arrays = [_typed(one.of(rows), one.kind) if rows.num_rows else pa.array([], one.kind) for one in columns]
    return FeedFile(name, about, pa.Table.from_arrays(arrays, [column.title for column in columns]), named)


def _typed(values: Values, kind: pa.DataType) -> pa.Array:
    found = values.cast(kind)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def mapped(values: Values, say: Callable[[Any], Any], kind: pa.DataType = TEXT) -> pa.Array:
    """What ``say`` makes of each value, of null too. Values repeat: it is asked once for each different one."""
    coded = pc.dictionary_encode(values, null_encoding="encode")
    whole = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return pa.array([say(value) for value in whole.dictionary.to_pylist()], kind).take(whole.indices)


def percents(shares: Values) -> Values:
    """Shares as whole percent, halves to the even one as Python's ``round`` has it."""
    hundredfold = pc.multiply(shares.cast(NUMBER), 100.0)
    return pc.round(hundredfold, round_mode="half_to_even").cast(COUNT)


def local_times(instants: Values, zone: ZoneInfo) -> Values:
    """Instants as the district's wall clock, a timestamp without a zone."""
    return pc.local_timestamp(instants.cast(pa.timestamp("us", zone.key)))


def local_minutes(instants: Values, zone: ZoneInfo) -> Values:
    """Instants as the district's wall clock, to the minute."""
    return pc.floor_temporal(local_times(instants, zone), unit="minute").cast(LOCAL)


def joined(*columns: Values) -> Values:
    """Columns that name something together as one text; an identifier holds no unit separator (U+001F)."""
    return pc.binary_join_element_wise(*columns, "\x1f")


def joined_lines(cells: Sequence[Values]) -> pa.Array:
    """Lines of CSV from columns of cells that are quoted already; a null is empty."""
    how = {"null_handling": "replace", "null_replacement": ""}
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*cells, ",", **how), "", LINE_END)
    return lines.combine_chunks() if isinstance(lines, pa.ChunkedArray) else lines


def safe_cell(value: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return "'" + value if value.startswith(FORMULA_STARTS) else value


def csv_content(table: pa.Table) -> bytes:
    """UTF-8 with a header line, RFC 4180; yes and no, local minutes, empty where there is no value."""
    return FeedFile("", "", table).content(CSV)


def csv_lines(rows: Iterable[Iterable[str]]) -> list[str]:
    """Each row as one line."""
    lines: list[str] = []
    csv.writer(_Lines(lines.append), lineterminator=LINE_END).writerows(rows)
    return lines


@dataclass(frozen=True)
class _Lines:
    """What csv writes to: it calls ``write`` once a row."""

    write: Callable[[str], object]


def _cells(column: pa.ChunkedArray) -> Values:
    """A column as cells of CSV, quoted where they must be, null where there is no value."""
    if column.type == TEXT:
        coded = column.combine_chunks().dictionary_encode()
        return pa.array(quoted(map(safe_cell, coded.dictionary.to_pylist())), TEXT).take(coded.indices)
    if column.type == YES:
        return pc.if_else(column, "yes", "no")
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(LOCAL), format="%Y-%m-%d %H:%M")
    if column.type == NUMBER:
        return mapped(column, lambda value: None if value is None else str(value))
    return column.cast(TEXT)


def quoted(cells: Iterable[str]) -> list[str]:
    """Each as it stands in a line of CSV with others."""
    return [line[: -len(BESIDE)] for line in csv_lines((cell, "") for cell in cells)]


@functools.cache
def _empty_parquet(schema: pa.Schema) -> bytes:
    return parquet_content(schema.empty_table())


def parquet_content(table: pa.Table) -> bytes:
    """Parquet with the columns' types, readable by version 1 readers."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
