"""The mastery head on pupils whose true share is known: right on average, honest in doubt, moved by own evidence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.share import doubt
from cairn.mastery.share.doubt import Spread
from cairn.mastery.share.durable import (
    DurableShare,
    Evidence,
    durable_share,
    evidence_on,
    fit_durable,
    following,
    reference_logits,
)
from cairn.mastery.share.easiness import estimate
from cairn.mastery.share.state import COUNT
from simulator import families
from tests.cairn.mastery.share.simulated import ITEMS_EACH, SKILLS, Simulated, simulate


@pytest.fixture(scope="module")
def model() -> DurableShare:
    return fit_durable(simulate(1, 240).data)


@pytest.fixture(scope="module")
def unseen() -> Simulated:
    return simulate(2, 80)


def shares(model: DurableShare, evidence: Evidence, rows: IntArray, days: float) -> FloatArray:
    gap = np.full(rows.size, days)
    return durable_share(model.head, evidence.after[rows], evidence.pupil_after[rows], evidence.skill[rows], gap)


def test_the_share_is_right_on_average_at_every_gap(model: DurableShare, unseen: Simulated) -> None:
    evidence = evidence_on(model.head, unseen.data)
    rows = np.flatnonzero(evidence.after[:, COUNT] >= 4)
    for days in (0.0, 1.0, 7.0):
        share, truth = shares(model, evidence, rows, days), unseen.true_share(evidence.response[rows], days)
        assert share.mean() == pytest.approx(truth.mean(), abs=0.03)
        for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
            inside = (share >= low) & (share < high)
            if inside.sum() > 100:
                assert share[inside].mean() == pytest.approx(truth[inside].mean(), abs=0.08)


@pytest.mark.parametrize(("days", "least"), [(0.0, 0.85), (7.0, 0.82)])
def test_ninety_percent_intervals_hold_the_true_share(
    model: DurableShare, unseen: Simulated, days: float, least: float
) -> None:
    evidence = evidence_on(model.head, unseen.data)
    rows = np.flatnonzero(evidence.after[:, COUNT] >= 4)
    truth = unseen.true_share(evidence.response[rows], days)
    low, high = doubt.interval(*asked(model, evidence, rows, days))
    assert least <= ((truth >= low) & (truth <= high)).mean() <= 0.95


def asked(model: DurableShare, evidence: Evidence, rows: IntArray, days: float) -> tuple[FloatArray, Spread]:
    """Logits on the reference items, and the doubt."""
    gap = np.full(rows.size, days)
    pair = evidence.after[rows]
    logits = reference_logits(model.head, pair, evidence.pupil_after[rows], evidence.skill[rows], gap)
    return logits, model.doubt.around(shares(model, evidence, rows, days), pair[:, COUNT], gap)


def test_the_share_falls_with_time_and_doubt_never_does(model: DurableShare, unseen: Simulated) -> None:
    evidence = evidence_on(model.head, unseen.data)
    rows = np.flatnonzero(evidence.after[:, COUNT] >= 6)
    at = [shares(model, evidence, rows, days) for days in (0.0, 1.0, 7.0, 30.0)]
    for sooner, later in pairwise(at):
        assert (later < sooner).mean() > 0.98
    share, six = np.full(3, 0.8), np.full(3, 6.0)
    soon, later, late = model.doubt.width(share, six, np.array([0.0, 7.0, 60.0]))
    assert soon <= later <= late
    few, some, many = model.doubt.width(share, np.array([1.0, 6.0, 30.0]), np.zeros(3))
    assert few >= some >= many


def test_right_on_hard_items_counts_for_more(model: DurableShare, unseen: Simulated) -> None:
    """Two pupils with the same outcomes: one on the easiest items of a skill, one on the hardest."""
    items = np.argsort(unseen.difficulty[:ITEMS_EACH])
    found = []
    for chosen in (items[:6], items[-6:]):
        data = replace(
            unseen.data,
            user=np.zeros(6, np.int64),
            item=chosen.astype(np.int64),
            correct=np.array([1, 0, 1, 1, 1, 1], np.int8),
            at_seconds=1.79e9 + np.arange(6) * 3_600.0,
            response=np.arange(6),
            skill=np.zeros(6, np.int64),
        )
        evidence = evidence_on(model.head, data)
        found.append(float(shares(model, evidence, np.array([5]), 7.0)[0]))
    assert found[1] > found[0] + 0.05


def test_work_on_other_skills_later_moves_nothing(model: DurableShare, unseen: Simulated) -> None:
    """No state moves without evidence of its own: the pupil's sums enter as they stood at the pair's last work."""
    first = unseen.data.of(unseen.data.user == 0)
    place = np.arange(first.user.size)
    last_of = [int(place[first.skill == skill][-1]) for skill in range(SKILLS)]
    skill = int(np.argmin(last_of))
    is_late = place > last_of[skill]
    assert is_late.any()
    rows: list[float] = []
    turned = np.where(is_late, 1 - first.correct, first.correct).astype(np.int8)
    for data in (first, first.of(~is_late), replace(first, correct=turned)):
        evidence = evidence_on(model.head, data)
        last = np.flatnonzero(evidence.skill == skill)[-1]
        rows.append(float(shares(model, evidence, np.array([last]), 7.0)[0]))
    assert rows[0] == rows[1] == rows[2]


def test_nothing_later_than_a_row_is_in_it(model: DurableShare, unseen: Simulated) -> None:
    data = unseen.data.of(unseen.data.user == 1)
    cut = int(np.sort(data.at_seconds)[40])
    short = data.of(data.at_seconds <= cut)
    whole, part = evidence_on(model.head, data), evidence_on(model.head, short)
    same = np.isin(whole.response, part.response)
    every = np.arange(part.response.size)
    np.testing.assert_array_equal(shares(model, whole, np.flatnonzero(same), 7.0), shares(model, part, every, 7.0))


def test_what_followed_a_row() -> None:
    data = simulate(5, 1, each=4).data
    evidence = evidence_on(fit_durable(simulate(1, 40).data).head, data)
    right, answered = following(evidence, 3)
    assert answered.tolist() == [3, 2, 1, 0] * SKILLS
    assert right[0] == evidence.correct[1:4].sum()
    assert right[2] == evidence.correct[3]


def test_easiness_is_told_apart_from_who_was_given_the_item() -> None:
    """Items given by success: the plain share right hides how hard they are, the fitted easiness does not."""
    known = families.simulate("family-b", 250, 3)
    data = known.responses.of(known.responses.first_attempts(86_400.0))
    found = estimate(data)
    tried = np.bincount(data.item, minlength=len(data.items))
    right = np.bincount(data.item, weights=data.correct, minlength=len(data.items)) / np.maximum(tried, 1)
    slopes: dict[str, list[float]] = {"fitted": [], "plain": []}
    for skill in range(families.COMPETENCIES):
        own = np.arange(families.ITEMS_EACH) + skill * families.ITEMS_EACH
        common = own[tried[own] >= 30]
        place = common / families.ITEMS_EACH  # items lie in order of their difficulty
        slopes["fitted"].append(float(np.polyfit(place, found.item[common], 1)[0]))
        slopes["plain"].append(float(np.polyfit(place, np.log(right[common] / (1 - right[common])), 1)[0]))
    assert np.mean(slopes["plain"]) > -0.5, "by the plain share the hardest items look no harder than the easiest"
    assert np.mean(slopes["fitted"]) < -1.0
