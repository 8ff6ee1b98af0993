"""Why a pupil stands where she does on a competency: what each attempt was worth, and a sentence for a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cairn.mastery import arrow
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import MasteryConfig, ThresholdPolicy
from cairn.mastery.evidence import COUNTED, REASONS, Attempts, judge
from cairn.mastery.models import ModelTable
from cairn.mastery.policy import expected_share

NO_OUTCOME = "no outcome: the source said neither right or wrong nor a score"
IGNORED = "this kind of work is not looked at"
TAKEN_BACK = "taken back: voided, or whose it was or what it shows is known otherwise now"


@dataclass(frozen=True)
class Explanation:
    """What stands behind a pair's number.

    attempts: in order of work, each with event_id, event_time (ISO 8601, UTC), item_id, outcome (right, wrong or None),
    counts, why_not (None where it counts), share (expected share right after it) and moved (by how much it moved that
    share); both None where it does not count. share, share_low, share_high: after all of them, the interval at the
    policy's level. counted, right, items, days: counted attempts, right ones, different items, local days.
    """

    attempts: list[dict[str, Any]]
    share: float
    share_low: float
    share_high: float
    counted: int
    right: int
    items: int
    days: int

    @property
    def newest_counted(self) -> list[str]:
        """Ids of the counted events, in order of work."""
        return [str(one["event_id"]) for one in self.attempts if one["counts"]]


def explain(
    evidence: pa.Table, taken_back: pa.Table, competency: str, models: ModelTable, config: MasteryConfig
) -> Explanation:
    """Judge a pair's evidence (columns of silver.evidence) again and say what each attempt was worth.

    ``evidence`` stands, ``taken_back`` does not any more.
    """
    rule = config.evidence
    usable = arrow.usable(evidence, rule)
    attempts = arrow.attempts_from(usable, np.zeros(usable.num_rows, dtype=np.int64), rule)
    judged = judge(attempts, rule)
    is_counted = judged.verdict == COUNTED
    right = judged.is_right[is_counted].astype(np.int8)
    share, low, high = _shares(right, competency, models, config.policy)
    steps = np.full(judged.order.size, np.nan)
    steps[is_counted] = np.diff(share)
    after = np.full(judged.order.size, np.nan)
    after[is_counted] = share[1:]
    told = [
        _told(row, bool(ok), REASONS.get(int(verdict)), now, step)
        for row, ok, verdict, now, step in zip(
            usable.take(pa.array(judged.order)).to_pylist(),
            judged.is_right,
            judged.verdict,
            after.tolist(),
            steps.tolist(),
            strict=True,
        )
    ]
    told += [_told(row, None, _why_unusable(row, config)) for row in _unusable(evidence, usable)]
    told += [_told(row, None, TAKEN_BACK) for row in taken_back.to_pylist()]
    items, days = _distinct(attempts, judged.order[is_counted])
    return Explanation(
        attempts=sorted(told, key=lambda one: (one["event_time"], one["event_id"])),
        share=float(share[-1]),
        share_low=float(low[-1]),
        share_high=float(high[-1]),
        counted=int(is_counted.sum()),
        right=int(right.sum()),
        items=items,
        days=days,
    )


def _shares(
    right: ByteArray, competency: str, models: ModelTable, policy: ThresholdPolicy
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected share with its interval before any counted attempt and after each (counted + 1)."""
    rows: IntArray = models.rows([competency])
    start = models.start(rows)
    known = models.advance(start, right, np.array([0, right.size], dtype=np.int64), rows)
    parameters = np.repeat(models.parameters[rows], right.size + 1, axis=0)
    return expected_share(np.r_[start, known], np.arange(right.size + 1), parameters, policy)


def _unusable(evidence: pa.Table, usable: pa.Table) -> list[dict[str, Any]]:
    used = set(usable["event_id"].to_pylist())
    return [row for row in evidence.to_pylist() if row["event_id"] not in used]


def _why_unusable(row: dict[str, Any], config: MasteryConfig) -> str:
    rule = config.evidence
    is_known = row["activity_type"] in rule.counted_types | rule.total_types | rule.practice_types
    return NO_OUTCOME if is_known else IGNORED


def _told(
    row: dict[str, Any],
    is_right: bool | None,
    why_not: str | None,
    share: float | None = None,
    moved: float | None = None,
) -> dict[str, Any]:
    return {
        "event_id": row["event_id"],
        "event_time": row["event_time"].isoformat(),
        "item_id": row["item_id"],
        "outcome": None if is_right is None else "right" if is_right else "wrong",
        "counts": why_not is None,
        "why_not": why_not,
        "share": share if why_not is None else None,
        "moved": moved if why_not is None else None,
    }


def _distinct(attempts: Attempts, counted: IntArray) -> tuple[int, int]:
    return int(np.unique(attempts.item[counted]).size), int(np.unique(attempts.day[counted]).size)


def sentence(state: str, found: Explanation, policy: ThresholdPolicy) -> str:
    """Why the state is what it is, in words that a teacher reads; no name, no key."""
    if state == "not_started":
        return "Not started: nothing that counts as evidence has come yet."
    seen = f"{found.right} of {found.counted} counted answers right, on {_many(found.items, 'item')} over "
    seen += _many(found.days, "day")
    level = f"{100 * policy.interval_level:.0f} %"
    share = f"about {100 * found.share:.0f} of 100 expected right now"
    share += f" ({level} sure: {100 * found.share_low:.0f} to {100 * found.share_high:.0f})"
    least = policy.minimum
    if state == "not_enough_evidence":
        asked = f"{least.attempts} answers on {_many(least.items, 'item')} over {_many(least.days, 'day')}"
        return f"Not enough evidence: {seen}; mastery asks for at least {asked}."
    if state == "mastered":
        return f"Mastered: {seen}; {share}."
    if state == "review_due":
        return f"Review due: mastered, but not shown for {policy.review_after_days:g} days or more; {seen}; {share}."
    waits = f"; mastery asks for {_many(least.days, 'day')}" if found.days < least.days else ""
    return f"Developing: {seen}; {share}{waits}."


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
