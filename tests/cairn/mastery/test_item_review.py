"""Items to look at: a published odds ratio, and simulated pupils with one item of each kind that is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cairn.mastery.item_review import mantel_haenszel_delta, review_items
from cairn.mastery.responses import Responses
from cli.main import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main([*arguments])
    return int(done.value.code or 0)


PUPILS, SKILLS, ITEMS_EACH = 400, 3, 12
MISTAGGED, RANDOM, UNFAIR = 0, 1, 2


def simulated() -> Responses:
    """Three strengths a pupil; every item is answered once. Of skill 0 one item shows skill 1, one nothing at all, and
    one is harder for pupils of the subgroup "b" by two logits."""
    random = np.random.default_rng(4)
    strength = random.normal(0, 1.3, (PUPILS, SKILLS))
    group = np.arange(PUPILS) % 2
    difficulty = random.normal(0, 0.5, SKILLS * ITEMS_EACH)
    user, item = (part.ravel() for part in np.mgrid[0:PUPILS, 0 : SKILLS * ITEMS_EACH])
    skill = item // ITEMS_EACH
    logit = strength[user, np.where(item == MISTAGGED, 1, skill)] - difficulty[item]
    logit = np.where(item == RANDOM, 0.0, logit) - 2.0 * ((item == UNFAIR) & (group[user] == 1))
    correct = (random.random(user.size) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    return Responses(
        user=user.astype(np.int64),
        item=item.astype(np.int64),
        correct=correct,
        at_seconds=1.79e9 + 60.0 * np.arange(user.size),
        response=np.arange(user.size),
        skill=skill.astype(np.int64),
        users=[f"pupil-{n:03d}" for n in range(PUPILS)],
        items=[f"item-{n:02d}" for n in range(SKILLS * ITEMS_EACH)],
        skills=[f"skill-{n}" for n in range(SKILLS)],
        has_items=True,
        has_times=True,
        subgroup_of=["ab"[one] for one in group],
    )


def test_the_common_odds_ratio_is_the_published_one() -> None:
    """Berkeley admissions by sex and department (Bickel, Hammel and O'Connell 1975), as R's mantelhaen.test gives them:
    .9047, 95 % .7719 to 1.0603."""
    counts = {"A": (512, 313, 89, 19), "B": (353, 207, 17, 8), "C": (120, 205, 202, 391), "D": (138, 279, 131, 244)}
    counts |= {"E": (53, 138, 94, 299), "F": (22, 351, 24, 317)}
    rows = [
        (outcome, is_woman, stratum)
        for stratum, of_department in enumerate(counts.values())
        for (is_woman, outcome), count in zip(((0, 1), (0, 0), (1, 1), (1, 0)), of_department, strict=True)
        for _ in range(count)
    ]
    outcome, is_woman, stratum = (np.array(column) for column in zip(*rows, strict=True))
    found = mantel_haenszel_delta(outcome.astype(np.float64), is_woman == 1, stratum)
    assert found is not None
    delta, error = found
    assert np.exp(delta / -2.35) == pytest.approx(0.9046968, abs=1e-6)
    ends = np.exp(np.log(0.9046968) + np.array([-1, 1]) * 1.959964 * error / 2.35)
    assert ends == pytest.approx([0.7719074, 1.0603298], abs=1e-4)
    assert mantel_haenszel_delta(np.ones(4), np.array([True, False] * 2), np.zeros(4, dtype=np.int64)) is None


def test_each_kind_of_item_is_found_and_sound_ones_are_not() -> None:
    found, judged = review_items(simulated(), 10)
    assert judged == SKILLS * ITEMS_EACH
    by_item = {one.item: one for one in found}
    assert by_item["item-00"].other == "skill-1"
    assert by_item["item-01"].correlation < 0.15
    assert by_item["item-01"].other is None
    [unfair] = by_item["item-02"].dif[:1]
    # Harder for b by two logits: -2.35 times as much, and for a easier by the same.
    assert {(one.subgroup, one.size, one.delta < 0) for one in by_item["item-02"].dif} == {
        ("b", "C", True),
        ("a", "C", False),
    }
    assert abs(unfair.delta) == pytest.approx(4.7, abs=1.5)
    sound = set(by_item) - {"item-00", "item-01", "item-02"}
    assert len(sound) <= 2, "of 33 sound items a few may look odd by chance"


def test_too_few_pupils_or_no_items_say_nothing() -> None:
    data = simulated()
    assert review_items(data.of(data.user < 40), 10) == ([], 0)
    assert review_items(replace(data, has_items=False), 10) == ([], 0)


def test_the_command_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path))
    data = simulated()
    lines = ["user_id,skill_id,item_id,correct,timestamp,subgroup"]
    for user, skill, item, right, at in zip(
        data.user, data.skill, data.item, data.correct, data.at_seconds, strict=True
    ):
        names = f"{data.users[user]},{data.skills[skill]},{data.items[item]}"
        lines.append(f"{names},{right},{int(at)},{data.subgroup_of[user]}")
    path = tmp_path / "r.csv"
    path.write_text("\n".join(lines) + "\n")
    assert run("mastery", "items", "--responses", str(path), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["judged"] == SKILLS * ITEMS_EACH
    assert {"item-00", "item-02"} <= {one["item"] for one in found["items"]}
    assert run("mastery", "items", "--responses", str(path)) == 0
    shown = capsys.readouterr().out
    assert "with skill-1 by" in shown
    assert "harder for b (delta -" in shown
    assert run("mastery", "items") == 2
    path.write_text("user_id,skill_id,correct\nu,s,1\n")
    assert run("mastery", "items", "--responses", str(path)) == 2
