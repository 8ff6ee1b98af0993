"""Whose classes and pupils are whose: a leader's school, a teacher's classes, and nothing of anybody else's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from typer.testing import CliRunner

from answers import accounts
from answers.accounts import Account, list_accounts
from answers.pinned_releases import Opened, Reader
from cairn.errors import UsageError
from cairn.settings import Settings
from cli import account as account_command
from portal.entitled import own_classes, require_class, require_pupil
from tests.portal.fixture_release import register_people, sourced

ROOM_1, ROOM_2 = "school-a-class-1", "school-a-class-2"


@pytest.fixture
def release(pages: Any) -> Opened:
    found = Reader(pages.settings).current("learning")
    assert found is not None
    return found


def account_of(pages: Any, name: str) -> Account:
    (found,) = [one for one in list_accounts(pages.settings) if one.name == name]
    return found


def refusal(check: Any, *given: Any) -> str:
    with pytest.raises(HTTPException) as refused:
        check(*given)
    assert refused.value.status_code == 403
    return refused.value.detail


def test_a_teacher_has_the_classes_of_the_roster_and_no_others(pages: Any, release: Opened) -> None:
    teacher = account_of(pages, "teacher-a")
    assert [row["class_id"] for row in own_classes(release, teacher)] == [ROOM_1]
    require_class(release, teacher, "school-a", ROOM_1)
    wrong = [("school-a", ROOM_2), ("school-b", "school-b-class-1"), ("school-b", ROOM_1), ("school-a", "no-such")]
    assert {refusal(require_class, release, teacher, *place) for place in wrong} == {
        "Your account opens your own classes only."
    }


def test_all_who_teach_a_class_open_it(pages: Any, release: Opened) -> None:
    second = replace(account_of(pages, "teacher-a"), teacher_key=pages.people["teacher-0-1"])
    assert [row["class_id"] for row in own_classes(release, second)] == [ROOM_1, ROOM_2]
    require_class(release, second, "school-a", ROOM_1)
    assert require_pupil(release, second, pages.people[sourced(0, 0)]) == "school-a"
    refusal(require_class, release, second, "school-b", "school-b-class-1")


def test_a_teacher_has_the_pupils_of_her_classes_and_no_others(pages: Any, release: Opened) -> None:
    teacher = account_of(pages, "teacher-a")
    assert require_pupil(release, teacher, pages.people[sourced(0, 0)]) == "school-a"
    others = [pages.people[sourced(0, 1)], pages.people[sourced(1, 0)], "p_nobody"]
    assert len({refusal(require_pupil, release, teacher, key) for key in others}) == 1


def test_a_leader_has_her_school(pages: Any, release: Opened) -> None:
    leader = account_of(pages, "leader-a")
    assert [row["class_id"] for row in own_classes(release, leader)] == [ROOM_1, ROOM_2]
    require_class(release, leader, "school-a", ROOM_2)
    assert require_pupil(release, leader, pages.people[sourced(0, 1)]) == "school-a"
    refusal(require_class, release, leader, "school-b", "school-b-class-1")
    assert refusal(require_pupil, release, leader, pages.people[sourced(1, 0)]) == refusal(
        require_pupil, release, leader, "p_nobody"
    )


@pytest.mark.parametrize("name", ["central", "engineer"])
def test_nobody_else_has_any(pages: Any, release: Opened, name: str) -> None:
    account = account_of(pages, name)
    assert own_classes(release, account) == []
    refusal(require_class, release, account, "school-a", ROOM_1)
    refusal(require_pupil, release, account, pages.people[sourced(0, 0)])


def test_a_teacher_starts_at_her_classes(pages: Any) -> None:
    assert pages.client("teacher-a").get("/").headers["location"] == "/classes"


def test_a_teacher_is_named_by_the_roster_which_the_account_does_not_keep(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = register_people(settings)["teacher-1-1"]
    monkeypatch.setattr(account_command, "settings", lambda: settings)
    run = CliRunner()

    def add(name: str, *options: str) -> Any:
        return run.invoke(account_command.app, ["add", name, "--role", "teacher", *options, "--json"])

    made = add("okafor", "--teacher", "teacher-1-1")
    assert made.exit_code == 0 and json.loads(made.stdout)["teacher_key"] == key
    assert add("lindqvist", "--teacher", key).exit_code == 0
    assert {one.teacher_key for one in list_accounts(settings)} == {key}
    unknown = add("haddad", "--teacher", "teacher-9-9")
    assert unknown.exit_code != 0 and "nobody" in str(unknown.exception) and "teacher-9-9" not in str(unknown.exception)
    assert b"teacher-1-1" not in accounts.accounts_path(settings).read_bytes()
    for role, own in (("teacher", {}), ("engineer", {"teacher_key": key}), ("school_leader", {"teacher_key": key})):
        with pytest.raises(UsageError, match="needs --"):
            accounts.add_account(settings, "jansen", role, **own)  # type: ignore[arg-type]
