"""Why a pupil stands where she does on a competency: what each attempt was worth, and a sentence for a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import arrow
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import MasteryConfig
from cairn.mastery.evidence import COUNTED, RAPID, REASONS, Attempts, judge
from cairn.mastery.gold_rows import Night
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.formula import GAP_DAYS, PARTS, parts_after, shares_with_interval
from cairn.mastery.share.state import DAY_SECONDS, LAST_AT, PAIR, PUPIL, appended, fold_each
from cairn.mastery.share.walk import Answers
from cairn.mastery.states import answers_of

NO_OUTCOME = "no outcome: the source said neither right or wrong nor a score"
IGNORED = "this kind of work is not looked at"
TAKEN_BACK = "taken back: voided, or whose it was or what it shows is known otherwise now"
_US = 1e6


@dataclass(frozen=True)
class Story:
    """A pair's counted answers, one after the other: states behind none, one, ... all of them (n + 1)."""

    pair: FloatArray
    pupil: FloatArray
    row: int
    night: Night

    @classmethod
    def of(cls, answers: Answers, competency: str, night: Night) -> Story:
        at_seconds, outcome = answers.time_us / _US, answers.correct
        columns = at_seconds, outcome, answers.residual
        offsets = np.array([0, outcome.size], dtype=np.int64)
        right_from = night.config.evidence.right_from
        before = fold_each(PAIR.empty(1), offsets, *columns, PAIR, right_from)
        pair = np.concatenate([PAIR.empty(1), appended(before, *columns, PAIR, right_from)])
        [row] = night.model.rows([competency]).tolist()
        return cls(pair, np.concatenate([PUPIL.empty(1), answers.pupil]), row, night)

    def _asked(self, place: int, days: float) -> tuple[float, float, float]:
        """(share, low, high) behind so many answers, so many days after the last of them."""
        share, low, high = shares_with_interval(
            self.pair[place : place + 1],
            self.pupil[place : place + 1],
            np.array([days]),
            np.array([self.row], dtype=np.int64),
            self.night.model.arrays,
            self.night.config.interval_level,
        )
        return float(share[0]), float(low[0]), float(high[0])

    def _parts(self, place: int, days: float) -> FloatArray:
        weights, patterns, skills, _, _ = self.night.model.arrays
        return np.array(parts_after(self.pair[place], self.pupil[place], days, weights, patterns, skills[self.row]))

    def _days_since(self, place: int, at_seconds: float) -> float:
        last = float(self.pair[place, LAST_AT])
        return 0.0 if np.isnan(last) else max(0.0, (at_seconds - last) / DAY_SECONDS)

    def share_at(self, counted: int, at_us: int) -> float:
        """The share behind so many answers at an instant."""
        return self._asked(counted, GAP_DAYS + self._days_since(counted, at_us / _US))[0]

    def worth(self, place: int) -> dict[str, Any]:
        """What the answer after ``place`` others was worth."""
        gap = GAP_DAYS + self._days_since(place, float(self.pair[place + 1, LAST_AT]))
        earlier, before, after = (
            self._asked(*at)[0] for at in ((place, GAP_DAYS), (place, gap), (place + 1, GAP_DAYS))
        )
        parts = self._parts(place + 1, GAP_DAYS) - self._parts(place, gap)
        moved_by = dict(zip(PARTS, parts.tolist(), strict=True))
        return {"share": after, "forgot": before - earlier, "moved": after - before, "moved_by": moved_by}

    @property
    def _days_now(self) -> float:
        return GAP_DAYS + self._days_since(self.pair.shape[0] - 1, self.night.as_of_us / _US)

    @property
    def now(self) -> tuple[float, float, float]:
        """Share and interval of the date that is asked about."""
        return self._asked(self.pair.shape[0] - 1, self._days_now)

    @property
    def made_of(self) -> dict[str, float]:
        """The logit of that share by PARTS."""
        return dict(zip(PARTS, self._parts(self.pair.shape[0] - 1, self._days_now).tolist(), strict=True))


@dataclass(frozen=True)
class Explanation:
    """What stands behind a pair's number.

    attempts: in order of work, each with event_id, event_time (ISO 8601, UTC), item_id, outcome (right, wrong, partly
    or None), credit (the share right, None without an outcome), counts, why_not (None where it counts), share
    (durable share right after it), forgot (by how much time alone had moved the share since the attempt before), moved
    (by how much the answer then moved it) and moved_by (the answer's logits by PARTS); None where it does not count.
    share, share_low, share_high: of the date that is asked about, the
    interval at the policy's level; made_of: the logit of that share by PARTS. counted, credit, items, days: counted
    attempts, the sum of their shares right, different items, local days. story: the answers one after the other.
    """

    attempts: list[dict[str, Any]]
    share: float
    share_low: float
    share_high: float
    made_of: dict[str, float]
    counted: int
    credit: float
    items: int
    days: int
    story: Story

    def share_at(self, counted: int, at_us: int) -> float:
        """The share behind so many counted answers at an instant (microseconds since 1970 UTC), a week ahead of it."""
        return self.story.share_at(counted, at_us)

    @property
    def newest_counted(self) -> list[str]:
        """Ids of the counted events, in order of work."""
        return [str(one["event_id"]) for one in self.attempts if one["counts"]]


def explain(evidence: pa.Table, taken_back: pa.Table, competency: str, night: Night) -> Explanation:
    """Judge a pupil's evidence (columns of silver.evidence) again: what was each attempt on the competency worth?

    ``evidence`` stands, on all competencies: the pupil's other work is in the number. ``taken_back`` does not any more.
    The date that is asked about is the night's as-of instant.
    """
    rule = night.config.evidence
    own = evidence.filter(pc.equal(evidence["competency_id"].cast(pa.string()), competency))
    usable = arrow.usable(own, rule)
    attempts = arrow.attempts_from(usable, np.zeros(usable.num_rows, dtype=np.int64), rule, night.limits)
    judged = judge(attempts, rule)
    is_counted = judged.verdict == COUNTED
    story = Story.of(answers_of(evidence, competency, night), competency, night)
    worth: list[dict[str, Any] | None] = [None] * judged.order.size
    for place, row in enumerate(np.flatnonzero(is_counted).tolist()):
        worth[row] = story.worth(place)
    limits = night.limits.of_items(attempts.item[judged.order]).tolist()
    told = [
        _told(row, credit, _why_not(int(verdict), row, limit), one)
        for row, credit, verdict, limit, one in zip(
            usable.take(pa.array(judged.order)).to_pylist(),
            judged.correct.tolist(),
            judged.verdict,
            limits,
            worth,
            strict=True,
        )
    ]
    told += [_told(row, None, _why_unusable(row, night.config), None) for row in _unusable(own, usable)]
    told += [_told(row, None, TAKEN_BACK, None) for row in taken_back.to_pylist()]
    items, days = _distinct(attempts, judged.order[is_counted])
    share, low, high = story.now
    return Explanation(
        attempts=sorted(told, key=lambda one: (one["event_time"], one["event_id"])),
        share=share,
        share_low=low,
        share_high=high,
        made_of=story.made_of,
        counted=int(is_counted.sum()),
        credit=float(judged.correct[is_counted].sum()),
        items=items,
        days=days,
        story=story,
    )


def _why_not(verdict: int, row: dict[str, Any], limit_ms: int) -> str | None:
    """Why an attempt does not count; None where it does. Of a rapid guess its time and the item's limit.

    Tenths of seconds, the time rounded down and the limit up, so that no time seems to reach its limit.
    """
    reason = REASONS.get(verdict)
    if verdict != RAPID:
        return reason
    whose = "this item's" if row["item_id"] is not None else "the"
    return f"{reason}: {row['duration_ms'] // 100 / 10:.1f} s, {whose} limit is {-(-limit_ms // 100) / 10:.1f} s"


def _unusable(evidence: pa.Table, usable: pa.Table) -> list[dict[str, Any]]:
    used = set(usable["event_id"].to_pylist())
    return [row for row in evidence.to_pylist() if row["event_id"] not in used]


def _why_unusable(row: dict[str, Any], config: MasteryConfig) -> str:
    rule = config.evidence
    is_known = row["activity_type"] in rule.counted_types | rule.total_types | rule.practice_types
    return NO_OUTCOME if is_known else IGNORED


def _told(
    row: dict[str, Any], credit: float | None, why_not: str | None, worth: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "event_id": row["event_id"],
        "event_time": row["event_time"].isoformat(),
        "item_id": row["item_id"],
        "outcome": None if credit is None else {1.0: "right", 0.0: "wrong"}.get(credit, "partly"),
        "credit": credit,
        "counts": why_not is None,
        "why_not": why_not,
        **(worth or dict.fromkeys(("share", "forgot", "moved", "moved_by"))),
    }


def _distinct(attempts: Attempts, counted: IntArray) -> tuple[int, int]:
    return int(np.unique(attempts.item[counted]).size), int(np.unique(attempts.day[counted]).size)


def sentence(state: str, found: Explanation, policy: SharePolicy) -> str:
    """Why the state is what it is, in words that a teacher reads; no name, no key."""
    if state == "not_started":
        return "Not started: nothing that counts as evidence has come yet."
    seen = f"{round(found.credit, 2):g} of {found.counted} counted answers right, on {_many(found.items, 'item')} over "
    seen += _many(found.days, "day")
    level = f"{100 * policy.interval_level:.0f} %"
    share = f"about {100 * found.share:.0f} of 100 expected right a week from then"
    share += f" ({level} sure: {100 * found.share_low:.0f} to {100 * found.share_high:.0f})"
    least = policy.minimum
    if state == "not_enough_evidence":
        has_all = found.counted >= least.attempts and found.items >= least.items and found.days >= least.days
        if has_all:
            return f"Not enough evidence: {seen}; {share}, which is too wide a range to say."
        asked = f"{least.attempts} answers on {_many(least.items, 'item')} over {_many(least.days, 'day')}"
        return f"Not enough evidence: {seen}; mastery asks for at least {asked}."
    if state == "mastered":
        return f"Mastered: {seen}; {share}."
    if state == "review_due":
        return f"Review due: mastered, and by now under {100 * policy.review_share:.0f} of 100; {seen}; {share}."
    waits = f"; mastery asks for {_many(least.days, 'day')}" if found.days < least.days else ""
    return f"Developing: {seen}; {share}{waits}."


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
