"""What separates the columns of a file: what its layout says, unless its own first lines say otherwise.

Spreadsheets of many countries write semicolons, some write tabs, and put ``sep=;`` above the header for each other. A
header tells by itself: read by the right separator it names columns that are asked for, read by another none.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAID_ABOVE = re.compile(r'"?sep=(.)"?[,;\t|]*(\r\n|\n|\r)', re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*")


@dataclass(frozen=True)
class Separated:
    """The text to read, after ``lines_before`` lines that are read past; ``note`` for a person, or empty."""

    text: str
    delimiter: str
    lines_before: int = 0
    note: str = ""


def separated(text: str, delimiter: str, known: Sequence[str]) -> Separated:
    """How to read a text whose columns should be separated by ``delimiter``; ``known``: columns that are asked for."""
    if above := _SAID_ABOVE.match(text):
        said = above[1]
        note = "" if said == delimiter else _note(said, delimiter)
        return Separated(text[above.end() :], said, 1, note)
    header = next((line[0] for line in _LINE.finditer(text) if line[0].strip(f" \t{delimiter}")), "")
    wanted = {column.lower() for column in known}
    if _names(header, delimiter) & wanted:
        return Separated(text, delimiter)
    others = [one for one in WORDS if one != delimiter and _names(header, one) & wanted]
    if len(others) == 1:
        return Separated(text, others[0], note=_note(others[0], delimiter))
    return Separated(text, delimiter)


def _names(header: str, delimiter: str) -> set[str]:
    """Columns that a header names if it is read so; none where the separator is not in it."""
    if delimiter not in header:
        return set()
    return {cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter), [])}


def _note(found: str, delimiter: str) -> str:
    return f"columns are separated by {WORDS.get(found, found)}, not by {WORDS.get(delimiter, delimiter)}: read so"
