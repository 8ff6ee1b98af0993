"""A held school shows yesterday, labelled; everybody else shows today."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import duckdb

from cairn.settings import Settings
from releases import learning, store
from releases.difference import diff

Make = Callable[..., store.Release]
MONDAY, TUESDAY = date(2026, 10, 12), date(2026, 10, 13)


def test_held_school_keeps_yesterdays_rows(settings: Settings, make_release: Make) -> None:
    learning.publish(
        settings, make_release(MONDAY, [("s1", "p1", "k", "silent", "old"), ("s2", "p2", "k", "silent", "old")])
    )
    today = make_release(TUESDAY, [("s1", "p1", "k", "silent", "new"), ("s2", "p2", "k", "silent", "new")])
    published = learning.publish(settings, today, [("school", "s1"), ("source", "mathapp")])
    connection = store.open_release(settings, "learning")
    assert connection.execute("select school_id, detail from mart_needs_adult order by 1").fetchall() == [
        ("s1", "old"),
        ("s2", "new"),
    ]
    assert connection.execute("select school_id, is_held_back, held_reason from mart_school order by 1").fetchall() == [
        ("s1", True, "a gate failed for this school; shows 2026-10-12"),
        ("s2", False, None),
    ]
    connection.close()
    assert [(one["school_id"], one["shown_release_id"]) for one in published.held] == [("s1", "learning-2026-10-12-1")]


def test_pupil_who_left_a_held_school_is_in_the_new_one_only(settings: Settings, make_release: Make) -> None:
    learning.publish(settings, make_release(MONDAY, [("s1", "p1", "k", "silent", "old")]))
    today = make_release(TUESDAY, [("s2", "p1", "k", "silent", "new")])
    learning.publish(settings, today, [("school", "s1")])
    connection = store.open_release(settings, "learning")
    assert connection.execute("select school_id, detail from mart_needs_adult").fetchall() == [("s2", "new")]
    connection.close()


def test_held_school_without_a_yesterday_shows_nothing(settings: Settings, make_release: Make) -> None:
    published = learning.publish(
        settings, make_release(MONDAY, [("s1", "p1", "k", "silent", "new")]), [("school", "s1")]
    )
    connection = store.open_release(settings, "learning")
    assert connection.execute("select count(*) from mart_needs_adult").fetchall() == [(0,)]
    connection.close()
    assert published.held[0]["shown_release_id"] is None


def test_school_that_dbt_labelled_is_held_with_its_reason(settings: Settings, make_release: Make) -> None:
    today = make_release(MONDAY, [("s2", "p1", "k", "silent", "new")])
    connection = duckdb.connect(str(today.path))
    connection.execute(
        "update mart_school set is_held_back = true, held_reason = 'books do not add up' where school_id = 's2'"
    )
    connection.close()
    published = learning.publish(settings, today)
    assert [one["reason"] for one in published.held] == ["books do not add up; nothing to show yet"]


def test_diff_counts_and_names_keys(settings: Settings, make_release: Make) -> None:
    before = learning.publish(
        settings,
        make_release(MONDAY, [("s1", "stays", "k", "silent", "x"), ("s1", "goes", "k", "silent", "x")]),
    )
    after = learning.publish(
        settings,
        make_release(TUESDAY, [("s1", "stays", "k", "silent", "y"), ("s1", "comes", "k", "silent", "x")]),
    )
    tables = {one["table"]: one for one in diff(settings, before.release_id, after.release_id)["tables"]}
    found = tables["mart_needs_adult"]
    assert [found[key] for key in ("before", "after", "added", "removed", "changed")] == [2, 2, 1, 1, 1]
    assert {(one["what"], one["key"]["student_key"], tuple(one["columns"])) for one in found["examples"]} == {
        ("added", "comes", ()),
        ("removed", "goes", ()),
        ("changed", "stays", ("detail",)),
    }
    assert tables["mart_school"]["changed"] == 0
