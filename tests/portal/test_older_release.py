"""A release from before a mart had its newer columns is shown until the next night publishes another."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb

from answers.pinned_releases import Opened
from answers.school_answers import OLDER_MOVES, OLDER_NEEDS, load_school
from releases import store


def test_an_older_release_has_no_reviews_and_everybody_first(pages: Any, tmp_path: Path) -> None:
    release = store.current(pages.settings, "learning")
    assert release is not None
    path = tmp_path / "older.duckdb"
    shutil.copyfile(release.path, path)
    connection = duckdb.connect(str(path))
    for table in ("mart_review_due", "mart_group_member", "mart_competency_resource", "mart_class_pace"):
        connection.execute(f"drop table {table}")
    for table, columns in (("mart_needs_adult", OLDER_NEEDS), ("mart_moves_on", OLDER_MOVES)):
        for column in columns:
            connection.execute(f"alter table {table} drop column {column}")
    view = load_school(Opened(release.release_id, release.data_date, connection), "school-a")
    assert view is not None
    assert (view.reviews_due, view.groups, view.resources, view.pace) == ([], [], {}, [])
    assert view.needs_adult
    assert all(row["is_first"] and row["gap_share"] is None for row in view.needs_adult)
    assert view.moves_on
    assert {row["expected_share"] for row in view.moves_on} == {None}
