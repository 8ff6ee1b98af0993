"""The packages that a table of responses needs beside its statements: roster, framework, items; and their names."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cairn.calendar import DistrictCalendar

HOME_PAGE = "https://id.cedar.example"
ITEMS = "https://items.cedar.example"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://items.cedar.example/replay")
CLASS_SIZE = 30
SAFE = re.compile(r"[A-Za-z0-9.\-]{1,60}", re.ASCII)


@dataclass(frozen=True)
class Response:
    """One answer; ``worked_at`` is given by the file or made from the order of each user's answers."""

    user: str
    item: str
    skills: tuple[str, ...]
    is_correct: bool
    worked_at: datetime
    attempt: int
    place: int


def slug(value: object) -> str:
    """An identifier that fits into an IRI: itself where it is short and plain, else a hash."""
    text = str(value)
    return text if SAFE.fullmatch(text) else "h" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:12]


def item_iri(stem: str, item: str) -> str:
    """The item's IRI, as statements and alignments name it."""
    return f"{ITEMS}/{stem}/item/{slug(item)}"


def competency_id(stem: str, skill: str) -> str:
    """The competency's CASE identifier: a UUID made of the framework's name and the skill."""
    return str(uuid.uuid5(NAMESPACE, f"{stem}/{skill}"))


def username(stem: str, user: str) -> str:
    """The account name of a user of the file."""
    return f"{stem}-u{slug(user)}"


def class_of(responses: Sequence[Response]) -> dict[str, int]:
    """Class number (from 1) of each user, thirty to a class in order of appearance."""
    users = dict.fromkeys(each.user for each in responses)
    return {user: number // CLASS_SIZE + 1 for number, user in enumerate(users)}


def write_competencies(path: Path, stem: str, responses: Sequence[Response], last_work_date: date) -> None:
    """A CASE package: a framework whose identifier is the stem, an item a skill."""
    skills = sorted({skill for each in responses for skill in each.skills})
    changed = f"{last_work_date.isoformat()}T00:00:00Z"
    package = {
        "CFDocument": {
            "identifier": stem,
            "uri": f"{ITEMS}/{stem}/framework",
            "title": stem,
            "creator": "cairn activity replay-responses",
            "subject": [stem],
            "lastChangeDateTime": changed,
        },
        "CFItems": [
            {
                "identifier": competency_id(stem, skill),
                "uri": f"{ITEMS}/{stem}/skill/{slug(skill)}",
                "fullStatement": skill if len(skill) > 8 else f"Skill {skill} of {stem}",
                "humanCodingScheme": f"{stem}.{slug(skill)}",
                "CFItemType": "Competency",
                "lastChangeDateTime": changed,
            }
            for skill in skills
        ],
        "CFAssociations": [
            {
                "identifier": str(uuid.uuid5(NAMESPACE, f"{stem}/{skill}/child")),
                "associationType": "isChildOf",
                "originNodeURI": {"identifier": competency_id(stem, skill)},
                "destinationNodeURI": {"identifier": stem},
                "lastChangeDateTime": changed,
            }
            for skill in skills
        ],
    }
    path.write_text(json.dumps(package, indent=1) + "\n", encoding="utf-8")


def write_items(path: Path, stem: str, responses: Sequence[Response]) -> None:
    """items.csv: which item gives evidence of which skill, for all times."""
    pairs = dict.fromkeys((each.item, skill) for each in responses for skill in each.skills)
    rows = [(item_iri(stem, item), competency_id(stem, skill), "", "", "") for item, skill in pairs]
    header = ("item_id", "competency_id", "difficulty", "valid_from_date", "valid_to_date")
    _write_csv(path, header, dict.fromkeys(rows))


def write_roster(folder: Path, stem: str, responses: Sequence[Response], calendar: DistrictCalendar) -> None:
    """One school, one term around the work, one course, classes of thirty; pupils without real names."""
    classes = class_of(responses)
    days = [each.worked_at.astimezone(calendar.zone).date() for each in responses]
    first = min(days) - timedelta(days=1)
    last = max(*days, calendar.school_year_end_date) + timedelta(days=1)
    term, course, mark = f"{stem}-term", f"{stem}-course", ("active", f"{last.isoformat()}T00:00:00.000Z")
    folder.mkdir(exist_ok=True)
    head = ("sourcedId", "status", "dateLastModified")
    tables: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
        "orgs": ((*head, "name", "type"), [(stem, *mark, f"Replay {stem}", "school")]),
        "academicSessions": (
            (*head, "title", "type", "startDate", "endDate", "schoolYear"),
            [(term, *mark, f"Replay {stem}", "term", first, last, last.year)],
        ),
        "courses": ((*head, "title", "orgSourcedId", "subjects"), [(course, *mark, f"Replay {stem}", stem, stem)]),
        "classes": (
            (*head, "title", "courseSourcedId", "classType", "schoolSourcedId", "termSourcedIds", "subjects"),
            [
                (f"{stem}-c{n:03d}", *mark, f"{stem} class {n}", course, "scheduled", stem, term, stem)
                for n in range(1, max(classes.values()) + 1)
            ],
        ),
        "users": (
            (*head, "enabledUser", "username", "givenName", "familyName", "primaryOrgSourcedId"),
            [
                (username(stem, user), *mark, "true", username(stem, user), "Pupil", f"{stem} {n}", stem)
                for n, user in enumerate(classes, 1)
            ],
        ),
        "roles": (
            (*head, "userSourcedId", "roleType", "role", "orgSourcedId"),
            [(f"{username(stem, u)}-role", *mark, username(stem, u), "primary", "student", stem) for u in classes],
        ),
        "enrollments": (
            (*head, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate"),
            [
                (
                    f"{username(stem, u)}-e",
                    *mark,
                    f"{stem}-c{n:03d}",
                    stem,
                    username(stem, u),
                    "student",
                    "",
                    first,
                    last,
                )
                for u, n in classes.items()
            ],
        ),
    }
    for name, (header, rows) in tables.items():
        _write_csv(folder / f"{name}.csv", header, rows)
    manifest = [("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    manifest += [(f"file.{name}", "delta") for name in tables]
    _write_csv(folder / "manifest.csv", ("propertyName", "value"), manifest)


def _write_csv(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
