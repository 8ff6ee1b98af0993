"""A held school shows yesterday, labelled; everybody else shows today; what is audited is what is published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cairn.errors import CairnError
from cairn.settings import Settings
from releases import difference, holding, learning, store
from releases.difference import diff
from tests.releases.small_release import audit, insert, make, publish, publish_unseen, states

MONDAY, TUESDAY, WEDNESDAY = date(2026, 10, 12), date(2026, 10, 13), date(2026, 10, 14)


def shown(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query on the current release."""
    with store.open_release(settings, "learning") as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, sql: str, parameters: Sequence[Any] = ()) -> None:
    """Alter a release's file, as nobody should."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql, parameters)


def test_held_school_keeps_yesterdays_rows(settings: Settings) -> None:
    publish(settings, make(settings, MONDAY, [("s1", "p1", "k", "silent", "old"), ("s2", "p2", "k", "silent", "old")]))
    today = make(settings, TUESDAY, [("s1", "p1", "k", "silent", "new"), ("s2", "p2", "k", "silent", "new")])
    published = publish(settings, today, "s1")
    assert shown(settings, "select school_id, detail from mart_needs_adult order by 1") == [
        ("s1", "old"),
        ("s2", "new"),
    ]
    assert shown(settings, "select school_id, is_held_back, held_reason from mart_school order by 1") == [
        ("s1", True, "a gate failed for this school; shows 2026-10-12"),
        ("s2", False, None),
    ]
    assert [(one["school_id"], one["shown_release_id"]) for one in published.held] == [("s1", "learning-2026-10-12-1")]


def test_pupil_who_left_a_held_school_is_in_the_new_one_only(settings: Settings) -> None:
    publish_unseen(
        settings, make(settings, MONDAY, [("s1", "p1", "k", "silent", "old"), ("s1", "p1", "k", "slipping", "old")])
    )
    publish(settings, make(settings, TUESDAY, [("s2", "p1", "k", "silent", "new")]), "s1")
    assert shown(settings, "select school_id, detail from mart_needs_adult") == [("s2", "new")]


def test_pupil_with_classes_at_two_schools_keeps_the_rows_of_both(settings: Settings) -> None:
    publish_unseen(
        settings,
        make(settings, MONDAY, [("s1", "p1", "maths", "silent", "old"), ("s2", "p1", "reading", "silent", "old")]),
    )
    today = [("s1", "p1", "maths", "silent", "new"), ("s2", "p1", "reading", "silent", "new")]
    publish(settings, make(settings, TUESDAY, today), "s1")
    assert shown(settings, "select school_id, competency_id, detail from mart_needs_adult order by 1") == [
        ("s1", "maths", "old"),
        ("s2", "reading", "new"),
    ]


def test_pupil_whom_the_refused_rows_have_lost_is_still_shown(settings: Settings) -> None:
    publish_unseen(settings, make(settings, MONDAY, [("s1", "p1", "k", "silent", "old")]))
    publish(settings, make(settings, TUESDAY), "s1")
    assert shown(settings, "select school_id, student_key from mart_needs_adult") == [("s1", "p1")]


def test_held_school_without_a_yesterday_shows_nothing(settings: Settings) -> None:
    published = publish(settings, make(settings, MONDAY, [("s1", "p1", "k", "silent", "new")]), "s1")
    assert shown(settings, "select count(*) from mart_needs_adult") == [(0,)]
    assert published.held[0]["shown_release_id"] is None


def test_school_that_dbt_labelled_is_held_with_its_reason(settings: Settings) -> None:
    today = make(settings, MONDAY, [("s2", "p1", "k", "silent", "new")])
    change(
        today.path.with_name(learning.BUILT),
        "update mart_school set is_held_back = true, held_reason = 'books do not add up' where school_id = 's2'",
    )
    published = publish(settings, today)
    assert [one["reason"] for one in published.held] == ["books do not add up; nothing to show yet"]


def test_school_that_the_last_gate_holds_is_put_back_and_looked_at_again(settings: Settings) -> None:
    old = [("s1", "p1", "k", "developing", "m"), ("s2", "p2", "k", "developing", "m")]
    states(settings, [*old[1:], ("s1", "p1", "k", "developing", "m")])
    publish(settings, make(settings, MONDAY, pairs=old))
    # The mart says of p1 what the lake does not.
    today = make(settings, TUESDAY, pairs=[("s1", "p1", "k", "mastered", "m"), old[1]])
    outcome = audit(settings, today)
    assert outcome.held == [("school", "s1")]
    published = learning.publish(settings, today)
    assert "states in the mart differ" in published.held[0]["reason"]
    assert shown(settings, "select school_id, state from mart_student_competency order by 1") == [
        ("s1", "developing"),
        ("s2", "developing"),
    ]
    told = "select rule_id, scope_id from mart_gate_result where not is_passed and gate = 'before_publish'"
    assert shown(settings, told) == [("mart_student_competency.states_agree", "s1")]


def test_rows_of_a_held_school_put_in_twice_turn_the_audit_red(settings: Settings) -> None:
    monday = publish(settings, make(settings, MONDAY, [("s1", "p1", "k", "silent", "old")]))
    change(monday.path, "insert into mart_needs_adult select * from mart_needs_adult")
    today = make(settings, TUESDAY, [("s1", "p1", "k", "silent", "new")])
    outcome = audit(settings, today, "s1")
    assert outcome.is_structural_failure
    assert (
        "warehouse.unique" in outcome.structural_failures() and "mart_needs_adult: 1" in outcome.structural_failures()
    )
    with pytest.raises(CairnError, match="was not passed by the gate before_publish"):
        learning.publish(settings, today)
    present = store.current(settings, "learning")
    assert present is not None and present.release_id == monday.release_id


def test_file_that_is_not_the_audited_one_is_refused(settings: Settings) -> None:
    today = make(settings, MONDAY)
    with pytest.raises(CairnError, match="warehouse file is gone"):
        learning.publish(settings, today)
    audit(settings, today)
    with duckdb.connect(str(today.path)) as connection:
        insert(connection, "mart_needs_adult", {"school_id": "s1", "student_key": "p1", "competency_id": "k"})
    with pytest.raises(CairnError, match="not the one that was audited"):
        learning.publish(settings, today)
    assert store.current(settings, "learning") is None
    audit(settings, today)  # composed anew from what was built
    before = store.sha256_of(today.path)
    published = learning.publish(settings, today)
    assert store.sha256_of(published.path) == before, "publishing does not touch the file"
    assert shown(settings, "select count(*) from mart_needs_adult") == [(0,)]


def test_audit_against_a_release_that_is_no_longer_current_does_not_count(settings: Settings) -> None:
    today = make(settings, TUESDAY)
    audit(settings, today)
    publish_unseen(settings, make(settings, MONDAY))
    with pytest.raises(CairnError, match=r"audited against no release, which is no longer current.*marts publish"):
        learning.publish(settings, today)


def test_published_release_is_only_looked_at(settings: Settings) -> None:
    published = publish(settings, make(settings, MONDAY))
    before = store.sha256_of(published.path)
    assert audit(settings, published, "s1").is_green
    assert store.sha256_of(published.path) == before


def test_table_over_all_schools_is_counted_over_what_is_shown(settings: Settings) -> None:
    publish_unseen(settings, make(settings, MONDAY, pairs=[("s1", "p1", "k", "developing", "m")]))
    today = make(settings, TUESDAY, pairs=[("s1", "p1", "k", "mastered", "m"), ("s2", "p2", "k", "mastered", "m")])
    statement = today.path.with_name("mart_district_competency.sql")
    statement.write_text(
        "-- As dbt compiles it, in short.\n"
        "select competency_id, null, null, null, 10, count(*) filter (where state = 'mastered')::varchar, null"
        ' from "warehouse"."main"."mart_student_competency" group by 1'
    )
    holding.keep_statements([statement], today.path.with_name(learning.BUILT))
    states(settings, [("s2", "p2", "k", "mastered", "m")])
    publish(settings, today, "s1")
    assert shown(settings, "select competency_id, mastered_pct_protected from mart_district_competency") == [("k", "1")]


def test_files_are_the_owners_alone(settings: Settings) -> None:
    before = os.umask(0o022)
    try:
        published = publish(settings, make(settings, MONDAY, [("s1", "p1", "k", "silent", "new")]))
    finally:
        os.umask(before)
    folder = published.path.parent
    for path in (published.path, folder / "manifest.json", folder.parent / "current.json"):
        assert path.stat().st_mode & 0o777 == 0o600, path.name
    for path in (folder, folder.parent, settings.releases_dir):
        assert path.stat().st_mode & 0o777 == 0o700, path.name
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "warehouse.duckdb"]


def test_diff_counts_and_names_keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = publish_unseen(
        settings, make(settings, MONDAY, [("s1", "stays", "k", "silent", "x"), ("s1", "goes", "k", "silent", "x")])
    )
    after = publish_unseen(
        settings, make(settings, TUESDAY, [("s1", "stays", "k", "silent", "y"), ("s1", "comes", "k", "silent", "x")])
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
    assert "mart_pupil_subgroup" in difference.UNNAMED
    monkeypatch.setattr(difference, "UNNAMED", ("mart_needs_adult",))
    tables = {one["table"]: one for one in diff(settings, before.release_id, after.release_id)["tables"]}
    assert tables["mart_needs_adult"]["added"] == 1 and tables["mart_needs_adult"]["examples"] == [], (
        "counted, not named"
    )
