"""Marts of the small release that published numbers are made of, and the publication itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from cairn.settings import Settings
from releases import publications, store

TABLES = {
    "mart_competency": "competency_id varchar, competency_code varchar, competency_title varchar, subject varchar,"
    " sequence int, grades varchar",
    "mart_pupil_plan": "school_id varchar, class_id varchar, class_title varchar, student_key varchar,"
    " subject varchar, grade varchar",
    "mart_pupil_subgroup": "student_key varchar, subgroup_kind varchar, subgroup varchar",
    "mart_pilot_school": "pilot_id varchar, school_id varchar, school_name varchar, arm varchar, pupils_assigned int",
    "mart_pilot_pupil": "pilot_id varchar, school_id varchar, student_key varchar, is_joiner boolean,"
    " baseline_score double, outcome_score double",
    "mart_rollout_group": "pilot_id varchar, school_id varchar, grouping_name varchar, group_name varchar,"
    " pupils_planned int, pupils_reached int",
}
PILOT = "pilot-fractions"
# The roster's groupings, each with its groups in turn (cairn/rostering; int_pupil_subgroup).
SUBGROUPS = {
    "english_learner": ("yes", "no", "no", "no", "no", "no", "no"),
    "sex": ("female", "male"),
    "race_ethnicity": ("hispanic_or_latino", "white", "not reported"),
}


def publish_numbers(settings: Settings) -> list[publications.Outcome]:
    """Add the marts to the current learning release and publish the numbers of both kinds."""
    release = store.current(settings, "learning")
    assert release is not None
    add_marts(release.path)
    return [publications.make(settings, kind) for kind in store.KINDS]


def add_marts(path: Path) -> None:
    """Bring the marts into a release's file, which nobody has open."""
    with duckdb.connect(str(path)) as connection:
        for name, columns in TABLES.items():
            connection.execute(f"create table {name} ({columns})")
        for name, rows in _rows(connection).items():
            mark = "(" + ", ".join("?" for _ in rows[0]) + ")"
            values = [value for row in rows for value in row]
            connection.execute(f"insert into {name} values {', '.join([mark] * len(rows))}", values)


def _rows(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Every pupil's plan is mathematics; the pilot's three schools have tested all but three pupils each."""
    competencies = connection.execute(
        "select competency_id, competency_code, competency_title, subject from mart_district_competency order by 1"
    ).fetchall()
    pupils = connection.execute(
        "select distinct school_id, class_id, class_title, student_key from mart_student_competency order by 1, 4"
    ).fetchall()
    schools = connection.execute("select school_id, school_name from mart_school order by 1").fetchall()
    numbered = [(*pupil, number) for number, pupil in enumerate(pupils)]
    return {
        "mart_competency": [(*one, place, None) for place, one in enumerate(competencies)],
        "mart_pupil_plan": [(*pupil, "Mathematics", "4") for pupil in pupils],
        "mart_pupil_subgroup": [
            (key, kind, of[number % len(of)]) for *_, key, number in numbered for kind, of in SUBGROUPS.items()
        ],
        "mart_pilot_school": [(PILOT, *school, "treatment", 32) for school in schools],
        "mart_pilot_pupil": [
            (PILOT, school, key, False, 200.0, None if number % 32 < 3 else 205.0)
            for school, _, _, key, number in numbered
        ],
        "mart_rollout_group": [
            (PILOT, school, "grade", grade, 16, reached)
            for school, _ in schools
            for grade, reached in (("4", 12), ("5", 16))
        ],
    }
