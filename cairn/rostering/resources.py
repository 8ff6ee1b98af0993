"""The district's corrective resources: what to use when a pupil has not got a competency yet (resources.csv)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cairn.rostering.listed import Listed, read_list
from cairn.rostering.tabular import CellError, Row, parse_number

REQUIRED = ("competency", "title", "url")
COLUMNS = (*REQUIRED, "kind", "minutes")
KINDS = ("lesson", "practice", "video", "game", "text", "tutoring", "other")
LONGEST_MINUTES = 600
# What stands as a link on a page: nothing else can be followed, and nothing else can run.
SCHEMES = ("https", "http")


def read_resources(path: Path, competencies: Mapping[str, set[str]]) -> Listed:
    """Read resources.csv into rows of silver.competency_resource.

    ``competencies`` are the identifiers that each code or identifier stands for, as loaded. Of one competency, rows
    keep their order: the first is the one to try first. Raises CairnError for missing columns.
    """
    found = read_list(
        path,
        COLUMNS,
        REQUIRED,
        lambda row: _resource(row, competencies),
        key=("competency_id", "resource_url"),
        twice="competency and url are there already in line {line}: one of the two must go",
    )
    so_far: Counter[str] = Counter()
    for row in found.rows:
        so_far[row["competency_id"]] += 1
        row["sequence"] = so_far[row["competency_id"]]
    return found


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
