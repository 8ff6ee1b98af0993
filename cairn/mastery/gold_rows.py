"""What a fold gives, as rows of gold: days, states and decisions in the columns of their contracts.

Pure, on numpy arrays and Arrow; :mod:`cairn.mastery.states` makes what is written down here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from cairn.mastery import arrow
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import MasteryConfig
from cairn.mastery.evidence import BoolArray
from cairn.mastery.hashing import HashArray, hash_texts, hex_texts, mix
from cairn.mastery.policy import NEVER, NO_ITEM, STATES, Standing, Transitions
from cairn.mastery.rapid import RapidLimits
from cairn.mastery.share.columns import state_columns
from cairn.mastery.share.formula import GAP_DAYS, shares_with_interval
from cairn.mastery.share.model import ShareModel, rapid_limits
from cairn.mastery.share.schedule import Schedule


@dataclass(frozen=True)
class Night:
    """What a restatement is made with. as_of_us: work before this instant counts (microseconds since 1970 UTC).

    subject_of: competency to its subject, by which policies may differ; it can be left out where none does.
    """

    config: MasteryConfig
    model: ShareModel
    as_of_us: int
    data_date: date
    subject_of: Mapping[str, str] | None = None

    @property
    def limits(self) -> RapidLimits:
        """The limits for rapid guesses, of the model's own version."""
        return rapid_limits(self.config.evidence, self.model)

    def schedule(self, competency: IntArray, names: Sequence[str]) -> Schedule:
        """Which policy is in force when, for pairs whose competencies are places in ``names``."""
        return Schedule.of(self.config, competency, names, self.subject_of)


@dataclass(frozen=True)
class Restated:
    """What a fold gives, in the columns of the contracts but for those that the writer adds."""

    attempt_day: pa.Table
    mastery_state: pa.Table
    mastery_decision: pa.Table


@dataclass(frozen=True)
class Recent:
    """Attempts of earlier nights that a new one may follow, as parallel arrays (n): pair, item (hash), work time."""

    pair: IntArray
    item: IntArray
    time_us: IntArray


@dataclass(frozen=True)
class Before:
    """Where pairs stood (pairs): the policy's standing, count and instants of any work."""

    policy: Standing
    attempts: IntArray
    first_us: IntArray
    last_us: IntArray
    last_day: IntArray
    recent: Recent


@dataclass(frozen=True)
class Work:
    """New attempts in order of pair and work (n), where pairs begin (pairs + 1), and their names (pairs).

    correct: the share right as it counts, with help 0; is_right: whether that reads as right; is_correct: whether it
    did so with help.
    """

    table: pa.Table
    students: pa.DictionaryArray
    competencies: pa.DictionaryArray
    keys: IntArray
    model_rows: IntArray
    schedule: Schedule
    offsets: IntArray
    pair: IntArray
    item: IntArray
    time_us: IntArray
    day: IntArray
    is_counted: BoolArray
    correct: FloatArray
    is_right: BoolArray
    is_correct: BoolArray
    recent: tuple[IntArray, IntArray]

    @property
    def pairs(self) -> int:
        """How many pairs."""
        return self.offsets.size - 1


def named(codes: IntArray, names: pa.Array) -> pa.DictionaryArray:
    """Codes as the names that they are places of."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)


def _instants(values: IntArray, missing: BoolArray | None = None) -> pa.Array:
    return pa.array(values, pa.int64(), mask=missing).cast(pa.timestamp("us", tz="UTC"))


def _days(values: IntArray) -> pa.Array:
    return pa.array(values.astype(np.int32), pa.int32()).cast(pa.date32())


def _same_day(night: Night, size: int) -> pa.Array:
    return _days(np.full(size, (night.data_date - date(1970, 1, 1)).days, dtype=np.int64))


def _same_text(value: str, size: int) -> pa.DictionaryArray:
    return named(np.zeros(size, dtype=np.int64), pa.array([value], pa.string()))


def _taken(names: pa.DictionaryArray, pair: IntArray) -> pa.DictionaryArray:
    """The names of the pairs that rows are of."""
    return pa.DictionaryArray.from_arrays(names.indices.take(pa.array(pair)), names.dictionary)


def _starts(pair: IntArray, day: IntArray) -> IntArray:
    """Where stretches of one pair and day begin, and the end."""
    if pair.size == 0:
        return np.zeros(1, dtype=np.int64)
    change = (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])
    starts: IntArray = np.r_[0, np.flatnonzero(change) + 1, pair.size].astype(np.int64)
    return starts


def _sums(values: IntArray | BoolArray | ByteArray, starts: IntArray) -> IntArray:
    """Sums between starts (the last of which is the end)."""
    running = np.r_[0, np.cumsum(values, dtype=np.int64)]
    totals: IntArray = running[starts[1:]] - running[starts[:-1]]
    return totals


def _most_frequent(column: pa.ChunkedArray, starts: IntArray) -> pa.DictionaryArray:
    """The most frequent value of each stretch, the first by order where two are; null where none is given."""
    codes, values = arrow.coded(column)
    chosen = np.full(starts.size - 1, -1, dtype=np.int64)
    sizes = np.diff(starts)
    is_single = sizes == 1
    chosen[is_single] = codes[starts[:-1][is_single]]
    stretch = np.repeat(np.arange(starts.size - 1), sizes)
    open_ = (codes >= 0) & ~is_single[stretch]
    width = max(1, len(values))
    cells, counts = np.unique(stretch[open_] * width + codes[open_], return_counts=True)
    order = np.lexsort((cells % width, -counts, cells // width))
    owners, first = np.unique((cells // width)[order], return_index=True)
    chosen[owners] = (cells % width)[order][first]
    indices = pa.array(chosen.astype(np.int32), mask=chosen < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def attempt_days(work: Work, night: Night) -> pa.Table:
    """One row a pair and day: counts and instants."""
    starts = _starts(work.pair, work.day)
    begin, last = starts[:-1], starts[1:] - 1
    pair = work.pair[begin]
    return pa.table(
        {
            "student_key": _taken(work.students, pair),
            "competency_id": _taken(work.competencies, pair),
            "work_date": _days(work.day[begin]),
            "org_id": _most_frequent(work.table["org_id"], starts),
            "class_id": _most_frequent(work.table["class_id"], starts),
            "attempts": pa.array(np.diff(starts).astype(np.int32)),
            "counted_attempts": pa.array(_sums(work.is_counted, starts).astype(np.int32)),
            "correct": pa.array(_sums(work.is_correct, starts).astype(np.int32)),
            "counted_correct": pa.array(_sums(work.is_counted & work.is_right, starts).astype(np.int32)),
            "hints": pa.array(_sums(arrow.integers(work.table["hints"]), starts).astype(np.int32)),
            "duration_ms": pa.array(_sums(arrow.integers(work.table["duration_ms"]), starts)),
            "first_event_at": _instants(work.time_us[begin]),
            "last_event_at": _instants(work.time_us[last]),
            "data_date": _same_day(night, begin.size),
            "pair_key": pa.array(work.keys[pair]),
        }
    )


def states(work: Work, before: Before, now: Standing, night: Night) -> pa.Table:
    """One row a pair: where it stands now, and the version of the policy that was in force when it came to that."""
    new_attempts = np.diff(work.offsets)
    has_work = new_attempts > 0
    first_us, last_us = before.first_us.copy(), before.last_us.copy()
    is_first = has_work & (before.attempts == 0)
    first_us[is_first] = work.time_us[work.offsets[:-1][is_first]]
    # Where nothing has counted yet the last attempt of any kind stands for the last counted one.
    last_us[has_work] = work.time_us[work.offsets[1:][has_work] - 1]
    last_day = before.last_day.copy()
    last_day[has_work] = work.day[work.offsets[1:][has_work] - 1]
    has_evidence = now.counted > 0
    days, level = np.full(work.pairs, GAP_DAYS), night.config.interval_level
    share, low, high = shares_with_interval(now.sums, now.pupil, days, work.model_rows, night.model.arrays, level)
    since_us = np.where(has_evidence, now.since_us, first_us)
    return pa.table(
        {
            "student_key": work.students,
            "competency_id": work.competencies,
            "state": named(now.state.astype(np.int64), pa.array(STATES, pa.string())),
            "expected_share": pa.array(share),
            "share_low": pa.array(low),
            "share_high": pa.array(high),
            "attempts": pa.array((before.attempts + new_attempts).astype(np.int32)),
            "opportunities_without_three": pa.array(now.without_three.astype(np.int32)),
            "first_event_at": _instants(first_us),
            "last_event_at": _instants(np.where(has_evidence, now.last_us, last_us)),
            "state_since_at": _instants(since_us),
            "next_transition_at": _instants(now.next_us, now.next_us == NEVER),
            "model_version": _same_text(night.model.version, work.pairs),
            "policy_version": work.schedule.versions_at(np.arange(work.pairs), since_us),
            "data_date": _same_day(night, work.pairs),
            "evidence_hash": pa.array(now.evidence.view(np.int64)),
            "right_in_a_row": pa.array(now.in_a_row.astype(np.int32)),
            "wrong_since_mastered": pa.array(now.wrong.astype(np.int32)),
            "counted_items": _items(now.items),
            "counted_days": pa.array(now.days.astype(np.int32)),
            "last_work_date": _days(last_day),
            "recent_attempts": pa.ListArray.from_arrays(
                pa.array(work.recent[0].astype(np.int32)), pa.array(work.recent[1])
            ),
            "pair_key": pa.array(work.keys),
            "pupil_key": pa.array(hash_texts(work.students).view(np.int64)),
            **state_columns(now.sums, now.pupil),
        }
    )


def _items(items: IntArray) -> pa.ListArray:
    """The items of each pair, as far as there are any."""
    is_there = items != NO_ITEM
    ends = np.r_[0, np.cumsum(is_there.sum(axis=1))].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(items[is_there]))


def decisions(work: Work, transitions: Transitions, night: Night) -> pa.Table:
    """One row a change of state, with the version of the policy that was in force at its instant."""
    pair = transitions.pair
    policies = work.schedule.versions_at(pair, transitions.at_us)
    names = pa.array(STATES, pa.string())
    return pa.table(
        {
            "decision_id": _decision_ids(work, transitions, night.model.version, policies),
            "is_retraction": pa.array(np.zeros(pair.size, dtype=bool)),
            "student_key": _taken(work.students, pair),
            "competency_id": _taken(work.competencies, pair),
            "decided_at": _instants(transitions.at_us),
            "from_state": named(transitions.from_state.astype(np.int64), names),
            "to_state": named(transitions.to_state.astype(np.int64), names),
            "counted_attempts": pa.array(transitions.counted.astype(np.int32)),
            "model_version": _same_text(night.model.version, pair.size),
            "policy_version": policies,
            "data_date": _same_day(night, pair.size),
            "evidence_hash": pa.array(transitions.evidence.view(np.int64)),
            "pair_key": pa.array(work.keys[pair]),
        }
    )


def _decision_ids(
    work: Work, transitions: Transitions, model_version: str, policies: pa.DictionaryArray
) -> pa.StringArray:
    """Hash of pupil, competency, instant, states, counted evidence and versions: the same in any order of arrival."""
    pair = transitions.pair
    states = (transitions.from_state.astype(np.uint64) << np.uint64(8)) | transitions.to_state.astype(np.uint64)
    [model] = hash_texts(pa.array([model_version]))
    what: HashArray = work.keys.view(np.uint64)[pair]
    for part in (transitions.at_us.view(np.uint64), states, transitions.counted.view(np.uint64)):
        what = mix(what, np.ascontiguousarray(part))
    for part in (np.broadcast_to(model, pair.shape), hash_texts(policies), transitions.evidence):
        what = mix(what, np.ascontiguousarray(part))
    return hex_texts(work.keys.view(np.uint64)[pair], what)
