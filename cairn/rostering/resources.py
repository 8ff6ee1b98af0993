"""The district's corrective resources: what to use when a pupil has not got a competency yet (resources.csv)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cairn.rostering.tabular import CellError, Problem, Row, parse_number, read_table_file

REQUIRED = ("competency", "title", "url")
COLUMNS = (*REQUIRED, "kind", "minutes")
KINDS = ("lesson", "practice", "video", "game", "text", "tutoring", "other")
LONGEST_MINUTES = 600
# What stands as a link on a page: nothing else can be followed, and nothing else can run.
SCHEMES = ("https", "http")


@dataclass
class Resources:
    """Rows of silver.competency_resource without the recorded times; ``row_count``: data rows read."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    row_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Rows refused."""
        return sum(problem.is_rejected for problem in self.problems)


def read_resources(path: Path, competencies: Mapping[str, set[str]]) -> Resources:
    """Read resources.csv; ``competencies`` are the identifiers that each code or identifier stands for, as loaded.

    Of one competency, rows keep their order: the first is the one to try first. Raises CairnError for missing columns.
    """
    table = read_table_file(path, COLUMNS)
    table.require(REQUIRED)
    result = Resources(
        row_count=len(table.rows) + len(table.problems),
        problems=list(table.problems),
        unknown_columns=table.unknown(COLUMNS),
    )
    seen: dict[tuple[str, str], int] = {}
    for row in table.rows:
        try:
            resource = _resource(row, competencies)
            key = (resource["competency_id"], resource["resource_url"])
            if key in seen:
                raise CellError(f"competency and url are there already in line {seen[key]}: one of the two must go")
            seen[key] = row.line
            place = sum(one["competency_id"] == resource["competency_id"] for one in result.rows) + 1
            result.rows.append({**resource, "sequence": place})
        except CellError as error:
            result.problems.append(Problem(table.name, row.line, str(error)))
    return result


def _resource(row: Row, competencies: Mapping[str, set[str]]) -> dict[str, Any]:
    for column in REQUIRED:
        if not row.get(column):
            raise CellError(f"{column} is empty")
    minutes = parse_number(row.get("minutes"), "minutes")
    if minutes is not None and not (minutes == int(minutes) and 0 < minutes <= LONGEST_MINUTES):
        raise CellError(f"minutes is no whole number between 1 and {LONGEST_MINUTES}")
    kind = row.get("kind").lower() or "other"
    if kind not in KINDS:
        raise CellError(f"kind is none of {', '.join(KINDS)}")
    return {
        "competency_id": _competency(row.get("competency"), competencies),
        "resource_url": _url(row.get("url")),
        "resource_title": row.get("title"),
        "kind": kind,
        "minutes": None if minutes is None else int(minutes),
    }


def _competency(text: str, competencies: Mapping[str, set[str]]) -> str:
    """The competency that a code or identifier stands for; a code of two frameworks says not which."""
    found = competencies.get(text, set())
    if not found:
        raise CellError(f"competency {text} is not loaded: correct it, or load its CASE package first")
    if len(found) > 1:
        raise CellError(f"competency {text} is a code of {len(found)} competencies: write the identifier")
    return next(iter(found))


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_web = parts.scheme.lower() in SCHEMES and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web or any(one.isspace() for one in text):
        raise CellError("url is no address that begins with https:// or http://")
    return text
