"""The current learning release on a Postgres server, for the district's own tools: whole, at once, by role.

What is laid down is the file that readers of the portal see, after every gate; nothing is worked out again. All of it
is one transaction: a reader sees the release before or the release after, and what fails leaves nothing.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import TypedDict

import duckdb
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from gates.mart_models import mart_models
from releases import postgres_copy, store
from releases.postgres_access import (
    CLASS_TEACHERS,
    RELEASE_TABLE,
    Role,
    access_schema,
    ensure_roles,
    guard,
    readers_of,
    role_name,
)

SCHEMA = "cairn"
# As policies and readers ask.
INDEXED = ("school_id", "class_id", "student_key")
WAIT_SECONDS = 60
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Reader(TypedDict):
    """A login's role and what is its own: a school, a teacher's key, or neither (all that the role may read)."""

    login: str
    role: str
    school_id: str | None
    teacher_key: str | None


def publish(settings: Settings, url: str, schema: str = SCHEMA) -> tuple[store.Release, dict[str, int]]:
    """Lay the current release down in ``schema`` in the place of what stands there; returns it and rows by table.

    Raises CairnError where nothing is published yet, where a mart has no policy, and for what the server refuses.
    """
    if not _NAME.fullmatch(schema):
        raise UsageError(f"schema {schema!r}: small letters, digits and _, such as 'cairn'")
    release = store.current(settings, "learning")
    if release is None:
        raise CairnError("no release is published yet: run 'cairn night run' or 'cairn marts publish'")
    with contextlib.closing(store.connect(settings, release)) as source:
        marts = _marts(source)
        if CLASS_TEACHERS not in marts:
            raise CairnError(
                f"release {release.release_id} has no {CLASS_TEACHERS}, by which a teacher's rows are found:"
                " publish a newer one by 'cairn night run' first"
            )
        for mart in marts:
            readers_of(mart)
        with postgres_copy.connected(url) as connection, connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [f"{WAIT_SECONDS}s"])
            # Two that publish at once would both make the draft.
            cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"cairn {schema}"])
            counts = _lay_down(cursor, source, marts, release, schema)
    return release, counts


def _marts(source: duckdb.DuckDBPyConnection) -> list[str]:
    found = source.execute("select table_name from duckdb_tables() where schema_name = 'main' order by 1").fetchall()
    return [name for (name,) in found]


def _lay_down(
    cursor: Cursor, source: duckdb.DuckDBPyConnection, marts: Sequence[str], release: store.Release, schema: str
) -> dict[str, int]:
    draft = f"{schema}_draft"
    _run(cursor, ensure_roles(schema))
    cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(draft)))
    cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(draft)))
    counts = {mart: _lay_mart(cursor, source, mart, draft) for mart in marts}
    _lay_release(cursor, release, draft)
    for mart in marts:
        _run(cursor, guard(schema, draft, mart, readers_of(mart)))
    for role in Role:
        reader = sql.Identifier(role_name(schema, role))
        cursor.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(draft), reader))
        cursor.execute(sql.SQL("grant select on {} to {}").format(sql.Identifier(draft, RELEASE_TABLE), reader))
    cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
    cursor.execute(sql.SQL("alter schema {} rename to {}").format(sql.Identifier(draft), sql.Identifier(schema)))
    return counts


def _lay_mart(cursor: Cursor, source: duckdb.DuckDBPyConnection, mart: str, draft: str) -> int:
    types = postgres_copy.columns_of(source, "main", mart)
    model = mart_models().get(mart)
    postgres_copy.create(cursor, draft, mart, types)
    rows = postgres_copy.fill(cursor, source, f"main.{mart}", draft, mart)
    if model and model.key:
        columns = sql.SQL(", ").join(map(sql.Identifier, model.key))
        statement = "create unique index on {} ({}) nulls not distinct"
        cursor.execute(sql.SQL(statement).format(sql.Identifier(draft, mart), columns))
    for column in INDEXED:
        if column in types:
            statement = sql.SQL("create index on {} ({})")
            cursor.execute(statement.format(sql.Identifier(draft, mart), sql.Identifier(column)))
    cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(draft, mart)))
    return rows


def _lay_release(cursor: Cursor, release: store.Release, draft: str) -> None:
    table = sql.Identifier(draft, RELEASE_TABLE)
    statement = "create table {} (release_id text not null, data_date date not null, published_at timestamptz not null)"
    cursor.execute(sql.SQL(statement).format(table))
    values = [release.release_id, release.data_date, release.published_at]
    cursor.execute(sql.SQL("insert into {} values (%s, %s, %s)").format(table), values)


def _run(cursor: Cursor, statements: Sequence[sql.Composable]) -> None:
    for statement in statements:
        cursor.execute(statement)


def grant(
    url: str,
    login: str,
    role: Role,
    *,
    schools: Sequence[str] = (),
    teacher_key: str | None = None,
    schema: str = SCHEMA,
) -> list[Reader]:
    """Make a login of the server a reader, in the place of what it was before; returns what it is now.

    The login itself, with its password or certificate, is the server's administrator's to make. Raises UsageError where
    the role does not go with what is said to be its own.
    """
    if (role is Role.SCHOOL_LEADER) != bool(schools) or (role is Role.TEACHER) != (teacher_key is not None):
        raise UsageError("a school_leader has --school, a teacher --teacher-key, and no other role either of them")
    with postgres_copy.connected(url) as connection, connection.cursor() as cursor:
        _run(cursor, ensure_roles(schema))
        _take_away(cursor, login, schema)
        statement = sql.SQL("grant {} to {}").format(sql.Identifier(role_name(schema, role)), sql.Identifier(login))
        cursor.execute(statement)
        table = sql.Identifier(access_schema(schema), "reader")
        for school_id, key in [(school, None) for school in schools] + ([(None, teacher_key)] if teacher_key else []):
            cursor.execute(sql.SQL("insert into {} values (%s, %s, %s)").format(table), [login, school_id, key])
        return _readers(cursor, schema, login)


def revoke(url: str, login: str, schema: str = SCHEMA) -> None:
    """Take all roles and rows from a login. Raises CairnError where the server has no such login."""
    with postgres_copy.connected(url) as connection, connection.cursor() as cursor:
        _run(cursor, ensure_roles(schema))
        _take_away(cursor, login, schema)


def _take_away(cursor: Cursor, login: str, schema: str) -> None:
    for role in Role:
        name = sql.Identifier(role_name(schema, role))
        cursor.execute(sql.SQL("revoke {} from {}").format(name, sql.Identifier(login)))
    table = sql.Identifier(access_schema(schema), "reader")
    cursor.execute(sql.SQL("delete from {} where login = %s").format(table), [login])


def readers(url: str, schema: str = SCHEMA) -> list[Reader]:
    """Every login that reads, by name."""
    with postgres_copy.connected(url) as connection, connection.cursor() as cursor:
        _run(cursor, ensure_roles(schema))
        return _readers(cursor, schema)


def _readers(cursor: Cursor, schema: str, login: str | None = None) -> list[Reader]:
    names = {role_name(schema, role): role.value for role in Role}
    cursor.execute(
        sql.SQL(
            "select member.rolname, granted.rolname, own.school_id, own.teacher_key from pg_auth_members as given"
            " join pg_roles as member on given.member = member.oid"
            " join pg_roles as granted on given.roleid = granted.oid"
            " left join {} as own on own.login = member.rolname"
            " where granted.rolname = any(%s) and member.rolcanlogin and (%s is null or member.rolname = %s)"
            " order by 1, 2, 3, 4"
        ).format(sql.Identifier(access_schema(schema), "reader")),
        [list(names), login, login],
    )
    return [
        Reader(login=member, role=names[role], school_id=school_id, teacher_key=key)
        for member, role, school_id, key in cursor.fetchall()
    ]
