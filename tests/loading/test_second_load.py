"""A second roster and a second framework, then what a night with a held school asks of them by text."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import lake
import loading
from cairn.errors import CairnError
from cairn.settings import Settings
from loading.history import CURRENT
from spark_jobs.pupils import pupils_of

START = datetime(2026, 8, 17, 12, tzinfo=UTC)
DAY = date(2026, 10, 14)
PUPILS = 12


def roster(folder: Path, school_of: dict[int, str]) -> Path:
    """A bulk package: pupil ``n`` is enrolled in the class of ``school_of[n]``."""
    folder.mkdir(parents=True)
    files = {
        "orgs": ["sourcedId,status,dateLastModified,name,type", "sch-1,,,One,school", "sch-2,,,Two,school"],
        "classes": ["sourcedId,status,dateLastModified,title,schoolSourcedId", "cls-1,,,A,sch-1", "cls-2,,,B,sch-2"],
        "users": [
            "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email,primaryOrgSourcedId"
        ],
        "roles": ["sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId"],
        "enrollments": [
            "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate"
        ],
    }
    for number, school in school_of.items():
        files["users"].append(f"usr-{number},,,true,user{number},Given{number},Family{number},,{school}")
        files["roles"].append(f"rol-{number},,,usr-{number},primary,student,{school}")
        files["enrollments"].append(
            f"enr-{number},,,{school.replace('sch', 'cls')},{school},usr-{number},student,2026-08-17,"
        )
    manifest = ["propertyName,value", "oneroster.version,1.2", *(f"file.{name},bulk" for name in files)]
    for name, lines in {**files, "manifest": manifest}.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def framework(path: Path, edges: list[tuple[str, str, str]]) -> Path:
    package: dict[str, Any] = {
        "CFDocument": {"identifier": "fw", "title": "Framework", "subject": ["Mathematics"]},
        "CFItems": [{"identifier": f"c{n}", "fullStatement": f"Can do {n}"} for n in range(5)],
        "CFAssociations": [
            {
                "identifier": f"{origin}-{to}",
                "associationType": kind,
                "originNodeURI": {"identifier": origin},
                "destinationNodeURI": {"identifier": to},
            }
            for kind, origin, to in edges
        ],
    }
    path.write_text(json.dumps(package))
    return path


@pytest.mark.parametrize("is_compacted", [False, True])
def test_a_second_roster_that_changes_something_leaves_a_held_school_its_pupils(
    settings: Settings, tmp_path: Path, is_compacted: bool
) -> None:
    first = {number: f"sch-{1 + number % 2}" for number in range(PUPILS)}
    second = copy.copy(first) | {0: "sch-2", PUPILS: "sch-1"}
    loading.load_roster(settings, roster(tmp_path / "first", first), START)
    result = loading.load_roster(settings, roster(tmp_path / "second", second), START + timedelta(days=30))
    assert (result["changed"], result["tables"]["silver.enrollment"]["added"]) == (2, 1)
    if is_compacted:
        lake.compact(settings, "silver.enrollment")
        lake.compact(settings, "silver.person")
    held = pupils_of(settings, ["sch-2"], DAY)
    people = lake.read(settings, "silver.person", ["student_key", "school_id"], CURRENT).to_pylist()
    assert held == {row["student_key"] for row in people if row["school_id"] == "sch-2"}
    assert len(held) == 1 + PUPILS // 2


def test_a_second_framework_that_changes_an_edge_leaves_what_comes_before_what(
    settings: Settings, tmp_path: Path
) -> None:
    first = [("precedes", "c0", "c1"), ("precedes", "c1", "c2"), ("isRelatedTo", "c3", "c4")]
    second = [("precedes", "c0", "c1"), ("isRelatedTo", "c1", "c2"), ("precedes", "c3", "c4"), ("precedes", "c2", "c3")]
    loading.load_competencies(settings, framework(tmp_path / "first.json", first), START)
    loading.load_competencies(settings, framework(tmp_path / "second.json", second), START + timedelta(days=30))
    found = lake.read(
        settings,
        "silver.competency_edge",
        ["from_competency_id", "to_competency_id"],
        CURRENT & (pc.field("edge_type") == "precedes"),
    ).to_pylist()
    pairs = sorted((row["from_competency_id"], row["to_competency_id"]) for row in found)
    assert pairs == [("c0", "c1"), ("c2", "c3"), ("c3", "c4")]


def test_a_framework_that_broke_off_ends_nothing_until_somebody_says_that_it_is_whole(
    settings: Settings, tmp_path: Path
) -> None:
    path = framework(tmp_path / "first.json", [])
    loading.load_competencies(settings, path, START)
    cut = json.loads(path.read_text()) | {"CFItems": []}
    path.write_text(json.dumps(cut))
    with pytest.raises(CairnError, match="names 0 of 5 competencies that its framework had"):
        loading.load_competencies(settings, path, START + timedelta(days=1))
    assert lake.read(settings, "silver.competency", filters=CURRENT).num_rows == 5
    done = loading.load_competencies(settings, path, START + timedelta(days=1), allow_mass_end=True)
    assert done["ended"] == 5
