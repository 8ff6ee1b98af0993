"""OneRoster 1.1 and 1.2 CSV packages into rows of the lake's tables and people for the vault.

Standard: 1EdTech OneRoster 1.1 and 1.2, CSV tables. Rows come out as dicts in the contracts' columns without the
recorded times; persons' own fields are only in :attr:`Roster.people`. Every row read is loaded, ended, left out or
rejected with file, line and reason.

Of dates the standard says: the first day is in, the last is not (``endDate`` is exclusive, of academic sessions,
enrolments and roles alike). Rows here hold the last day that is in. An enrolment that ends on the day it begins is
of somebody who never came: it is kept, and true on no day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.rostering import oneroster_people as people_rules
from cairn.rostering.oneroster_columns import KNOWN, REQUIRED
from cairn.rostering.oneroster_gradebook import read_gradebook
from cairn.rostering.oneroster_known import Known, ids_in, listed
from cairn.rostering.oneroster_model import ACTIVE, Roster, Section, needed, read_rows
from cairn.rostering.package import Package, open_package
from cairn.rostering.tabular import CellError, Problem, Row, Table, first_of, parse_date, read_table


def read_roster(path: Path, identity: Mapping[str, Any], known: Known | None = None) -> Roster:
    """Read a package; ``identity`` is the district's identity.yaml (demographic columns, roles left out).

    ``known``: what was loaded before, for what the package names and does not hold. Raises CairnError for a package
    that cannot be taken at all: a needed column missing, a bomb, no file of OneRoster's.
    """
    package = open_package(path)
    roster = Roster(version=package.version, problems=list(package.problems))
    tables = _read_tables(package, roster)
    reader = _Reader(roster, package.modes, known or Known())
    reader.plain(tables, "orgs", "silver.org", _org)
    reader.plain(tables, "academicSessions", "silver.academic_session", _session)
    reader.plain(tables, "courses", "silver.course", _course)
    reader.plain(tables, "classes", "silver.class_section", _class)
    reader.learn()
    people_rules.read_people(roster, tables, package.modes, identity, reader.known)
    reader.enrollments(tables)
    people_rules.read_demographics(roster, tables, package.modes, identity)
    read_gradebook(roster, tables, reader.known)
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
        table.require(REQUIRED.get(known_as, ()) + people_rules.required_by_version(known_as, package.version))
        package.modes[known_as] = package.modes[name]
        tables[known_as] = table
        roster.files += 1
        roster.row_count += table.row_count
        roster.problems += table.problems
        unknown = table.unknown(columns)
        if unknown:
            roster.unknown_columns[table.name] = unknown
    if not tables:
        found = ", ".join(sorted(package.files)) or "none that the manifest does not call absent"
        raise CairnError(f"{package.path}: no file of OneRoster's in the package (there is {found}): nothing was read")
    return tables


class _Reader:
    """Turns tables into sections, row by row, and remembers which ids are usable."""

    def __init__(self, roster: Roster, modes: Mapping[str, str], known: Known) -> None:
        self.roster = roster
        self.modes = modes
        self.before = known
        self.known = known

    def learn(self) -> None:
        """Take in the package's own schools, terms and classes, which what follows leans on."""
        sections = self.roster.sections
        self.known = (
            self.before.with_orgs(sections["silver.org"].rows)
            .with_sessions(sections["silver.academic_session"].rows)
            .with_classes(sections["silver.class_section"].rows)
        )

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
        classes = self._named("silver.class_section", "class_id", self.before.classes)
        people = self._named("silver.person", "sourced_id", None)
        left_out = {person.sourced_id for person in self.roster.people if person.is_left_out}

        def convert(row: Row) -> dict[str, Any]:
            enrollment = self._enrollment(row)
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

    def _named(self, table_name: str, column: str, before: Collection[str] | None) -> set[str] | None:
        """Ids that may be named; None where the package does not hold all of them (delta, unreadable rows, no file).

        What stands in a refused row stays as it was: it may be named where it is known from ``before`` (None: whoever
        loads looks that up).
        """
        section = self.roster.sections[table_name]
        if not (section.is_present and section.ends_unnamed):
            return None
        kept = section.kept_ids if before is None else (one for one in section.kept_ids if one in before)
        return {row[column] for row in section.rows}.union(kept)

    def _enrollment(self, row: Row) -> dict[str, Any]:
        """An enrolment: in the school of its class, on the days of its own, else those of the class's terms."""
        class_id = needed(row, "classSourcedId")
        own, of_class = row.get("schoolSourcedId"), self.known.school_of_class(class_id)
        if not (own or of_class):
            raise CellError("schoolSourcedId is empty, and the class names no school")
        first, last = parse_date(row.get("beginDate"), "beginDate"), _last_day(row)
        if first and last and last < first - timedelta(days=1):
            raise CellError("endDate lies before beginDate")
        if own and of_class and own != of_class:
            reason = "schoolSourcedId is not the school of its class: the class's school counts"
            self.roster.problems.append(Problem("enrollments.csv", row.line, reason, is_rejected=False))
        days = self.known.days_of_class(class_id)
        if days:
            # Dates that lie beyond the class's terms are believed: the other end is then left open.
            first = first or (days[0] if last is None or days[0] <= last else None)
            last = last or (days[1] if first is None or first <= days[1] else None)
        return {
            "enrollment_id": needed(row, "sourcedId"),
            "sourced_id": needed(row, "userSourcedId"),
            "line": row.line,
            "class_id": class_id,
            "school_id": of_class or own,
            "role": needed(row, "role").lower(),
            "valid_from_date": first,
            "valid_to_date": last,
            "status": ACTIVE,
        }


def _org(row: Row) -> dict[str, Any]:
    return {
        "org_id": needed(row, "sourcedId"),
        "name": needed(row, "name"),
        "org_type": needed(row, "type").lower(),
        "identifier": row.get("identifier") or None,
        "parent_org_id": row.get("parentSourcedId") or None,
        "status": ACTIVE,
    }


def _session(row: Row) -> dict[str, Any]:
    needed(row, "endDate")
    first, last = _needed_date(row, "startDate"), _last_day(row)
    if last is None or last < first:
        raise CellError("endDate does not lie after startDate: it is the first day that is no longer in the session")
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


def _last_day(row: Row) -> date | None:
    """The last day that is in, the one before ``endDate``; None where that is empty."""
    end = parse_date(row.get("endDate"), "endDate")
    return end - timedelta(days=1) if end else None


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
    terms = ids_in(row.get("termSourcedIds") or row.get("termSourcedId"))
    return {
        "class_id": needed(row, "sourcedId"),
        "title": needed(row, "title"),
        "course_id": row.get("courseSourcedId") or None,
        "school_id": needed(row, "schoolSourcedId"),
        "session_id": terms[0] if terms else None,
        "session_ids": listed(terms),
        "grade": first_of(row.get("grades") or row.get("grade")),
        "subject": first_of(row.get("subjects")),
        "status": ACTIVE,
    }
