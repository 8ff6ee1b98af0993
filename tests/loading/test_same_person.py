"""Two records made one person and taken apart: links, roster rows and as-of answers on real tables of a lake."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

import lake
from cairn.errors import CairnError
from cairn.keys import DistrictKeys
from cairn.settings import Settings
from cli.main import app
from identity import Vault
from loading import link_student, merge_students, register_people, split_students
from loading.history import apply
from loading.same_person import person_tables
from loading.snapshot import Snapshot

FIRST = datetime(2026, 9, 1, 12, tzinfo=UTC)
LINKS = "silver.identity_link"
ANN = {"sourced_id": "u1", "username": "ann1", "email": "ann@cedar.example", "school_id": "s1", "grade": "04"}
# The same pupil, registered a second time by another school with the same mail.
AGAIN = {"sourced_id": "u2", "username": "ann2", "email": "ann@cedar.example", "school_id": "s2", "grade": "04"}


@pytest.fixture
def two(settings: Settings) -> tuple[str, str]:
    """Two records in vault and lake, an enrolment and a test result of the second."""
    keys = register_people(settings, [ANN, AGAIN], recorded_at=FIRST)
    kept, gone = keys["u1"], keys["u2"]
    enrolment = {
        "enrollment_id": "e2",
        "student_key": gone,
        "class_id": "c2",
        "school_id": "s2",
        "role": "student",
        "is_primary": True,
        "status": "active",
        "valid_from_date": date(2026, 8, 20),
    }
    result = {"result_id": "r2", "student_key": gone, "layout": "map", "assessment": "MAP", "measure": "rit"}
    result |= {"subject": "math", "window_name": "fall", "taken_date": date(2026, 8, 25), "is_rapid_guess": False}
    apply(settings, Snapshot("silver.enrollment", [enrolment]), FIRST)
    apply(settings, Snapshot("silver.assessment_result", [result]), FIRST)
    return kept, gone


def known(settings: Settings, name: str, at: datetime | None = None) -> list[dict[str, Any]]:
    """What a two-time table says now, or said at an instant, without the recorded times."""
    until = pc.field("recorded_to")
    filters = until.is_null()
    if at is not None:
        filters = (pc.field("recorded_from") <= at) & (until.is_null() | (until > at))
    columns = [column for column in lake.file_schema(name).names if not column.startswith("recorded_")]
    return sorted(lake.read(settings, name, columns, filters).to_pylist(), key=lambda row: json.dumps(row, default=str))


def everything(settings: Settings, at: datetime | None = None) -> dict[str, list[dict[str, Any]]]:
    return {name: known(settings, name, at) for name in (LINKS, *(table.name for table in person_tables()))}


def test_a_merge_moves_all_that_is_of_the_person_and_a_split_gives_exactly_that_back(
    settings: Settings, two: tuple[str, str]
) -> None:
    kept, gone = two
    before = everything(settings)
    assert {row["student_key"] for row in before[LINKS]} == {kept, gone}
    result = merge_students(settings, "u1", "u2", by="tester", reason="registered twice")
    merged_until = datetime.now(UTC)
    assert result["restated"] == sorted(two)
    assert result["moved"] == {"silver.assessment_result": 1, "silver.enrollment": 1}
    merged = everything(settings)
    assert {row["student_key"] for rows in merged.values() for row in rows} == {kept}
    # The mail that both records claimed, and which meant nobody, means the one pupil for all time.
    mail = DistrictKeys.load(settings).subject_key("mbox", "ann@cedar.example")
    assert [row["valid_from"].year for row in merged[LINKS] if row["subject_key"] == mail] == [1970]
    assert everything(settings, FIRST) == before

    assert split_students(settings, gone, by="tester", reason="two pupils")["restated"] == sorted(two)
    assert everything(settings) == before
    assert (everything(settings, FIRST), everything(settings, merged_until)) == (before, merged)
    assert [one["decision"] for one in Vault(settings).decisions(gone)] == ["merge", "split"]


def test_the_roster_after_a_merge_speaks_of_one_person(settings: Settings, two: tuple[str, str]) -> None:
    kept, gone = two
    merge_students(settings, kept, gone)
    merged = everything(settings)[LINKS]
    assert register_people(settings, [ANN, AGAIN]) == {"u1": kept, "u2": kept}
    assert everything(settings)[LINKS] == merged
    assert Vault(settings).find("u2") == Vault(settings).find(gone) == [kept]
    split_students(settings, gone)
    assert register_people(settings, [ANN, AGAIN]) == {"u1": kept, "u2": gone}
    assert {row["student_key"] for row in known(settings, "silver.person")} == {kept, gone}


def test_what_was_decided_since_a_merge_stays_when_it_is_split(settings: Settings, two: tuple[str, str]) -> None:
    kept, gone = two
    merge_students(settings, kept, gone)
    other = register_people(settings, [{"sourced_id": "u3", "school_id": "s1"}])["u3"]
    link_student(settings, other, "account:https://id.cedar.example", "ann2", by="tester", reason="handed on")
    split_students(settings, kept)
    subject = DistrictKeys.load(settings).subject_key("account:https://id.cedar.example", "ann2")
    periods = [row for row in known(settings, LINKS) if row["subject_key"] == subject]
    assert [
        (row["student_key"], row["valid_to"] is None) for row in sorted(periods, key=lambda r: r["valid_from"])
    ] == [
        (gone, False),
        (other, True),
    ]


def test_merges_are_refused_and_repeated_with_sense(settings: Settings, two: tuple[str, str]) -> None:
    kept, gone = two
    third = register_people(settings, [{"sourced_id": "u3", "school_id": "s1"}])["u3"]
    with pytest.raises(CairnError, match="one record already"):
        merge_students(settings, kept, kept)
    merge_students(settings, kept, gone)
    after = everything(settings)
    merge_students(settings, kept, gone)
    assert everything(settings) == after
    with pytest.raises(CairnError, match="was merged into"):
        merge_students(settings, third, gone)
    merge_students(settings, third, kept)
    assert Vault(settings).find("u2") == [third]
    with pytest.raises(CairnError, match="split that merge first"):
        split_students(settings, gone)
    split_students(settings, kept)
    assert everything(settings) == after
    split_students(settings, gone)
    with pytest.raises(CairnError, match="not merged with anybody"):
        split_students(settings, gone)


def test_the_commands_say_who_is_restated_and_name_no_identifier(settings: Settings, two: tuple[str, str]) -> None:
    kept, gone = two
    runner = CliRunner()

    def run(*arguments: str) -> dict[str, Any]:
        done = runner.invoke(app, ["students", *arguments, "--json"])
        assert done.exit_code == 0, done.output
        assert not [word for word in ("ann1", "ann2", "cedar.example/", "@") if word in done.stdout]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert run("shared")["shared"][0]["student_keys"] == sorted(two)
    assert run("merge", "u1", "u2", "--reason", "registered twice")["restated"] == sorted(two)
    shown = run("show", gone)
    assert (shown["student_key"], shown["merged_with"]) == (kept, [gone])
    assert shown["decisions"][0]["reason"] == "registered twice"
    assert run("shared")["shared"] == []
    assert run("split", gone)["restated"] == sorted(two)
    linked = run("link", gone, "mbox=ann@cedar.example", "--reason", "help desk 118")
    assert {row["student_key"] for row in linked["links"]} == {gone}
    assert run("shared")["shared"][0]["means"] == gone
    assert runner.invoke(app, ["students", "link", gone, "mbox"]).exit_code == 2
