"""Rows that were refused, or of a merged record, end nobody; and what a later package leans on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lake
import loading
from cairn.errors import CairnError
from cairn.settings import Settings
from identity import Vault
from loading.history import CURRENT

START = datetime(2026, 9, 1, 12, tzinfo=UTC)
HEADERS = {
    "orgs": "name,type",
    "academicSessions": "title,type,startDate,endDate",
    "classes": "title,schoolSourcedId,termSourcedIds",
    "users": "enabledUser,orgSourcedIds,role,username,givenName,familyName,email",
    "enrollments": "classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate",
}
WHOLE = {
    "orgs": ["s1,,,One,school", "s2,,,Two,school"],
    "academicSessions": ["t1,,,Fall,term,2026-08-17,2027-01-16"],
    "classes": ["c1,,,A,s1,t1", "c2,,,B,s2,t1"],
    "users": [f"u{n},,,true,s1,student,user{n},G,F{n},u{n}@alder.example" for n in range(3)],
    "enrollments": [f"e{n},,,c1,s1,u{n},student,," for n in range(3)],
}
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(settings: Settings, tmp_path: Path) -> Load:
    """``load(days, {"users": [...]}, "delta")`` loads a 1.1 folder of these files, so many days after the start."""

    def run(days: int, files: dict[str, list[str]], mode: str = "bulk") -> dict[str, Any]:
        folder = tmp_path / f"day-{days}"
        folder.mkdir()
        said = [f"file.{name},{mode}" for name in files]
        (folder / "manifest.csv").write_text("\n".join(["propertyName,value", "oneroster.version,1.1", *said]) + "\n")
        for name, rows in files.items():
            header = f"sourcedId,status,dateLastModified,{HEADERS[name]}"
            (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
        return loading.load_roster(settings, folder, START + timedelta(days=days))

    return run


def living(settings: Settings, table: str, column: str) -> list[Any]:
    return sorted(lake.read(settings, table, filters=CURRENT)[column].to_pylist())


@pytest.mark.parametrize(
    "spoiled",
    [
        "u2,,,perhaps,s1,student,user2,G,F2,u2@alder.example",  # a bad value, the id is known
        "u2,,,true,s1,student,user2,G,F2,u2@alder.example,surplus",  # cells have moved: nobody knows whose row it is
        ",,,true,s1,student,user2,G,F2,u2@alder.example",
    ],
)
def test_a_refused_row_of_a_small_file_ends_nobody(settings: Settings, load: Load, spoiled: str) -> None:
    load(0, WHOLE)
    people = living(settings, "silver.person", "student_key")
    done = load(1, WHOLE | {"users": [*WHOLE["users"][:2], spoiled]})
    assert (done["rejected"] >= 1, done["ended"]) == (True, 0)
    assert living(settings, "silver.person", "student_key") == people
    assert living(settings, "silver.enrollment", "enrollment_id") == ["e0", "e1", "e2"]
    gone = load(2, WHOLE | {"users": WHOLE["users"][:2], "enrollments": WHOLE["enrollments"][:2]})
    assert (gone["rejected"], gone["tables"]["silver.person"]["ended"]) == (0, 1), (
        "whom a whole file leaves out has ended"
    )


def test_unreadable_rows_are_said_to_have_kept_everything(load: Load) -> None:
    load(0, WHOLE)
    done = load(1, WHOLE | {"users": [WHOLE["users"][0], ",,,true,s1,student,x,G,F,"]})
    assert done["warnings"][0].startswith("users.csv:1: 1 rows could not be read, so that nothing ended")


@pytest.mark.parametrize("rows", [0, 4])
def test_a_small_export_that_broke_off_is_refused(load: Load, rows: int) -> None:
    many = {"enrollments": [f"e{n},,,c1,s1,u{n % 3},student,," for n in range(12)]}
    load(0, WHOLE | many)
    with pytest.raises(CairnError, match=rf"names {rows} of 12 rows of silver\.enrollment"):
        load(1, WHOLE | {"enrollments": many["enrollments"][:rows]})


def test_a_delta_leans_on_the_classes_and_terms_loaded_before(settings: Settings, load: Load) -> None:
    load(0, WHOLE)
    done = load(1, {"enrollments": ["e9,active,2026-09-02T00:00:00Z,c2,s1,u0,student,,"]}, "delta")
    assert ["is not the school of its class" in text for text in done["warnings"]] == [True]
    (row,) = [
        row
        for row in lake.read(settings, "silver.enrollment", filters=CURRENT).to_pylist()
        if row["enrollment_id"] == "e9"
    ]
    assert (row["school_id"], row["valid_from_date"], row["valid_to_date"]) == (
        "s2",
        date(2026, 8, 17),
        date(2027, 1, 15),
    )


def test_a_delta_of_people_keeps_the_role_and_school_that_it_leaves_out(
    settings: Settings, load: Load, tmp_path: Path
) -> None:
    load(0, WHOLE)
    before = lake.read(settings, "silver.person", filters=CURRENT).to_pylist()
    folder = tmp_path / "delta"
    folder.mkdir()
    manifest = ["propertyName,value", "oneroster.version,1.2", "file.users,delta"]
    (folder / "manifest.csv").write_text("\n".join(manifest) + "\n")
    header = "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email,grades\n"
    at = "2026-09-02T00:00:00Z"
    rows = [f"u0,active,{at},true,user0,G,F0,,05", f"u9,active,{at},true,user9,G,F9,,05"]
    (folder / "users.csv").write_text(header + "\n".join(rows) + "\n")
    done = loading.load_roster(settings, folder, START + timedelta(days=1))
    assert done["problems"] == ["users.csv:3: no role: neither users.csv, roles.csv nor an enrolment gives one"]
    after = lake.read(settings, "silver.person", filters=CURRENT).to_pylist()
    assert [(row["role"], row["school_id"]) for row in after] == [("student", "s1")] * len(before)
    assert sorted(str(row["grade"]) for row in after) == ["05", "None", "None"]
    assert Vault(settings).find("u9") == [], "whoever is refused is nobody yet"


def test_a_class_that_moves_in_a_delta_takes_its_enrolments_along(settings: Settings, load: Load) -> None:
    load(0, WHOLE)
    at = "2026-09-02T00:00:00Z"
    moves = {"classes": [f"c1,active,{at},A,s2,t1"], "enrollments": [f"e2,tobedeleted,{at},c1,s1,u2,student,,"]}
    done = load(1, moves, "delta")
    assert done["warnings"] == [
        "classes.csv:1: classes have moved to another school, and with them 2 enrolments that the package leaves out"
    ]
    assert (done["tables"]["silver.enrollment"]["changed"], done["tables"]["silver.enrollment"]["ended"]) == (2, 1)
    now = lake.read(settings, "silver.enrollment", filters=CURRENT).to_pylist()
    assert {row["enrollment_id"]: row["school_id"] for row in now} == {"e0": "s2", "e1": "s2", "e2": "s1"}
    assert load(2, moves, "delta")["tables"]["silver.enrollment"]["changed"] == 0


def test_an_enrolment_of_somebody_unknown_ends_nothing(settings: Settings, load: Load) -> None:
    load(0, WHOLE)
    files = {"enrollments": [WHOLE["enrollments"][0], WHOLE["enrollments"][1], "e2,,,c1,s1,u77,student,,"]}
    done = load(1, files)
    assert (done["rejected"], done["ended"]) == (1, 0)


def test_a_year_that_is_over_is_said_to_be(load: Load) -> None:
    load(0, WHOLE)
    done = load(200, WHOLE)
    assert ["every enrolment is over" in text for text in done["warnings"]] == [True]


def test_a_sibling_in_a_delta_is_listed_by_line_without_a_value(load: Load) -> None:
    load(0, WHOLE)
    sibling = "u9,active,2026-09-02T00:00:00Z,true,s1,student,user9,G,F9,U0@alder.example"
    done = load(1, {"users": [sibling]}, "delta")
    assert done["shared_identifiers"] == 1
    assert done["warnings"] == [
        "users.csv:2: shares an identifier (mbox) with 1 who came with another file: it means nobody "
        "('cairn students shared')"
    ]
    ended = load(2, {"users": ["u0,tobedeleted,2026-09-03T00:00:00Z,true,s1,student,user0,G,F0,"]}, "delta")
    assert ended["shared_identifiers"] == 0, "whoever has left claims nothing"


@pytest.fixture
def twice(settings: Settings, load: Load) -> tuple[str, int]:
    """Somebody with two records, u1 and u2, made one; the person's key and the first day after that."""
    load(0, WHOLE)
    loading.merge_students(settings, "u1", "u2", by="tester", reason="registered twice")
    (key,) = Vault(settings).find("u1")
    return key, (datetime.now(UTC) - START).days + 1


def test_the_end_of_a_record_that_was_merged_ends_nobody(
    settings: Settings, load: Load, twice: tuple[str, int]
) -> None:
    key, day = twice
    link = loading.link_student(settings, "u1", "account:https://id.cedar.example", "one", by="tester", reason="asked")
    assert len(link["links"]) == 1
    at = f"{START + timedelta(days=day):%Y-%m-%dT00:00:00Z}"
    done = load(day, {"users": [f"u2,tobedeleted,{at},true,s1,student,user2,G,F2,"]}, "delta")
    assert (done["ended"], key in living(settings, "silver.person", "student_key")) == (0, True)
    # Nothing of hers is free for whoever comes with it next.
    newcomer = f"u9,active,{at},true,s1,student,user9,G,F9,u1@alder.example"
    assert load(day + 1, {"users": [newcomer]}, "delta")["shared_identifiers"] == 1
    # She ends with the record that stayed.
    assert load(day + 2, {"users": [f"u1,tobedeleted,{at},true,s1,student,user1,G,F1,"]}, "delta")["ended"] == 1
    assert key not in living(settings, "silver.person", "student_key")


def test_of_two_merged_rows_the_one_of_the_record_that_stayed_counts(
    settings: Settings, load: Load, twice: tuple[str, int]
) -> None:
    key, day = twice
    moved = [row.replace(",s1,", ",s2,") if row.startswith("u2") else row for row in WHOLE["users"]]
    load(day, WHOLE | {"users": moved})
    people = lake.read(settings, "silver.person", filters=CURRENT).to_pylist()
    assert [row["school_id"] for row in people if row["student_key"] == key] == ["s1"]
