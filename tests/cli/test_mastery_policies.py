"""``cairn mastery policies``: what there is, and a history replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import main
from tests.cli.test_mastery_evaluate import responses


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
