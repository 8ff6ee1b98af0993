"""Does the doubt cover on real answers? The share right of a pair's next ten counted answers, against its interval.

True shares are known of simulated pupils alone. What real pupils can tell is what they answered next: behind the first
row with the evidence that "mastered" asks for, the interval of a pair's share becomes one of its next ten answers, each
at the easiness of its own item and at the gap that it had, the pupil's ``e`` (:mod:`.share.doubt`) integrated out.

Ten answers have eleven outcomes, so no interval of them holds nine tenths exactly. An outcome that lies across an end
of the interval is counted by the part of its probability that lies inside (the randomised probability integral
transform of Czado, Gneiting and Held 2009, averaged): where the doubt is right that makes .90 on average.

What is learned while answering is left out, as it is from the interval on the page. Pairs with fewer than ten more are
not judged: those who stop early are no random sample, and neither are those who go on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cairn.mastery.accuracy import drawn_mean
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.share.doubt import Spread
from cairn.mastery.share.durable import DurableShare, Evidence, asked_next, durable_share, following, gap_to_next
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.state import COUNT

ANSWERS = 10
LEVEL = 0.9
# Shares of pupils who have begun and are not there yet.
DEVELOPING = (0.4, 0.85)
POINTS = 15


def covered(model: DurableShare, evidence: Evidence, rows: IntArray) -> dict[str, Any]:
    """Of those of the rows with ten more answers of their pair, how the interval of LEVEL did.

    pairs; covered_share with its 95 % interval over pupils, and of shares within DEVELOPING; below_share and
    above_share: what fell under and over the interval; predicted_share and correct of the ten. Shares are None where no
    pair has ten more.
    """
    right, answered = following(evidence, ANSWERS)
    rows = rows[answered[rows] == ANSWERS]
    gap = gap_to_next(evidence)[rows]
    pair, pupil, skill = evidence.after[rows], evidence.pupil_after[rows], evidence.skill[rows]
    share = durable_share(model.head, pair, pupil, skill, gap)
    later = rows[:, None] + 1 + np.arange(ANSWERS)[None, :]
    logits = asked_next(model.head, evidence, rows)[:, None] + evidence.easiness[later]
    chance_of = chances_of_counts(logits, model.doubt.around(share, pair[:, COUNT], gap))
    # Of credit for parts of answers the nearest count.
    count = np.rint(right[rows]).astype(np.int64)
    inside, below, above = parts_of_interval(chance_of, count, LEVEL)
    is_developing = (share >= DEVELOPING[0]) & (share < DEVELOPING[1])
    return {
        "pairs": int(rows.size),
        "covered_share": _mean(inside),
        "covered_interval95": drawn_mean(inside, evidence.data.user[evidence.response[rows]]),
        "covered_share_developing": _mean(inside[is_developing]),
        "below_share": _mean(below),
        "above_share": _mean(above),
        "predicted_share": _mean(chance_of @ np.arange(ANSWERS + 1) / ANSWERS),
        "correct": _mean(right[rows] / ANSWERS),
    }


def chances_of_counts(logits: FloatArray, spread: Spread) -> FloatArray:
    """P(0, 1, ... right) of rows (n x answers + 1) whose answers have these logits (n x answers), e integrated out."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    found = np.zeros((logits.shape[0], logits.shape[1] + 1))
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        off = spread.width * node
        for chance, moved in ((spread.upper, off + spread.up), (1.0 - spread.upper, off - spread.down)):
            right = chances(logits * spread.stretch[:, None] + moved[:, None])
            found += weight * chance[:, None] * _counts(right)
    return found


def _counts(right: FloatArray) -> FloatArray:
    """P(0, 1, ... right) of answers that do not hang on each other, each right with its own chance (n x answers)."""
    found = np.zeros((right.shape[0], right.shape[1] + 1))
    found[:, 0] = 1.0
    for chance in right.T[:, :, None]:
        found[:, 1:] = found[:, 1:] * (1.0 - chance) + found[:, :-1] * chance
        found[:, :1] *= 1.0 - chance
    return found


def parts_of_interval(
    chance_of: FloatArray, count: IntArray, level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(inside, below, above) of each row (n): the parts of its count's probability that lie in the interval or not."""
    up_to = np.c_[np.zeros(count.size), np.cumsum(chance_of, axis=1)]
    place = np.arange(count.size)
    low, high = up_to[place, count], up_to[place, count + 1]
    size, tail = np.maximum(high - low, np.finfo(np.float64).tiny), (1.0 - level) / 2.0
    below = np.clip(np.minimum(high, tail) - low, 0.0, None) / size
    above = np.clip(high - np.maximum(low, 1.0 - tail), 0.0, None) / size
    return 1.0 - below - above, below, above


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None
