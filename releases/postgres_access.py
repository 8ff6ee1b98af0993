"""Who reads which rows of which mart on a Postgres server: one line a mart, and nothing that is not said here.

A login is a member of one of four roles; which schools or classes are its own stands in a table that only the owner
writes. A setting of the session would not do: whoever may write SQL may set it. A mart that is not named here is not
published, and of one that is named a role that is not listed has neither the right to it nor a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from psycopg2 import sql

from cairn.errors import CairnError


class Role(StrEnum):
    """Whom a login stands for; the role on the server is named after the schema, ``cairn_teacher``."""

    SCHOOL_LEADER = "school_leader"
    TEACHER = "teacher"
    CENTRAL_OFFICE = "central_office"
    ENGINEER = "engineer"


class Rows(StrEnum):
    """Which rows of a mart a role reads; the value is the condition, with the schemas to be filled in."""

    ALL = "true"
    OWN_SCHOOL = "school_id in (select reader.school_id from {access}.reader as reader)"
    OWN_CLASSES = "class_id in (select own.class_id from {schema}.mart_class_teacher as own)"
    OWN_KEY = "teacher_key in (select reader.teacher_key from {access}.reader as reader)"


Readers = Mapping[Role, Rows]
_ENGINEER = {Role.ENGINEER: Rows.ALL}
# Holds no number of pupils.
EVERYBODY = dict.fromkeys(Role, Rows.ALL)
OF_A_SCHOOL = {Role.SCHOOL_LEADER: Rows.OWN_SCHOOL, **_ENGINEER}
OF_A_CLASS = {Role.TEACHER: Rows.OWN_CLASSES, **OF_A_SCHOOL}
# Of schools and their adults, without a number of pupils.
OF_THE_DISTRICT = {Role.CENTRAL_OFFICE: Rows.ALL, **_ENGINEER}

READERS: dict[str, Readers] = {
    "mart_action_followup": OF_A_SCHOOL,
    # Small numbers are left out, but two days' tables can be subtracted: what is published on fixed days (decision 33)
    # is for everybody else.
    "mart_action_kind": _ENGINEER,
    "mart_district_competency": _ENGINEER,
    "mart_action_school": OF_A_SCHOOL,
    "mart_change": OF_A_CLASS,
    "mart_class_attention": OF_A_CLASS,
    "mart_class_pace": OF_A_CLASS,
    # What the other tables' rows of a teacher go by: she reads the lines that name her.
    "mart_class_teacher": {Role.TEACHER: Rows.OWN_KEY, **OF_A_SCHOOL},
    "mart_competency": EVERYBODY,
    "mart_competency_resource": EVERYBODY,
    "mart_gate_result": _ENGINEER,
    "mart_grade": EVERYBODY,
    "mart_group_member": OF_A_CLASS,
    "mart_intake_attribution": _ENGINEER,
    "mart_intake_ledger": _ENGINEER,
    "mart_moves_on": OF_A_CLASS,
    "mart_needs_adult": OF_A_CLASS,
    "mart_override": OF_A_CLASS,
    "mart_pilot_guardrail": _ENGINEER,
    "mart_pilot_pupil": _ENGINEER,
    "mart_pilot_school": _ENGINEER,
    "mart_pilot_window": _ENGINEER,
    "mart_pupil_plan": OF_A_CLASS,
    "mart_review_due": OF_A_CLASS,
    "mart_rollout_barrier": OF_THE_DISTRICT,
    "mart_rollout_cost": OF_THE_DISTRICT,
    "mart_rollout_group": _ENGINEER,
    "mart_rollout_learning": _ENGINEER,
    "mart_rollout_milestone": OF_THE_DISTRICT,
    "mart_rollout_reach": _ENGINEER,
    "mart_rollout_readiness": OF_THE_DISTRICT,
    "mart_rollout_school": _ENGINEER,
    "mart_rollout_sent": OF_THE_DISTRICT,
    "mart_rollout_support": OF_THE_DISTRICT,
    # Its number of pupils is exact; the central office's is in what is published on fixed days.
    "mart_school": OF_A_SCHOOL,
    "mart_school_day": OF_A_SCHOOL,
    "mart_school_trust": OF_A_SCHOOL,
    "mart_source_freshness": OF_A_SCHOOL | {Role.CENTRAL_OFFICE: Rows.ALL},
    "mart_student_carried": OF_A_SCHOOL,
    "mart_student_competency": OF_A_CLASS,
    "mart_student_decision": OF_A_SCHOOL,
    "mart_student_rollup": OF_A_SCHOOL,
    # A pupil by what is most sensitive of her: nobody. What is published of groups is counted of it and protected.
    "mart_pupil_subgroup": {},
    # Exact counts of few pupils by what is most sensitive of them, and that there is such a pupil at all: protected
    # first, then shown to anybody.
    "mart_subgroup": _ENGINEER,
    "mart_subgroup_mastery": _ENGINEER,
}
# Laid down beside the marts: which release this is.
RELEASE_TABLE = "published_release"
CLASS_TEACHERS = "mart_class_teacher"


def readers_of(mart: str) -> Readers:
    """Who reads a mart. Raises CairnError for one of which nobody has said it."""
    if mart not in READERS:
        raise CairnError(f"{mart} has no policy: say in releases/postgres_access.py who reads which of its rows")
    return READERS[mart]


def role_name(schema: str, role: Role) -> str:
    """The role on the server."""
    return f"{schema}_{role.value}"


def access_schema(schema: str) -> str:
    """Where the table of readers stands: apart from the marts, which each release replaces."""
    return f"{schema}_access"


def ensure_roles(schema: str) -> list[sql.Composable]:
    """Statements that make the roles and the table of readers, where they are not there yet."""
    access, statements = sql.Identifier(access_schema(schema)), list[sql.Composable]()
    for role in Role:
        name = role_name(schema, role)
        statements.append(
            sql.SQL(
                "do $do$ begin if not exists (select from pg_roles where rolname = {}) then create role {} nologin;"
                " end if; end $do$"
            ).format(sql.Literal(name), sql.Identifier(name))
        )
    table = sql.SQL("{}.reader").format(access)
    statements += [
        sql.SQL("create schema if not exists {}").format(access),
        sql.SQL(
            "create table if not exists {} (login name not null, school_id text collate pg_c_utf8,"
            " teacher_key text collate pg_c_utf8, check (num_nonnulls(school_id, teacher_key) = 1),"
            " unique nulls not distinct (login, school_id, teacher_key))"
        ).format(table),
        sql.SQL("alter table {} enable row level security").format(table),
        sql.SQL("drop policy if exists own_rows on {}").format(table),
        # Nobody sees of whom else the table speaks.
        sql.SQL("create policy own_rows on {} for select using (login = current_user)").format(table),
    ]
    for role in Role:
        name = sql.Identifier(role_name(schema, role))
        statements.append(sql.SQL("grant usage on schema {} to {}").format(access, name))
        statements.append(sql.SQL("grant select on {} to {}").format(table, name))
    return statements


def guard(schema: str, draft: str, table: str, readers: Readers) -> list[sql.Composable]:
    """Statements that close a table of the schema ``draft`` to everybody and open its rows to ``readers``.

    ``schema`` is what the draft will be called. Conditions are bound to tables, not to names: they hold after that.
    """
    name = sql.Identifier(draft, table)
    statements: list[sql.Composable] = [sql.SQL("alter table {} enable row level security").format(name)]
    places = {"access": sql.Identifier(access_schema(schema)), "schema": sql.Identifier(draft)}
    for role, rows in readers.items():
        reader = sql.Identifier(role_name(schema, role))
        condition = sql.SQL(rows.value).format(**places)
        statements.append(sql.SQL("grant select on {} to {}").format(name, reader))
        statements.append(
            sql.SQL("create policy {} on {} for select to {} using ({})").format(
                sql.Identifier(role.value), name, reader, condition
            )
        )
    return statements
