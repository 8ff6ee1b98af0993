"""OneRoster packages as real systems write them, good and bad."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.rostering.oneroster import read_roster

Write = Callable[..., Path]

FILES = {
    "orgs": ["s1,,,School One,school,100,"],
    "classes": ["c1,,,Math 5A,05,,s1,t1,math"],
    "users": ["u1,,,true,ann,Ann,Archer,ann@cedar.example,05,s1", "u2,,,true,tom,Tom,Teacher,,,s1"],
    "roles": ["r1,,,u1,primary,student,s1", "r2,,,u2,primary,teacher,s1"],
    "enrollments": ["e1,,,c1,s1,u1,student,2026-08-17,", "e2,,,c1,s1,u2,teacher,,"],
    "demographics": ["u1,,,female,true,true,false,true"],
}


def rows(roster: Any, table: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "line"} for row in roster.sections[table].rows]


def test_a_package_of_version_1_2_becomes_rows_and_people(package: Write, identity: dict[str, Any]) -> None:
    roster = read_roster(package(FILES), identity)
    assert (roster.version, roster.files, roster.row_count, roster.rejected) == ("1.2", 6, 9, 0)
    assert rows(roster, "silver.person")[1] == {
        "sourced_id": "u2",
        "role": "teacher",
        "school_id": "s1",
        "grade": None,
        "is_enabled": True,
        "status": "active",
    }
    enrollment = rows(roster, "silver.enrollment")[0]
    assert enrollment["valid_from_date"] == date(2026, 8, 17)
    assert enrollment["valid_to_date"] is None
    demographic = rows(roster, "silver.demographic")[0]
    assert demographic["race_ethnicity"] == "two_or_more_races"
    assert demographic["is_english_learner"] is True
    assert demographic["is_special_education"] is None
    assert [person.username for person in roster.people] == ["ann", "tom"]


def test_people_show_no_field_in_their_repr(package: Write, identity: dict[str, Any]) -> None:
    assert (
        repr(read_roster(package(FILES), identity).people) == "[RosterPerson(users.csv:2), RosterPerson(users.csv:3)]"
    )


def test_the_fixture_of_version_1_1_loads(shared_fixture: Callable[[str], Path], identity: dict[str, Any]) -> None:
    roster = read_roster(shared_fixture("fixtures/oneroster/OneRosterv1p1BaseCSV"), identity)
    assert (roster.version, roster.files, roster.row_count, roster.rejected) == ("1.1", 7, 10, 0)
    assert [row["school_id"] for row in rows(roster, "silver.person")] == ["12345", "54321"]
    assert len(rows(roster, "silver.enrollment")) == 3
    assert rows(roster, "silver.course") == []
    assert "ext_tao_userMotherName" in roster.unknown_columns["users.csv"]


def test_a_zip_reads_like_the_folder(package: Write, identity: dict[str, Any], tmp_path: Path) -> None:
    folder = package(FILES)
    with zipfile.ZipFile(tmp_path / "roster.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"export/{file.name}")
    zipped = read_roster(tmp_path / "roster.zip", identity)
    assert zipped.sections == read_roster(folder, identity).sections


def test_a_byte_order_mark_and_columns_in_another_order_do_no_harm(package: Write, identity: dict[str, Any]) -> None:
    folder = package({"orgs": []})
    (folder / "orgs.csv").write_bytes("\ufeffNAME,type,sourcedId\r\nSchool One,school,s1\r\n".encode())
    assert rows(read_roster(folder, identity), "silver.org")[0]["name"] == "School One"


def test_a_missing_column_is_refused_with_file_and_name(package: Write, identity: dict[str, Any]) -> None:
    folder = package(FILES)
    (folder / "classes.csv").write_text("sourcedId,title\nc1,Math\n")
    with pytest.raises(CairnError, match=r"classes\.csv:1: missing column schoolSourcedId"):
        read_roster(folder, identity)


def test_a_bad_row_is_refused_with_its_line_and_the_rest_goes_on(package: Write, identity: dict[str, Any]) -> None:
    files = FILES | {
        "users": [
            *FILES["users"],
            'u3,,,perhaps,eve,"Eve\nMary",Secret,eve@cedar.example,05,s1',
            "u1,,,true,again,Again,Secret,,,s1",
            ",,,true,nobody,Nobody,Secret,,,s1",
        ],
        "roles": [*FILES["roles"], "r3,,,u3,primary,student,s1"],
        "enrollments": [*FILES["enrollments"], "e3,,,c9,s1,u1,student,,", "e4,,,c1,s1,u1,student,2026-13-01,"],
    }
    roster = read_roster(package(files), identity)
    said = sorted(str(problem) for problem in roster.problems if problem.is_rejected)
    assert said == [
        "enrollments.csv:4: classSourcedId is not an active class of this package, or its row was refused",
        "enrollments.csv:5: beginDate is not a date like 2026-08-17",
        "users.csv:4: enabledUser is neither true nor false",
        "users.csv:6: sourcedId is there already in line 2",
        "users.csv:7: sourcedId is empty",
    ]
    assert roster.rejected == 5
    assert roster.sections["silver.enrollment"].kept_ids == ["e3", "e4"]
    assert "Secret" not in " ".join(said)
    assert len(roster.people) == 2


def test_leaving_and_coming_back_on_one_day_are_two_enrolments(package: Write, identity: dict[str, Any]) -> None:
    files = FILES | {
        "enrollments": ["e1,,,c1,s1,u1,student,2026-08-17,2026-10-05", "e2,,,c1,s1,u1,student,2026-10-05,"],
    }
    periods = [
        (row["valid_from_date"], row["valid_to_date"])
        for row in rows(read_roster(package(files), identity), "silver.enrollment")
    ]
    assert periods == [(date(2026, 8, 17), date(2026, 10, 4)), (date(2026, 10, 5), None)], "endDate is not in it"


def test_bulk_for_a_file_that_is_not_there_ends_nothing_and_is_said(package: Write, identity: dict[str, Any]) -> None:
    roster = read_roster(package({"orgs": FILES["orgs"]}, modes={"users": "bulk"}), identity)
    assert not roster.sections["silver.person"].is_present
    assert [str(p) for p in roster.problems] == [
        "manifest.csv:4: says bulk for users, and users.csv is not there: nothing of it was ended"
    ]
    assert roster.rejected == 0


def test_a_manifest_without_files_means_bulk(package: Write, identity: dict[str, Any]) -> None:
    folder = package(FILES)
    (folder / "manifest.csv").write_text("propertyName,value\noneroster.version,1.2\n")
    assert read_roster(folder, identity).sections["silver.enrollment"].is_bulk


def test_delta_ends_only_what_it_says(package: Write, identity: dict[str, Any]) -> None:
    files = {"enrollments": ["e1,tobedeleted,2026-10-05T00:00:00Z,c1,s1,u1,student,,", "e9,active,,c7,s1,u7,student,,"]}
    section = read_roster(package(files, modes={"enrollments": "delta"}), identity).sections["silver.enrollment"]
    assert (section.is_bulk, section.ended_ids, len(section.rows)) == (False, ["e1"], 1)


def test_families_are_left_out(package: Write, identity: dict[str, Any]) -> None:
    files = FILES | {"roles": ["r1,,,u1,primary,student,s1", "r2,,,u2,primary,guardian,s1"]}
    roster = read_roster(package(files), identity)
    assert [row["sourced_id"] for row in rows(roster, "silver.person")] == ["u1"]
    assert roster.left_out == 2
    assert roster.rejected == 0


def test_a_zip_bomb_is_not_read(tmp_path: Path, identity: dict[str, Any]) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.csv", b"\0" * 20_000_000)
    with pytest.raises(CairnError, match=r"users\.csv unpacks to \d+ times its size"):
        read_roster(bomb, identity)


def test_a_zip_with_a_thousand_entries_is_not_read(tmp_path: Path, identity: dict[str, Any]) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}.csv", "sourcedId\n")
    with pytest.raises(CairnError, match="1000 entries"):
        read_roster(tmp_path / "many.zip", identity)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "users.csv:1: the file is empty"),
        (b"sourcedId,username\nu1,\x81\n", "users.csv:2: not UTF-8"),
        (b'sourcedId,username\nu1,"ann\n', "users.csv:2: not valid CSV"),
        (b"sourcedId,sourcedid\nu1,u2\n", "users.csv:1: column sourcedid is there more than once"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(
    package: Write, identity: dict[str, Any], content: bytes, said: str
) -> None:
    folder = package(FILES)
    (folder / "users.csv").write_bytes(content)
    with pytest.raises(CairnError, match=said.replace(".", r"\.")):
        read_roster(folder, identity)


@pytest.mark.parametrize("name", ["nowhere", "file.txt"])
def test_what_is_no_package_is_refused(tmp_path: Path, identity: dict[str, Any], name: str) -> None:
    (tmp_path / "file.txt").write_text("hello")
    with pytest.raises(CairnError, match=name):
        read_roster(tmp_path / name, identity)
