"""A release from before a mart had its newer columns is shown until the next night publishes another."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb

from answers.accounts import list_accounts
from answers.pinned_releases import Opened
from answers.school_answers import OLDER_FOLLOWUPS, OLDER_MOVES, OLDER_NEEDS, OLDER_WORDS, load_school
from answers.wording import next_answers
from portal.entitled import own_classes
from portal.pages_student import areas_of
from releases import store
from tests.portal.fixture_release import sourced


def test_a_pupils_page_of_an_older_release_leaves_out_what_it_does_not_have(pages: Any, tmp_path: Path) -> None:
    release = store.current(pages.settings, "learning")
    assert release is not None
    path = tmp_path / "older.duckdb"
    shutil.copyfile(release.path, path)
    connection = duckdb.connect(str(path))
    opened = Opened(release.release_id, release.data_date, connection)
    pupil = [pages.people[sourced(0, 0)], "school-a"]
    assert [len(rows) for rows in areas_of(opened, pupil)] == [1, 1]
    connection.execute("drop table mart_student_rollup")
    connection.execute("drop table mart_student_carried")
    opened = Opened(release.release_id, release.data_date, connection)
    assert areas_of(opened, pupil) == ([], [])


def test_an_older_release_opens_a_class_to_the_teacher_whom_it_names(pages: Any, tmp_path: Path) -> None:
    release = store.current(pages.settings, "learning")
    assert release is not None
    path = tmp_path / "older.duckdb"
    shutil.copyfile(release.path, path)
    connection = duckdb.connect(str(path))
    connection.execute("drop table mart_class_teacher")
    opened = Opened(release.release_id, release.data_date, connection)
    (teacher,) = [one for one in list_accounts(pages.settings) if one.name == "teacher-a"]
    assert [row["class_id"] for row in own_classes(opened, teacher)] == ["school-a-class-1"]


def test_an_older_release_has_no_reviews_and_everybody_first(pages: Any, tmp_path: Path) -> None:
    release = store.current(pages.settings, "learning")
    assert release is not None
    path = tmp_path / "older.duckdb"
    shutil.copyfile(release.path, path)
    connection = duckdb.connect(str(path))
    for table in (
        "mart_review_due",
        "mart_override",
        "mart_group_member",
        "mart_competency_resource",
        "mart_class_pace",
        "mart_action_school",
    ):
        connection.execute(f"drop table {table}")
    for table, columns in (
        ("mart_needs_adult", OLDER_NEEDS | OLDER_WORDS),
        ("mart_moves_on", OLDER_MOVES),
        ("mart_action_followup", OLDER_FOLLOWUPS),
        ("mart_change", ("kind",)),
    ):
        for column in columns:
            connection.execute(f"alter table {table} drop column {column}")
    view = load_school(Opened(release.release_id, release.data_date, connection), "school-a")
    assert view is not None
    assert (view.reviews_due, view.groups, view.resources, view.pace) == ([], [], {}, [])
    assert (view.changes, view.action_summary) == ([], None)
    assert view.needs_adult
    assert all(row["is_first"] and row["gap_share"] is None for row in view.needs_adult)
    assert view.overrides == [] and {row["override_state"] for row in view.needs_adult} == {None}
    assert {next_answers(row) for row in view.followups} == {"no counted answer since"}
    assert view.moves_on
    assert {row["expected_share"] for row in view.moves_on} == {None}
