"""Gradebook and other files of OneRoster beside the roster: what is taken of them, and what is only counted.

Results become facts about pupils (``gradebook_result``), and results of learning objectives facts of their own
(``learning_objective_result``, named by the objective, which is a CASE identifier where its source says so). Comments
and text scores are free text and never leave the file. The other files are read and counted: nothing here uses them
yet, and the load says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from cairn.rostering.oneroster_known import Known
from cairn.rostering.oneroster_model import Roster, Section, needed, read_rows
from cairn.rostering.tabular import CellError, Problem, Row, Table, parse_date, parse_number

FACT = "silver.fact"
RESULTS, OBJECTIVES, LINE_ITEMS = "results", "resultLearningObjectiveIds", "lineItems"
GRADEBOOK_RESULT, OBJECTIVE_RESULT = "gradebook_result", "learning_objective_result"
# Read for its classes only, or not used by anything here.
COUNTED: tuple[str, ...] = (
    *(LINE_ITEMS, "categories", "lineItemLearningObjectiveIds", "scoreScales", "lineItemScoreScales"),
    *("resultScoreScales", "resources", "classResources", "courseResources", "userResources"),
)
STATUSES = ("exempt", "fully graded", "not submitted", "partially graded", "submitted", "late", "incomplete", "missing")
SOURCES = ("case", "unknown")
ID_CHARACTERS = 32


def read_gradebook(roster: Roster, tables: Mapping[str, Table], known: Known) -> None:
    """results.csv and resultLearningObjectiveIds.csv into section ``silver.fact``, keyed by sourced_id; others counted.

    The section is never bulk: what a gradebook no longer names was true all the same.
    """
    schools = _schools_of_line_items(tables.get(LINE_ITEMS), known)
    results: dict[str, dict[str, Any]] = {}

    def result(row: Row) -> dict[str, Any]:
        found = results[row.get("sourcedId")] = _result(row, schools)
        return found

    _facts(roster, tables.get(RESULTS), result)
    _facts(roster, tables.get(OBJECTIVES), lambda row: _objective(row, results))
    for file in COUNTED:
        if file in tables:
            reason = f"{tables[file].row_count:,} rows read and counted; nothing of the file is stored"
            roster.problems.append(Problem(f"{file}.csv", 1, reason, is_rejected=False))


def _facts(roster: Roster, table: Table | None, convert: Callable[[Row], dict[str, Any]]) -> None:
    section = roster.sections.setdefault(FACT, Section())
    if table is None:
        return
    own = Section()
    read_rows(roster, table, own, convert)
    section.is_present = True
    section.rows += own.rows
    section.ended_ids += [_fact_id(table.name, sourced_id) for sourced_id in own.ended_ids]


def _schools_of_line_items(table: Table | None, known: Known) -> dict[str, str | None]:
    """School of each line item: its class's, else its own (1.2)."""
    return {
        row.get("sourcedId"): known.school_of_class(row.get("classSourcedId")) or row.get("schoolSourcedId") or None
        for row in (table.rows if table else ())
    }


def _fact_id(file: str, sourced_id: str) -> str:
    return hashlib.sha256(f"oneroster\x1f{file}\x1f{sourced_id}".encode()).hexdigest()[:ID_CHARACTERS]


def _result(row: Row, schools: Mapping[str, str | None]) -> dict[str, Any]:
    """One result as a fact named by its line item; one without a score is known by its status."""
    line_item, status = needed(row, "lineItemSourcedId"), row.get("scoreStatus").lower()
    if status and status not in STATUSES:
        raise CellError(f"scoreStatus is none of {', '.join(STATUSES)}")
    return {
        "fact_id": _fact_id("results.csv", row.get("sourcedId")),
        "fact_type": GRADEBOOK_RESULT,
        "sourced_id": needed(row, "studentSourcedId"),
        "line": row.line,
        "school_id": schools.get(line_item),
        "fact_date": parse_date(row.get("scoreDate"), "scoreDate"),
        "name": line_item,
        "value": parse_number(row.get("score"), "score"),
        "unit": "points",
        "text_value": status.replace(" ", "_") or None,
    }


def _objective(row: Row, results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A result's score on one learning objective, of the pupil and day of the result."""
    of = results.get(needed(row, "resultSourcedId"))
    if of is None:
        raise CellError("resultSourcedId is no result of this package, or its row was refused")
    score = parse_number(row.get("score"), "score")
    if score is None:
        raise CellError("score is empty: a text score is not kept")
    source = needed(row, "source").lower()
    if source not in SOURCES:
        raise CellError(f"source is none of {', '.join(SOURCES)}")
    return {
        **of,
        "fact_id": _fact_id(f"{OBJECTIVES}.csv", row.get("sourcedId")),
        "fact_type": OBJECTIVE_RESULT,
        "line": row.line,
        # As CASE writes it: some systems write a UUID, some its URN (RFC 9562).
        "name": needed(row, "learningObjectiveId").removeprefix("urn:uuid:"),
        "value": score,
        "text_value": source,
    }
