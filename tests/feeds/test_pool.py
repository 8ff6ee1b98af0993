"""Feeds of many schools are written by several processes: the same bytes as by one."""

from __future__ import annotations

import os
from typing import Any

import pytest

from answers import feed_folders
from answers.pinned_releases import Reader
from cairn.settings import Settings
from feeds import write

# The page to print says when it was written, as the manifest does.
TIMED = ("feed.html",)


def files_of(settings: Settings) -> dict[str, dict[str, Any]]:
    """By school: the files of its feed with size, sum, rows and pupils."""
    release = Reader(settings).current("learning")
    assert release is not None
    found = {}
    for row in release.rows("select school_id from mart_school order by 1"):
        folder = feed_folders.folder(settings, release.data_date.isoformat(), row["school_id"])
        manifest = feed_folders.read_manifest(folder)
        assert manifest is not None
        found[row["school_id"]] = {one["name"]: one for one in manifest["files"] if one["name"] not in TIMED}
    return found


def test_several_processes_write_the_same_bytes_as_one(
    published: Settings, written_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "MANY_SCHOOLS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    done: list[tuple[int, int]] = []
    result = write.write(published, on_school=lambda number, of: done.append((number, of)))
    by_two, by_one = files_of(published), files_of(written_home)
    assert result["schools"] == len(by_one) and not result["failed"] and done[-1] == (len(by_one), len(by_one))
    assert by_two == by_one
