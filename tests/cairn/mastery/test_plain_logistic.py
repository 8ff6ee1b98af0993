"""The plain comparison: blind to items and to other work, right about what comes next, its calls counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cairn.mastery.follow_up import Calls, of_those_that_the_logistic_calls
from cairn.mastery.plain_logistic import next_answer_chances
from cairn.mastery.responses import Responses
from cairn.mastery.share.durable import evidence_of
from tests.cairn.mastery.share.simulated import simulate

TRAIN, TEST = simulate(1, 200, total=260).data, simulate(2, 60, first=200, total=260).data


def chances_of(test: Responses) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return next_answer_chances(TRAIN, evidence_of(test, np.zeros(test.user.size)))


def test_chances_come_true() -> None:
    evidence = evidence_of(TEST, np.zeros(TEST.user.size))
    chance, ends = chances_of(TEST), evidence.offsets[1:] - 1
    has_next = np.setdiff1d(np.arange(chance.size), ends)
    for low, high in ((0.0, 0.4), (0.4, 0.7), (0.7, 0.85), (0.85, 1.0)):
        inside = has_next[(chance[has_next] >= low) & (chance[has_next] < high)]
        assert inside.size > 100
        assert evidence.correct[inside + 1].mean() == pytest.approx(chance[inside].mean(), abs=0.05)


def test_it_is_blind_to_items() -> None:
    random = np.random.default_rng(1)
    shuffled = replace(TEST, item=random.permutation(TEST.item))
    np.testing.assert_array_equal(chances_of(TEST), chances_of(shuffled))


def test_it_is_blind_to_what_the_pupil_does_elsewhere() -> None:
    other = replace(TEST, correct=np.where(TEST.skill == 0, TEST.correct, 1 - TEST.correct).astype(np.int8))
    own = evidence_of(TEST, np.zeros(TEST.user.size)).skill == 0
    assert not np.array_equal(chances_of(TEST), chances_of(other))
    np.testing.assert_array_equal(chances_of(TEST)[own], chances_of(other)[own])


def test_of_its_pairs_those_that_are_called_too_are_counted() -> None:
    """Of four pairs the logistic calls three, one of them without the evidence; of the two left one is called too."""
    data = simulate(3, 2, each=2).data
    evidence = evidence_of(data.of(data.skill < 2), np.zeros(int((data.skill < 2).sum())))
    assert evidence.offsets.tolist() == [0, 2, 4, 6, 8]
    plain = np.array([0, 1, 1, 1, 1, 0, 0, 0], dtype=bool)
    is_mastered = np.array([1, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
    enough = np.array([1, 1, 1, 1, 0, 1, 1, 1], dtype=bool)
    told = of_those_that_the_logistic_calls(Calls(evidence, np.zeros(8), is_mastered), plain, enough)
    assert told == {"logistic_called_pairs": 2, "called_of_logistic_pct": 50.0}
    nobody = of_those_that_the_logistic_calls(Calls(evidence, np.zeros(8), is_mastered), plain & ~plain, enough)
    assert nobody == {"logistic_called_pairs": 0, "called_of_logistic_pct": None}
