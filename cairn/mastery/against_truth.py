"""The durable share against pupils whose true share is known: do its intervals hold it, are calls of mastery right?"""

from __future__ import annotations

from typing import Any

import numpy as np

from cairn.mastery.bkt import FloatArray
from cairn.mastery.config import EvidenceMinimum
from cairn.mastery.follow_up import ask_in_a_week, has_enough
from cairn.mastery.responses import Responses
from cairn.mastery.share.doubt import interval
from cairn.mastery.share.durable import evidence_on, fit_durable
from cairn.mastery.share.policy import SharePolicy
from cairn.mastery.share.state import COUNT

LEVEL = 0.9
# Shares of pupils who have begun and are not there yet.
DEVELOPING = (0.4, 0.85)


def against_truth(train: Responses, test: Responses, true_share: FloatArray, spacing_seconds: float) -> dict[str, Any]:
    """Judge the last row of each test pair: those never asked again too.

    ``true_share``: a week after each test response. interval90_coverage: share of pairs with enough attempts whose
    interval holds the truth; _developing: of those whose share lies within DEVELOPING. false_mastery: share of pairs
    called mastered whose true share is under the policy's floor; missed_mastery: share of pairs with enough evidence
    and a true share of the bar or more that are not called.
    """
    policy, minimum = SharePolicy(), EvidenceMinimum()
    model = fit_durable(train.of(train.first_attempts(spacing_seconds)))
    counted = test.first_attempts(spacing_seconds)
    evidence = evidence_on(model.head, test.of(counted))
    last = evidence.offsets[1:] - 1
    asked = ask_in_a_week(model, evidence, last, policy)
    low, high = interval(asked.logits, asked.width, LEVEL)
    truth = true_share[counted][evidence.response[last]]
    has_attempts, enough = evidence.after[last, COUNT] >= minimum.attempts, has_enough(evidence, minimum)[last]
    share, is_called = asked.share, enough & asked.is_mastered
    holds = (truth >= low) & (truth <= high)
    developing = has_attempts & (share >= DEVELOPING[0]) & (share < DEVELOPING[1])
    deserves = enough & (truth >= policy.bar)
    return {
        "interval90_coverage": _share(holds[has_attempts]),
        "interval90_coverage_developing": _share(holds[developing]),
        "interval90_width": _share((high - low)[has_attempts]),
        "promised_share": _share(share[has_attempts]),
        "true_share": _share(truth[has_attempts]),
        "false_mastery": _share(truth[is_called] < policy.floor),
        "missed_mastery": _share(~is_called[deserves]),
        "mastered_pairs": int(is_called.sum()),
        "pairs_with_enough_attempts": int(has_attempts.sum()),
        "pairs_with_enough_evidence": int(enough.sum()),
        "responses": int(test.user.size),
        "students": int(np.unique(test.user).size),
    }


def _share(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
