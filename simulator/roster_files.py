"""Writes what district systems export: OneRoster 1.2 as a folder of CSV files, a CASE package, the item alignment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from simulator import framework
from simulator.dates import Dates
from simulator.world import NEVER, World

DISTRICT = "dst-001"
YEAR, FALL, SPRING = "ses-2027", "ses-2027-s1", "ses-2027-s2"
SUBJECT_TITLES = {"math": "Mathematics", "reading": "Reading"}
# What the district has to offer for each competency, in the order to try it; every other one has a video.
RESOURCES = "https://content.cedar.example/resources"
RESOURCE_KINDS = (("lesson", "short lesson", 20), ("practice", "ten questions", 15), ("video", "worked example", 6))
HEAD = ("sourcedId", "status", "dateLastModified")
FILES = [
    "academicSessions",
    "orgs",
    "courses",
    "classes",
    "users",
    "roles",
    "enrollments",
    "demographics",
    "categories",
    "classResources",
    "courseResources",
    "lineItemLearningObjectiveIds",
    "lineItems",
    "lineItemScoreScales",
    "resources",
    "resultLearningObjectiveIds",
    "results",
    "resultScoreScales",
    "scoreScales",
    "userProfiles",
    "userResources",
]
USER_COLUMNS = [
    "enabledUser",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "agentSourcedIds",
    "grades",
    "password",
    "userMasterIdentifier",
    "preferredGivenName",
    "preferredMiddleName",
    "preferredFamilyName",
    "primaryOrgSourcedId",
    "pronouns",
]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file (RFC 4180 quoting, line feeds, UTF-8)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue().encode())


def _base(identifier: str) -> list[str]:
    return [identifier, "", ""]


def write_roster(world: World, folder: Path, seed: int) -> None:
    """The bulk OneRoster package: every file of the manifest is there, what is absent is said to be absent.

    As in the standard, ``endDate`` is the first day that is no longer in the session or enrolment.
    """
    present = ("academicSessions", "orgs", "courses", "classes", "users", "roles", "enrollments", "demographics")
    manifest = [("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    manifest += [(f"file.{name}", "bulk" if name in present else "absent") for name in FILES]
    manifest += [("source.systemName", "Cedar Student Information System"), ("source.systemCode", "cedar-sis")]
    write_csv(folder / "manifest.csv", ("propertyName", "value"), manifest)
    _write_sessions(world.dates, folder)
    _write_orgs(world, folder)
    _write_classes(world, folder)
    _write_users(world, folder)
    _write_enrollments(world, folder)
    _write_demographics(world, folder, seed)


def _write_sessions(dates: Dates, folder: Path) -> None:
    start, half, end = dates.year_start, dates.year_half + timedelta(days=1), dates.year_end + timedelta(days=1)
    title = f"School year {start.year}-{end.year % 100:02d}"
    rows = [
        [*_base(YEAR), title, "schoolYear", start, end, "", end.year],
        [*_base(FALL), "Fall semester", "semester", start, half, YEAR, end.year],
        [*_base(SPRING), "Spring semester", "semester", half, end, YEAR, end.year],
    ]
    header = (*HEAD, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear")
    write_csv(folder / "academicSessions.csv", header, rows)


def _write_orgs(world: World, folder: Path) -> None:
    rows: list[list[Any]] = [[*_base(DISTRICT), "Cedar Unified School District", "district", "0100", ""]]
    for index, (identifier, name) in enumerate(zip(world.school_ids, world.school_names, strict=True)):
        rows.append([*_base(identifier), name, "school", f"01{index + 1:03d}", DISTRICT])
    write_csv(folder / "orgs.csv", (*HEAD, "name", "type", "identifier", "parentSourcedId"), rows)


def _course(subject: int, grade: int) -> str:
    return f"crs-{framework.SUBJECTS[subject]}-{grade:02d}"


def _write_classes(world: World, folder: Path) -> None:
    courses = [
        [
            *_base(_course(s, g)),
            YEAR,
            f"{SUBJECT_TITLES[name]} grade {g}",
            f"{name[0].upper()}{g:02d}",
            f"{g:02d}",
            DISTRICT,
            name,
            "",
        ]
        for s, name in enumerate(framework.SUBJECTS)
        for g in range(3, 9)
    ]
    header = ("schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId", "subjects", "subjectCodes")
    write_csv(folder / "courses.csv", (*HEAD, *header), courses)
    classes, rows = world.classes, []
    for i, identifier in enumerate(classes.id):
        subject, grade, section = int(classes.subject[i]), int(classes.grade[i]), "ABCDEFGHIJ"[classes.section[i] % 10]
        name = framework.SUBJECTS[subject]
        rows.append(
            [
                *_base(identifier),
                f"{SUBJECT_TITLES[name]} {grade}{section}",
                f"{grade:02d}",
                _course(subject, grade),
                f"{name[0].upper()}{grade}{section}",
                "scheduled",
                "",
                world.school_ids[classes.school[i]],
                YEAR,
                name,
                "",
                str(1 + (int(classes.starts_minute[i]) - 480) // 55),
            ]
        )
    header = (
        "title",
        "grades",
        "courseSourcedId",
        "classCode",
        "classType",
        "location",
        "schoolSourcedId",
        "termSourcedIds",
        "subjects",
        "subjectCodes",
        "periods",
    )  # type: ignore[assignment]
    write_csv(folder / "classes.csv", (*HEAD, *header), rows)


def _user(identifier: str, username: str, given: str, family: str, email: str, grade: str, school: str) -> list[str]:
    values = dict.fromkeys(USER_COLUMNS, "")
    values |= {
        "enabledUser": "true",
        "username": username,
        "givenName": given,
        "familyName": family,
        "email": email,
        "grades": grade,
        "primaryOrgSourcedId": school,
    }
    return [*_base(identifier), *values.values()]


def _write_users(world: World, folder: Path) -> None:
    students, staff, users, roles = world.students, world.staff, [], []
    begin = world.dates.year_start
    for i, identifier in enumerate(students.id):
        email = f"{students.username[i]}@cedar.example" if students.has_email[i] else ""
        school = world.school_ids[students.school[i]]
        users.append(
            _user(
                identifier,
                students.username[i],
                students.given[i],
                students.family[i],
                email,
                f"{students.grade[i]:02d}",
                school,
            )
        )
        roles.append([*_base(f"rol-{identifier}"), identifier, "primary", "student", begin, "", school, ""])
    for i, identifier in enumerate(staff.id):
        school = world.school_ids[staff.school[i]]
        role = "siteAdministrator" if staff.is_administrator[i] else "teacher"
        email = f"{staff.username[i]}@cedar.example"
        users.append(_user(identifier, staff.username[i], staff.given[i], staff.family[i], email, "", school))
        roles.append([*_base(f"rol-{identifier}"), identifier, "primary", role, begin, "", school, ""])
    write_csv(folder / "users.csv", (*HEAD, *USER_COLUMNS), users)
    header = ("userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId", "userProfileSourcedId")
    write_csv(folder / "roles.csv", (*HEAD, *header), roles)


def _write_enrollments(world: World, folder: Path) -> None:
    """A pupil's enrolments: from joining to the move, then in the new class; a re-enrolment on the same day is two."""
    students, classes, days = world.students, world.classes, world.dates.days
    rows: list[list[Any]] = []

    def add(person: str, room: int, role: str, primary: str, begin: object, end: object) -> None:
        rows.append(
            [
                *_base(f"enr-{len(rows) + 1:07d}"),
                classes.id[room],
                world.school_ids[classes.school[room]],
                person,
                role,
                primary,
                begin,
                end,
            ]
        )

    for i, person in enumerate(students.id):
        begin: date = world.dates.year_start if students.join_day[i] == 0 else days[students.join_day[i]]
        for subject in range(2):
            before, after = int(students.class_before[i, subject]), int(students.class_after[i, subject])
            if students.move_day[i] < NEVER:
                move = days[students.move_day[i]]
                add(person, before, "student", "false", begin, move)
                add(person, after, "student", "false", move, "")
            elif students.reenrol_day[i] < NEVER:
                leave = days[students.reenrol_day[i]]
                add(person, before, "student", "false", begin, leave)
                add(person, before, "student", "false", leave, "")
            else:
                add(person, before, "student", "false", begin, "")
    for room, teacher in enumerate(classes.teacher.tolist()):
        add(world.staff.id[teacher], room, "teacher", "true", world.dates.year_start, "")
    header = ("classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate")
    write_csv(folder / "enrollments.csv", (*HEAD, *header), rows)


def _write_demographics(world: World, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(np.random.SeedSequence([seed, 5]))
    races = (
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
    )
    extra = ("metadata.isEnglishLearner", "metadata.isSpecialEducation", "metadata.isEconomicallyDisadvantaged")
    count = len(world.students)
    race = rng.choice(len(races), count, p=[0.02, 0.09, 0.2, 0.01, 0.36, 0.06, 0.26])
    sex = rng.choice(["female", "male"], count)
    flags = rng.random((count, 3)) < np.array([0.14, 0.13, 0.45])
    born = rng.integers(0, 365, count)
    rows: list[list[Any]] = []
    for i, identifier in enumerate(world.students.id):
        year = date(world.dates.year_start.year - 6 - int(world.students.grade[i]), 9, 1) + timedelta(days=int(born[i]))
        marks = ["true" if race[i] == k else "false" for k in range(len(races))]
        rows.append(
            [
                *_base(identifier),
                year,
                sex[i],
                *marks,
                "",
                "",
                "",
                "",
                *("true" if flag else "false" for flag in flags[i]),
            ]
        )
    header = (
        "birthDate",
        "sex",
        *races,
        "countryOfBirthCode",
        "stateOfBirthAbbreviation",
        "cityOfBirth",
        "publicSchoolResidenceStatus",
        *extra,
    )
    write_csv(folder / "demographics.csv", (*HEAD, *header), rows)


def _node(identifier: str, title: str) -> dict[str, str]:
    return {"title": title, "identifier": identifier, "uri": f"https://case.cedar.example/uri/{identifier}"}


def case_package(world: World) -> dict[str, Any]:
    """The framework as a CASE 1.0 package: subjects, domains and leaves under the document, and prerequisites."""
    document = framework.identifier("document")
    doc_node = _node(document, "Cedar competencies, grades 3 to 8")
    changed_at = f"{world.dates.year_start - timedelta(days=7)}T12:00:00.000Z"
    items: list[dict[str, Any]] = []
    associations: list[dict[str, Any]] = []

    def item(identifier: str, code: str, title: str, kind: str, subject: str) -> None:
        items.append(
            {
                **_node(identifier, title),
                "fullStatement": f"{title}.",
                "abbreviatedStatement": title,
                "humanCodingScheme": code,
                "CFItemType": kind,
                "subject": [subject],
                "educationLevel": [f"{g:02d}" for g in range(3, 9)],
                "language": "en",
                "lastChangeDateTime": changed_at,
                "CFDocumentURI": doc_node,
            }
        )
        del items[-1]["title"]

    def relate(kind: str, origin: dict[str, str], destination: dict[str, str]) -> None:
        identifier = framework.identifier("association", kind, origin["identifier"], destination["identifier"])
        associations.append(
            {
                "identifier": identifier,
                "uri": _node(identifier, "")["uri"],
                "associationType": kind,
                "originNodeURI": origin,
                "destinationNodeURI": destination,
                "CFDocumentURI": doc_node,
                "sequenceNumber": len(associations) + 1,
                "lastChangeDateTime": changed_at,
            }
        )

    nodes = []
    for subject in framework.SUBJECTS:
        top = framework.identifier("subject", subject)
        item(top, subject[0].upper(), SUBJECT_TITLES[subject], "Subject", subject)
        relate("isChildOf", _node(top, SUBJECT_TITLES[subject]), doc_node)
        for domain, (title, _) in framework.DOMAINS[subject].items():
            parent = framework.identifier("domain", subject, domain)
            item(parent, f"{subject[0].upper()}.{domain}", title, "Domain", subject)
            relate("isChildOf", _node(parent, title), _node(top, SUBJECT_TITLES[subject]))
            for leaf in (leaf for leaf in world.leaves if leaf.subject == subject and leaf.domain == domain):
                item(leaf.identifier, leaf.code, leaf.title, "Competency", subject)
                nodes.append(_node(leaf.identifier, leaf.title))
                relate("isChildOf", nodes[-1], _node(parent, title))
    for origin, destination in world.edges:
        relate("precedes", nodes[origin], nodes[destination])
    return {
        "CFDocument": {
            **doc_node,
            "creator": "Cedar Unified School District",
            "frameworkType": "Competency",
            "subject": list(framework.SUBJECTS),
            "language": "en",
            "adoptionStatus": "Implemented",
            "statusStartDate": f"{world.dates.year_start.year}-07-01",
            "lastChangeDateTime": changed_at,
        },
        "CFItems": items,
        "CFAssociations": associations,
    }


def write_framework(world: World, out: Path) -> None:
    """``competencies.json`` (CASE package), ``items.csv`` (alignment with difficulty) and ``resources.csv``."""
    (out / "competencies.json").write_bytes(orjson.dumps(case_package(world), option=orjson.OPT_INDENT_2))
    items = world.items
    rows = [
        [identifier, world.leaves[c].identifier, f"{d:.3f}", "", ""]
        for identifier, c, d in zip(items.ids, items.competency.tolist(), items.difficulty.tolist(), strict=True)
    ]
    write_csv(out / "items.csv", ("item_id", "competency_id", "difficulty", "valid_from_date", "valid_to_date"), rows)
    resources = [
        [leaf.code, f"{leaf.title}: {what}", f"{RESOURCES}/{leaf.code.lower().replace('.', '-')}/{kind}", kind, minutes]
        for leaf in world.leaves
        for kind, what, minutes in RESOURCE_KINDS[: 2 + leaf.order % 2]
    ]
    write_csv(out / "resources.csv", ("competency", "title", "url", "kind", "minutes"), resources)
