"""``cairn mastery evaluate`` on files: numbers, plot, and what is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from cli.main import main


def responses(path: Path, first: int, pupils: int) -> Path:
    """A file of some pupils, twelve responses each, stronger pupils more often right."""
    chance = random.Random(first)
    lines = ["user_id,skill_id,item_id,correct,timestamp"]
    for pupil in range(first, first + pupils):
        strength = chance.uniform(0.2, 0.9)
        for n in range(12):
            right = int(chance.random() < strength)
            lines.append(f"p{pupil:03d},s{n % 2},i{chance.randrange(8)},{right},{1_790_000_000 + 3_600 * n}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path))
    return str(responses(tmp_path / "train.csv", 0, 60)), str(responses(tmp_path / "test.csv", 500, 20))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["mastery", "evaluate", *arguments])
    return int(done.value.code or 0)


def test_json_holds_every_number_and_the_plot_is_written(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = files
    plot = tmp_path / "reliability.svg"
    assert run("--train", train, "--test", test, "--model", "share", "--plot", str(plot), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    names = {"model", "auc", "auc_within_student", "auc_within_student_weighted", "rmse", "log_loss", "ece"}
    assert {*names, "responses", "seconds", "interval95", "by_opportunity", "twins", "left_out"} <= found.keys()
    assert found["responses"] == 240
    assert found["students"] == 20
    assert found["auc"] > 0.55
    assert [one["opportunity"] for one in found["by_opportunity"]] == ["1", "2", "3 to 5", "6 to 10"]
    assert "<svg" in plot.read_text()


def test_text_is_for_people(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    train, test = files
    assert run("--train", train, "--test", test, "--model", "elo") == 0
    shown = capsys.readouterr().out
    assert "model elo: 240 responses of 20 students" in shown
    assert "the first is the cold start" in shown


def test_the_same_pupils_in_both_files_exit_with_1_and_are_named(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--train", files[0], "--test", files[0]) == 1
    assert "p000, p001, p002, p003, p004 and 55 more are in both files" in " ".join(capsys.readouterr().err.split())


def test_a_model_that_is_not_there_exits_with_2(files: tuple[str, str]) -> None:
    assert run("--train", files[0], "--test", files[1], "--model", "magic") == 2


def test_policy_tells_what_followed_a_call_of_mastered(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = files
    assert run("--train", train, "--test", test, "--model", "bkt", "--policy", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"mastered_pairs", "promised_share", "next5_correct", "under_60_pct", "next_answer"} <= found.keys()
    assert {"logistic_called_pairs", "called_of_logistic_pct"} <= found.keys()
    assert found["by_subgroup"] == []
    assert found["clauses_dropped"] == []
    assert run("--train", train, "--test", test, "--model", "share", "--policy") == 0
    shown = capsys.readouterr().out
    assert "pupils' competencies" in shown
    assert "next answer after any days" in shown
    assert "an item-blind logistic at .85" in shown
    assert "change state twice within ten nights" in shown
    assert run("--train", train, "--test", test, "--model", "elo", "--policy") == 2
    assert run("--from-lake", "x", "--policy") == 1
    assert "no framework 'x' in the lake" in capsys.readouterr().err


def test_policy_by_subgroup_holds_small_groups_back(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Of 20 test pupils 16 are "big" and 4 "small": the four alone would be told by what is left, so neither is."""
    train, test = files
    lines = Path(test).read_text().splitlines()
    for small, told in ((504, ["big", "small"]), (500, ["big"])):
        named = ["small" if line.split(",")[0] < f"p{small}" else "big" for line in lines[1:]]
        grouped = Path(test).with_name("grouped.csv")
        body = [f"{line},{name}" for line, name in zip(lines[1:], named, strict=True)]
        grouped.write_text("\n".join([lines[0] + ",subgroup", *body]) + "\n")
        assert run("--train", train, "--test", str(grouped), "--model", "bkt", "--policy") == 0
        shown = capsys.readouterr().out
        for name in told:
            assert (f"subgroup {name}: not told" in shown) is (len(told) == 2)
    assert "mastered of 20 pupils" in shown
    grouped.write_text("\n".join([lines[0] + ",subgroup", f"{lines[1]},a", f"{lines[2]},b"]) + "\n")
    assert run("--train", train, "--test", str(grouped), "--policy") == 1
    assert "pupil p500 is of subgroups 'a' and 'b'" in " ".join(capsys.readouterr().err.split())


def test_simulated_families_are_judged_against_their_truth(
    files: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few pupils here; docs/explanation/mastery.md has what the command's own numbers are."""
    monkeypatch.setattr("cli.mastery.SIMULATED_PUPILS", (240, 120))
    assert run("--simulated", "family-b", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["students"] == 120
    assert found["interval90_coverage"] >= 0.8
    assert found["interval90_coverage_developing"] >= 0.8
    assert found["false_mastery"] <= 0.1
    assert abs(found["promised_share"] - found["true_share"]) < 0.05
    assert run("--simulated", "family-z") == 2
    assert run("--simulated", "family-a", "--model", "bkt") == 2
