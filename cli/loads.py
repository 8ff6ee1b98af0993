"""Loading the district's files: parse (cairn), people to keys (identity), rows to history (spark_jobs).

Each function returns the keys of the command's ``--json`` and, beside them, ``problems``: the first rows refused, as
``file:line: reason``. A DAG task and a person's command call the same function. Bad rows are counted and the rest
goes on; a file that cannot be taken at all raises CairnError and changes nothing. ``spark`` may be None: tables of
up to a million rows need none, and larger ones start one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.calendar import DistrictCalendar
from cairn.district import load_district_yaml
from cairn.errors import CairnError
from cairn.rostering.layout_rows import LayoutFile, read_assessments, read_facts
from cairn.rostering.layouts import Layout, load_layout
from cairn.rostering.oneroster import read_roster
from cairn.rostering.oneroster_model import Roster
from cairn.rostering.tabular import Problem
from cairn.settings import Settings
from identity.crosswalk import IDENTITY_FILE, SOURCED_ID
from identity.vault import Vault

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_jobs.roster import KeyedSection

PROBLEMS_SHOWN = 20
# A bulk file that names less than this share of the current rows looks like an export that broke off.
MASS_END_SHARE = 0.5
MASS_END_FROM_ROWS = 50
# Sections whose rows name a person: by sourcedId in the file, by student_key in the lake.
FILE_OF = {
    "silver.person": "users.csv",
    "silver.enrollment": "enrollments.csv",
    "silver.demographic": "demographics.csv",
}


def _shown(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """The first refused rows, and the first warnings."""
    return {
        "problems": [str(problem) for problem in problems if problem.is_rejected][:PROBLEMS_SHOWN],
        "warnings": [str(problem) for problem in problems if not problem.is_rejected][:PROBLEMS_SHOWN],
    }


def load_roster(
    settings: Settings,
    path: Path | str,
    spark: SparkSession | None = None,
    recorded_at: datetime | None = None,
    *,
    allow_mass_end: bool = False,
) -> dict[str, Any]:
    """Load a OneRoster package: people into the vault, the rest into history tables.

    A bulk package that would end most of what is known is refused, as an export that broke off looks like that;
    ``allow_mass_end`` takes it (a new school year). Nothing is written before that check.

    Returns files, rows, added, changed, ended, rejected; with left_out (rows of roles that are not loaded), tables
    (what changed in each), unknown_columns, problems and warnings.
    """
    from spark_jobs.history import Change
    from spark_jobs.roster import LINKS, load_sections

    instant = recorded_at or datetime.now(UTC)
    calendar = DistrictCalendar.load(settings)
    roster = read_roster(Path(path), load_district_yaml(settings, IDENTITY_FILE))
    if not allow_mass_end:
        _refuse_mass_end(settings, roster)
    vault = Vault(settings)
    keys = vault.register((person for person in roster.people if not person.is_left_out), at=instant)
    sections = _keyed_sections(vault, roster, keys)
    links = [link.as_row() for link in vault.links_for(keys.values())] if keys else []
    changes = load_sections(spark, settings, sections, links, calendar.local_date(instant), recorded_at=instant)
    total = sum((change for table, change in changes.items() if table != LINKS), Change())
    return {
        "files": roster.files,
        "rows": roster.row_count,
        "added": total.added,
        "changed": total.changed,
        "ended": total.ended,
        "rejected": roster.rejected,
        "left_out": roster.left_out,
        "tables": {
            table: {"added": change.added, "changed": change.changed, "ended": change.ended}
            for table, change in sorted(changes.items())
        },
        "unknown_columns": roster.unknown_columns,
        **_shown(roster.problems),
    }


def _refuse_mass_end(settings: Settings, roster: Roster) -> None:
    """Raise CairnError where a bulk file names less than half of what the lake knows."""
    import pyarrow.dataset as ds

    import lake

    for table, section in roster.sections.items():
        if not section.is_bulk:
            continue
        current = ds.field("recorded_to").is_null()
        known = lake.read(settings, table, ["recorded_to"], current).num_rows
        named = len(section.rows) + len(section.kept_ids)
        if known >= MASS_END_FROM_ROWS and named < known * MASS_END_SHARE:
            raise CairnError(
                f"the package is bulk and names {named:,} of {known:,} rows of {table}: if the export is whole (a new "
                "school year), load it with --allow-mass-end; nothing was loaded"
            )


def _keyed_sections(vault: Vault, roster: Roster, keys: Mapping[str, str]) -> list[KeyedSection]:
    """Sections with student keys in place of sourcedIds; who the vault does not know is refused."""
    from spark_jobs.roster import KeyedSection

    named: set[str] = set()
    for table in FILE_OF:
        section = roster.sections[table]
        named.update(row["sourced_id"] for row in section.rows)
        if table != "silver.enrollment":  # its own ids are of enrolments
            named.update(section.ended_ids, section.kept_ids)
    known = {**vault.resolve(SOURCED_ID, named - set(keys)), **keys}
    keyed = []
    for table, section in roster.sections.items():
        if not section.is_present:
            continue
        rows, ended, kept = section.rows, section.ended_ids, section.kept_ids
        if table in FILE_OF:
            rows = [_keyed(row, known) for row in rows if row["sourced_id"] in known]
            file = FILE_OF[table]
            reason = "names a person who is in no roster yet: load users.csv first"
            unknown = [row["line"] for row in section.rows if row["sourced_id"] not in known]
            roster.problems += [Problem(file, line, reason) for line in unknown]
            if table != "silver.enrollment":
                ended, kept = ([known[i] for i in ids if i in known] for ids in (ended, kept))
        keyed.append(KeyedSection(table, rows, section.is_bulk, ended, kept))
    return keyed


def _keyed(row: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    columns = {name: value for name, value in row.items() if name not in ("sourced_id", "line")}
    return {**columns, "student_key": known[row["sourced_id"]]}


def register_people(
    settings: Settings,
    people: Iterable[Mapping[str, Any]],
    spark: SparkSession | None = None,
    recorded_at: datetime | None = None,
) -> dict[str, str]:
    """Take in people who come without a roster file (a replayed table of responses): vault, person rows and links.

    ``people``: mappings with ``sourced_id``, and any of the vault's fields, ``identifiers`` ((kind, value) pairs),
    ``school_id``, ``role`` and ``grade``. Returns sourcedId -> student_key.
    """
    from spark_jobs.roster import KeyedSection, load_sections

    given = list(people)
    instant = recorded_at or datetime.now(UTC)
    vault = Vault(settings)
    keys = vault.register(given, at=instant)
    rows = [
        {
            "student_key": keys[str(person["sourced_id"])],
            "role": person.get("role", "student"),
            "school_id": person.get("school_id"),
            "grade": person.get("grade"),
            "is_enabled": True,
            "status": "active",
        }
        for person in given
    ]
    links = [link.as_row() for link in vault.links_for(keys.values())]
    sections = [KeyedSection("silver.person", rows, is_bulk=False)]
    today = DistrictCalendar.load(settings).local_date(instant)
    load_sections(spark, settings, sections, links, today, recorded_at=instant)
    return keys


def load_competencies(
    settings: Settings, path: Path | str, spark: SparkSession | None = None, recorded_at: datetime | None = None
) -> dict[str, Any]:
    """Load a CASE package. Returns items, associations, prerequisites, replaced, rejected; added, changed, ended."""
    from cairn.rostering.case import read_case
    from spark_jobs.competencies import load_framework

    framework = read_case(Path(path), _competency_ids(settings))
    change = load_framework(
        spark,
        settings,
        framework.framework_id,
        framework.competencies,
        framework.edges,
        framework.kept_competencies,
        framework.kept_edges,
        recorded_at,
    )
    return {
        "items": len(framework.competencies),
        "associations": framework.associations,
        "prerequisites": framework.prerequisites,
        "replaced": framework.replaced,
        "rejected": framework.rejected,
        "framework_id": framework.framework_id,
        "added": change.added,
        "changed": change.changed,
        "ended": change.ended,
        **_shown(framework.problems),
    }


def _competency_ids(settings: Settings) -> set[str]:
    """Competencies known now."""
    import lake

    known = lake.read(settings, "silver.competency", ["competency_id", "recorded_to"]).to_pylist()
    return {row["competency_id"] for row in known if row["recorded_to"] is None}


def load_items(
    settings: Settings, path: Path | str, spark: SparkSession | None = None, recorded_at: datetime | None = None
) -> dict[str, Any]:
    """Load items.csv. Returns rows, added, changed, rejected, unaligned; with unknown_columns, problems, warnings."""
    from cairn.rostering.items import read_items
    from spark_jobs.items import count_unaligned, load_alignments

    alignments = read_items(Path(path), _competency_ids(settings))
    change = load_alignments(spark, settings, alignments.rows, recorded_at)
    return {
        "rows": alignments.row_count,
        "added": change.added,
        "changed": change.changed,
        "rejected": alignments.rejected,
        "unaligned": count_unaligned(settings),
        "unknown_columns": alignments.unknown_columns,
        **_shown(alignments.problems),
    }


def load_assessments(
    settings: Settings,
    path: Path | str,
    layout: str,
    spark: SparkSession | None = None,
    recorded_at: datetime | None = None,
) -> dict[str, Any]:
    """Load a vendor's results by layout. Returns rows, results, rejected, unknown_columns; added, changed."""
    from spark_jobs.assessments import load_results

    how = load_layout(settings, layout, "assessments")
    file = read_assessments(Path(path), how)
    rows = _with_students(settings, how, file)
    change = load_results(spark, settings, rows, recorded_at)
    return _layout_result(file, rows, change)


def load_facts(
    settings: Settings,
    path: Path | str,
    layout: str,
    spark: SparkSession | None = None,
    recorded_at: datetime | None = None,
) -> dict[str, Any]:
    """Load facts by layout. Returns rows, results, rejected, unknown_columns; added, changed."""
    import lake
    from spark_jobs.facts import load_rows

    how = load_layout(settings, layout, "facts")
    schools = {row["org_id"] for row in lake.read(settings, "silver.org", ["org_id"]).to_pylist()}
    file = read_facts(Path(path), how, schools)
    rows = _with_students(settings, how, file)
    change = load_rows(spark, settings, rows, recorded_at)
    return _layout_result(file, rows, change)


def _with_students(settings: Settings, layout: Layout, file: LayoutFile) -> list[dict[str, Any]]:
    """Finished rows; a line whose pupil the vault does not know is refused, once a line."""
    identifiers = {row.student for row in file.rows if row.student}
    known = Vault(settings).resolve(layout.identifier, identifiers) if identifiers else {}
    column = layout.get("student").column
    rows: dict[str, dict[str, Any]] = {}
    refused: dict[int, str] = {}
    for row in file.rows:
        if row.student and row.student not in known:
            refused[row.line] = f"{column} is no pupil of the roster: load the roster first"
            continue
        finished = row.finish(layout.name, known[row.student] if row.student else None)
        # Two spellings of one identifier are one pupil, which only the vault can tell.
        if rows.setdefault(finished[row.id_column], finished) is not finished:
            refused[row.line] = f"says the same again of one pupil, who has two spellings in {column}"
    file.problems += [Problem(file.file, line, reason) for line, reason in sorted(refused.items())]
    return list(rows.values())


def _layout_result(file: LayoutFile, rows: Sequence[Mapping[str, Any]], change: Any) -> dict[str, Any]:
    return {
        "rows": file.row_count,
        "results": len(rows),
        "rejected": sum(problem.is_rejected for problem in file.problems),
        "unknown_columns": file.unknown_columns,
        "missing_columns": file.missing_columns,
        "added": change.added,
        "changed": change.changed,
        **_shown(file.problems),
    }


def actor() -> str:
    """Who runs a command, for the log of disclosures: the account of the operating system."""
    import getpass

    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"os:{os.getuid()}"


def one_student(vault: Vault, given: str) -> str:
    """The student key that ``given`` (a key or an identifier) means. Raises CairnError where it is none or several."""
    found = vault.find(given)
    if len(found) != 1:
        what = "nobody" if not found else f"{len(found)} people"
        raise CairnError(f"that key or identifier means {what} in the vault: give the student key (p_...)")
    return found[0]


def link_student(
    settings: Settings, student: str, kind: str, value: str, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Append a link from an identifier to a person. Returns links and restated (student keys whose work changes)."""
    from spark_jobs.roster import load_sections

    instant = datetime.now(UTC)
    vault = Vault(settings)
    key = one_student(vault, student)
    links = vault.link(key, kind, value, at=instant)
    today = DistrictCalendar.load(settings).local_date(instant)
    rows = [link.as_row() for link in links]
    load_sections(spark, settings, [], rows, today, recorded_at=instant)
    return {
        "links": [{"kind": link.kind, **link.as_row()} for link in links],
        "restated": sorted({link.student_key for link in links}),
    }
