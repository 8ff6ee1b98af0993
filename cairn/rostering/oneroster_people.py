"""People of a OneRoster package: users with roles (1.2) or one role (1.1), and demographics as subgroups.

Only what Cairn needs is kept: birth dates, phones, passwords and places of birth are read past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from cairn.rostering.oneroster_columns import RACES
from cairn.rostering.oneroster_known import Known, ids_in
from cairn.rostering.oneroster_model import (
    STATUS,
    TO_BE_DELETED,
    Roster,
    RosterPerson,
    Section,
    needed,
    read_rows,
    status_of,
)
from cairn.rostering.oneroster_profiles import USER_PROFILES, Identifier, read_profiles
from cairn.rostering.tabular import CellError, Problem, Row, Table, first_of, parse_bool, parse_date

NO_ROLE = "no role: neither users.csv, roles.csv nor an enrolment gives one"
HISPANIC = "hispanic_or_latino"
TWO_OR_MORE = "two_or_more_races"
SUBGROUPS = ("is_english_learner", "is_special_education", "is_economically_disadvantaged")


def required_by_version(file: str, version: str) -> tuple[str, ...]:
    """Columns of users.csv that only 1.1 has; 1.2 moved them to roles.csv."""
    return ("role", "orgSourcedIds") if file == "users" and version.startswith("1.1") else ()


def read_people(
    roster: Roster, tables: Mapping[str, Table], modes: Mapping[str, str], identity: Mapping[str, Any], known: Known
) -> None:
    """users.csv (with roles.csv) into section ``silver.person``, keyed by sourced_id, and people for the vault.

    A person's school is the first that is a school, of the primary org, the orgs, the role's and the enrolments': who
    belongs to the district's office and sits in a school's class is that school's. A delta may leave out role and
    classes, since they did not change: such a row has no role, or is among the section's ``without_school``.
    """
    section = roster.sections.setdefault("silver.person", Section())
    table = tables.get("users")
    if table is None:
        return
    section.is_present, section.is_bulk = True, modes["users"] == "bulk"
    roles = _Roles(roster, section, tables.get("roles"), known)
    enrolled = _from_enrollments(tables.get("enrollments"), known)
    profiles = read_profiles(roster, tables.get(USER_PROFILES), identity)
    left_out_roles = {str(role).lower() for role in identity.get("roles_left_out") or ()}

    def convert(row: Row) -> dict[str, Any]:
        sourced_id = row.get("sourcedId")
        role, role_org = roles.of(sourced_id)
        enrolled_role, enrolled_schools = enrolled.get(sourced_id, ("", []))
        role = role or row.get("role").lower() or enrolled_role
        if not role and section.is_bulk:
            raise CellError(NO_ROLE)
        if not row.get("givenName") and not row.get("familyName"):
            raise CellError("givenName and familyName are both empty")
        is_left_out = role in left_out_roles
        orgs = ids_in(row.get("orgSourcedIds"))
        school = known.first_school([row.get("primaryOrgSourcedId"), *orgs, role_org, *enrolled_schools])
        converted = {
            "sourced_id": sourced_id,
            "line": row.line,
            "role": role or None,
            "school_id": school,
            "grade": first_of(row.get("grades") or row.get("grade")),
            "is_enabled": parse_bool(row.get("enabledUser"), "enabledUser", default=True),
            "status": "active",
            "is_left_out": is_left_out,
        }
        if not section.is_bulk and not known.is_school(school):
            section.without_school.add(sourced_id)
        roster.people.append(_person(row, is_left_out, profiles.get(sourced_id, ())))
        return converted

    read_rows(roster, table, section, convert)
    kept = [row for row in section.rows if not row.pop("is_left_out")]
    roster.left_out += len(section.rows) - len(kept)
    section.rows = kept


def _person(row: Row, is_left_out: bool, identifiers: Sequence[Identifier]) -> RosterPerson:
    return RosterPerson(
        identifiers=tuple(identifiers),
        sourced_id=row.get("sourcedId"),
        given_name=row.get("givenName"),
        family_name=row.get("familyName"),
        preferred_given_name=row.get("preferredGivenName"),
        preferred_family_name=row.get("preferredFamilyName"),
        username=row.get("username"),
        email=row.get("email"),
        identifier=row.get("identifier"),
        is_left_out=is_left_out,
        line=row.line,
    )


class _Roles:
    """Roles of roles.csv (1.2): the primary one counts, else the first, of those that hold on the day of the load.

    Where none holds that day (begun later, ended before) they count as if without dates. Whoever has a refused row
    is refused too: the role that cannot be read may be the one that counts.
    """

    def __init__(self, roster: Roster, section: Section, table: Table | None, known: Known) -> None:
        self._best: dict[str, tuple[tuple[bool, bool], str, str]] = {}
        self._refused: set[str] = set()
        for row in table.rows if table else ():
            user = row.get("userSourcedId")
            try:
                self._add(row, known.on_date)
            except CellError as error:
                roster.problems.append(Problem("roles.csv", row.line, str(error)))
                self._refused.add(user)
        if table and (table.unreadable or "" in self._refused):
            section.unreadable += table.unreadable + ("" in self._refused)

    def _add(self, row: Row, on_date: date | None) -> None:
        user, role = needed(row, "userSourcedId"), needed(row, "role").lower()
        if status_of(row) == TO_BE_DELETED:
            return
        first, end = parse_date(row.get("beginDate"), "beginDate"), parse_date(row.get("endDate"), "endDate")
        holds = on_date is None or ((first is None or first <= on_date) and (end is None or on_date < end))
        rank = (holds, row.get("roleType").lower() == "primary")
        if user not in self._best or rank > self._best[user][0]:
            self._best[user] = (rank, role, row.get("orgSourcedId"))

    def of(self, user: str) -> tuple[str, str]:
        """Role and organisation, empty where roles.csv gives none. Raises CellError for a user with a refused role."""
        if user in self._refused:
            raise CellError("a row of roles.csv for this user was refused")
        _, role, org = self._best.get(user, ((False, False), "", ""))
        return role, org


def _from_enrollments(table: Table | None, known: Known) -> dict[str, tuple[str, list[str]]]:
    """Role of each user's first active enrolment, for users that name none, and the schools of all their classes."""
    found: dict[str, tuple[str, list[str]]] = {}
    for row in table.rows if table else ():
        if STATUS.get(row.get("status").lower()) != TO_BE_DELETED:
            school = known.school_of_class(row.get("classSourcedId")) or row.get("schoolSourcedId")
            found.setdefault(row.get("userSourcedId"), (row.get("role").lower(), []))[1].append(school)
    return found


def read_demographics(
    roster: Roster, tables: Mapping[str, Table], modes: Mapping[str, str], identity: Mapping[str, Any]
) -> None:
    """demographics.csv into section ``silver.demographic``; the district's own columns may stand in users.csv."""
    columns = _subgroup_columns(identity)
    section = roster.sections.setdefault("silver.demographic", Section())
    of_users = _subgroups_of_users(roster, tables.get("users"), columns)
    known = {person.sourced_id for person in roster.people if not person.is_left_out}
    is_whole = modes.get("users") == "bulk"
    table = tables.get("demographics")
    if table is not None:
        id_column = "sourcedId" if table.has("sourcedId") else "userSourcedId"
        table.require((id_column,))
        section.is_present, section.is_bulk = True, modes["demographics"] == "bulk"

        def convert(row: Row) -> dict[str, Any]:
            sourced_id = needed(row, id_column)
            if is_whole and sourced_id not in known:
                raise CellError(f"{id_column} is not an active user of this package, or its row was refused")
            own = {name: _subgroup(row, columns[name]) for name in SUBGROUPS}
            theirs = of_users.pop(sourced_id, {})
            merged = {name: own[name] if own[name] is not None else theirs.get(name) for name in SUBGROUPS}
            return {
                "sourced_id": sourced_id,
                "line": row.line,
                "sex": row.get("sex").lower() or None,
                "race_ethnicity": _race(row),
                **merged,
            }

        read_rows(roster, table, section, convert, id_column)
    named = {row["sourced_id"] for row in section.rows} | set(section.kept_ids) | set(section.ended_ids)
    for sourced_id, subgroups in of_users.items():
        if sourced_id in known and sourced_id not in named:
            section.is_present = True
            section.rows.append({"sourced_id": sourced_id, "line": 0, "sex": None, "race_ethnicity": None, **subgroups})
    used = {column.lower() for names in columns.values() for column in names}
    for file in ("demographics.csv", "users.csv"):
        left = [column for column in roster.unknown_columns.pop(file, []) if column.lower() not in used]
        if left:
            roster.unknown_columns[file] = left


def _subgroup_columns(identity: Mapping[str, Any]) -> dict[str, list[str]]:
    configured = identity.get("demographics") or {}
    return {name: [str(column) for column in configured.get(name) or ()] for name in SUBGROUPS}


def _subgroups_of_users(
    roster: Roster, table: Table | None, columns: Mapping[str, list[str]]
) -> dict[str, dict[str, bool | None]]:
    """Subgroups that stand in users.csv, by sourced id; empty where users.csv has none of the columns."""
    if table is None or not any(table.has(column) for names in columns.values() for column in names):
        return {}
    found = {}
    for row in table.rows:
        try:
            values = {name: _subgroup(row, columns[name]) for name in SUBGROUPS}
        except CellError as error:
            roster.problems.append(Problem(table.name, row.line, f"{error}; the flag is left empty", is_rejected=False))
            continue
        if any(value is not None for value in values.values()):
            found[row.get("sourcedId")] = values
    return found


def _subgroup(row: Row, columns: list[str]) -> bool | None:
    for column in columns:
        if row.get(column):
            return parse_bool(row.get(column), column)
    return None


def _race(row: Row) -> str | None:
    """One reporting category; None where nothing is reported."""
    if parse_bool(row.get("hispanicOrLatinoEthnicity"), "hispanicOrLatinoEthnicity"):
        return HISPANIC
    reported = [category for column, category in RACES.items() if parse_bool(row.get(column), column)]
    several = parse_bool(row.get("demographicRaceTwoOrMoreRaces"), "demographicRaceTwoOrMoreRaces")
    if several or len(reported) > 1:
        return TWO_OR_MORE
    return reported[0] if reported else None
