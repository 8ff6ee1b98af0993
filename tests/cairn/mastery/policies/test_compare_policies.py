"""What followed each policy's call, counted by hand on a small file; small groups are not told of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cairn.mastery.bkt import Parameters
from cairn.mastery.fit import Bounds
from cairn.mastery.follow_up import first_of_pairs, has_enough
from cairn.mastery.policies.aleks import Points
from cairn.mastery.policies.compare import TOO_FEW, Comparison, Summary, compare, first_calls, guard
from cairn.mastery.policies.counts import different
from cairn.mastery.policies.history import history_of, local_days
from cairn.mastery.policies.known import KnownPolicy
from cairn.mastery.policies.pair import Pair
from cairn.mastery.policies.rules import Aleks, CognitiveTutor, DurableShare, InARow, Rule
from cairn.mastery.policy_versions import EvidenceMinimum, SharePolicy
from cairn.mastery.predictors import BktRule
from cairn.mastery.responses import Responses, read_table, responses_from
from cairn.mastery.share.durable import evidence_on, fit_durable
from cairn.mastery.share.policy import ask_in_a_week
from cairn.mastery.subgroups import NOT_TOLD
from tests.cairn.mastery.share.simulated import simulate

BKT = BktRule(Bounds(), Parameters(0.35, 0.12, 0.2, 0.1))
ZONE, DAY = "America/Chicago", 86_400
NOON = 1_790_000_000


def policy(name: str, rule: Rule) -> KnownPolicy:
    return KnownPolicy(name, "kind", "description", "source", rule)


def table(tmp_path: Path, lines: list[str], columns: str = "user_id,skill_id,item_id,correct,timestamp") -> Responses:
    path = tmp_path / "r.csv"
    path.write_text("\n".join([columns, *lines]) + "\n")
    [data] = responses_from([(path, read_table(path))])
    return data


def file(tmp_path: Path, outcomes: dict[str, str], step_days: float = 1.0) -> Responses:
    """A file of pupils on one competency, an answer each ``step_days``, every one on an item of its own."""
    lines = [
        f"{user},s,i{n},{right},{NOON + int(n * step_days * DAY)}"
        for user, own in outcomes.items()
        for n, right in enumerate(own)
    ]
    return table(tmp_path, lines)


def replay(data: Responses, rule: Rule, smallest: int = 1, groups: dict[str, str] | None = None) -> Comparison:
    return compare(data, [policy("one", rule)], BKT, ZONE, DAY, smallest, groups)


def test_what_followed_the_call_is_counted(tmp_path: Path) -> None:
    """u is called at its second answer, then 0 1 0 0 1 1; v at its third, then 1; w never; x at its end."""
    data = file(tmp_path, {"u": "11010011", "v": "0111", "w": "0101", "x": "11"})
    comparison = replay(data, InARow(2))
    assert comparison.right == pytest.approx((5 + 3 + 2 + 2) / 18)
    told = comparison.results[0].everyone
    assert (told.pupils, told.pairs, told.mastered_pairs, told.mastered_share) == (4, 4, 3, 0.75)
    assert (told.next_right, told.next_pairs) == (0.5, 2)
    assert (told.week_later_right, told.week_later_pairs) == (0.0, 1), "u's answer four days after the call"
    assert told.median_answers == 2.0
    assert told.over_practice == pytest.approx((6 + 1 + 0) / 3)
    assert (told.under_practice, told.under_practice_pairs) == (1.0, 1), "two of u's next five are right"


def test_three_of_five_is_not_under_practice(tmp_path: Path) -> None:
    [found] = replay(file(tmp_path, {"u": "1101011"}), InARow(2)).results
    assert found.everyone.under_practice == 0.0


def test_only_counted_answers_are_replayed(tmp_path: Path) -> None:
    """The same item within a day is practice: three right on it are not three in a row."""
    lines = [f"u,s,a,1,{NOON + n * 60}" for n in range(3)] + [f"u,s,b,0,{NOON + DAY}"]
    comparison = replay(table(tmp_path, lines), InARow(2))
    assert comparison.answers == 2
    assert comparison.results[0].everyone.mastered_pairs == 0


def test_days_are_local_and_mixed_days_are_found(tmp_path: Path) -> None:
    """22:30 and 23:30 UTC-5 are one day, 00:30 the next; s is mixed with t on the first day alone."""
    late = 1_790_134_200  # 22:30 in Chicago
    assert local_days(np.array([late, late + 3_600, late + 7_200, np.nan]), ZONE).tolist() == [20718, 20718, 20719, 0]
    rows = [(late, "s"), (late + 3_600, "t"), (late + 7_200, "s")]
    data = table(tmp_path, [f"u,{skill},i{n},1,{at}" for n, (at, skill) in enumerate(rows)])
    history = history_of(data, ZONE, DAY, None)
    assert history.is_mixed.tolist() == [True, False, True]
    assert [list(pair.day) for pair in history.pairs()] == [[20718, 20719], [20718]]


def test_a_response_with_two_competencies_is_an_answer_on_each(tmp_path: Path) -> None:
    data = table(tmp_path, [f"u,s~~t,a,1,{NOON}", f"u,s,b,0,{NOON + DAY}"])
    assert [list(pair.right) for pair in history_of(data, ZONE, DAY, None).pairs()] == [[True, False], [True]]


def test_policies_that_ask_for_days_are_left_out_without_times(tmp_path: Path) -> None:
    data = table(tmp_path, ["u,s,a,1", "u,s,b,1"], "user_id,skill_id,item_id,correct")
    both = [policy("aleks", Aleks(Points())), policy("row", InARow(2))]
    found = compare(data, both, BKT, ZONE, DAY, 1)
    assert found.left_out == ["aleks"]
    assert [one.policy.name for one in found.results] == ["row"]
    assert found.results[0].everyone.mastered_pairs == 1
    assert found.results[0].everyone.week_later_right is None


def test_bkt_takes_its_parameters_from_other_pupils(tmp_path: Path) -> None:
    """Whatever u answers, u's P(known) after the first right answer is the same: the others taught it."""
    others = {f"p{n:02d}": "0110111" for n in range(9)}

    def after_first(outcomes: dict[str, str]) -> float:
        data = file(tmp_path, outcomes)
        history = history_of(data, ZONE, DAY, BKT)
        [own] = np.flatnonzero(history.user == data.users.index("u"))
        return float(history.known[history.offsets[own]])

    assert after_first({"u": "1111111", **others}) == after_first({"u": "1000000", **others})
    prior = BKT.default
    posterior = prior.prior * (1 - prior.slip) / (prior.prior * (1 - prior.slip) + (1 - prior.prior) * prior.guess)
    expected = posterior + (1 - posterior) * prior.learn
    assert after_first({"u": "11"}) == pytest.approx(expected), "nobody else: the district's default"
    [found] = replay(file(tmp_path, {"u": "1111111", **others}), CognitiveTutor(0.95)).results
    assert found.everyone.mastered_pairs is not None and found.everyone.mastered_pairs >= 1


OWN = DurableShare(0.85, 0.75, 0.9, 4, 3, 2)


def test_cairns_policy_counts_its_evidence_by_hand() -> None:
    """Right enough and sure from the second answer on; the fifth is the fourth of three items on two days."""
    pair = Pair(
        right=[True] * 6,
        day=[1, 1, 1, 1, 2, 2],
        is_mixed=[False] * 6,
        share=[0.8, 0.9, 0.9, 0.9, 0.9, 0.84],
        chance={0.75: [0.95] * 6},
        items=different([7, 8, 7, 9, 9, 9]),
    )
    assert list(pair.items) == [1, 2, 2, 3, 3, 3]
    assert OWN.verdicts(pair).first_call == 4
    assert list(OWN.verdicts(pair).is_mastery) == [False, False, False, False, True, False]
    assert replace(OWN, days=1).verdicts(pair).first_call == 3
    assert replace(OWN, chance=0.96).verdicts(pair).first_call is None


def test_cairns_policy_calls_as_evaluations_do() -> None:
    """Each half of the pupils by the model of the other, row by row; the day of evaluations is UTC's."""
    data = simulate(1, 90).data
    history = history_of(data, "UTC", DAY, None, floors={0.75})
    counted = data.of(data.first_attempts(DAY))
    calls = first_calls(history, policy("own", OWN))
    for half in (0, 1):
        model = fit_durable(counted.of(counted.user % 2 != half))
        evidence = evidence_on(model.head, counted.of(counted.user % 2 == half))
        asked = ask_in_a_week(model, evidence, np.arange(evidence.response.size), SharePolicy())
        expected = first_of_pairs(evidence, asked.is_mastered & has_enough(evidence, EvidenceMinimum()))
        own = history.user % 2 == half
        found = calls[own] - history.offsets[:-1][own]
        place = np.repeat(np.arange(own.sum()), np.diff(evidence.offsets))[expected]
        assert np.flatnonzero(found >= 0).tolist() == place.tolist()
        assert found[place].tolist() == (expected - evidence.offsets[place]).tolist()
        assert place.size > 20


def test_of_a_single_pupil_the_shipped_model_says_it_and_items_that_are_not_named_are_not_asked_for(
    tmp_path: Path,
) -> None:
    lines = [f"u,s,1,{NOON + n * DAY}" for n in range(30)]
    data = table(tmp_path, lines, "user_id,skill_id,correct,timestamp")
    [found] = replay(data, replace(OWN, chance=0.0, share=0.8)).results
    assert found.everyone.mastered_pairs == 1


def test_groups_of_too_few_pupils_are_not_told_nor_found_by_subtraction(tmp_path: Path) -> None:
    outcomes = {f"p{n:02d}": "1111" for n in range(12)}
    groups = {name: "ell" if n < 2 else "other" if n < 6 else "third" for n, name in enumerate(outcomes)}
    [found] = replay(file(tmp_path, outcomes), InARow(2), smallest=3, groups=groups).results
    assert found.everyone.pupils == 12
    assert found.by_subgroup["ell"] == TOO_FEW
    assert found.by_subgroup["other"] == TOO_FEW, "all less the third would tell the first"
    assert found.by_subgroup["third"].pupils == 6
    alone = replay(file(tmp_path, {"u": "1111"}), InARow(2), smallest=3)
    assert (alone.right, alone.results[0].everyone, alone.results[0].by_subgroup) == (None, TOO_FEW, {})


def test_pupils_without_a_subgroup_are_a_group_of_their_own(tmp_path: Path) -> None:
    [found] = replay(file(tmp_path, {"u": "11", "v": "01"}), InARow(2), groups={"u": "a"}).results
    assert {name: one.mastered_pairs for name, one in found.by_subgroup.items()} == {"a": 1, NOT_TOLD: 0}


def test_a_number_missing_of_one_group_alone_goes_of_the_smallest_other_one() -> None:
    told = {
        "a": Summary(10, 10, next_right=None),
        "b": Summary(30, 9, next_right=0.5),
        "c": Summary(20, 8, next_right=0.4),
    }
    guarded = guard(told)
    assert (guarded["b"].next_right, guarded["c"].next_right, guarded["c"].pupils) == (0.5, None, 20)


def test_json_has_the_rule_and_every_number(tmp_path: Path) -> None:
    found = replay(file(tmp_path, {"u": "111"}), InARow(2)).as_json()
    assert found["policies"][0]["name"] == "one"
    assert found["policies"][0]["rule"] == "Mastered at 2 right in a row."
    assert found["policies"][0]["median_items"] == 2.0
