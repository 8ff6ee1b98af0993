"""The log of what was done for pupils: once a day and kind, taken back, logged again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from loading.actions import TABLE, Action, log_action, log_actions, read_actions

ONE = Action(
    "p_1", "k", "small_group", date(2026, 10, 12), "s1", "a1", "school_leader", note="  Ten minutes \n at a board "
)


def test_the_same_action_of_a_day_is_one_row(settings: Settings) -> None:
    assert log_action(settings, ONE) is not None
    assert log_action(settings, ONE) is None
    assert log_action(settings, replace(ONE, note="again", account_id="a2")) is None
    others = ({"kind": "reteach"}, {"action_date": date(2026, 10, 13)}, {"competency_id": "k2"}, {"student_key": "p_2"})
    for change in others:
        assert log_action(settings, replace(ONE, **change)) is not None
    assert lake.count_rows(settings, TABLE) == 5
    (first,) = [row for row in read_actions(settings, ["p_1"]) if row["action_id"] == ONE.action_id]
    assert first["note"] == "Ten minutes at a board"
    assert read_actions(settings, ["p_1"])[0]["action_date"] == date(2026, 10, 13)


def test_taken_back_and_logged_again(settings: Settings) -> None:
    back = replace(ONE, is_retraction=True, note=None)
    assert log_action(settings, back) is None, "nothing to take back"
    log_action(settings, ONE)
    assert log_action(settings, back) is not None
    assert read_actions(settings) == []
    log_action(settings, ONE)
    assert len(read_actions(settings)) == 1 and lake.count_rows(settings, TABLE) == 3


def test_a_groups_actions_are_one_commit_all_or_none(settings: Settings) -> None:
    group = [replace(ONE, student_key=f"p_{number}") for number in range(4)]
    with pytest.raises(CairnError):
        log_actions(settings, [*group, replace(ONE, student_key="p_9", kind="prayer")])
    assert not lake.exists(settings, TABLE)
    log_action(settings, group[0])
    assert len(log_actions(settings, [*group, group[1]])) == 3, "what stands is not logged again"
    assert lake.count_rows(settings, TABLE) == 4
    assert len(log_actions(settings, [replace(one, is_retraction=True) for one in group])) == 4
    assert log_actions(settings, []) == [] and read_actions(settings) == []


@pytest.mark.parametrize(("kind", "note", "words"), [("prayer", None, "one of reteach"), ("reteach", "x" * 201, "201")])
def test_what_cannot_be_logged_is_refused(settings: Settings, kind: str, note: str | None, words: str) -> None:
    with pytest.raises(CairnError, match=words):
        log_action(settings, replace(ONE, kind=kind, note=note))
    assert not lake.exists(settings, TABLE)
