"""What the durable share says behind rows of evidence, asked a week ahead; the policy itself is in :mod:`.walk`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.doubt import Spread, chance_above
from cairn.mastery.share.durable import DurableShare, Evidence, reference_logits
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.state import COUNT

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class InAWeek:
    """Rows of evidence asked a week later (n): logits on the reference items, doubt and mean of the share."""

    logits: FloatArray
    spread: Spread
    share: FloatArray


@dataclass(frozen=True)
class Asked(InAWeek):
    """The same with P(share >= floor), and is_mastered: what the policy says of these, the evidence minimum apart."""

    chance: FloatArray
    is_mastered: BoolArray


def asked_in_a_week(model: DurableShare, evidence: Evidence, rows: IntArray) -> InAWeek:
    """What the share is behind each of the rows of evidence."""
    week = np.full(rows.size, GAP_DAYS)
    pair = evidence.after[rows]
    logits = reference_logits(model.head, pair, evidence.pupil_after[rows], evidence.skill[rows], week)
    share = chances(logits).mean(axis=1)
    return InAWeek(logits, model.doubt.around(share, pair[:, COUNT], week), share)


def ask_in_a_week(model: DurableShare, evidence: Evidence, rows: IntArray, policy: SharePolicy) -> Asked:
    """What the share and the policy say behind each of the rows of evidence."""
    asked = asked_in_a_week(model, evidence, rows)
    chance = chance_above(asked.logits, asked.spread, policy.floor)
    is_mastered = (asked.share >= policy.bar) & (chance >= policy.chance)
    return Asked(asked.logits, asked.spread, asked.share, chance, is_mastered)
