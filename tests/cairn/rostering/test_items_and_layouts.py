"""Item alignments and vendors' layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cairn.errors import CairnError
from cairn.rostering.items import read_items
from cairn.rostering.items_named import Competencies
from cairn.rostering.layout_rows import read_assessments, read_facts, school_year
from cairn.rostering.layouts import available_layouts, load_layout, parse_layout
from cairn.settings import Settings


def test_item_alignments_good_and_bad(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "item_id,competency_id,difficulty,valid_from_date,valid_to_date,note\n"
        "i1,c1,-0.5,2026-08-17,,x\n"
        "i1,c2,,,,\n"
        "i2,c9,,,,\n"
        "i1,c1,0,,,\n"
        "i3,c1,much,,,\n"
        "i4,c1,0,2026-10-01,2026-09-01,\n"
    )
    alignments = read_items(path, Competencies({"c1", "c2"}))
    assert [(row["item_id"], row["competency_id"], row["difficulty"]) for row in alignments.rows] == [
        ("i1", "c1", -0.5),
        ("i1", "c2", None),
    ]
    assert [str(problem) for problem in alignments.problems] == [
        "items.csv:4: competency c9 is not loaded: load its CASE package first",
        "items.csv:5: item and competency are there already in line 2",
        "items.csv:6: difficulty is not a number",
        "items.csv:7: valid_to_date lies before valid_from_date",
    ]
    assert (alignments.row_count, alignments.unknown_columns) == (6, ["note"])


@pytest.mark.parametrize(
    ("layout", "file", "rows", "results"),
    [
        ("nwea_map_growth", "MAP_Growth/sample_anonymized_file.csv", 7, 28),
        ("iready_ela", "i-Ready/sample_anonymized_file_ela.csv", 5, 28),
        ("iready_math", "i-Ready/sample_anonymized_file_math.csv", 5, 25),
    ],
)
def test_vendors_samples_parse(
    settings: Settings, shared_fixture: Callable[[str], Path], layout: str, file: str, rows: int, results: int
) -> None:
    read = read_assessments(
        shared_fixture(f"fixtures/assessments/{file}"), load_layout(settings, layout, "assessments")
    )
    assert (read.row_count, len(read.rows), read.problems, read.unknown_columns) == (rows, results, [], [])
    assert {row.columns["window_name"] for row in read.rows} <= {"fall", "winter", "spring"}


INTERIM = "StudentId,Assessment,Subject,Window,TakenDate,Measure,ScaleScore,StandardError,Percentile,RapidGuess"


def test_bad_results_are_refused_with_their_line(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "fall.csv"
    path.write_text(
        f"{INTERIM},Mood\n"
        "u1,Interim,math,Fall,2026-09-20,overall,210.5,3.1,55,false,\n"
        "u2,Interim,math,Fall,20.9.2026,overall,210,3,55,false,\n"
        'u3,Interim,math,Fall,2026-09-20,overall,"1,210",3,55,false,\n'
        "u4,Interim,math,Fall,2026-09-20,overall,210,3,155,false,\n"
        "u1,Interim,math,Fall,2026-09-21,overall,211,3,56,false,\n"
        "u5,Interim,math,Fall,2026-09-20,overall,,3,55,false,\n"
    )
    read = read_assessments(path, load_layout(settings, "cairn_interim", "assessments"))
    assert read.rows == []
    assert [str(problem) for problem in read.problems] == [
        "fall.csv:3: TakenDate is not a date in any of the layout's formats (%Y-%m-%d): it is a day as a spreadsheet"
        " shows it",
        "fall.csv:4: ScaleScore is not a number: it is a number with commas between thousands",
        "fall.csv:5: Percentile is not between 0 and 100",
        "fall.csv:7: ScaleScore is empty",
        # Which of the two is right cannot be known, and the order of lines must not decide.
        "fall.csv:2: says otherwise than line 6 of the same: neither is taken; one of the two must go",
        "fall.csv:6: says otherwise than line 2 of the same: neither is taken; one of the two must go",
    ]
    assert read.unknown_columns == ["Mood"]


def test_a_needed_column_that_is_missing_is_named(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "fall.csv"
    path.write_text("StudentId,Assessment,Subject,TakenDate,Measure\n")
    with pytest.raises(CairnError, match=r"fall\.csv:1: missing columns Window, ScaleScore"):
        read_assessments(path, load_layout(settings, "cairn_interim", "assessments"))


def test_ids_do_not_depend_on_the_file_and_tell_years_apart(settings: Settings, tmp_path: Path) -> None:
    layout = load_layout(settings, "cairn_interim", "assessments")
    ids = []
    for day in ("2026-09-20", "2026-09-25", "2027-09-20"):
        path = tmp_path / f"{day}.csv"
        path.write_text(f"{INTERIM}\nu1,Interim,math,fall,{day},overall,210,,,\n")
        ids.append(read_assessments(path, layout).rows[0].finish(layout.name, "p_1")["result_id"])
    assert ids[0] == ids[1] != ids[2]
    assert [school_year(None)] == [""]


def test_facts_carry_codes_and_no_text(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "actions.csv"
    path.write_text(
        "StudentId,PilotId,Date,Name,Value,Unit,Code\n"
        "u1,,2026-10-05,c1,1,count,small_group\n"
        "u1,,2026-10-05,c1,1,count,talked to his mother\n"
    )
    read = read_facts(path, load_layout(settings, "cairn_actions", "facts"))
    assert read.rows[0].columns["text_value"] == "small_group"
    assert [str(p) for p in read.problems] == [
        "actions.csv:3: Code is not a code (letters, digits and _ . : -): no free text"
    ]


def test_a_school_that_is_not_in_the_roster_is_refused(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("SchoolId,PilotId,Date,Name,Value,Unit,Code\ns1,p,2026-10-05,x,1,USD,\ns8,p,2026-10-05,x,1,usd,\n")
    read = read_facts(path, load_layout(settings, "cairn_costs", "facts"), {"s1"})
    assert [str(p) for p in read.problems] == ["costs.csv:3: SchoolId is no school of the roster"]
    assert read.rows[0].columns["unit"] == "usd"


def test_every_layout_of_the_repository_reads(settings: Settings) -> None:
    for kind in ("assessments", "facts"):
        names = available_layouts(settings, kind)
        assert len(names) >= 4
        for name in names:
            assert load_layout(settings, name, kind).required_columns()


def test_an_unknown_layout_names_those_there_are(settings: Settings) -> None:
    with pytest.raises(CairnError, match=r"no layout 'nwea' for assessments: there are cairn_interim, "):
        load_layout(settings, "nwea", "assessments")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"kind": "grades"}, "kind is none of"),
        ({"kind": "facts", "feilds": {}}, "unknown key feilds"),
        ({"kind": "facts", "fields": {"pupil": "X"}}, "unknown field pupil"),
        ({"kind": "facts", "fields": {"name": {"colum": "X"}}}, r"fields\.name: expected"),
        ({"kind": "facts", "fields": {"name": {"column": "X", "patterns": {"(": "x"}}}}, "not a regular expression"),
    ],
)
def test_a_layout_with_a_mistake_is_refused(raw: dict[str, object], said: str) -> None:
    with pytest.raises(CairnError, match=said):
        parse_layout(raw, Path("layouts/x.yaml"))
