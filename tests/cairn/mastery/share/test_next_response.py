"""The next-response head: no leak, cold pupils and items behave, copies are told, the plot shows what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cairn.errors import CairnError
from cairn.mastery.predictors import BktRule, predict
from cairn.mastery.reliability import plot, reliability, write_plot
from cairn.mastery.responses import Responses
from cairn.mastery.share import difficulty, easiness
from cairn.mastery.share.next_response import fit_next_response, predict_next_response
from cairn.mastery.twins import find_twins

PUPILS, LENGTH, ITEMS, SKILLS = 60, 40, 24, 4


def drawn(seed: int, pupils: int = PUPILS) -> Responses:
    """Pupils of an ability each on items of a difficulty each, some of two skills, a day or a minute apart."""
    random = np.random.default_rng(seed)
    hard = np.random.default_rng(0).normal(0, 1, ITEMS)
    user = np.repeat(np.arange(pupils), LENGTH)
    item = random.integers(0, ITEMS, user.size)
    chance = 1 / (1 + np.exp(-(random.normal(0, 1, pupils)[user] - hard[item])))
    at = np.cumsum(random.choice([60.0, 86_400.0], (pupils, LENGTH)), axis=1).ravel()
    both = item % 6 == 0
    response = np.repeat(np.arange(user.size), 1 + both)
    is_second = np.r_[False, response[1:] == response[:-1]]
    return Responses(
        user=user,
        item=item,
        correct=(random.random(user.size) < chance).astype(np.float64),
        at_seconds=at,
        response=response,
        skill=(item[response] + is_second) % SKILLS,
        users=[f"u{code}" for code in range(pupils)],
        items=[f"i{code}" for code in range(ITEMS)],
        skills=[f"s{code}" for code in range(SKILLS)],
        has_items=True,
        has_times=True,
    )


def test_no_prediction_sees_its_own_outcome_or_a_later_one() -> None:
    """The flip test, on every tenth response of one pupil."""
    model, test = fit_next_response(drawn(1)), drawn(2, pupils=3)
    before = predict_next_response(model, test)
    for flipped in range(LENGTH, 2 * LENGTH, 10):
        correct = test.correct.copy()
        correct[flipped] = 1 - correct[flipped]
        after = predict_next_response(model, replace(test, correct=correct))
        assert np.array_equal(after[: flipped + 1], before[: flipped + 1])
        assert not np.array_equal(after[flipped + 1 : 2 * LENGTH], before[flipped + 1 : 2 * LENGTH])
        assert np.array_equal(after[2 * LENGTH :], before[2 * LENGTH :]), "another pupil's work is not concerned"


def test_items_and_skills_that_training_did_not_meet_are_average() -> None:
    train, test = drawn(1), drawn(2, pupils=4)
    names = {"items": [*train.items, "new"], "skills": [*train.skills, "new"]}
    model = fit_next_response(replace(train, **names))
    unmet = replace(test, item=np.full_like(test.item, ITEMS), skill=np.full_like(test.skill, SKILLS), **names)
    first = predict_next_response(model, unmet)[::LENGTH]
    assert np.isfinite(first).all()
    assert first == pytest.approx(np.full(4, train.correct.mean()), abs=0.15)


def test_a_file_without_items_and_times_is_told_so() -> None:
    train = drawn(1)
    bare = replace(
        train,
        item=train.first_skill(),
        items=train.skills,
        has_items=False,
        has_times=False,
        at_seconds=np.full(train.user.size, np.nan),
    )
    model = fit_next_response(bare)
    chance = predict_next_response(model, bare)
    assert np.isfinite(chance).all()
    assert chance.mean() == pytest.approx(train.correct.mean(), abs=0.02)


@pytest.mark.parametrize("model", ["share", "logistic", "bkt", "bkt_forget", "elo"])
def test_every_model_gives_each_response_a_chance(model: str, bkt_rule: BktRule) -> None:
    train, test = drawn(1), drawn(2, pupils=5)
    apart = replace(test, user=test.user + PUPILS, users=[*train.users, *(f"v{n}" for n in range(5))])
    chance = predict(train, apart, model, bkt_rule)
    assert chance.shape == test.user.shape
    assert ((chance > 0) & (chance < 1)).all()


def test_a_copied_pupil_is_found_and_others_are_not() -> None:
    train, test = drawn(1, pupils=20), drawn(2, pupils=6)
    users = [f"u{code}" for code in range(26)]
    correct, item = test.correct.copy(), test.item.copy()
    copied = slice(2 * LENGTH, 3 * LENGTH)
    item[copied], correct[copied] = train.item[7 * LENGTH : 8 * LENGTH], train.correct[7 * LENGTH : 8 * LENGTH]
    one_each = np.arange(test.user.size)
    apart = replace(
        test, user=test.user + 20, item=item, correct=correct, response=one_each, skill=item % SKILLS, users=users
    )
    plain = replace(train, response=np.arange(train.user.size), skill=train.item % SKILLS, users=users)
    assert find_twins(plain, apart) == [(22, 7)]


def test_the_plot_shows_each_bin_and_is_well_formed(tmp_path: Path) -> None:
    chance = np.array([0.12, 0.18, 0.71, 0.79, 0.79])
    bins = reliability(np.array([0, 1, 1, 1, 0], dtype=np.int8), chance)
    assert [(round(one.predicted, 3), round(one.right, 3), one.responses) for one in bins] == [
        (0.15, 0.5, 2),
        (0.763, 0.667, 3),
    ]
    root = ElementTree.fromstring(plot("share <1>", bins))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}circle")) == 2
    told = [one.text for one in root.findall(f".//{space}g/{space}title")]
    assert told == ["2 responses given 15.0%: 50.0% right", "3 responses given 76.3%: 66.7% right"]
    write_plot(tmp_path / "r.svg", "share", bins)
    assert (tmp_path / "r.svg").read_text(encoding="utf-8").startswith("<svg")
    with pytest.raises(CairnError, match="cannot be written"):
        write_plot(tmp_path / "no" / "r.svg", "share", bins)


def test_difficulty_out_of_fold_does_not_see_the_pupils_own_answers() -> None:
    """Turning all of a train pupil's answers round leaves the difficulties that judge them as they were."""
    train = drawn(1)
    own = train.user == 3
    turned = replace(train, correct=np.where(own, 1 - train.correct, train.correct))
    first, none = train.first_skill(), np.zeros(train.user.size, np.int64)
    plain, other = (
        difficulty.out_of_fold(data.user, data.item, first, none, data.correct, ITEMS, SKILLS)
        for data in (train, turned)
    )
    assert np.array_equal(plain[own], other[own])
    assert not np.array_equal(plain[~own], other[~own])
    single = [replace(data, response=np.arange(data.user.size), skill=first) for data in (train, turned)]
    easy, changed = (easiness.out_of_fold(data) for data in single)
    assert np.array_equal(easy[own], changed[own])
    assert not np.array_equal(easy[~own], changed[~own])


def test_predictions_do_not_depend_on_who_else_is_tested() -> None:
    """Codes are shared between files, so other test pupils move the codes of train pupils: nothing may follow."""
    train, test = drawn(1), drawn(2, pupils=5)
    far = replace(train, user=train.user * 2 + 1)
    assert np.array_equal(
        predict_next_response(fit_next_response(train), test), predict_next_response(fit_next_response(far), test)
    )
