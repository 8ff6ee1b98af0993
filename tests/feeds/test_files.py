"""The files of a feed: CSV and Parquet hold the same rows, classes make up the school, a OneRoster package is read."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from answers.feed_folders import folder, read_manifest
from answers.pupil_names import Names
from cairn.district import EXAMPLES, load_yaml_mapping
from cairn.rostering.oneroster import read_roster
from cairn.rostering.oneroster_known import Known
from cairn.settings import Settings
from feeds.feed_file import csv_content
from feeds.oneroster import COLUMNS, ClassRoster, Term, packages, together
from feeds.oneroster_results import BULK
from tests.feeds.conftest import rows_of
from tests.feeds.test_delta import AT, stands

NAMES = Names({"p1": "A B", "p2": "C D"}, {"p1": "s-1", "p2": "s-2"})
CASE = "3FA85F64-5717-4562-b3fc-2c963f66afa6"


@pytest.fixture(scope="module")
def school(written_home: Settings) -> Path:
    """School a's folder; read only."""
    return folder(written_home, "2026-10-14", "school-a")


def test_csv_and_parquet_hold_the_same_rows_and_parquet_has_types(school: Path) -> None:
    manifest = read_manifest(school)
    assert manifest is not None
    names = [entry["name"] for entry in manifest["files"] if entry["name"].endswith(".parquet")]
    assert len(names) == 10 + 2 * 9
    for name in names:
        table = pq.read_table(school / name)
        assert csv_content(table) == (school / name.replace(".parquet", ".csv")).read_bytes(), name
    types = {field.name: str(field.type) for field in pq.read_schema(school / "needs_adult.parquet")}
    assert (types["priority"], types["is_first"], types["last_work_local"]) == ("int64", "bool", "timestamp[ms]")
    assert (types["teacher_said_date"], types["pupil"]) == ("date32[day]", "string")


@pytest.mark.parametrize("name", ["standing", "needs_adult", "moves_on", "reviews_due", "changes", "classes", "pace"])
def test_the_files_of_the_classes_make_up_the_schools(school: Path, name: str) -> None:
    rows = rows_of(school / f"{name}.csv")
    by_class = [row for path in sorted((school / "classes").iterdir()) for row in rows_of(path / f"{name}.csv")]
    assert sorted(map(str, by_class)) == sorted(map(str, rows)) and rows
    for path in (school / "classes").iterdir():
        assert {row["class_id"] for row in rows_of(path / f"{name}.csv")} <= {path.name}


def _tables(content: bytes) -> dict[str, list[dict[str, str]]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            for name in archive.namelist()
        }


def _package(*rows: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    term = Term("t1", "Fall", "term", AT.date(), AT.date(), "y1", "2027")
    roster = ClassRoster({"c1": term}, {"c1": "k1"}, Term("own", "Year", "term", AT.date(), AT.date(), "", "2027"))
    standing = [{"subject": "Mathematics", "state_since_at": AT, **row} for row in rows]
    found = packages(pa.Table.from_pylist(standing), "s1", NAMES, roster, ZoneInfo("America/Chicago"))
    return _tables(together(found.values()).content())


def test_a_package_has_the_columns_of_the_binding_and_joins_within_itself() -> None:
    tables = _package(
        stands("p1", CASE, state="mastered", expected_share=0.934, override_state="mastered"),
        stands("p2", CASE, state="not_enough_evidence", expected_share=None),
        stands("p1", "local.1", class_id="c2"),
        stands("nobody", "local.1"),
    )
    assert {name: tuple(rows[0]) for name, rows in tables.items() if name != "manifest"} == COLUMNS
    properties = {row["propertyName"]: row["value"] for row in tables["manifest"]}
    assert len(properties) == 25 and properties["oneroster.version"] == "1.2"
    assert {name for name, value in properties.items() if value == "bulk"} == {f"file.{name}" for name in COLUMNS}
    for rows in tables.values():
        assert {(row["status"], row["dateLastModified"]) for row in rows if "status" in row} <= {BULK}
    ids = {name: {row["sourcedId"] for row in rows} for name, rows in tables.items() if name != "manifest"}
    for item in tables["lineItems"]:
        assert item["categorySourcedId"] in ids["categories"]
        assert item["academicSessionSourcedId"] in ids["academicSessions"] == {"t1", "own"}
    assert {row["lineItemSourcedId"] for row in tables["results"]} == ids["lineItems"]
    assert {row["scoreScaleSourcedId"] for row in tables["lineItemScoreScales"]} == ids["scoreScales"]
    mastered, unsure, local = tables["results"]
    assert (mastered["studentSourcedId"], mastered["score"], mastered["textScore"]) == ("s-1", "93.4", "mastered")
    assert (mastered["scoreDate"], mastered["comment"]) == ("2026-10-14", "A teacher said: mastered")
    assert (unsure["score"], unsure["scoreStatus"], unsure["incomplete"]) == ("", "partially graded", "true")
    objectives = {row["resultSourcedId"]: row for row in tables["resultLearningObjectiveIds"]}
    assert set(objectives) == {mastered["sourcedId"], local["sourcedId"]}
    case = objectives[mastered["sourcedId"]]
    assert (case["source"], case["learningObjectiveId"]) == ("case", f"urn:uuid:{CASE.lower()}")
    assert objectives[local["sourcedId"]]["source"] == "unknown"


def test_a_file_without_rows_is_absent() -> None:
    tables = _package(stands("p1", "local.1", class_id="c2", expected_share=None))
    assert "scoreScales" not in tables and "resultLearningObjectiveIds" not in tables
    properties = {row["propertyName"]: row["value"] for row in tables["manifest"]}
    assert properties["file.scoreScales"] == properties["file.users"] == "absent"


def test_the_same_result_has_the_same_sourced_id_every_night() -> None:
    first = _package(stands("p1", CASE))["results"][0]
    later = _package(stands("p2", CASE), stands("p1", CASE, state="mastered"))["results"][1]
    assert first["sourcedId"] == later["sourcedId"] and first["textScore"] != later["textScore"]


def test_our_own_reader_takes_the_package_whole(school: Path) -> None:
    known = Known().with_classes(
        [{"class_id": f"school-a-class-{room}", "school_id": "school-a", "session_ids": None} for room in (1, 2)]
    )
    rules = load_yaml_mapping(EXAMPLES / "identity.yaml")
    roster = read_roster(school / "oneroster.zip", rules, known)
    assert roster.rejected == 0, [str(problem) for problem in roster.problems]
    results = [row for row in roster.sections["silver.fact"].rows if row["fact_type"] == "gradebook_result"]
    tables = _tables((school / "oneroster.zip").read_bytes())
    assert {(row["sourced_id"], row["value"]) for row in results} == {
        (row["studentSourcedId"], float(row["score"]) if row["score"] else None) for row in tables["results"]
    }
    assert len(results) == len(tables["results"]) == 128 and {row["school_id"] for row in results} == {"school-a"}
