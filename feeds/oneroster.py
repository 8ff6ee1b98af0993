"""OneRoster 1.2 results: one package (zip of CSV files, bulk) of a school's or a class's mastery.

Standard: 1EdTech OneRoster CSV Binding 1.2.1. A competency in a class is a line item, a pupil's standing a result:
score is the expected share right in percent (0 to 100), textScore the state. Where there is not enough evidence, a
result has no score. Classes, pupils, terms and schools are named by the sourcedIds of the district's own roster, so
that its SIS can join; nobody's name is in the package. Learning objectives are CASE identifiers as URNs (RFC 9562).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from answers import wording
from answers.pupil_names import Names
from cairn.calendar import DistrictCalendar
from cairn.settings import Settings
from feeds.classes import ByClass
from feeds.feed_file import csv_lines, joined, mapped
from feeds.oneroster_results import BULK, Cells, objective, own_id, result_texts
from loading.history import CURRENT

Row = dict[str, Any]
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
# What a line item is made of.
ITEM_FIELDS = ["item", "class_id", "competency_id", "competency_code", "competency_title", "subject"]
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
    """The rows of one package as lines of CSV, by file. ``left_out``: results of pupils who have no sourcedId."""

    texts: dict[str, bytes] = field(default_factory=dict)
    pupils: frozenset[str] = frozenset()
    results: int = 0
    left_out: int = 0

    def content(self) -> bytes:
        """The zip; the same rows give the same bytes. A file without rows is absent: readers take no empty one."""
        content = io.BytesIO()
        present = [name for name in COLUMNS if self.texts.get(name)]
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _add(archive, "manifest", ("propertyName", "value"), _text(_manifest(present)))
            for name in present:
                _add(archive, name, COLUMNS[name], self.texts[name])
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
    standing: pa.Table, school_id: str, names: Names, roster: ClassRoster, zone: ZoneInfo
) -> dict[str, Package]:
    """A package for each class, by class_id, from a school's standing."""
    of_all = ByClass.of(standing["class_id"])
    sourced_ids = mapped(standing["student_key"], names.sourced_id)
    rows = standing.append_column("sourced_id", sourced_ids).filter(sourced_ids.is_valid())
    rows = rows.append_column("item", mapped(joined(rows["class_id"], rows["competency_id"]), _item_id))
    by_class, items = ByClass.of(rows["class_id"]), _line_items(rows, school_id, roster)
    results, objectives = result_texts(rows, by_class, zone)
    pupils = by_class.sorted(rows)["student_key"]
    found = {}
    for class_id, count in of_all.counts.items():
        first, known = by_class.of_class(class_id)
        texts = _begun(class_id, school_id, roster) | items.get(class_id, {})
        texts |= {"results": results.get(class_id, b""), "resultLearningObjectiveIds": objectives.get(class_id, b"")}
        named = frozenset(pc.unique(pupils.slice(first, known)).to_pylist())
        found[class_id] = Package(texts, named, known, count - known)
    return found


def together(found: Iterable[Package]) -> Package:
    """The packages of classes as the one of their school; what several name is in it once."""
    parts = list(found)
    texts = {}
    for name in COLUMNS:
        of_parts = [part.texts.get(name, b"") for part in parts]
        texts[name] = b"".join(dict.fromkeys(of_parts) if name in SHARED else of_parts)
    return Package(
        texts,
        frozenset().union(*(part.pupils for part in parts)),
        sum(part.results for part in parts),
        sum(part.left_out for part in parts),
    )


def _item_id(class_and_competency: str) -> str:
    return own_id("line item", class_and_competency)


def _begun(class_id: str, school_id: str, roster: ClassRoster) -> dict[str, bytes]:
    """What a class's package has beside its line items and results, by file."""
    term = roster.term(class_id)
    last = term.last_date + timedelta(days=1)  # OneRoster's endDate is the day after
    session = (term.session_id, *BULK, term.title, term.session_type, term.first_date.isoformat(), last.isoformat())
    rows: dict[str, list[Cells]] = {
        "academicSessions": [(*session, term.parent_id, term.school_year)],
        "categories": [(CATEGORY, *BULK, "Mastery by competency", "0")],
    }
    if class_id in roster.courses:
        values = ",".join(f"{{{code}:{words}}}" for code, words in wording.STATES.items())
        scale = (own_id("score scale", class_id), *BULK, "Mastery state", "state", school_id)
        rows["scoreScales"] = [(*scale, roster.courses[class_id], class_id, values)]
    return {name: _text(of_file) for name, of_file in rows.items()}


def _line_items(rows: pa.Table, school_id: str, roster: ClassRoster) -> dict[str, dict[str, bytes]]:
    """Line items of each class, by file: one for each competency of which it has a result."""
    codes = rows["item"].combine_chunks().dictionary_encode().indices.to_numpy()
    firsts = rows.select(ITEM_FIELDS).take(pa.array(np.unique(codes, return_index=True)[1]))
    found: dict[str, dict[str, list[Cells]]] = {}
    for row in firsts.to_pylist():
        of_class = found.setdefault(row["class_id"], {})
        for name, cells in _line_item(row, school_id, roster).items():
            of_class.setdefault(name, []).append(cells)
    return {one: {name: _text(cells) for name, cells in of_class.items()} for one, of_class in found.items()}


def _line_item(row: Row, school_id: str, roster: ClassRoster) -> dict[str, Cells]:
    """One line item, and what belongs to it, by file."""
    item, class_id, term = row["item"], row["class_id"], roster.term(row["class_id"])
    title = f"{row['competency_code']} {row['competency_title']}"
    dates = (term.first_date.isoformat(), term.last_date.isoformat())
    named = (class_id, CATEGORY, term.session_id, "0", "100", school_id)
    cells: dict[str, Cells] = {
        "lineItems": (item, *BULK, title, row["subject"] or "", *dates, *named),
        "lineItemLearningObjectiveIds": (own_id("objective", item), *BULK, item, *objective(row["competency_id"])),
    }
    if class_id in roster.courses:
        scale = (item, own_id("score scale", class_id))
        cells["lineItemScoreScales"] = (own_id("scale of", item), *BULK, "", *scale)
    return cells


def _manifest(present: Sequence[str]) -> list[Cells]:
    files = ((f"file.{name}", "bulk" if name in present else "absent") for name in MANIFEST_FILES)
    return [
        *(("manifest.version", "1.0"), ("oneroster.version", "1.2")),
        *files,
        *(("source.systemName", "Cairn"), ("source.systemCode", "cairn")),
    ]


def _text(rows: Sequence[Cells]) -> bytes:
    return "".join(csv_lines(rows)).encode()


def _add(archive: zipfile.ZipFile, name: str, header: Cells, text: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(f"{name}.csv"), _text([header]) + text, zipfile.ZIP_DEFLATED)
