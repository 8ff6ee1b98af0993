"""The pilots' models of dbt as plain SQL over the real tables of a lake: their rows in a second instead of a build."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import jinja2

import lake
from cairn.settings import Settings
from releases.dbt_sources import PROJECT, used_tables
from releases.warehouse import ReleaseContext

# In an order in which each finds what it reads.
MODELS = (
    *("stg_release", "stg_org", "stg_course", "stg_class", "stg_enrollment", "stg_person_version"),
    *("stg_assessment_result", "stg_fact", "stg_guardrail_fact", "stg_pilot_plan", "stg_pilot_arm"),
    *("stg_pilot_event", "stg_subject_link", "stg_item_alignment"),
    *("int_student_enrollment", "int_pupil_last_school", "int_pilot_fact", "int_pilot_pupil", "int_pilot_window"),
    *("int_pilot_score", "mart_pilot_window"),
    *("int_pilot_start", "int_pilot_dosage"),
    *("mart_pilot_pupil", "mart_pilot_school", "mart_pilot_guardrail", "int_pilot_reached"),
    "int_rollout_fact",
    *("mart_rollout_sent", "mart_rollout_milestone", "mart_rollout_school", "mart_rollout_reach", "mart_rollout_cost"),
    *("mart_rollout_group", "mart_rollout_barrier", "mart_rollout_learning", "mart_rollout_readiness"),
    "mart_rollout_support",
)


# The two tables of the lake that plans are read from, empty.
PLAN_TABLES = (
    "create table gold_pilot_plan (pilot_id varchar, plan_hash varchar, title varchar, frozen_at timestamptz,"
    " plan_json varchar);"
    "create table gold_pilot_practice (pilot_id varchar, plan_hash varchar, recorded_at timestamptz, plan_json varchar)"
)


def built(settings: Settings, data_date: date) -> duckdb.DuckDBPyConnection:
    """A connection that holds the models as tables, as dbt would build them of this lake on the data date."""
    environment = ReleaseContext.of(settings, data_date).environment()
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    models = {name: text for name, text in _models().items() if name in MODELS}
    for name in used_tables():
        alias = name.replace(".", "_")
        if any(f"source('{name.split('.')[0]}', '{name.split('.')[1]}')" in text for text in models.values()):
            connection.register(alias, lake.read(settings, name))
    for name in MODELS:
        connection.execute(f"create table {name} as {_rendered(models[name], environment)}")
    return connection


def query(name: str, environment: Mapping[str, str] | None = None) -> str:
    """One model as plain SQL over tables that are called as the models are."""
    return _rendered(_models()[name], environment or {})


def _models() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in (PROJECT / "models").rglob("*.sql")}


def _rendered(text: str, environment: Mapping[str, str]) -> str:
    # Macros of dbt's own kinds (tests, schema names) are nothing that a model calls.
    files = [path for path in sorted((PROJECT / "macros").glob("*.sql")) if path.stem in _CALLED]
    macros = "\n".join(path.read_text(encoding="utf-8") for path in files)
    known: dict[str, Any] = {
        "env_var": lambda name, default="": environment.get(name, default),
        "ref": lambda name: name,
        "source": lambda layer, table: f"{layer}_{table}",
        "target": {"type": "duckdb"},
    }
    return jinja2.Environment().from_string(macros + text, globals=known).render()


_CALLED = (
    *("both_engines", "known_at", "data_date", "dosage_days", "grade_key", "last_test_day", "planned_result"),
    "same_name",
)
