"""A challenger that is worse in one of the three ways, in one subject, is told from one that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from cairn.mastery.policy_versions import EvidenceMinimum, SharePolicy
from cairn.mastery.responses import Responses
from cairn.mastery.share.durable import DurableShare, fit_durable
from cairn.mastery.trial import FEWEST_PUPILS, Measure, Side, Trial, hold_trial

PUPILS, EACH, SKILLS = 240, 14, 2
PRIOR, LEARN, GUESS, SLIP = 0.5, 0.1, 0.15, 0.04
POLICY = SharePolicy(minimum=EvidenceMinimum(2, 2, 1))
NOBODY = SharePolicy(bar=1.0)
FIRST, SECOND = np.array([0]), np.array([1])


def simulated(
    pupils: int = PUPILS, priors: tuple[float, float] = (PRIOR, PRIOR), seed: int = 3
) -> tuple[Responses, list[str]]:
    """Pupils who learn two skills day by day; every second one is of the group "yes", with a prior of its own."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, float, int]] = []
    for pupil in range(pupils):
        known = random.random(SKILLS) < priors[pupil % 2]
        for day in range(EACH):
            for skill in range(SKILLS):
                right = random.random() < (1 - SLIP if known[skill] else GUESS)
                known[skill] |= random.random() < LEARN
                at = 1.79e9 + 86_400.0 * day + 60.0 * skill
                rows.append((pupil, 40 * skill + (pupil + day) % 40, int(right), at, skill))
    user, item, correct, at_seconds, skill_of = (np.array(column) for column in zip(*rows, strict=True))
    data = Responses(
        user=user,
        item=item,
        correct=correct.astype(np.float64),
        at_seconds=at_seconds,
        response=np.arange(user.size),
        skill=skill_of,
        users=[f"p{n}" for n in range(pupils)],
        items=[f"i{n}" for n in range(40 * SKILLS)],
        skills=["s0", "s1"],
        has_items=True,
        has_times=True,
    )
    return data, ["yes" if pupil % 2 else "no" for pupil in range(pupils)]


@pytest.fixture(scope="module")
def true() -> DurableShare:
    """A model of other pupils like these."""
    return fit_durable(simulated(seed=8)[0])


def changed(model: DurableShare, intercept: float = 0.0, reference: float = 0.0, second: float = 0.0) -> DurableShare:
    """The model with another intercept, reference items that are easier by so much, or another second skill."""
    weights = model.head.weights.copy()
    weights[0] += intercept
    skills = len(model.head.reference)
    first_of_skills = weights.size - 64 - 5 * skills
    weights[first_of_skills + 1] += second
    return replace(model, head=replace(model.head, weights=weights, reference=model.head.reference + reference))


def held(
    data: Responses,
    champion: DurableShare,
    challenger: DurableShare,
    policy: SharePolicy = POLICY,
    subgroups: Mapping[str, Sequence[str]] | None = None,
    skills: np.ndarray[tuple[int], np.dtype[np.int64]] = FIRST,
) -> Trial:
    sides = [Side.of(model, data, policy) for model in (champion, challenger)]
    return hold_trial(data, sides[0], sides[1], skills, subgroups or {}, 10)


def test_the_same_model_and_a_truer_one_pass(true: DurableShare) -> None:
    data, groups = simulated()
    same = held(data, true, true, subgroups={"half": groups})
    assert same.is_passed
    assert [one.name for one in same.measures] == ["log_loss", "threshold_gap", "false_mastery_gap by half"]
    assert all((one.low, one.high) == (0.0, 0.0) for one in same.measures)
    truer = held(data, changed(true, intercept=1.0), true)
    assert truer.is_passed
    loss = truer.measures[0]
    assert loss.high is not None
    assert loss.high < 0, "better for sure"


def test_a_worse_fit_is_told_with_its_numbers(true: DurableShare) -> None:
    data, _ = simulated()
    found = held(data, true, changed(true, intercept=-1.0))
    assert not found.is_passed
    assert found.reasons[0].startswith("log_loss: ")
    assert (found.pupils, found.responses) == (PUPILS, PUPILS * EACH)


def test_what_is_worse_in_one_subject_is_told_there(true: DurableShare) -> None:
    """Both skills are judged by one version: where the other skill is worse, this one's trial says nothing of it."""
    data, _ = simulated()
    worse = changed(true, second=-1.0)
    first, second = held(data, true, worse, skills=FIRST), held(data, true, worse, skills=SECOND)
    assert first.is_passed
    assert (first.measures[0].low, first.measures[0].high) == (0.0, 0.0)
    assert second.reasons[0].startswith("log_loss: ")


def test_cheaper_mastery_is_told_by_what_came_after_the_call(true: DurableShare) -> None:
    """Easier reference items change no prediction of an answer: only the promise shows them."""
    data, _ = simulated()
    found = held(data, true, changed(true, reference=1.5))
    loss, gap = found.measures[:2]
    assert (loss.low, loss.high) == (0.0, 0.0)
    assert gap.is_worse
    assert [reason.split(":")[0] for reason in found.reasons] == ["threshold_gap"]


def test_false_mastery_that_falls_on_one_group_is_told(true: DurableShare) -> None:
    """One group mostly knows it at the start, the other does not: calling all who have answered wrongs the other."""
    data, groups = simulated(priors=(0.85, 0.02))
    found = held(data, true, changed(true, reference=4.0), subgroups={"half": groups})
    gap = next(one for one in found.measures if one.name.endswith("by half"))
    assert gap.is_worse


def test_few_pupils_small_groups_and_no_calls_say_so(true: DurableShare) -> None:
    data, groups = simulated(FEWEST_PUPILS - 1)
    assert held(data, true, true).reasons == (f"only {FEWEST_PUPILS - 1} pupils to judge by",)
    data, groups = simulated(40)
    few = ["rare" if n < 4 else "" for n in range(len(groups))]
    found = held(data, true, true, NOBODY, {"small": few})
    assert [one.name for one in found.measures] == ["log_loss", "threshold_gap"]
    assert found.measures[1].high is None
    assert found.is_passed


def test_a_call_waits_for_the_evidence_that_nights_ask_for(true: DurableShare) -> None:
    """A cheap model calls no sooner than the minimum allows, and then many answers have told both apart."""
    data, _ = simulated()
    strict = replace(POLICY, minimum=EvidenceMinimum(10, 3, 2))
    cheap = changed(true, reference=1.5)
    gaps = [held(data, true, cheap, one).measures[1] for one in (POLICY, strict)]
    assert gaps[0].challenger is not None
    assert gaps[1].challenger is not None
    assert gaps[1].challenger < gaps[0].challenger


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_worse_is_judged_by_the_upper_end(margin: float) -> None:
    assert Measure("m", 0.1, 0.2, -0.1, 0.05, margin).is_worse is (margin < 0.05)
