"""Loading the district's files into the lake: counts, history, identity, and nobody's name in the lake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lake
import loading
from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.keys import DistrictKeys
from cairn.settings import Settings
from cli.main import main
from identity import Vault
from identity.disclosure_log import list_disclosures

START = datetime(2026, 8, 17, 12, tzinfo=UTC)
LATER = START + timedelta(days=49)
ENROLLMENTS = [
    "enr-1,,,cls-1,sch-1,usr-ann-0001,student,2026-08-17,2026-10-05",
    "enr-2,,,cls-1,sch-1,usr-ann-0001,student,2026-10-05,",
    "enr-3,,,cls-1,sch-1,usr-tom-0002,teacher,,",
    "enr-4,,,cls-9,sch-1,usr-ann-0001,student,,",
]
FILES = {
    "orgs": ["sourcedId,status,dateLastModified,name,type", "sch-1,,,School One,school"],
    "classes": ["sourcedId,status,dateLastModified,title,schoolSourcedId", "cls-1,,,Math 5A,sch-1"],
    "users": [
        "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email,primaryOrgSourcedId",
        "usr-ann-0001,,,true,aarcherington,Annabel,Archerington,annabel@cedar.example,sch-1",
        "usr-tom-0002,,,true,tteacherly,Tomas,Teacherly,tomas@cedar.example,sch-1",
    ],
    "roles": [
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId",
        "rol-1,,,usr-ann-0001,primary,student,sch-1",
        "rol-2,,,usr-tom-0002,primary,teacher,sch-1",
    ],
    "enrollments": [
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate",
        *ENROLLMENTS,
    ],
    "demographics": ["sourcedId,status,dateLastModified,sex,metadata.englishLearner", "usr-ann-0001,,,female,true"],
}
PERSONAL = ("annabel", "archerington", "tomas", "teacherly", "usr-ann-0001", "usr-tom-0002", "cedar.example")
CASE = {
    "CFDocument": {"identifier": "fw", "title": "Framework", "subject": ["Mathematics"]},
    "CFItems": [{"identifier": c, "fullStatement": f"Can do {c}"} for c in ("c1", "c2")],
    "CFAssociations": [
        {
            "identifier": name,
            "associationType": "precedes",
            "originNodeURI": {"identifier": "c1"},
            "destinationNodeURI": {"identifier": to},
        }
        for name, to in (("good", "c2"), ("lost", "c9"))
    ],
}


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    """A small OneRoster 1.2 folder, with one enrolment in a class that is not there."""
    folder = tmp_path / "roster"
    folder.mkdir()
    write(folder, FILES)
    return folder


def write(folder: Path, files: dict[str, list[str]], mode: str = "bulk") -> None:
    for old in folder.glob("*.csv"):
        old.unlink()
    manifest = ["propertyName,value", "oneroster.version,1.2", *(f"file.{name},{mode}" for name in files)]
    for name, lines in {**files, "manifest": manifest}.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def current(settings: Settings, table: str) -> list[dict[str, Any]]:
    return [row for row in lake.read(settings, table).to_pylist() if row["recorded_to"] is None]


def counts(result: dict[str, Any]) -> tuple[int, ...]:
    return tuple(result[key] for key in ("files", "rows", "added", "changed", "ended", "rejected"))


def everything_in(settings: Settings) -> Iterator[str]:
    """All the lake: values of every file of every table, and the logs."""
    import pyarrow.parquet as pq

    for path in Path(settings.lake).rglob("*"):
        if path.suffix == ".parquet":
            yield json.dumps(pq.read_table(path).to_pylist(), default=str).lower()
        elif path.is_file():
            yield path.read_bytes().decode("utf-8", "replace").lower()


def test_a_roster_loads_once_however_often_it_comes(settings: Settings, roster: Path) -> None:
    first = loading.load_roster(settings, roster, recorded_at=START)
    assert counts(first) == (6, 11, 8, 0, 0, 1)
    assert first["problems"] == [
        "enrollments.csv:5: classSourcedId is not an active class of this package, or its row was refused"
    ]
    links = lake.read(settings, "silver.identity_link").num_rows
    assert counts(loading.load_roster(settings, roster, recorded_at=LATER)) == (6, 11, 0, 0, 0, 1)
    assert lake.read(settings, "silver.identity_link").num_rows == links == 8
    periods = [(row["valid_from_date"], row["valid_to_date"]) for row in current(settings, "silver.enrollment")]
    assert (date(2026, 8, 17), date(2026, 10, 4)) in periods
    assert (date(2026, 10, 5), None) in periods


def test_what_the_roster_no_longer_names_has_ended(settings: Settings, roster: Path) -> None:
    loading.load_roster(settings, roster, recorded_at=START)
    write(roster, FILES | {"enrollments": [FILES["enrollments"][0], *ENROLLMENTS[:2]]})
    result = loading.load_roster(settings, roster, recorded_at=LATER)
    assert counts(result)[2:] == (0, 0, 1, 0)
    (ended,) = [row for row in current(settings, "silver.enrollment") if row["enrollment_id"] == "enr-3"]
    assert (ended["status"], ended["valid_to_date"]) == ("active", date(2026, 10, 5))


def test_a_bulk_export_that_broke_off_is_refused(settings: Settings, roster: Path) -> None:
    many = [f"enr-{i},,,cls-1,sch-1,usr-ann-0001,student,," for i in range(100)]
    write(roster, FILES | {"enrollments": [FILES["enrollments"][0], *many]})
    loading.load_roster(settings, roster, recorded_at=START)
    write(roster, FILES | {"enrollments": [FILES["enrollments"][0], *many[:10]]})
    with pytest.raises(CairnError, match=r"names 10 of 100 rows of silver\.enrollment"):
        loading.load_roster(settings, roster, recorded_at=LATER)
    assert loading.load_roster(settings, roster, recorded_at=LATER, allow_mass_end=True)["ended"] == 90


def test_delta_does_not_end_what_it_does_not_name(settings: Settings, roster: Path) -> None:
    loading.load_roster(settings, roster, recorded_at=START)
    new = "enr-5,active,2026-10-05T00:00:00Z,cls-1,sch-1,usr-tom-0002,student,,"
    stranger = "enr-6,active,2026-10-05T00:00:00Z,cls-1,sch-1,usr-new-0009,student,,"
    write(roster, {"enrollments": [FILES["enrollments"][0], new, stranger]}, mode="delta")
    result = loading.load_roster(settings, roster, recorded_at=LATER)
    assert counts(result) == (1, 2, 1, 0, 0, 1)
    assert result["problems"] == ["enrollments.csv:3: names a person who is in no roster yet: load users.csv first"]


def test_nobody_can_be_found_in_the_lake(settings: Settings, roster: Path) -> None:
    loading.load_roster(settings, roster)
    texts = list(everything_in(settings))
    assert len(texts) > 10
    for text in texts:
        assert not [word for word in PERSONAL if word in text]


def test_links_join_what_the_gateway_makes_to_the_person(settings: Settings, roster: Path) -> None:
    loading.load_roster(settings, roster)
    subject = DistrictKeys.load(settings).subject_key("account:https://id.cedar.example", "aarcherington")
    student = {row["subject_key"]: row["student_key"] for row in current(settings, "silver.identity_link")}[subject]
    (demographic,) = current(settings, "silver.demographic")
    assert (demographic["student_key"], demographic["is_english_learner"]) == (student, True)


def test_a_missing_column_changes_nothing(settings: Settings, roster: Path) -> None:
    (roster / "users.csv").write_text("sourcedId,username\nu1,x\n")
    with pytest.raises(CairnError, match=r"users\.csv:1: missing columns givenName, familyName"):
        loading.load_roster(settings, roster)
    assert not Path(settings.lake).exists()
    assert not settings.vault_dir.exists() or Vault(settings).count() == 0


def test_the_fixture_of_version_1_1_loads(settings: Settings, shared_fixture: Callable[[str], Path]) -> None:
    result = loading.load_roster(settings, shared_fixture("fixtures/oneroster/OneRosterv1p1BaseCSV"))
    assert counts(result) == (7, 10, 10, 0, 0, 0)


def test_competencies_and_items(settings: Settings, tmp_path: Path) -> None:
    package, items = tmp_path / "case.json", tmp_path / "items.csv"
    package.write_text(json.dumps(CASE))
    result = loading.load_competencies(settings, package, recorded_at=START)
    assert [result[key] for key in ("items", "associations", "prerequisites", "replaced", "rejected")] == [
        2,
        1,
        1,
        0,
        1,
    ]
    assert "lost" in result["problems"][0]
    again = loading.load_competencies(settings, package, recorded_at=LATER)
    assert (again["added"], again["changed"], again["ended"]) == (0, 0, 0)
    items.write_text("item_id,competency_id,difficulty\nhttps://app.example/i1,c1,0.5\ni2,c7,\n")
    result = loading.load_items(settings, items, recorded_at=START)
    assert [result[key] for key in ("rows", "added", "changed", "rejected", "unaligned")] == [2, 1, 0, 1, 0]


def test_resources_stand_whole_and_end_when_they_are_no_longer_named(settings: Settings, tmp_path: Path) -> None:
    package, resources = tmp_path / "case.json", tmp_path / "resources.csv"
    package.write_text(json.dumps(CASE))
    loading.load_competencies(settings, package, recorded_at=START)
    header, one, two = "competency,title,url\n", "c1,One,https://a.example/1\n", "c1,Two,https://a.example/2\n"
    resources.write_text(header + one + two)
    result = loading.load_resources(settings, resources, recorded_at=START)
    assert [result[key] for key in ("rows", "added", "changed", "ended", "rejected")] == [2, 2, 0, 0, 0]
    # A row that is refused may be the one that is missed: nothing ends.
    resources.write_text(header + one + two.replace("c1", "c7"))
    result = loading.load_resources(settings, resources, recorded_at=LATER)
    assert [result[key] for key in ("added", "changed", "ended", "rejected")] == [0, 0, 0, 1]
    assert result["problems"] == [
        "resources.csv:3: competency c7 is not loaded: correct it, or load its CASE package first"
    ]
    resources.write_text(header + two)
    result = loading.load_resources(settings, resources, recorded_at=LATER)
    assert [result[key] for key in ("added", "changed", "ended", "rejected")] == [0, 1, 1, 0], "two is the first now"


def test_items_in_evidence_without_alignment_are_counted(settings: Settings, tmp_path: Path) -> None:
    event = dict.fromkeys(load_contract("silver.learner_activity").column_names)
    for contract in (load_contract("silver.learner_activity"),):
        for column in contract.columns:
            if column.is_required:
                event[column.name] = {"string": "x", "timestamp": START, "date": START.date()}.get(column.type, 0)
    lake.append(settings, "silver.learner_activity", [event | {"item_id": item} for item in ("i1", "i1", "i8", None)])
    (tmp_path / "case.json").write_text(json.dumps(CASE))
    loading.load_competencies(settings, tmp_path / "case.json")
    (tmp_path / "items.csv").write_text("item_id,competency_id\ni1,c1\n")
    assert loading.load_items(settings, tmp_path / "items.csv")["unaligned"] == 1


@pytest.mark.parametrize(
    ("layout", "file", "column", "results"),
    [
        ("nwea_map_growth", "MAP_Growth/sample_anonymized_file.csv", "StudentID", 28),
        ("iready_ela", "i-Ready/sample_anonymized_file_ela.csv", "Student ID", 28),
        ("iready_math", "i-Ready/sample_anonymized_file_math.csv", "Student ID", 25),
    ],
)
def test_vendors_files_wait_for_the_roster(
    settings: Settings, shared_fixture: Callable[[str], Path], layout: str, file: str, column: str, results: int
) -> None:
    import csv

    path = shared_fixture(f"fixtures/assessments/{file}")
    with path.open(encoding="utf-8-sig", newline="") as opened:
        pupils = {row[column] for row in csv.DictReader(opened)}
    before = loading.load_assessments(settings, path, layout)
    assert (before["results"], before["rejected"]) == (0, before["rows"])
    assert before["problems"][0].endswith(f":2: {column} is no pupil of the roster: load the roster first")
    Vault(settings).register([{"sourced_id": pupil, "given_name": "A"} for pupil in pupils])
    after = loading.load_assessments(settings, path, layout, recorded_at=START)
    assert (after["results"], after["rejected"], after["added"]) == (results, 0, results)
    assert loading.load_assessments(settings, path, layout, recorded_at=LATER)["added"] == 0
    assert after["unknown_columns"] == []


def test_facts(settings: Settings, roster: Path, tmp_path: Path) -> None:
    loading.load_roster(settings, roster)
    path = tmp_path / "dosage.csv"
    path.write_text(
        "StudentId,PilotId,Date,Name,Value,Unit,Code\n"
        "usr-ann-0001,p1,2026-10-05,minutes,30,minutes,\nusr-nobody,p1,2026-10-05,minutes,30,minutes,\n"
    )
    result = loading.load_facts(settings, path, "cairn_dosage")
    assert [result[key] for key in ("rows", "results", "rejected", "unknown_columns")] == [2, 1, 1, []]
    (fact,) = current(settings, "silver.fact")
    assert (fact["fact_type"], fact["value"], fact["pilot_id"]) == ("dosage", 30.0, "p1")
    assert fact["student_key"].startswith("p_")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(str(ended.value.code)), captured.out, captured.err


def test_the_commands(settings: Settings, roster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "roster", "load", str(roster), "--json")
    assert (status, json.loads(out)["added"]) == (1, 8)
    assert "enrollments.csv:5" in err
    assert "1 refused, the rest is loaded" in err
    status, out, err = run(capsys, "roster", "load", str(roster), "--accept-refusals")
    assert (status, out.strip()) == (0, "roster: files 6, rows 11, added 0, changed 0, ended 0, rejected 1")
    status, out, err = run(capsys, "students", "show", "aarcherington", "--json")
    shown = json.loads(out)
    assert (status, shown["name"], len(shown["links"])) == (0, "Annabel Archerington", 4)
    assert len(list_disclosures(settings)) == 1
    status, out, err = run(
        capsys, "students", "link", shown["student_key"], "--kind", "openid", "--value", "https://x.example/a", "--json"
    )
    assert json.loads(out)["restated"] == [shown["student_key"]]
    assert len(current(settings, "silver.identity_link")) == 9
    shutil.rmtree(roster)
    status, out, err = run(capsys, "roster", "load", str(roster))
    assert (status, out, err.splitlines()[-1]) == (1, "", f"error: {roster}: there is no such file or folder")
    status, _, err = run(capsys, "students", "show", "nobody")
    assert status == 1
    assert "means nobody in the vault" in err
