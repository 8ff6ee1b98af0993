"""OneRoster 1.1 and 1.2 CSV packages into rows of the lake's tables and people for the vault.

Standard: 1EdTech OneRoster 1.1 and 1.2, CSV tables. Rows come out as dicts in the contracts' columns without the
recorded times; persons' own fields are only in :attr:`Roster.people`. Every row read is loaded, ended, left out or
rejected with file, line and reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from cairn.rostering import oneroster_people as people_rules
from cairn.rostering.oneroster_columns import KNOWN, REQUIRED
from cairn.rostering.oneroster_model import ACTIVE, Roster, Section, needed, read_rows
from cairn.rostering.package import Package, open_package
from cairn.rostering.tabular import CellError, Problem, Row, Table, first_of, parse_date, read_table


def read_roster(path: Path, identity: Mapping[str, Any]) -> Roster:
    """Read a package; ``identity`` is the district's identity.yaml (demographic columns, roles left out).

    Raises CairnError for a package that cannot be taken at all: a needed column missing, a bomb, no CSV.
    """
    package = open_package(path)
    roster = Roster(version=package.version, problems=list(package.problems))
    tables = _read_tables(package, roster)
    reader = _Reader(roster, package.modes)
    reader.plain(tables, "orgs", "silver.org", _org)
    reader.plain(tables, "academicSessions", "silver.academic_session", _session)
    reader.plain(tables, "courses", "silver.course", _course)
    reader.plain(tables, "classes", "silver.class_section", _class)
    people_rules.read_people(roster, tables, package.modes, identity)
    reader.enrollments(tables)
    people_rules.read_demographics(roster, tables, package.modes, identity)
    return roster


def _read_tables(package: Package, roster: Roster) -> dict[str, Table]:
    """Every file this loader knows, columns checked before anything is taken; others are only named."""
    spelling = {name.lower(): name for name in KNOWN}
    tables = {}
    for name, content in sorted(package.files.items()):
        known_as = spelling.get(name.lower())
        if known_as is None:
            reason = "not used by Cairn: left aside"
            roster.problems.append(Problem(f"{name}.csv", 1, reason, is_rejected=False))
            continue
        columns = KNOWN[known_as]
        table = read_table(f"{known_as}.csv", content, columns)
        table.require(REQUIRED[known_as] + people_rules.required_by_version(known_as, package.version))
        package.modes[known_as] = package.modes[name]
        tables[known_as] = table
        roster.files += 1
        roster.row_count += len(table.rows) + len(table.problems)
        roster.problems += table.problems
        unknown = table.unknown(columns)
        if unknown:
            roster.unknown_columns[table.name] = unknown
    return tables


class _Reader:
    """Turns tables into sections, row by row, and remembers which ids are usable."""

    def __init__(self, roster: Roster, modes: Mapping[str, str]) -> None:
        self.roster = roster
        self.modes = modes

    def plain(
        self, tables: Mapping[str, Table], file: str, table_name: str, convert: Callable[[Row], dict[str, Any]]
    ) -> None:
        """A file whose rows stand alone; the first key of ``convert``'s result is the id."""
        section = self.roster.sections.setdefault(table_name, Section())
        table = tables.get(file)
        if table is None:
            return
        section.is_present, section.is_bulk = True, self.modes[file] == "bulk"
        read_rows(self.roster, table, section, convert)

    def enrollments(self, tables: Mapping[str, Table]) -> None:
        """Enrolments, which must name a class and a person that are there."""
        classes = self._named("silver.class_section", "class_id")
        people = self._named("silver.person", "sourced_id")
        section = self.roster.sections["silver.class_section"]
        schools = {row["class_id"]: row["school_id"] for row in section.rows}
        left_out = {person.sourced_id for person in self.roster.people if person.is_left_out}

        def convert(row: Row) -> dict[str, Any]:
            enrollment = _enrollment(row, schools)
            if classes is not None and enrollment["class_id"] not in classes:
                raise CellError("classSourcedId is not an active class of this package, or its row was refused")
            if people is not None and enrollment["sourced_id"] not in people:
                raise CellError("userSourcedId is not an active user of this package, or its row was refused")
            return enrollment

        if left_out and "enrollments" in tables:
            table = tables["enrollments"]
            kept = [row for row in table.rows if row.get("userSourcedId") not in left_out]
            self.roster.left_out += len(table.rows) - len(kept)
            table.rows = kept
        self.plain(tables, "enrollments", "silver.enrollment", convert)

    def _named(self, table_name: str, column: str) -> set[str] | None:
        """Ids of the section, or None where the package does not hold all of them (delta, or no such file)."""
        section = self.roster.sections[table_name]
        if not (section.is_present and section.is_bulk):
            return None
        return {row[column] for row in section.rows}


def _org(row: Row) -> dict[str, Any]:
    return {
        "org_id": needed(row, "sourcedId"),
        "name": needed(row, "name"),
        "org_type": needed(row, "type"),
        "identifier": row.get("identifier") or None,
        "parent_org_id": row.get("parentSourcedId") or None,
        "status": ACTIVE,
    }


def _session(row: Row) -> dict[str, Any]:
    first, last = _needed_date(row, "startDate"), _needed_date(row, "endDate")
    if last < first:
        raise CellError("endDate lies before startDate")
    return {
        "session_id": needed(row, "sourcedId"),
        "title": needed(row, "title"),
        "session_type": needed(row, "type"),
        "valid_from_date": first,
        "valid_to_date": last,
        "parent_session_id": row.get("parentSourcedId") or None,
        "school_year": row.get("schoolYear") or None,
        "status": ACTIVE,
    }


def _needed_date(row: Row, column: str) -> date:
    day = parse_date(needed(row, column), column)
    assert day is not None  # an empty cell was refused above
    return day


def _course(row: Row) -> dict[str, Any]:
    return {
        "course_id": needed(row, "sourcedId"),
        "title": needed(row, "title"),
        "course_code": row.get("courseCode") or None,
        "org_id": row.get("orgSourcedId") or None,
        "subject": first_of(row.get("subjects")),
        "grade": first_of(row.get("grades") or row.get("grade")),
        "status": ACTIVE,
    }


def _class(row: Row) -> dict[str, Any]:
    return {
        "class_id": needed(row, "sourcedId"),
        "title": needed(row, "title"),
        "course_id": row.get("courseSourcedId") or None,
        "school_id": needed(row, "schoolSourcedId"),
        "session_id": first_of(row.get("termSourcedIds") or row.get("termSourcedId")),
        "grade": first_of(row.get("grades") or row.get("grade")),
        "subject": first_of(row.get("subjects")),
        "status": ACTIVE,
    }


def _enrollment(row: Row, schools: Mapping[str, str]) -> dict[str, Any]:
    """An enrolment; its school is its own, else its class's."""
    first, last = parse_date(row.get("beginDate"), "beginDate"), parse_date(row.get("endDate"), "endDate")
    if first and last and last < first:
        raise CellError("endDate lies before beginDate")
    class_id = needed(row, "classSourcedId")
    school = row.get("schoolSourcedId") or schools.get(class_id)
    if not school:
        raise CellError("schoolSourcedId is empty, and the class names no school")
    return {
        "enrollment_id": needed(row, "sourcedId"),
        "sourced_id": needed(row, "userSourcedId"),
        "line": row.line,
        "class_id": class_id,
        "school_id": school,
        "role": needed(row, "role").lower(),
        "valid_from_date": first,
        "valid_to_date": last,
        "status": ACTIVE,
    }
