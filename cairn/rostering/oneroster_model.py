"""What a OneRoster package becomes: sections of rows, people for the vault, problems; and how rows are taken in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cairn.rostering.tabular import CellError, Problem, Row, Table

ACTIVE, TO_BE_DELETED = "active", "tobedeleted"
# What a spreadsheet makes of a long number, or of one with an E in it: the id that it was is lost.
SHORTENED = re.compile(r"\d(\.\d+)?E\+\d+", re.IGNORECASE)
STATUS = {"": ACTIVE, "active": ACTIVE, "tobedeleted": TO_BE_DELETED, "inactive": TO_BE_DELETED}


@dataclass(frozen=True)
class RosterPerson:
    """What the vault keeps of a person; goes nowhere else. ``is_left_out``: a role Cairn does not load.

    ``identifiers``: (kind, value) of accounts in vendors' apps, beside those that rules make of the fields.
    """

    sourced_id: str
    given_name: str
    family_name: str
    preferred_given_name: str = ""
    preferred_family_name: str = ""
    username: str = ""
    email: str = ""
    identifier: str = ""
    is_left_out: bool = False
    line: int = 0
    identifiers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """Never a person's fields, so that no log or traceback shows them."""
        return f"RosterPerson(users.csv:{self.line})"


@dataclass
class Section:
    """One lake table's part of a package.

    ``rows`` are current; ``ended_ids`` are named as to be deleted; ``kept_ids`` stand in refused rows: what the lake
    knows of them stays as it is. ``is_bulk`` ends what is not named; where rows could not be read at all
    (``unreadable``) nobody knows whom they name, so that nothing ends by not being named. ``without_school``: people
    of a delta that names no school for them.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    ended_ids: list[str] = field(default_factory=list)
    kept_ids: list[str] = field(default_factory=list)
    is_bulk: bool = False
    is_present: bool = False
    unreadable: int = 0
    without_school: set[str] = field(default_factory=set)

    @property
    def ends_unnamed(self) -> bool:
        """Whether what the file does not name has ended."""
        return self.is_bulk and not self.unreadable


@dataclass
class Roster:
    """A package read. Sections of people are keyed by ``sourced_id`` until the vault has given keys.

    ``files``: CSV files read, manifest excluded; ``row_count``: data rows in them.
    """

    version: str
    sections: dict[str, Section] = field(default_factory=dict)
    people: list[RosterPerson] = field(default_factory=list)
    files: int = 0
    row_count: int = 0
    left_out: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown_columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Rows refused."""
        return sum(problem.is_rejected for problem in self.problems)


def read_rows(
    roster: Roster,
    table: Table,
    section: Section,
    convert: Callable[[Row], dict[str, Any]],
    id_column: str = "sourcedId",
) -> None:
    """Convert rows into the section: refused ones become problems, those to be deleted end.

    A row that stands there twice word for word is taken once; another one of the same id is refused. A refused row
    never ends what it names, nor, where it names nothing, anything at all.
    """
    seen: dict[str, Row] = {}
    section.unreadable += table.unreadable
    for row in table.rows:
        identity = row.get(id_column)
        is_lost = SHORTENED.fullmatch(identity) is not None
        try:
            if not identity:
                raise CellError(f"{id_column} is empty")
            if is_lost:
                raise CellError(f"{id_column} is a number that a spreadsheet has shortened: export the file again")
            first = seen.setdefault(identity, row)
            if first is not row:
                if first.cells == row.cells:
                    note = f"says the same as line {first.line}: taken once"
                    roster.problems.append(Problem(table.name, row.line, note, is_rejected=False))
                    continue
                raise CellError(f"{id_column} is there already in line {first.line}")
            if status_of(row) == TO_BE_DELETED:
                section.ended_ids.append(identity)
                continue
            section.rows.append(convert(row))
        except CellError as error:
            roster.problems.append(Problem(table.name, row.line, str(error)))
            if identity and not is_lost:
                section.kept_ids.append(identity)
            else:
                section.unreadable += 1


def status_of(row: Row) -> str:
    """active or tobedeleted; empty, as bulk files have it, is active."""
    status = STATUS.get(row.get("status").lower())
    if status is None:
        raise CellError("status is neither active nor tobedeleted")
    return status


def needed(row: Row, column: str) -> str:
    """A cell that must not be empty."""
    value = row.get(column)
    if not value:
        raise CellError(f"{column} is empty")
    return value
