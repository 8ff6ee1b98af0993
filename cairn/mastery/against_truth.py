"""The durable share against pupils whose true share is known: do its intervals hold it, are calls of mastery right?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import FloatArray
from cairn.mastery.follow_up import has_enough
from cairn.mastery.next_ten import DEVELOPING, LEVEL
from cairn.mastery.policy_versions import EvidenceMinimum, SharePolicy
from cairn.mastery.responses import Responses
from cairn.mastery.share.doubt import interval
from cairn.mastery.share.durable import evidence_on, fit_durable
from cairn.mastery.share.policy import ask_in_a_week
from cairn.mastery.share.state import COUNT

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TwoPoints:
    """A hidden yes or no as one sees it who has the true parameters: of each response, behind it, P(known).

    share_known, share_unknown: the true share a week later, were it known or not.
    """

    chance: FloatArray
    share_known: FloatArray
    share_unknown: FloatArray


@dataclass(frozen=True)
class Judged:
    """What is said of pairs (n): interval and mean of the share, and whether P(share >= floor) is high enough."""

    low: FloatArray
    high: FloatArray
    share: FloatArray
    is_sure: BoolArray


def against_truth(
    train: Responses,
    test: Responses,
    true_share: FloatArray,
    spacing_seconds: float,
    filtered: TwoPoints | None = None,
) -> dict[str, Any]:
    """Judge the last row of each test pair: those never asked again too.

    ``true_share``: a week after each test response. interval90_coverage: share of pairs with enough attempts whose
    interval holds the truth; _developing: of those whose share lies within DEVELOPING. false_mastery: share of pairs
    called mastered whose true share is under the policy's floor; missed_mastery: share of pairs with enough evidence
    and a true share of the bar or more that are not called. best_possible: the same of ``filtered``, where it is told.
    """
    policy, minimum = SharePolicy(), EvidenceMinimum()
    model = fit_durable(train.of(train.first_attempts(spacing_seconds)))
    counted = test.first_attempts(spacing_seconds)
    evidence = evidence_on(model.head, test.of(counted))
    last = evidence.offsets[1:] - 1
    asked = ask_in_a_week(model, evidence, last, policy)
    response = np.flatnonzero(counted)[evidence.response[last]]
    truth = true_share[response]
    has_attempts, enough = evidence.after[last, COUNT] >= minimum.attempts, has_enough(evidence, minimum)[last]
    said = Judged(*interval(asked.logits, asked.spread, LEVEL), asked.share, asked.is_mastered)
    best = None if filtered is None else _told(_by_filter(filtered, response, policy), truth, has_attempts, enough)
    return {
        **_told(said, truth, has_attempts, enough),
        "best_possible": best,
        "true_share": _share(truth[has_attempts]),
        "pairs_with_enough_attempts": int(has_attempts.sum()),
        "pairs_with_enough_evidence": int(enough.sum()),
        "responses": int(test.user.size),
        "students": int(np.unique(test.user).size),
    }


def _by_filter(filtered: TwoPoints, response: npt.NDArray[np.int64], policy: SharePolicy) -> Judged:
    """What the filter says behind these responses: its interval ends at one of the two shares."""
    chance, known, unknown = (one[response] for one in (filtered.chance, filtered.share_known, filtered.share_unknown))
    tail = (1.0 - LEVEL) / 2.0
    return Judged(
        low=np.where(1.0 - chance >= tail, unknown, known),
        high=np.where(chance >= tail, known, unknown),
        share=chance * known + (1.0 - chance) * unknown,
        is_sure=np.where(known >= policy.floor, chance, 0.0) >= policy.chance,
    )


def _told(said: Judged, truth: FloatArray, has_attempts: BoolArray, enough: BoolArray) -> dict[str, Any]:
    """The numbers of one judge; ``has_attempts``, ``enough``: which pairs have the attempts, and all the evidence."""
    policy = SharePolicy()
    holds = (truth >= said.low) & (truth <= said.high)
    developing = has_attempts & (said.share >= DEVELOPING[0]) & (said.share < DEVELOPING[1])
    is_called, deserves = enough & (said.share >= policy.bar) & said.is_sure, enough & (truth >= policy.bar)
    return {
        "interval90_coverage": _share(holds[has_attempts]),
        "interval90_coverage_developing": _share(holds[developing]),
        "interval90_width": _share((said.high - said.low)[has_attempts]),
        "promised_share": _share(said.share[has_attempts]),
        "false_mastery": _share(truth[is_called] < policy.floor),
        "missed_mastery": _share(~is_called[deserves]),
        "mastered_pairs": int(is_called.sum()),
    }


def _share(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
