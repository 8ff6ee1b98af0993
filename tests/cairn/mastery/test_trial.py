"""A challenger that is worse in one of the three ways is told from one that is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cairn.mastery.bkt import FloatArray
from cairn.mastery.config import EvidenceMinimum, ThresholdPolicy
from cairn.mastery.responses import Responses
from cairn.mastery.trial import FEWEST_PUPILS, hold_trial

TRUE = np.array([[0.3, 0.2, 0.2, 0.08, 0.0]])
PUPILS, EACH = 240, 14
POLICY = ThresholdPolicy(0.95, 0.85, EvidenceMinimum(2, 2, 1), 60, 0.9, 0.9, 2.0)
NOBODY = ThresholdPolicy(1.1, 0.85, EvidenceMinimum(), 60, 0.9, 0.9, 2.0)


def simulated(pupils: int = PUPILS, priors: tuple[float, float] | None = None) -> tuple[Responses, list[str]]:
    """Pupils of one skill who learn as TRUE says; every second one is of the group "yes", with a prior of its own."""
    random = np.random.default_rng(3)
    prior, learn, guess, slip, _ = TRUE[0]
    user, correct = [], []
    for pupil in range(pupils):
        known = random.random() < (priors[pupil % 2] if priors else prior)
        for _ in range(EACH):
            user.append(pupil)
            correct.append(int(random.random() < (1 - slip if known else guess)))
            known |= random.random() < learn
    size = len(user)
    data = Responses(
        user=np.array(user, dtype=np.int64),
        item=np.arange(size, dtype=np.int64) % 40,
        correct=np.array(correct, dtype=np.int8),
        at_seconds=1.79e9 + 3600.0 * np.arange(size),
        response=np.arange(size),
        skill=np.zeros(size, dtype=np.int64),
        users=[f"p{n}" for n in range(pupils)],
        items=[f"i{n}" for n in range(40)],
        skills=["s"],
        has_items=True,
        has_times=True,
    )
    return data, ["yes" if pupil % 2 else "no" for pupil in range(pupils)]


def changed(**values: float) -> FloatArray:
    names = ("prior", "learn", "guess", "slip", "forget")
    found = TRUE.copy()
    for name, value in values.items():
        found[0, names.index(name)] = value
    return found


def test_the_same_parameters_and_truer_ones_pass() -> None:
    data, groups = simulated()
    same = hold_trial(data, TRUE, TRUE, POLICY, {"half": groups})
    assert same.is_passed
    assert [one.name for one in same.measures] == ["log_loss", "threshold_gap", "false_mastery_gap by half"]
    assert all((one.low, one.high) == (0.0, 0.0) for one in same.measures)
    truer = hold_trial(data, changed(prior=0.6, guess=0.3, slip=0.02), TRUE, POLICY, {})
    assert truer.is_passed
    loss = truer.measures[0]
    assert loss.high is not None
    assert loss.high < 0, "better for sure"


def test_a_worse_fit_is_told_with_its_numbers() -> None:
    data, _ = simulated()
    found = hold_trial(data, TRUE, changed(prior=0.9, learn=0.02, guess=0.05), POLICY, {})
    assert not found.is_passed
    assert found.reasons[0].startswith("log_loss: ")
    assert (found.pupils, found.responses) == (PUPILS, PUPILS * EACH)


def test_cheaper_mastery_is_told_by_what_came_after_the_call() -> None:
    """Its call promises .98 and comes at one right answer."""
    data, _ = simulated()
    found = hold_trial(data, TRUE, changed(prior=0.9, slip=0.02), POLICY, {})
    gap = next(one for one in found.measures if one.name == "threshold_gap")
    assert gap.is_worse
    assert any(reason.startswith("threshold_gap") for reason in found.reasons)


def test_false_mastery_that_falls_on_one_group_is_told() -> None:
    """One group mostly knows it at the start, the other does not: a call at one right answer is wrong of the other."""
    data, groups = simulated(priors=(0.85, 0.02))
    found = hold_trial(data, changed(learn=0.05), changed(prior=0.85), POLICY, {"half": groups})
    gap = next(one for one in found.measures if one.name.endswith("by half"))
    assert gap.is_worse


def test_few_pupils_small_groups_and_no_calls_say_so() -> None:
    data, groups = simulated(FEWEST_PUPILS - 1)
    assert hold_trial(data, TRUE, TRUE, POLICY, {}).reasons == (f"only {FEWEST_PUPILS - 1} pupils to judge by",)
    data, groups = simulated(40)
    few = ["rare" if n < 4 else "" for n in range(len(groups))]
    found = hold_trial(data, TRUE, TRUE, NOBODY, {"small": few})
    assert [one.name for one in found.measures] == ["log_loss", "threshold_gap"]
    assert found.measures[1].high is None
    assert found.is_passed


def test_a_call_waits_for_the_evidence_that_nights_ask_for() -> None:
    """Cheap parameters call no sooner than the minimum allows, and then many answers have told both apart."""
    data, _ = simulated()
    strict = replace(POLICY, minimum=EvidenceMinimum(8, 3, 1))
    cheap = changed(prior=0.9, slip=0.02)
    gaps = [hold_trial(data, TRUE, cheap, one, {}).measures[1] for one in (POLICY, strict)]
    assert gaps[0].challenger is not None
    assert gaps[1].challenger is not None
    assert gaps[1].challenger < gaps[0].challenger


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_worse_is_judged_by_the_upper_end(margin: float) -> None:
    from cairn.mastery.trial import Measure

    assert Measure("m", 0.1, 0.2, -0.1, 0.05, margin).is_worse is (margin < 0.05)
