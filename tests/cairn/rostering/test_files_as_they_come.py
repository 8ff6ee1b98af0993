"""Delimited files as spreadsheets and old tools leave them: what is read, what is noted, what is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import CairnError
from cairn.grades import grade_key, grade_order
from cairn.rostering.case_ends import Ends
from cairn.rostering.oneroster import read_roster
from cairn.rostering.oneroster_known import Known
from cairn.rostering.package import open_package
from cairn.rostering.tabular import CellError, parse_date, parse_number, read_table

Write = Callable[..., Path]
COLUMNS = ("id", "name")


def cells(content: bytes) -> list[tuple[int, str, str]]:
    return [(row.line, row.get("id"), row.get("name")) for row in read_table("a.csv", content, COLUMNS).rows]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"\xef\xbb\xbfid,name\r\n007,Ann\r\n", [(2, "007", "Ann")]),
        (b"id,name\n1,Ann,,\n2,Bo,\n", [(2, "1", "Ann"), (3, "2", "Bo")]),
        (b"id,name\n,\n,,,\n\n1,Ann\n", [(5, "1", "Ann")]),
        (b'id,name\n1,"An\nn, ""B"""\n2,Bo\n', [(2, "1", 'An\nn, "B"'), (4, "2", "Bo")]),
        (b"id,name\n1,Jos\xe9\n", [(2, "1", "José")]),
        (b"id,name\n1,\x80 5 \x96 \x93x\x94\n", [(2, "1", "€ 5 – “x”")]),
        ("id,name\n1,José\n".encode(), [(2, "1", "José")]),
        (b"id,name\n1E5,1.10\n007,TRUE\n", [(2, "1E5", "1.10"), (3, "007", "TRUE")]),
        (b"id;name\n1;Ann, B\n", [(2, "1", "Ann, B")]),
        (b'id,name\n="0071",Ann\n"=""0072""",=A1\n', [(2, "0071", "Ann"), (3, "0072", "=A1")]),
        (b"id\tname\n1\tAnn\n", [(2, "1", "Ann")]),
        (b"ID|Name\r\n1|Ann\r\n", [(2, "1", "Ann")]),
        (b"sep=;\r\nid;name\r\n1;Ann\r\n", [(3, "1", "Ann")]),
        (b'"sep=,"\nid,name\n1,Ann;B\n', [(3, "1", "Ann;B")]),
        (b"\n,,\nid,name\n1,Ann\n", [(4, "1", "Ann")]),
        (b"id,name\r1,Ann\r2,Bo\r", [(2, "1", "Ann"), (3, "2", "Bo")]),
        (b"id,name\n1,Ann\n\x1a", [(2, "1", "Ann")]),
        ("\ufeff\ufeffid,\u200bname \n\xa0u1\xa0,Ann\u200b\n".encode(), [(2, "u1", "Ann")]),
    ],
)
def test_what_is_read(content: bytes, rows: list[tuple[int, str, str]]) -> None:
    assert cells(content) == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,name\n1,Zoë\n2,".encode() + b"Jos\xe9\n", r"a\.csv:3: not UTF-8, as other lines of the file are"),
        (b"id,name\n1,\x81\n", r"a\.csv:2: not UTF-8"),
        ("id,name\n1,Ann\n".encode("utf-16"), r"a\.csv:1: the file is UTF-16"),
        (b"id,name\n1,A\0nn\n", r"a\.csv:2: a byte of value 0"),
        (b"id,id\n1,2\n", r"a\.csv:1: column id is there more than once"),
    ],
)
def test_what_is_refused_whole(content: bytes, said: str) -> None:
    with pytest.raises(CairnError, match=said):
        read_table("a.csv", content, COLUMNS)


def test_a_surplus_value_refuses_its_row_and_surplus_emptiness_does_not() -> None:
    table = read_table("a.csv", b"id,name\n1,Ann,,\n2,Archer, Bo\n3,Cy,\n", COLUMNS)
    assert [row.line for row in table.rows] == [2, 4]
    assert (table.unreadable, table.row_count) == (1, 3)
    assert [str(problem) for problem in table.problems] == [
        "a.csv:3: 3 values for 2 columns: quote values that hold a comma",
        "a.csv:2: empty cells beyond the last column, here and in 1 more rows: read past",
    ]


def test_columns_that_nobody_reads_may_be_there_twice() -> None:
    table = read_table("a.csv", b"id,Error,name,Error\n1,x,Ann,y\n", COLUMNS)
    assert (table.rows[0].get("name"), table.unknown(COLUMNS)) == ("Ann", ["Error"])


def test_dates_are_of_a_stated_format_or_refused() -> None:
    assert parse_date("2026-09-14 00:00:00", "D") == parse_date("2026-09-14T23:30:00.000Z", "D") == date(2026, 9, 14)
    assert parse_date("9/14/2026", "D", ("%Y-%m-%d", "%m/%d/%Y")) == date(2026, 9, 14)
    assert parse_date("46273", "D", ("spreadsheet_day",)) == date(2026, 9, 8)
    for text in ("2026-09-1", "2026-09-14x", "46273", "9/14/2026", "20260914"):
        with pytest.raises(CellError, match="D is not a date like 2026-08-17"):
            parse_date(text, "D")


def test_numbers_are_of_a_stated_rule_or_refused() -> None:
    assert parse_number("1,250", "V", ("thousands",)) == 1250
    assert parse_number("0:45", "V", ("clock_as_minutes",)) == 45
    assert parse_number("1:30:30", "V", ("clock_as_minutes",)) == 90.5
    assert parse_number("80%", "V", ("percent_as_share",)) == 0.8
    for text in ("1,250", "0:45", "80%", "1_000", "nan", "inf", "12,5"):
        with pytest.raises(CellError):
            parse_number(text, "V")
    with pytest.raises(CellError):
        parse_number("12,5", "V", ("thousands",))


def zipped(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


ORGS = "sourcedId,name,type\ns1,One,school\n"


@pytest.mark.parametrize("name", ["a\\b\\orgs.csv", "a/b/c/orgs.csv", "ORGS.CSV", "orgs.csv"])
def test_wherever_the_files_lie_in_the_zip(tmp_path: Path, identity: dict[str, Any], name: str) -> None:
    extra = {"__MACOSX/a/._orgs.csv": "x", "a/readme.txt": "x"}
    roster = read_roster(zipped(tmp_path / "r.zip", {name: ORGS, **extra}), identity)
    assert (roster.files, len(roster.sections["silver.org"].rows)) == (1, 1)


def test_the_folder_with_the_manifest_is_the_package(tmp_path: Path, identity: dict[str, Any]) -> None:
    manifest = "propertyName,value\noneroster.version,1.1\n"
    entries = {"new/orgs.csv": ORGS, "new/manifest.csv": manifest, "old/orgs.csv": "sourcedId,name,type\n"}
    assert len(read_roster(zipped(tmp_path / "r.zip", entries), identity).sections["silver.org"].rows) == 1
    with pytest.raises(CairnError, match="several folders"):
        read_roster(zipped(tmp_path / "s.zip", {**entries, "old/manifest.csv": manifest}), identity)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_read_as_it_was_or_said_to_be_one(tmp_path: Path, method: int) -> None:
    path = tmp_path / "r.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("orgs.csv", ORGS)
        archive.writestr("é.csv", ORGS)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            open_package(path)
        except CairnError:
            refused += 1
    assert refused > len(whole) / 2


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"pupils.csv": "x\n"}, "no file of OneRoster's in the package .there is pupils"),
        ({"a.txt": "x"}, "no CSV file"),
        ({"export/roster.zip": "x"}, "there is another zip in it: unpack it first"),
    ],
)
def test_a_zip_of_which_nothing_is_read_says_so(
    tmp_path: Path, identity: dict[str, Any], entries: dict[str, str], said: str
) -> None:
    with pytest.raises(CairnError, match=said):
        read_roster(zipped(tmp_path / "r.zip", entries), identity)


TERMS = Known().with_sessions(
    [
        {"session_id": name, "valid_from_date": date(2026, first, 1), "valid_to_date": date(2026, last, 28)}
        for name, first, last in (("t1", 8, 10), ("t2", 11, 12))
    ]
)


def of_terms(terms: str | None) -> Any:
    known = TERMS.with_classes([{"class_id": "c", "school_id": "s1", "session_ids": terms}])
    return known.days_of_class("c")


def test_a_class_runs_from_its_first_term_to_its_last() -> None:
    assert of_terms(",t2,t1,") == (date(2026, 8, 1), date(2026, 12, 28))
    assert of_terms(",t1,t9,") is of_terms(None) is None, "a term that is not known could be the longer one"


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (",", ("2026-08-01", "2026-12-28")),
        ("2026-09-01,", ("2026-09-01", "2026-12-28")),
        (",2026-10-02", ("2026-08-01", "2026-10-01")),
        ("2026-09-01,2026-09-01", ("2026-09-01", "2026-08-31")),
        ("2027-02-01,", ("2027-02-01", "None")),
    ],
)
def test_days_of_an_enrolment(package: Write, identity: dict[str, Any], dates: str, days: tuple[str, str]) -> None:
    known = TERMS.with_classes([{"class_id": "c", "school_id": "s1", "session_ids": ",t1,t2,"}])
    files = {"enrollments": [f"e1,,,c,s9,u1,student,{dates}"]}
    roster = read_roster(package(files, modes={"enrollments": "delta"}), identity, known)
    (row,) = roster.sections["silver.enrollment"].rows
    assert (str(row["valid_from_date"]), str(row["valid_to_date"]), row["school_id"]) == (*days, "s1")
    assert [problem.is_rejected for problem in roster.problems] == [False], "the class's school, not s9"


def test_an_enrolment_that_ends_before_it_begins_is_refused(package: Write, identity: dict[str, Any]) -> None:
    files = {"enrollments": ["e1,,,c,s9,u1,student,2026-09-02,2026-09-01"]}
    roster = read_roster(package(files, modes={"enrollments": "delta"}), identity)
    assert (roster.rejected, roster.sections["silver.enrollment"].kept_ids) == (1, ["e1"])


def test_a_role_counts_on_the_days_on_which_it_holds(package: Write, identity: dict[str, Any]) -> None:
    folder = package({"users": ["u1,,,true,ann,Ann,Archer,,,s1"]}, modes={"roles": "bulk"})
    (folder / "roles.csv").write_text(
        "sourcedId,userSourcedId,roleType,role,orgSourcedId,beginDate,endDate\n"
        "r1,u1,primary,student,s1,2020-08-01,2026-06-01\nr2,u1,secondary,aide,s2,2026-06-01,\n"
    )
    for day, role in ((date(2026, 5, 31), "student"), (date(2026, 6, 1), "aide")):
        (row,) = read_roster(folder, identity, Known(on_date=day)).sections["silver.person"].rows
        assert row["role"] == role


def test_refused_rows_leave_it_open_who_is_gone(package: Write, identity: dict[str, Any]) -> None:
    users = ["u1,,,true,ann,Ann,Archer,,05,s1", "u2,,,maybe,bo,Bo,Baker,,05,s1"]
    roles = ["r1,,,u1,primary,student,s1", "r2,,,u2,primary,student,s1"]
    section = read_roster(package({"users": users, "roles": roles}), identity).sections["silver.person"]
    assert (section.kept_ids, section.ends_unnamed) == (["u2"], True), "it is known whose row was refused"
    for more in (",,,true,x,X,X,,05,s1", "u3,,,true,x,X,X,,05,s1,,,too,many"):
        section = read_roster(package({"users": [*users, more], "roles": roles}), identity).sections["silver.person"]
        assert not section.ends_unnamed, "it may be anybody's"
    section = read_roster(package({"users": users, "roles": [*roles, "r3,,,,primary,student,s1"]}), identity).sections[
        "silver.person"
    ]
    assert not section.ends_unnamed


@pytest.mark.parametrize("shortened", ["1.0E+05", "1E+05", "2.34567e+11"])
def test_an_id_that_a_spreadsheet_has_shortened_names_nobody_and_ends_nobody(
    package: Write, identity: dict[str, Any], shortened: str
) -> None:
    users = ["u1,,,true,ann,Ann,Archer,,05,s1", f"{shortened},,,true,bo,Bo,Baker,,05,s1", "1E5,,,true,c,C,C,,05,s1"]
    roles = ["r1,,,u1,primary,student,s1", "r2,,,1E5,primary,student,s1"]
    roster = read_roster(package({"users": users, "roles": roles}), identity)
    section = roster.sections["silver.person"]
    assert ([row["sourced_id"] for row in section.rows], section.ends_unnamed) == (["u1", "1E5"], False)
    assert [str(one) for one in roster.problems] == [
        "users.csv:3: sourcedId is a number that a spreadsheet has shortened: export the file again"
    ]


def test_grades_are_one_however_they_are_written() -> None:
    assert {grade_key(text) for text in ("KG", "K", "0K", " kg ", "00", "Kindergarten")} == {"K"}
    assert {grade_key(text) for text in ("04", "4", "004", "4.0", "4th", "Grade 04", "Gr. 4", "4th grade")} == {"4"}
    assert [grade_key(text) for text in (None, "", "PK", "PreK", "UG")] == ["", "", "PK", "PK", "UG"]
    assert sorted(["10", "04", "UG", "KG", "PK", "1"], key=grade_order) == ["PK", "KG", "1", "04", "10", "UG"]


@pytest.mark.parametrize(
    "end",
    [
        {"identifier": "160FA5DD-e58c-4c4d-b051-772f806f5025"},
        {"identifier": "unknown", "uri": "https://case.example/uri/160fa5dd-e58c-4c4d-b051-772f806f5025/"},
        "https://case.example/ims/case/v1p0/CFItems/160fa5dd-e58c-4c4d-b051-772f806f5025?format=json#top",
        "urn:uuid:160fa5dd-e58c-4c4d-b051-772f806f5025",
        "https://other.example/show?item=160fa5dd-e58c-4c4d-b051-772f806f5025&x=1",
        "https://case.example/standards/Q.4.json",
    ],
)
def test_ends_of_associations_in_any_form(end: object) -> None:
    own = "160fa5dd-e58c-4c4d-b051-772f806f5025"
    ends = Ends({own: {"uri": "https://case.example/standards/Q.4"}}, [])
    assert ends.of({"originNodeURI": end}, "originNodeURI") == (own, True)
    assert ends.of({"originNodeURI": {"uri": "http://[x/cells"}}, "originNodeURI")[1] is False
