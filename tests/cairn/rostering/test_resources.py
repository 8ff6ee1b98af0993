"""Corrective resources: read by code or identifier, and refused with the line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn.errors import CairnError
from cairn.rostering.resources import read_resources

KNOWN = {"c1": {"c1"}, "M.1": {"c1"}, "c2": {"c2"}, "M.2": {"c2", "c9"}}


def test_good_rows_keep_their_order_and_bad_ones_say_why(tmp_path: Path) -> None:
    path = tmp_path / "resources.csv"
    path.write_text(
        "competency,title,url,kind,minutes,note\n"
        "M.1,First,https://a.example/1,Lesson,20,x\n"
        "c1,Second,http://a.example/2,,,\n"
        "c2,Other,https://a.example/1,video,,\n"
        "M.7,Unknown,https://a.example/3,video,5,\n"
        "M.2,Two frameworks,https://a.example/3,video,5,\n"
        "c1,Runs,javascript:alert(1),video,5,\n"
        "c1,No host,https:///x,video,5,\n"
        "c1,Again,https://a.example/1,video,5,\n"
        "c1,Long,https://a.example/4,video,5000,\n"
        "c1,Half,https://a.example/4,video,2.5,\n"
        "c1,Kind,https://a.example/4,opera,5,\n"
        "c1,,https://a.example/4,video,5,\n"
    )
    found = read_resources(path, KNOWN)
    assert [(r["competency_id"], r["sequence"], r["resource_title"], r["kind"], r["minutes"]) for r in found.rows] == [
        ("c1", 1, "First", "lesson", 20),
        ("c1", 2, "Second", "other", None),
        ("c2", 1, "Other", "video", None),
    ]
    kinds = "lesson, practice, video, game, text, tutoring, other"
    assert [str(problem) for problem in found.problems] == [
        "resources.csv:5: competency M.7 is not loaded: correct it, or load its CASE package first",
        "resources.csv:6: competency M.2 is a code of 2 competencies: write the identifier",
        "resources.csv:7: url is no address that begins with https:// or http://",
        "resources.csv:8: url is no address that begins with https:// or http://",
        "resources.csv:9: competency and url are there already in line 2: one of the two must go",
        "resources.csv:10: minutes is no whole number between 1 and 600",
        "resources.csv:11: minutes is no whole number between 1 and 600",
        f"resources.csv:12: kind is none of {kinds}",
        "resources.csv:13: title is empty",
    ]
    assert (found.row_count, found.rejected, found.unknown_columns) == (12, 9, ["note"])


def test_a_file_without_its_columns_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "resources.csv"
    path.write_text("competency,title\nc1,First\n")
    with pytest.raises(CairnError, match=r"resources\.csv:1: missing column url"):
        read_resources(path, KNOWN)
