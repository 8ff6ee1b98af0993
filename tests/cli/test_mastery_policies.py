"""``cairn mastery policies``: what there is, and a history replayed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import yaml

import lake
from cairn.district import load_district_yaml
from cairn.mastery.policy_versions import THRESHOLDS
from cairn.settings import Settings
from cli.main import main
from tests.cli.test_mastery_evaluate import responses
from tests.spark_jobs.mastery_lake import competency


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["mastery", "policies", *arguments])
    return int(done.value.code or 0)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path))
    return str(responses(tmp_path / "history.csv", 0, 40))


def test_list_names_each_policy_with_its_rule(history: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert "three_in_a_row\n    Mastered at 3 right in a row." in shown
    assert "aleks (needs times)" in shown


def test_list_names_the_districts_own_by_subject_and_date(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    assert "all: share from the beginning (share-" in capsys.readouterr().out
    content = load_district_yaml(settings, "policy.yaml")
    one = {name: content.pop(name) for name in THRESHOLDS}
    stricter = one | {"mastered": {"share": 0.95, "floor": 0.75, "chance": 0.9}}
    content["versions"] = [
        {"id": "first", **one},
        {"id": "strict-math", "subject": "Math", "effective_from": date(2020, 8, 3), **stricter},
        {"id": "math-to-come", "subject": "Math", "effective_from": date(2120, 8, 3), **one},
    ]
    settings.district_dir.mkdir(parents=True, exist_ok=True)
    (settings.district_dir / "policy.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert run("list", "--json") == 0
    everybody, math = json.loads(capsys.readouterr().out)["own"]
    assert (everybody["subject"], everybody["id"], everybody["effective_from"], everybody["next"]) == (
        "all",
        "first",
        None,
        [],
    )
    assert (math["subject"], math["id"], math["effective_from"]) == ("math", "strict-math", "2020-08-03")
    assert [(later["id"], later["effective_from"]) for later in math["next"]] == [("math-to-come", "2120-08-03")]
    assert math["policy_version"] != everybody["policy_version"] == math["next"][0]["policy_version"]
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert "math: strict-math since 2020-08-03" in shown
    assert "    next: math-to-come from 2120-08-03" in shown
    lake.append(settings, "silver.competency", [competency("k1") | {"subject": "ELA"}])
    assert run("list") == 1
    refused = " ".join(capsys.readouterr().err.split())
    assert "versions.1.subject: no competency is of 'math': competencies are of: ela" in refused


def test_compare_prints_json_and_writes_a_page_without_pupils(
    history: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "policies.html"
    assert run("compare", "--responses", history, "--page", str(page), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pupils"], found["smallest_group"], found["left_out"]) == (40, 10, [])
    assert len(found["policies"]) == 19
    in_a_row = next(one for one in found["policies"] if one["name"] == "three_in_a_row")
    assert 0 < in_a_row["mastered_pct"] < 100
    shown = page.read_text()
    assert shown.count("<svg") == 2
    assert "p000" not in shown


def test_compare_tells_people_of_the_policies_they_name(history: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "--responses", history, "--policy", "three_in_a_row", "--policy", "kolibri_m_of_n") == 0
    shown = capsys.readouterr().out
    assert "40 pupils" in shown
    assert "kolibri_m_of_n" in shown
    assert "khan" not in shown


def test_a_policy_that_is_not_there_exits_with_2(history: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "--responses", history, "--policy", "cahn") == 2
    assert "no policy 'cahn': choose from threshold_80, three_in_a_row" in " ".join(capsys.readouterr().err.split())
