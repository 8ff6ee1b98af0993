"""The release on a real Postgres server: every role on every table, what a reader may try, and a swap that is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from gates.mart_models import mart_models
from releases import postgres, postgres_access, store
from releases.postgres_access import READERS, Role, Rows
from tests.marts.small_roster import DATA_DATE

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]

SCHOOL = "s-north"
LOGINS = {role: f"a_{role.value}" for role in Role}
# Of single pupils or classes, or counts of pupils that nobody has protected.
PERSONAL = {"student_key", "teacher_key", "class_id", "sample_event_ids"}


@pytest.fixture(scope="module")
def teacher(release: store.Release, small_lake: Settings) -> tuple[str, set[str]]:
    """The key of the second teacher of a class, and her classes, from the release."""
    with closing(store.connect(small_lake, release)) as source:
        rows = source.execute(
            "select teacher_key, list(class_id) from mart_class_teacher group by 1 order by 1"
        ).fetchall()
    assert len(rows) == 2, "two teach one class of the small district"
    return rows[-1][0], set(rows[-1][1])


@pytest.fixture(scope="module")
def server(postgres_url: str, small_lake: Settings, teacher: tuple[str, set[str]]) -> str:
    """The server with the release on it, a login a role, and one that has none."""
    release, counts = postgres.publish(small_lake, postgres_url)
    assert counts == release.tables
    with closing(psycopg2.connect(postgres_url)) as connection, connection, connection.cursor() as cursor:
        for login in (*LOGINS.values(), "a_stranger", "another_leader"):
            cursor.execute(f"create role {login} login")
    for role, login in LOGINS.items():
        schools = [SCHOOL] if role is Role.SCHOOL_LEADER else []
        key = teacher[0] if role is Role.TEACHER else None
        postgres.grant(postgres_url, login, role, schools=schools, teacher_key=key)
    postgres.grant(postgres_url, "another_leader", Role.SCHOOL_LEADER, schools=["s-south"])
    return postgres_url


@pytest.fixture(scope="module")
def connections(server: str) -> Iterator[dict[str, psycopg2.extensions.connection]]:
    """One connection a login."""
    opened = {}
    for login in (*LOGINS.values(), "a_stranger", "another_leader"):
        opened[login] = psycopg2.connect(server, user=login)
        opened[login].autocommit = True
    yield opened
    for connection in opened.values():
        connection.close()


def _ask(connection: psycopg2.extensions.connection, statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_every_mart_says_who_reads_it() -> None:
    assert set(READERS) == set(mart_models())


@pytest.mark.parametrize("mart", sorted(READERS))
def test_who_is_not_named_reads_nothing_and_who_is_reads_her_rows(
    mart: str,
    connections: dict[str, psycopg2.extensions.connection],
    small_lake: Settings,
    release: store.Release,
    teacher: tuple[str, set[str]],
) -> None:
    wanted = {
        Rows.ALL: "true",
        Rows.OWN_SCHOOL: f"school_id = '{SCHOOL}'",
        Rows.OWN_CLASSES: f"class_id in ({', '.join(repr(one) for one in sorted(teacher[1]))})",
        Rows.OWN_KEY: f"teacher_key = '{teacher[0]}'",
    }
    with closing(store.connect(small_lake, release)) as source:
        for role, login in LOGINS.items():
            asked = f"select count(*) from cairn.{mart}"
            if role not in READERS[mart]:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    _ask(connections[login], asked)
                continue
            own = source.execute(f"select count(*) from {mart} where {wanted[READERS[mart][role]]}").fetchall()
            assert _ask(connections[login], asked) == own, role
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _ask(connections["a_stranger"], f"select count(*) from cairn.{mart}")


def test_the_central_office_reads_no_table_of_pupils_and_no_count_of_them() -> None:
    for mart, readers in READERS.items():
        columns = set(mart_models()[mart].types)
        if Role.CENTRAL_OFFICE in readers:
            assert not columns & PERSONAL, mart
            assert not [name for name in columns if name.startswith(("pupils", "active_pupils"))], mart


def test_a_school_sees_rows_of_its_own_and_of_no_other(connections: dict[str, psycopg2.extensions.connection]) -> None:
    statement = "select distinct school_id from cairn.mart_student_competency"
    assert _ask(connections[LOGINS[Role.SCHOOL_LEADER]], statement) == [(SCHOOL,)]
    assert _ask(connections["another_leader"], statement) == [("s-south",)]
    assert len(_ask(connections[LOGINS[Role.ENGINEER]], statement)) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "set role cairn_engineer",
        "set role owner",
        "insert into cairn_access.reader values (current_user, 's-south', null)",
        "update cairn_access.reader set school_id = 's-south'",
        "delete from cairn.mart_student_competency",
        "alter table cairn.mart_student_competency disable row level security",
        "create table cairn.mine (x int)",
        "select * from cairn_models_work.int_pupil_competency",
    ],
)
def test_a_reader_widens_nothing(statement: str, connections: dict[str, psycopg2.extensions.connection]) -> None:
    with pytest.raises(psycopg2.Error, match=r"permission denied|must be owner|does not exist"):
        _ask(connections[LOGINS[Role.SCHOOL_LEADER]], statement)


def test_a_reader_sees_of_no_other_reader(
    connections: dict[str, psycopg2.extensions.connection], teacher: tuple[str, set[str]]
) -> None:
    leader, own = LOGINS[Role.SCHOOL_LEADER], LOGINS[Role.TEACHER]
    assert _ask(connections[leader], "select login, school_id from cairn_access.reader") == [(leader, SCHOOL)]
    assert _ask(connections[own], "select teacher_key, class_id from cairn.mart_class_teacher") == [
        (teacher[0], class_id) for class_id in sorted(teacher[1])
    ]


def test_what_is_published_says_which_release_it_is(
    connections: dict[str, psycopg2.extensions.connection], release: store.Release
) -> None:
    rows = _ask(connections[LOGINS[Role.CENTRAL_OFFICE]], "select release_id, data_date from cairn.published_release")
    assert rows == [(release.release_id, DATA_DATE)]


def test_who_is_taken_away_reads_nothing(server: str, connections: dict[str, psycopg2.extensions.connection]) -> None:
    statement = "select count(*) from cairn.mart_school"
    assert _ask(connections["another_leader"], statement) == [(1,)]
    postgres.revoke(server, "another_leader")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _ask(connections["another_leader"], statement)
    assert "another_leader" not in {one["login"] for one in postgres.readers(server)}
    assert postgres.grant(server, "another_leader", Role.SCHOOL_LEADER, schools=["s-south"]) == [
        {"login": "another_leader", "role": "school_leader", "school_id": "s-south", "teacher_key": None}
    ]


def test_a_mart_without_a_policy_is_refused_and_what_stands_stays(
    server: str,
    small_lake: Settings,
    connections: dict[str, psycopg2.extensions.connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = _ask(connections[LOGINS[Role.ENGINEER]], "select count(*) from cairn.mart_change")
    monkeypatch.delitem(READERS, "mart_change")
    with pytest.raises(CairnError, match=r"mart_change has no policy: say in releases/postgres_access.py"):
        postgres.publish(small_lake, server)
    assert _ask(connections[LOGINS[Role.ENGINEER]], "select count(*) from cairn.mart_change") == before


def test_a_release_that_does_not_say_who_teaches_a_class_is_refused(
    server: str, small_lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CLASS_TEACHERS", "mart_of_a_later_version")
    with pytest.raises(CairnError, match=r"has no mart_of_a_later_version.*publish a newer one by 'cairn night run'"):
        postgres.publish(small_lake, server)


def test_a_publication_that_fails_half_way_leaves_what_stood(
    server: str,
    small_lake: Settings,
    connections: dict[str, psycopg2.extensions.connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(postgres_access.READERS, "mart_school_day", {Role.TEACHER: Rows.OWN_CLASSES})
    with pytest.raises(CairnError, match='Postgres: column "class_id" does not exist'):
        postgres.publish(small_lake, server)
    assert _ask(connections[LOGINS[Role.SCHOOL_LEADER]], "select count(*) from cairn.mart_school") == [(1,)]


def test_the_next_publication_takes_the_place_of_the_one_before(
    server: str, small_lake: Settings, connections: dict[str, psycopg2.extensions.connection]
) -> None:
    postgres.publish(small_lake, server)
    leader = connections[LOGINS[Role.SCHOOL_LEADER]]
    assert _ask(leader, "select distinct school_id from cairn.mart_needs_adult") == [(SCHOOL,)]
    schemas = "select nspname from pg_namespace where nspname like 'cairn%' and nspname not like 'cairn_models%'"
    assert sorted(_ask(leader, schemas)) == [("cairn",), ("cairn_access",)]


def test_a_role_goes_with_what_is_its_own(server: str) -> None:
    with pytest.raises(UsageError, match="a school_leader has --school"):
        postgres.grant(server, LOGINS[Role.ENGINEER], Role.ENGINEER, schools=[SCHOOL])
    with pytest.raises(CairnError, match='role "nobody_here" does not exist'):
        postgres.grant(server, "nobody_here", Role.ENGINEER)
    with pytest.raises(UsageError, match="small letters"):
        postgres.publish(Settings(), server, 'x"; drop')
