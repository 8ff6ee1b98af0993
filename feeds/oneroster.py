"""OneRoster 1.2 results: one package (zip of CSV files, bulk) of a school's or a class's mastery.

Standard: 1EdTech OneRoster CSV Binding 1.2.1. A competency in a class is a line item, a pupil's standing a result:
score is the expected share right in percent (0 to 100), textScore the state. Where there is not enough evidence, a
result has no score. Classes, pupils, terms and schools are named by the sourcedIds of the district's own roster, so
that its SIS can join; nobody's name is in the package. Learning objectives are CASE identifiers as URNs (RFC 9562).
"""

from __future__ import annotations

import hashlib
import io
import uuid
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import lake
from answers import wording
from answers.pupil_names import Names
from cairn.calendar import DistrictCalendar
from cairn.settings import Settings
from feeds.feed_file import csv_lines
from loading.history import CURRENT

Row = dict[str, Any]
Cells = tuple[str, ...]
COMMON = ("sourcedId", "status", "dateLastModified")
# In the order of the binding.
COLUMNS: dict[str, Cells] = {
    "academicSessions": (*COMMON, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
    "categories": (*COMMON, "title", "weight"),
    "lineItems": (
        *(*COMMON, "title", "description", "assignDate", "dueDate", "classSourcedId", "categorySourcedId"),
        *("academicSessionSourcedId", "resultValueMin", "resultValueMax", "schoolSourcedId"),
    ),
    "lineItemLearningObjectiveIds": (*COMMON, "lineItemSourcedId", "source", "learningObjectiveId"),
    "lineItemScoreScales": (*COMMON, "title", "lineItemSourcedId", "scoreScaleSourcedId"),
    "results": (
        *(*COMMON, "lineItemSourcedId", "studentSourcedId", "scoreStatus", "score", "scoreDate", "comment"),
        *("textScore", "classSourcedId", "inProgress", "incomplete", "late", "missing"),
    ),
    "resultLearningObjectiveIds": (
        *(*COMMON, "resultSourcedId", "source", "learningObjectiveId", "score", "textScore"),
    ),
    "scoreScales": (
        *(*COMMON, "title", "type", "orgSourcedId", "courseSourcedId", "classSourcedId", "scoreScaleValue"),
    ),
}
MANIFEST_FILES = (
    *("academicSessions", "categories", "classes", "classResources", "courses", "courseResources", "demographics"),
    *("enrollments", "lineItemLearningObjectiveIds", "lineItems", "lineItemScoreScales", "orgs", "resources"),
    *("resultLearningObjectiveIds", "results", "resultScoreScales", "roles", "scoreScales", "userProfiles"),
    *("userResources", "users"),
)
CATEGORY = "cairn-mastery"
# Files of which the packages of several classes have the same rows.
SHARED = ("academicSessions", "categories")
# Bulk files leave status and dateLastModified empty.
BULK = ("", "")
# What a line item may stand in: the binding keeps school years out.
PERIODS = ("gradingPeriod", "term", "semester")


@dataclass(frozen=True)
class Term:
    """The academic session that a class's line items stand in; ``last_date`` inclusive."""

    session_id: str
    title: str
    session_type: str
    first_date: date
    last_date: date
    parent_id: str
    school_year: str


@dataclass(frozen=True)
class ClassRoster:
    """What the district's roster says of classes: term and course by class. ``year``: the term of all others."""

    terms: Mapping[str, Term]
    courses: Mapping[str, str]
    year: Term

    def term(self, class_id: str) -> Term:
        """The class's term on the data date, else the school year as a term of our own."""
        return self.terms.get(class_id, self.year)


@dataclass
class Package:
    """The rows of one package, by file. ``left_out``: results of pupils who have no sourcedId.

    ``texts`` has the rows of a file as CSV, once they were put into it: no rows come after that.
    """

    rows: dict[str, list[Cells]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    pupils: set[str] = field(default_factory=set)
    left_out: int = 0
    texts: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The rows of a file as CSV, made once though the school's package holds them too."""
        if name not in self.texts:
            self.texts[name] = "".join(csv_lines(self.rows[name]))
        return self.texts[name]

    def content(self) -> bytes:
        """The zip; the same rows give the same bytes. A file without rows is absent: readers take no empty one."""
        content = io.BytesIO()
        present = [name for name in COLUMNS if self.rows[name]]
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _add(archive, "manifest", ("propertyName", "value"), "".join(csv_lines(_manifest(present))))
            for name in present:
                _add(archive, name, COLUMNS[name], self.text(name))
        return content.getvalue()


def load_class_roster(settings: Settings, on: date) -> ClassRoster:
    """Terms and courses of the classes as the roster has them now; which term is that of day ``on``."""
    columns = ["session_id", "title", "session_type", "valid_from_date", "valid_to_date"]
    columns += ["parent_session_id", "school_year"]
    sessions = {
        row["session_id"]: _term(row)
        for row in lake.read(settings, "silver.academic_session", columns, CURRENT).to_pylist()
        if row["session_type"] in PERIODS and row["valid_from_date"] and row["valid_to_date"]
    }
    terms, courses = {}, {}
    wanted = ["class_id", "course_id", "session_id", "session_ids"]
    for row in lake.read(settings, "silver.class_section", wanted, CURRENT).to_pylist():
        ids = (row["session_ids"] or row["session_id"] or "").strip(",").split(",")
        found = [sessions[one] for one in ids if one in sessions]
        now = [one for one in found if one.first_date <= on <= one.last_date]
        if now or found:
            terms[row["class_id"]] = (now or found)[0]
        if row["course_id"]:
            courses[row["class_id"]] = row["course_id"]
    return ClassRoster(terms, courses, _year_as_term(settings, on))


def _term(row: Row) -> Term:
    return Term(
        session_id=row["session_id"],
        title=row["title"] or row["session_id"],
        session_type=row["session_type"],
        first_date=row["valid_from_date"],
        last_date=row["valid_to_date"],
        parent_id=row["parent_session_id"] or "",
        school_year=row["school_year"] or str(row["valid_to_date"].year),
    )


def _year_as_term(settings: Settings, on: date) -> Term:
    """The school year of a day, for classes of which the roster names no term."""
    calendar = DistrictCalendar.load(settings)
    first, last = calendar.school_year_start_date, calendar.school_year_end_date
    # A release of another year, from before the calendar was brought up to date, still stands in its own day.
    first, last = min(first, on), max(last, on)
    title = f"School year {first.year}-{last.year}"
    return Term(f"cairn-{last.year}", title, "term", first, last, "", str(last.year))


def packages(
    standing: Sequence[Row], school_id: str, names: Names, roster: ClassRoster, zone: ZoneInfo
) -> dict[str, Package]:
    """A package for each class, by class_id, from rows of a school's standing."""
    found: dict[str, Package] = {}
    seen: set[str] = set()
    for row in standing:
        class_id, sourced_id = row["class_id"], names.sourced_id(row["student_key"])
        if class_id not in found:
            found[class_id] = _begun(class_id, school_id, roster)
        package = found[class_id]
        if sourced_id is None:
            package.left_out += 1
            continue
        item = _id("line item", class_id, row["competency_id"])
        if item not in seen:
            seen.add(item)
            _line_item(package, item, row, school_id, roster)
        _result(package, item, row, sourced_id, zone)
        package.pupils.add(row["student_key"])
    return found


def together(found: Iterable[Package]) -> Package:
    """The packages of classes as the one of their school; what several name is in it once."""
    whole, parts = Package(), list(found)
    for package in parts:
        for name, rows in package.rows.items():
            known = set(whole.rows[name]) if name in SHARED else set()
            whole.rows[name] += [row for row in rows if row not in known]
        whole.pupils |= package.pupils
        whole.left_out += package.left_out
    whole.texts = {name: "".join(part.text(name) for part in parts) for name in COLUMNS if name not in SHARED}
    return whole


def _id(*parts: str) -> str:
    """A sourcedId of our own: the same for the same thing every night, whatever characters the parts hold."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _begun(class_id: str, school_id: str, roster: ClassRoster) -> Package:
    package, term = Package(), roster.term(class_id)
    last = term.last_date + timedelta(days=1)  # OneRoster's endDate is the day after
    session = (term.session_id, *BULK, term.title, term.session_type, term.first_date.isoformat(), last.isoformat())
    package.rows["academicSessions"].append((*session, term.parent_id, term.school_year))
    package.rows["categories"].append((CATEGORY, *BULK, "Mastery by competency", "0"))
    if class_id in roster.courses:
        values = ",".join(f"{{{code}:{words}}}" for code, words in wording.STATES.items())
        scale = (_id("score scale", class_id), *BULK, "Mastery state", "state", school_id)
        package.rows["scoreScales"].append((*scale, roster.courses[class_id], class_id, values))
    return package


def _line_item(package: Package, item: str, row: Row, school_id: str, roster: ClassRoster) -> None:
    class_id, term = row["class_id"], roster.term(row["class_id"])
    title = f"{row['competency_code']} {row['competency_title']}"
    dates = (term.first_date.isoformat(), term.last_date.isoformat())
    named = (class_id, CATEGORY, term.session_id, "0", "100", school_id)
    package.rows["lineItems"].append((item, *BULK, title, row["subject"] or "", *dates, *named))
    objective = _objective(row["competency_id"])
    package.rows["lineItemLearningObjectiveIds"].append((_id("objective", item), *BULK, item, *objective))
    if class_id in roster.courses:
        scale = (item, _id("score scale", class_id))
        package.rows["lineItemScoreScales"].append((_id("scale of", item), *BULK, "", *scale))


def _objective(competency_id: str) -> Cells:
    """Source and identifier of a learning objective: CASE identifiers are UUIDs, others are not said to be CASE's."""
    try:
        return "case", uuid.UUID(competency_id).urn
    except ValueError:
        return "unknown", competency_id


def _result(package: Package, item: str, row: Row, sourced_id: str, zone: ZoneInfo) -> None:
    is_enough = row["state"] != "not_enough_evidence" and row["expected_share"] is not None
    score = f"{100 * row['expected_share']:.1f}" if is_enough else ""
    result = _id("result", item, sourced_id)
    at: datetime = row["last_event_at"] or row["state_since_at"]
    said = wording.SAID.get(row["override_state"] or "")
    package.rows["results"].append(
        (
            *(result, *BULK, item, sourced_id, "fully graded" if is_enough else "partially graded", score),
            *(at.astimezone(zone).date().isoformat(), f"A teacher said: {said}" if said else "", row["state"]),
            *(row["class_id"], "false" if row["state"] == "mastered" else "true", "false" if is_enough else "true"),
            *("false", "false"),
        )
    )
    if is_enough:
        scored = (result, *_objective(row["competency_id"]), score, row["state"])
        package.rows["resultLearningObjectiveIds"].append((_id("objective of", result), *BULK, *scored))


def _manifest(present: Sequence[str]) -> list[Cells]:
    files = ((f"file.{name}", "bulk" if name in present else "absent") for name in MANIFEST_FILES)
    return [
        *(("manifest.version", "1.0"), ("oneroster.version", "1.2")),
        *files,
        *(("source.systemName", "Cairn"), ("source.systemCode", "cairn")),
    ]


def _add(archive: zipfile.ZipFile, name: str, header: Cells, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(f"{name}.csv"), "".join([*csv_lines([header]), text]), zipfile.ZIP_DEFLATED)
