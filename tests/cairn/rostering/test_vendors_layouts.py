"""Vendors' layouts by the columns that the vendors name in public; the rows are ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cairn.errors import CairnError
from cairn.rostering.layout_draft import draft_layout
from cairn.rostering.layout_rows import LayoutFile, read_assessments
from cairn.rostering.layouts import load_layout, parse_layout
from cairn.settings import REPOSITORY, Settings

MAP_GROWTH = REPOSITORY / "tests" / "golden" / "public_cases" / "26-assessment-nwea-map" / "input.csv"


def read(settings: Settings, tmp_path: Path, layout: str, *lines: str) -> LayoutFile:
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return read_assessments(path, load_layout(settings, layout, "assessments"))


def told(file: LayoutFile) -> list[tuple[object, ...]]:
    names = ("window_name", "taken_date", "measure", "scale_score", "percentile")
    return [(row.student, *(str(row.columns[name]) for name in names)) for row in file.rows]


STAR = (
    "StudentIdentifier,StudentEmail,AssessmentID,CompletedDate,CompletedDateLocal,ScreeningPeriodWindowName,ScaledScore"
)
STAR += ",StandardErrorOfMeasurement,PercentileRank"


def test_star_has_local_time_with_a_z(settings: Settings, tmp_path: Path) -> None:
    rows = (
        "007,,a1,2026-09-09T01:28:05.852Z,2026-09-08T21:28:05.852Z,Fall,731,17,41",
        "7,,a2,2026-09-09T15:28:05.852Z,2026-09-09T11:28:05.852Z,,640,17,NA",
    )
    file = read(settings, tmp_path, "star_math", STAR, *rows)
    assert told(file) == [
        ("007", "fall", "2026-09-08", "overall", "731.0", "41.0"),
        ("7", "other", "2026-09-09", "overall", "640.0", "None"),
    ]
    assert (file.unknown_columns, [str(one) for one in file.problems]) == (
        [],
        ["results.csv:3: PercentileRank is not a number; the rest of the row is taken"],
    )


def test_an_export_of_a_new_year_that_holds_the_last_one_adds_only_what_is_new(
    settings: Settings, tmp_path: Path
) -> None:
    old = "007,,a1,2026-09-09T01:28:05.852Z,2026-09-08T21:28:05.852Z,Fall,731,17,41"
    new = "007,,b1,2027-09-09T01:28:05.852Z,2027-09-08T21:28:05.852Z,Fall,760,17,44"
    first = read(settings, tmp_path, "star_math", STAR, old).rows[0].finish("star_math", "p_1")["result_id"]
    ids = [
        row.finish("star_math", "p_1")["result_id"]
        for row in read(settings, tmp_path, "star_math", STAR, old, new).rows
    ]
    assert ids[0] == first != ids[1]


def test_dibels(settings: Settings, tmp_path: Path) -> None:
    head = "School Year,Student Primary ID,Assessment,Assessment Edition,Assessment Grade,Benchmark Period,Client Date,"
    head += "Assessment Measure-Composite Score-Levels,Assessment Measure-Composite Score-Score,"
    head += "Assessment Measure-LNF-Score"
    rows = ("2026-2027,0071,DIBELS,8,1,BOY,09/03/2026,Core,331,28", "2026-2027,71,DIBELS,8,1,MOY,01/12/2027,,,31")
    file = read(settings, tmp_path, "dibels", head, *rows)
    assert told(file) == [
        ("0071", "fall", "2026-09-03", "overall", "331.0", "None"),
        ("0071", "fall", "2026-09-03", "LNF", "28.0", "None"),
        ("71", "winter", "2027-01-12", "LNF", "31.0", "None"),
    ]
    assert (file.problems, file.unknown_columns) == ([], [])


def test_fastbridge_has_the_windows_of_a_year_side_by_side(settings: Settings, tmp_path: Path) -> None:
    head = "Local ID,First Name,Error,Error,Fall Early Reading English Composite Score,"
    head += "Fall Early Reading English Percentile at Nation,Fall Early Reading English Final Date,"
    head += "Winter Early Reading English Composite Score,Winter Early Reading English Final Date,"
    head += "Growth Score from Fall to Winter"
    rows = ("0071,A,1,2,41,55,09/10/2026,47,01/20/2027,6", "71,B,,,,,,,,")
    file = read(settings, tmp_path, "fastbridge_early_reading", head, *rows)
    assert told(file) == [
        ("0071", "fall", "2026-09-10", "overall", "41.0", "55.0"),
        ("0071", "winter", "2027-01-20", "overall", "47.0", "None"),
    ]
    assert [str(one) for one in file.problems] == ["results.csv:3: no measure has a score: nothing to take"]
    assert file.unknown_columns == []


def test_numbers_and_days_are_read_by_the_rules_that_a_layout_states(tmp_path: Path) -> None:
    raw = {
        "kind": "assessments",
        "fields": {
            "student": {"column": "id"},
            "assessment": {"value": "x"},
            "subject": {"value": "y"},
            "taken_date": {"column": "day", "formats": ["%m/%d/%Y", "spreadsheet_day"]},
        },
        "measures": [{"measure": "overall", "scale_score": {"column": "score", "numbers": ["thousands"]}}],
    }
    path = tmp_path / "x.csv"
    path.write_text('id,day,score\n1,46273,"1,250"\n2,9/8/2026,0:45\n')
    file = read_assessments(path, parse_layout(raw, tmp_path / "x.yaml"))
    assert told(file) == [("1", "other", "2026-09-08", "overall", "1250.0", "None")]
    assert [problem.line for problem in file.problems] == [3]
    raw["measures"][0]["scale_score"]["numbers"] = ["guess"]  # type: ignore[index]
    with pytest.raises(CairnError, match="numbers are read by thousands, clock_as_minutes, percent_as_share"):
        parse_layout(raw, tmp_path / "x.yaml")


def test_a_draft_reads_the_file_it_was_made_of(settings: Settings) -> None:
    draft = draft_layout(MAP_GROWTH, "mine")
    again = parse_layout(yaml.safe_load(draft.text), Path("mine.yaml"))
    file, ours = (
        read_assessments(MAP_GROWTH, one) for one in (again, load_layout(settings, "nwea_map_growth", "assessments"))
    )
    overall = [[row for row in one.rows if row.columns["measure"] == "overall"] for one in (file, ours)]
    assert [(row.line, row.columns["scale_score"]) for row in overall[0]] == [
        (row.line, row.columns["scale_score"]) for row in overall[1]
    ]
    assert draft.undecided == [
        "fields.assessment: the name of the assessment",
        "fields.taken_date: every cell could be of %m/%d/%Y or %d/%m/%Y; the first is written",
    ]
    assert draft.unknown_columns == file.unknown_columns
    assert "#   - Course" in draft.text and "0071" not in draft.text


def test_a_file_of_no_results_has_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Name,Mood\nA,good\n")
    with pytest.raises(CairnError, match=r"x\.csv:1: no column looks like the pupil's identifier"):
        draft_layout(path, "x")


@pytest.mark.parametrize("rapid", ["*", "N/A", "12,5"])
def test_what_stands_beside_a_score_is_lost_alone(settings: Settings, tmp_path: Path, rapid: str) -> None:
    head = "TermName,StudentID,Subject,TestName,TestID,TestStartDate,TestRITScore,TestStandardError,TestPercentile,"
    row = f'Fall 2026-2027,0071,Mathematics,Growth,t1,09/08/2026,204,n/a,99+,"{rapid}"'
    file = read(settings, tmp_path, "nwea_map_growth", f"{head}RapidGuessingPercentage", row)
    assert told(file) == [("0071", "fall", "2026-09-08", "overall", "204.0", "None")]
    assert file.rows[0].columns["is_rapid_guess"] is None
    assert all(not problem.is_rejected and problem.line == 2 for problem in file.problems)
    assert len(file.problems) == (2 if rapid == "*" else 3)


@pytest.mark.parametrize("score", ["BR", "<400", ">850", "N/A", "--", "204*", "#N/A", "2O4"])
def test_a_score_that_is_no_number_is_refused_with_its_line(settings: Settings, tmp_path: Path, score: str) -> None:
    row = f"007,,a1,2026-09-09T01:28:05.852Z,2026-09-08T21:28:05.852Z,Fall,{score},17,41"
    file = read(settings, tmp_path, "star_math", STAR, row)
    assert (file.rows, [str(one) for one in file.problems]) == (
        [],
        ["results.csv:2: ScaledScore is not a number"],
    )
