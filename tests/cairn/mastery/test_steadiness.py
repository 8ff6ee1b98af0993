"""The walk over simulated pupils, and its changes from night to night, against a loop written again in plain Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cairn.mastery.policy import DEVELOPING, MASTERED, NOT_ENOUGH, NOT_STARTED, REVIEW_DUE
from cairn.mastery.policy_versions import EvidenceMinimum, SharePolicy
from cairn.mastery.share.doubt import interval
from cairn.mastery.share.durable import DurableShare, Evidence, durable_share, evidence_on, fit_durable
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.policy import Asked, ask_in_a_week
from cairn.mastery.share.state import DAY_SECONDS
from cairn.mastery.steadiness import Walked, by_night, told, transitions
from tests.cairn.mastery.share.simulated import simulate

# Low bars, so that few pupils see every kind of change.
POLICY = SharePolicy(
    bar=0.7,
    floor=0.6,
    chance=0.6,
    lost_chance=0.6,
    review_share=0.68,
    widest=0.9,
    minimum=EvidenceMinimum(2, 1, 1),
)


@pytest.fixture(scope="module")
def judged() -> tuple[DurableShare, Evidence]:
    model = fit_durable(simulate(5, 120, total=160).data)
    return model, evidence_on(model.head, simulate(6, 40, first=120, total=160).data)


def next_state(state: int, is_right: bool, wrong: int, row: int, asked: Asked, width: float) -> int:
    """The policy again, from what the share says behind the row."""
    if state == MASTERED:
        return DEVELOPING if wrong >= POLICY.wrong_to_lose and asked.chance[row] < POLICY.lost_chance else MASTERED
    is_held = asked.share[row] >= POLICY.review_share
    if state == REVIEW_DUE:
        return MASTERED if is_held and is_right else REVIEW_DUE if is_held or is_right else DEVELOPING
    if asked.is_mastered[row]:
        return MASTERED
    is_told = width <= POLICY.widest or asked.chance[row] < POLICY.lost_chance
    return DEVELOPING if state == DEVELOPING or is_told else NOT_ENOUGH


def days_until_due(model: DurableShare, evidence: Evidence, row: int, until_days: float) -> float | None:
    """Days until the share, asked a week ahead, is under the bar, to a quarter of an hour; None where not by then."""
    days = np.arange(1.0, until_days, 0.01)
    if not days.size:
        return None
    one = np.full(days.size, row)
    share = durable_share(
        model.head, evidence.after[one], evidence.pupil_after[one], evidence.skill[one], GAP_DAYS + days
    )
    under = np.flatnonzero(share < POLICY.review_share)
    return float(days[under[0]]) if under.size else None


def test_changes_are_those_of_a_walk_night_by_night(judged: tuple[DurableShare, Evidence]) -> None:
    model, evidence = judged
    asked = ask_in_a_week(model, evidence, np.arange(evidence.response.size), POLICY)
    low, high = interval(asked.logits, asked.spread)
    changes = by_night(transitions(model, evidence, POLICY))
    assert set(changes.to_state.tolist()) == {DEVELOPING, MASTERED, REVIEW_DUE}
    end = evidence.at_seconds.max()
    for pair in range(evidence.offsets.size - 1):
        nights: dict[int, int] = {}
        state, wrong, count = NOT_STARTED, 0, 0
        first, last = evidence.offsets[pair], evidence.offsets[pair + 1]
        for row in range(first, last):
            at, is_right = evidence.at_seconds[row], bool(evidence.correct[row])
            wrong, count = wrong + (not is_right), count + 1
            new = NOT_ENOUGH
            if count >= POLICY.minimum.attempts:
                new = next_state(state, is_right, wrong, row, asked, float(high[row] - low[row]))
            wrong = 0 if new == MASTERED and state != MASTERED else wrong
            state = nights[int(at // DAY_SECONDS)] = new
            until = evidence.at_seconds[row + 1] if row + 1 < last else end
            if state == MASTERED and (due := days_until_due(model, evidence, row, (until - at) / DAY_SECONDS)):
                state = REVIEW_DUE
                nights[int((at / DAY_SECONDS + due) // 1)] = REVIEW_DUE
        told_of = [state for _, state in sorted(nights.items()) if state in (DEVELOPING, MASTERED, REVIEW_DUE)]
        expected = [new for old, new in pairwise(told_of) if new != old]
        assert changes.to_state[changes.pair == pair].tolist() == expected


def test_changes_within_ten_nights_are_counted_once_a_pair() -> None:
    changes = Walked(
        pair=np.array([0, 0, 0, 1, 2, 2]),
        day=np.array([3, 5, 12, 4, 1, 11]),
        to_state=np.array([3, 2, 3, 3, 3, 4], dtype=np.int8),
        pairs=8,
    )
    assert told(changes) == {"pairs_with_verdict": 8, "changed_pairs": 3, "changed_twice_pct": 12.5}
    nothing = np.array([], dtype=np.int64)
    none = Walked(nothing, nothing, nothing.astype(np.int8), 0)
    assert told(none) == {"pairs_with_verdict": 0, "changed_pairs": 0, "changed_twice_pct": None}
