"""What followed "mastered": counted by hand on small tables, and told apart from those who stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cairn.errors import UsageError
from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.mastery.follow_up import Calls, _told, after_mastery, has_enough
from cairn.mastery.policy_versions import EvidenceMinimum, SharePolicy
from cairn.mastery.predictors import BktRule
from cairn.mastery.responses import Responses, read_table, responses_from
from cairn.mastery.share.durable import evidence_of
from tests.cairn.mastery.share.simulated import simulate

RULE = BktRule(Bounds(), Parameters(0.35, 0.12, 0.2, 0.1))
POLICY = SharePolicy()
DAY = 86_400


def table(tmp_path: Path, lines: list[str]) -> Responses:
    path = tmp_path / "r.csv"
    path.write_text("\n".join(["user_id,skill_id,item_id,correct,timestamp", *lines]) + "\n")
    [data] = responses_from([(path, read_table(path))])
    return data


def test_the_evidence_minimum_counts_items_and_days(tmp_path: Path) -> None:
    """The fourth attempt is on the third item, but on the first day; only the fifth completes the minimum."""
    items, days = ["a", "b", "a", "c", "c", "d"], [0, 0, 0, 0, 1, 1]
    start = 1_790_035_200
    rows = [f"u,s,{item},1,{start + day * DAY + n}" for n, (item, day) in enumerate(zip(items, days, strict=True))]
    data = table(tmp_path, [*rows, f"v,s,a,1,{start}"])
    evidence = evidence_of(data, np.zeros(data.user.size))
    assert has_enough(evidence, EvidenceMinimum()).tolist() == [False] * 4 + [True, True, False]
    assert has_enough(evidence, EvidenceMinimum(items=4)).tolist() == [False] * 5 + [True, False]


def test_a_later_attempt_at_an_item_counts_after_the_spacing(tmp_path: Path) -> None:
    start = 1_790_035_200
    at = [0, 60, DAY - 1, 2 * DAY, 3 * DAY + 1]
    data = table(tmp_path, [f"u,s,a,1,{start + one}" for one in at] + [f"u,s,b,1,{start}"])
    told = dict(zip(data.at_seconds.tolist(), data.first_attempts(DAY).tolist(), strict=False))
    assert [told[start + one] for one in at[1:]] == [False, False, True, True]
    assert data.first_attempts(DAY)[np.flatnonzero(data.at_seconds == start)].all()


def test_calls_are_followed_to_the_next_five_and_others_counted_apart(tmp_path: Path) -> None:
    """u is called at its second row and answers 1 1 0 1 0 (then 0, which no longer counts); v has two more answers."""
    start = 1_790_035_200
    outcomes = {"u": [1, 1, 1, 1, 0, 1, 0, 0], "v": [0, 1, 0, 1], "w": [1, 0]}
    lines = [
        f"{user},s,i{n},{right},{start + n * 3 * DAY}" for user, own in outcomes.items() for n, right in enumerate(own)
    ]
    data = table(tmp_path, lines)
    evidence = evidence_of(data, np.zeros(data.user.size))
    called = np.array([False, True, True, False, False, False, False, False] + [False, True, False, True] + [False] * 2)
    promised = np.linspace(0.5, 0.9, called.size)
    found = _told(Calls(evidence, promised, called), np.ones(called.size, dtype=bool))
    assert (found["pairs"], found["mastered_pairs"], found["mastered_pairs_with_next5"]) == (3, 2, 1)
    assert found["next5_correct"] == pytest.approx(3 / 5)
    assert found["promised_share"] == pytest.approx(promised[1])
    assert found["under_60_pct"] == 0.0, "60 % exactly is not under it"
    assert found["next_answer"] == {"pairs": 2, "promised": pytest.approx(promised[[1, 9]].mean()), "correct": 0.5}
    assert [one["days"] for one in found["next_answer_by_gap_days"]] == ["1 to 4"]


def test_both_kinds_of_models_are_followed_on_unseen_pupils() -> None:
    train, test = simulate(1, 120, total=180).data, simulate(2, 60, first=120, total=180).data
    found = {model: after_mastery(train, test, model, RULE, POLICY, DAY, 10) for model in ("share", "bkt")}
    for told in found.values():
        assert told["clauses_dropped"] == []
        assert 0 < told["mastered_pairs"] <= told["pairs_with_enough_evidence"] <= told["pairs"]
    share, known = found["share"], found["bkt"]
    assert share["next5_correct"] >= share["promised_share"] - 0.03
    assert share["under_60_pct"] < known["under_60_pct"]
    assert "next10" not in known, "P(known) has no interval of a share"
    next_ten = share["next10"]
    assert 300 < next_ten["pairs"] <= share["pairs_with_enough_evidence"]
    low, high = next_ten["covered_interval95"]
    assert low < 0.9 < high + 0.03, "these pupils learn while they answer, which the interval leaves out"


def test_a_model_that_calls_nobody_is_refused() -> None:
    data = simulate(1, 4).data
    with pytest.raises(UsageError, match="--policy judges what calls pupils mastered: choose share, bkt, bkt_forget"):
        after_mastery(data, data, "elo", RULE, POLICY, DAY, 10)
