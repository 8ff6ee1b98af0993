"""What broke other systems, through the public commands: golden folders of inputs, each with its right result.

Each folder's ``case.md`` says where the case comes from and what is right; here stands what this system answers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn.district import EXAMPLES
from cairn.keys import DistrictKeys
from cairn.settings import REPOSITORY, Settings
from cli.main import main
from tests.loading.conftest import Cairn, now, pupils_on, sourced_id_of

CASES = REPOSITORY / "tests" / "golden" / "public_cases"


def case(number: int) -> Path:
    """The folder of a case."""
    (folder,) = CASES.glob(f"{number}-*")
    return folder


def test_17_left_and_came_back(settings: Settings, cairn: Cairn) -> None:
    status, done, _ = cairn("roster", "load", case(17) / "input")
    assert (status, done["rejected"], done["warnings"]) == (0, 0, [])
    assert [done["tables"][f"silver.{table}"]["added"] for table in ("person", "enrollment")] == [5, 7]
    assert pupils_on(settings, "2026-09-15") == ["U-71", "U-72", "U-74"]
    assert pupils_on(settings, "2026-10-01") == ["U-71", "U-72", "U-74"]
    assert pupils_on(settings, "2026-10-02") == ["U-72", "U-74"], "the end is exclusive"
    assert pupils_on(settings, "2026-10-20") == ["U-72", "U-74"]
    assert pupils_on(settings, "2026-11-09") == ["U-71", "U-72", "U-74"]
    assert pupils_on(settings, "2026-12-18") == ["U-71", "U-72", "U-74"], "handed over on that day: once"
    assert pupils_on(settings, "2026-08-16") == [], "without dates: as long as the class's terms"
    assert pupils_on(settings, "2027-06-05") == []
    assert "U-73" not in {who for day in range(17, 32) for who in pupils_on(settings, f"2026-08-{day}")}, "no show"


def test_18_two_schools(settings: Settings, cairn: Cairn) -> None:
    status, done, _ = cairn("roster", "load", case(18) / "input")
    assert (status, done["rejected"]) == (0, 0)
    assert done["warnings"] == [
        "enrollments.csv:6: schoolSourcedId is not the school of its class: the class's school counts"
    ]
    assert pupils_on(settings, "2026-09-15", "C-62") == ["U-81", "U-82", "U-83", "U-84"]
    assert {row["school_id"] for row in now(settings, "silver.enrollment") if row["class_id"] == "C-62"} == {"S902"}
    schools = {
        name: row["school_id"]
        for row in now(settings, "silver.person")
        for key, name in sourced_id_of(settings).items()
        if key == row["student_key"]
    }
    assert (schools["U-83"], schools["U-81"], schools["U-84"]) == ("S902", "S901", "S901"), "no district is a school"
    assert len(schools) == 6


def test_19_zip_from_windows(settings: Settings, cairn: Cairn) -> None:
    status, done, _ = cairn("roster", "load", case(19) / "input.zip")
    assert (status, done["files"], done["rejected"], done["warnings"]) == (0, 6, 0, [])
    assert [done["tables"][f"silver.{table}"]["added"] for table in ("person", "enrollment")] == [2, 2]
    status, done, _ = cairn("roster", "load", case(19) / "input-slash.zip")
    assert (status, done["added"], done["changed"], done["ended"]) == (0, 0, 0, 0), "the same package"


def test_21_touched_by_a_spreadsheet(settings: Settings, cairn: Cairn) -> None:
    status, done, _ = cairn("roster", "load", case(21) / "input")
    assert (status, done["rejected"]) == (0, 0)
    assert done["warnings"] == ["users.csv:2: empty cells beyond the last column, here and in 5 more rows: read past"]
    assert sorted(sourced_id_of(settings).values()) == ["0071", "100000", "1E5", "71", "T-5", "U-75"]
    assert pupils_on(settings, "2026-09-15") == ["0071", "100000", "1E5", "71", "U-75"]


def test_22_one_identifier_two_pupils(
    settings: Settings, cairn: Cairn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, done, err = cairn("roster", "load", case(22) / "input")
    assert (status, done["rejected"], done["shared_identifiers"]) == (0, 0, 4)
    assert [text.split(":")[1] for text in done["warnings"]] == ["3", "5", "7"]
    assert len(set(sourced_id_of(settings).values())) == 8, "U-101 and u-101 are two"
    assert "family" not in err.lower() and "FL0000" not in err
    shared = cairn("students", "shared")[1]["shared"]
    assert sorted(one["kind"] for one in shared) == ["identifier", "identifier", "mbox", "mbox"]
    with pytest.raises(SystemExit):
        main(["students", "shared"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "4 identifier(s) of several people" and said[1].endswith(": means nobody")
    subject = DistrictKeys.load(settings).subject_key("mbox", "mailto:family.sand@alder.example")
    assert subject not in {row["subject_key"] for row in now(settings, "silver.identity_link")}
    status, _, err = cairn("students", "show", "family.sand@alder.example")
    assert status == 1 and "means nobody" in err
    interim = (EXAMPLES / "layouts" / "cairn_interim.yaml").read_text()
    own = settings.district_dir / "layouts" / "by_state_id.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(interim.replace("identifier: sourcedId", "identifier: identifier"))
    status, done, _ = cairn("assessments", "load", case(22) / "input.3.csv", "--layout", "by_state_id")
    assert (status, done["results"]) == (1, 0)
    assert "means nobody" in done["problems"][0], "no score of one child is another's"
    before = {(row["subject_key"], row["student_key"]) for row in now(settings, "silver.identity_link")}
    for file in (case(22) / "input").glob("*.csv"):
        lines = file.read_text().splitlines()
        turned = [lines[0], *reversed(lines[1:])] if file.name != "manifest.csv" else lines
        (tmp_path / file.name).write_text("\n".join(turned) + "\n")
    status, done, _ = cairn("roster", "load", tmp_path)
    assert (status, done["added"], done["changed"]) == (0, 0, 0), "in another order of rows the same links"
    assert before == {(row["subject_key"], row["student_key"]) for row in now(settings, "silver.identity_link")}


def test_23_case_without_uris(settings: Settings, cairn: Cairn) -> None:
    status, done, _ = cairn("competencies", "load", case(23) / "input.json")
    assert (status, done["items"], done["associations"], done["prerequisites"], done["rejected"]) == (0, 3, 4, 1, 0)
    found = {row["code"]: row for row in now(settings, "silver.competency")}
    assert [(code, row["is_leaf"], row["sequence"]) for code, row in sorted(found.items())] == [
        ("Q.4", False, 1),
        ("Q.4.1", True, 2),
        ("Q.4.2", True, 3),
    ]
    assert (found["Q.4.1"]["education_level"], found["Q.4.2"]["education_level"]) == (",04,", ",KG,04,")
    (edge,) = [row for row in now(settings, "silver.competency_edge") if row["edge_type"] == "precedes"]
    assert (edge["from_competency_id"], edge["to_competency_id"]) == (
        found["Q.4.1"]["competency_id"],
        found["Q.4.2"]["competency_id"],
    )
    _, again, _ = cairn("competencies", "load", case(23) / "input.json")
    assert (again["added"], again["changed"], again["ended"]) == (0, 0, 0)


def test_25_case_leads_elsewhere(settings: Settings, cairn: Cairn) -> None:
    status, done, err = cairn("competencies", "load", case(25) / "input.json")
    assert (status, done["items"], done["rejected"]) == (1, 2, 5)
    assert all(text.startswith("input.json:") for text in done["problems"])
    assert ["(exemplar) leads to a page outside" in text for text in done["warnings"]] == [True]
    assert "--accept-refusals" in err
    found = {row["code"]: row for row in now(settings, "silver.competency")}
    assert "6CO₂" in found["S.3"]["full_statement"] and "\n" in found["S.1"]["full_statement"]
    assert "\n" not in found["S.1"]["title"]
    assert [row["edge_type"] for row in now(settings, "silver.competency_edge")] == ["ext:buildsTowards"]
    assert cairn("competencies", "load", case(25) / "input.json", "--accept-refusals")[0] == 0


def test_26_map_growth(settings: Settings, cairn: Cairn) -> None:
    assert cairn("roster", "load", case(26) / "roster")[0] == 0
    status, done, _ = cairn("assessments", "load", case(26) / "input.csv", "--layout", "nwea_map_growth")
    assert (status, done["rows"], done["repeated"], done["rejected"]) == (1, 9, 1, 2)
    assert done["problems"] == [
        "input.csv:9: StudentID is no pupil of the roster: load the roster first",
        "input.csv:10: TestRITScore is empty",
    ]
    names = sourced_id_of(settings)
    results = now(settings, "silver.assessment_result")
    scores = sorted(
        (names[row["student_key"]], row["scale_score"], row["percentile"], row["is_rapid_guess"])
        for row in results
        if row["measure"] == "overall"
    )
    assert scores == [
        ("0071", 204.0, 57.0, False),
        ("0072", 238.0, None, False),
        ("0073", 188.0, 22.0, False),
        ("0073", 201.0, 50.0, False),
        ("0074", 170.0, 3.0, True),
        ("71", 199.0, 45.0, False),
    ]
    assert len(results) == 11, "the area of 0072 has no score"
    again = cairn("assessments", "load", case(26) / "input.csv", "--layout", "nwea_map_growth")[1]
    assert (again["added"], again["changed"]) == (0, 0)


def test_28_responses_with_ids_that_look_like_numbers(cairn: Cairn) -> None:
    told = set()
    for name in ("input", "input-quoted", "input-named"):
        status, done, _ = cairn("mastery", "fit", "--responses", case(28) / f"{name}.csv", "--model", "bkt")
        assert status == 0
        told.add((done["skills"], done["responses"], round(done["log_likelihood"], 9)))
    assert [(skills, responses) for skills, responses, _ in told] == [(3, 48)]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "input.1.csv: row 1: correct is neither 0 nor 1: score the responses first (so are 29 rows more)"),
        (2, "input.2.csv: row 7: skill_id is empty: leave such rows out, or name it (so are 2 rows more)"),
        (5, "input.5.csv: row 4: correct is neither 0 nor 1: score the responses first (so are 1 rows more)"),
        (6, "input.6.csv: row 5: correct is neither 0 nor 1: score the responses first (so are 1 rows more)"),
    ],
)
def test_29_oddities_of_logs_are_refused_by_row(cairn: Cairn, number: int, said: str) -> None:
    status, _, err = cairn("mastery", "fit", "--responses", case(29) / f"input.{number}.csv", "--model", "bkt")
    assert status == 1
    assert said in err


def test_29_one_act_on_two_skills_is_one_response_however_it_is_written() -> None:
    from cairn.mastery.responses import read_table, responses_from

    rows, joined = (case(29) / f"input.{number}.csv" for number in (3, 4))
    found = [responses_from([(path, read_table(path))])[0] for path in (rows, joined)]
    assert [len(one.correct) for one in found] == [48, 48]
    assert [len(one.skill) for one in found] == [64, 64]
    assert (found[0].correct == found[1].correct).all()


def test_31_dosage_from_a_spreadsheet(settings: Settings, cairn: Cairn) -> None:
    assert cairn("roster", "load", case(31) / "roster")[0] == 0
    status, done, _ = cairn("facts", "load", case(31) / "input.csv", "--layout", "cairn_dosage")
    assert (status, done["rows"], done["results"], done["repeated"], done["rejected"]) == (1, 13, 3, 1, 9)
    assert done["results"] + done["repeated"] + done["rejected"] == done["rows"]
    assert [int(text.split(":")[1]) for text in done["problems"]] == [3, 4, 5, 6, 7, 10, 11, 12, 13]
    assert [int(text.split(":")[1]) for text in done["warnings"]] == [8]
    facts = sorted((row["fact_date"].isoformat(), row["name"], row["value"]) for row in now(settings, "silver.fact"))
    assert facts == [
        ("2026-09-08", "Practice", 10.0),
        ("2026-09-08", "practice", 35.0),
        ("2026-09-14", "practice", 15.0),
    ]


def test_the_cases_are_whole() -> None:
    """Every folder has a test above, and none has lost its inputs."""
    assert sorted(int(folder.name[:2]) for folder in CASES.iterdir()) == [17, 18, 19, 21, 22, 23, 25, 26, 28, 29, 31]
    assert all((folder / "case.md").is_file() and len(list(folder.rglob("*.*"))) > 1 for folder in CASES.iterdir())
