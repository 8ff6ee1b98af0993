"""Changes of state from night to night, against a loop that walks one pair after the other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cairn.mastery.policy import DEVELOPING, MASTERED, REVIEW_DUE
from cairn.mastery.share.durable import GAP_DAYS, DurableShare, Evidence, durable_share, evidence_on, fit_durable
from cairn.mastery.share.policy import SharePolicy, Verdicts, ask_in_a_week, walk
from cairn.mastery.share.state import DAY_SECONDS
from cairn.mastery.steadiness import Walked, told, verdicts, walked
from tests.cairn.mastery.share.simulated import simulate

# Low bars, so that few pupils see every kind of change.
POLICY = SharePolicy(bar=0.7, floor=0.6, chance=0.6, lost_chance=0.6, review_share=0.68, widest=0.9)


@pytest.fixture(scope="module")
def judged() -> tuple[DurableShare, Evidence, Verdicts]:
    model = fit_durable(simulate(5, 120, total=160).data)
    evidence = evidence_on(model.head, simulate(6, 40, first=120, total=160).data)
    asked = ask_in_a_week(model, evidence, np.arange(evidence.response.size), POLICY)
    yes = np.ones(evidence.response.size, dtype=bool)
    return model, evidence, verdicts(model, evidence, asked, POLICY, yes, yes)


def test_changes_are_those_of_a_walk_night_by_night(judged: tuple[DurableShare, Evidence, Verdicts]) -> None:
    model, evidence, found = judged
    after, falls_due = walk(evidence.offsets, evidence.correct, found)
    changes = walked(model, evidence, found, POLICY)
    assert set(changes.to_state.tolist()) == {DEVELOPING, MASTERED, REVIEW_DUE}
    for pair in range(evidence.offsets.size - 1):
        nights: dict[int, int] = {}
        for row in range(evidence.offsets[pair], evidence.offsets[pair + 1]):
            day = int(evidence.at_seconds[row] // DAY_SECONDS)
            nights[day] = int(after[row])
            if falls_due[row]:
                one = np.array([row])
                until = int(evidence.at_seconds[row + 1] // DAY_SECONDS)
                for later in range(day, until + 1):
                    at_end = np.array([GAP_DAYS + later + 1 - evidence.at_seconds[row] / DAY_SECONDS])
                    states = evidence.after[one], evidence.pupil_after[one], evidence.skill[one]
                    if later == until or durable_share(model.head, *states, at_end)[0] < POLICY.review_share:
                        nights[later] = REVIEW_DUE
                        break
        told_of = [state for state in nights.values() if state in (DEVELOPING, MASTERED, REVIEW_DUE)]
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
