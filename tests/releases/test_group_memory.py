"""Groups of the next night go on from what a page showed: the memory is of the published file, and is made good."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest

import lake
from cairn.contracts import load_contract
from cairn.settings import Settings
from releases import group_memory, learning, store
from tests.releases.small_release import audit, insert, make, publish

MONDAY, TUESDAY = date(2026, 10, 12), date(2026, 10, 13)


def made(settings: Settings, day: date, group: str) -> store.Release:
    """A build in which each of two schools has a group of that name, and a pupil who has left it."""
    release = make(settings, day, [(school, f"p-{school}", "k", "silent", "") for school in ("s1", "s2")])
    with duckdb.connect(str(release.path.with_name(learning.BUILT))) as connection:
        for school in ("s1", "s2"):
            same = {"school_id": school, "group_id": f"{group}-{school}", "competency_id": "k", "group_since_date": day}
            for pupil, is_member in (("stays", True), ("left", False)):
                row = same | {"student_key": f"{pupil}-{school}", "is_member": is_member, "joined_date": day}
                insert(connection, "mart_group_member", row)
    return release


def remembered(settings: Settings, day: date) -> list[tuple[str, str]]:
    """Group and pupil as kept for a day."""
    rows = lake.read(settings, group_memory.TABLE, partitions={"data_date": [day]}).to_pylist()
    return sorted((row["group_id"], row["student_key"]) for row in rows)


def test_a_held_school_goes_on_from_the_groups_that_its_page_shows(settings: Settings) -> None:
    publish(settings, made(settings, MONDAY, "old"))
    assert remembered(settings, MONDAY) == [("old-s1", "stays-s1"), ("old-s2", "stays-s2")]
    publish(settings, made(settings, TUESDAY, "new"), "s1")
    assert remembered(settings, TUESDAY) == [("new-s2", "stays-s2"), ("old-s1", "stays-s1")]
    assert remembered(settings, MONDAY) == [("old-s1", "stays-s1"), ("old-s2", "stays-s2")]


def test_a_night_that_died_after_the_swap_is_mended_by_publishing_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = made(settings, MONDAY, "g")
    audit(settings, release)

    def dies(*_: Any) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(group_memory, "remember", dies)
        learning.publish(settings, release)
    assert remembered(settings, MONDAY) == []
    assert learning.publish(settings, release).release_id == release.release_id
    assert remembered(settings, MONDAY) == [("g-s1", "stays-s1"), ("g-s2", "stays-s2")]


def test_rows_older_than_the_contract_keeps_are_deleted(settings: Settings) -> None:
    release = publish(settings, made(settings, MONDAY, "g"))
    kept_days = load_contract(group_memory.TABLE).retention_days
    assert kept_days is not None
    later = date.fromordinal(MONDAY.toordinal() + kept_days + 1)
    assert group_memory.remember(settings, replace(release, data_date=later)) == 2
    assert (remembered(settings, MONDAY), len(remembered(settings, later))) == ([], 2)
