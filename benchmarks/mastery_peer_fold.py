"""The peer's fold of one bucket of pupils: sorted arrays in, rows of gold out (see mastery_peer.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.mastery_peer_evidence import Bucket, Names
from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import MasteryConfig
from cairn.mastery.evidence import BoolArray
from cairn.mastery.hashing import hash_texts, hex_texts, mix, pair_keys
from cairn.mastery.policy import NEVER, NO_ITEM, STATES, Standing, Transitions, nothing_yet
from cairn.mastery.share.columns import PAIR_COUNTS, PAIR_SUMS, PUPIL_COUNTS, PUPIL_SUMS, WHOLE
from cairn.mastery.share.formula import GAP_DAYS, shares_with_interval
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.model import ShareModel
from cairn.mastery.share.schedule import Schedule
from cairn.mastery.share.state import FIXED, PUPIL, append
from cairn.mastery.share.walk import Answers, walk

NumberArray = npt.NDArray[Any]
INSTANT = pl.Datetime("us", "UTC")
COUNTS = {
    *("attempts", "correct", "hints", "right_in_a_row", "wrong_since_mastered", "counted_days"),
    *("opportunities_without_three", *WHOLE),
}


@dataclass(frozen=True)
class Made:
    """When: work before ``as_of_us`` counts; the night's day; the instant on record."""

    as_of_us: int
    data_date: date
    recorded_at: datetime


@numba.njit(cache=True, nogil=True)
def _days(offsets: IntArray, day: IntArray) -> IntArray:
    """Where each pair's days begin, and the end."""
    out = np.empty(day.size + 1, dtype=np.int64)
    count = 0
    for pair in range(offsets.size - 1):
        for i in range(offsets[pair], offsets[pair + 1]):
            if i == offsets[pair] or day[i] != day[i - 1]:
                out[count] = i
                count += 1
    out[count] = day.size
    return out[: count + 1]


@numba.njit(cache=True, nogil=True)
def _most_frequent(codes: IntArray, starts: IntArray) -> IntArray:
    """The most frequent code of each stretch, the lowest where two are; -1 where none is given."""
    out = np.full(starts.size - 1, -1, dtype=np.int64)
    for stretch in range(starts.size - 1):
        best = 0
        for i in range(starts[stretch], starts[stretch + 1]):
            if codes[i] < 0 or codes[i] == out[stretch]:
                continue
            times = 0
            for j in range(starts[stretch], starts[stretch + 1]):
                times += codes[j] == codes[i]
            if times > best or (times == best and codes[i] < out[stretch]):
                best, out[stretch] = times, codes[i]
    return out


@numba.njit(cache=True, nogil=True)
def _pupils(
    bucket_work: IntArray,
    is_again: BoolArray,
    student: IntArray,
    time_us: IntArray,
    correct: FloatArray,
    residual: FloatArray,
    right_from: float,
    states: FloatArray,
    kept: FloatArray,
    halves: FloatArray,
) -> FloatArray:
    """The pupil's state behind each counted attempt; ``states`` are one pupil's at a time, empty."""
    out = np.empty((bucket_work.size, states.size))
    now, owner = states.copy(), -1
    for place in range(bucket_work.size):
        i = bucket_work[place]
        if student[i] != owner:
            now[:], owner = states, student[i]
        if not is_again[place]:
            append(now, time_us[i] / 1e6, correct[i], correct[i] >= right_from, residual[i], kept, halves)
        out[i] = now
    return out


def _answers(bucket: Bucket, model: ShareModel, rows: IntArray, right_from: float) -> Answers:
    """The counted attempts, each with what was expected at its item and the pupil's state behind it."""
    counted = np.flatnonzero(bucket.is_counted)
    pair = np.searchsorted(bucket.offsets, counted, side="right") - 1
    correct, item, time_us = bucket.correct[counted], bucket.item[counted], bucket.time_us[counted]
    residual = correct - chances(model.easiness_of(item, rows[pair]))
    student, empty = bucket.student[pair], PUPIL.empty(1)[0]
    own = student, time_us, correct, residual, right_from
    pupil = _pupils(bucket.work, bucket.is_again, *own, empty, PUPIL.kept, PUPIL.seconds)
    return Answers(
        offsets=np.searchsorted(counted, bucket.offsets).astype(np.int64),
        correct=correct,
        time_us=time_us,
        day=bucket.day[counted],
        item=item,
        event=bucket.event[counted],
        residual=residual,
        pupil=pupil,
    )


def fold(bucket: Bucket, names: Names, model: ShareModel, config: MasteryConfig, made: Made) -> dict[str, pl.DataFrame]:
    """mastery_state, attempt_day and mastery_decision of the bucket's pairs."""
    rows = model.rows(names.competencies.to_list())[bucket.competency]
    keys = pair_keys(names.student_hash[bucket.student], names.competency_hash[bucket.competency])
    right_from = config.evidence.right_from
    answers = _answers(bucket, model, rows, right_from)
    [one] = config.policies
    schedule = Schedule.always(one.policy, rows.size)
    begun = nothing_yet(rows.size, schedule.items)
    moves, now = walk(answers, rows, begun, model.arrays, schedule, right_from, made.as_of_us)
    about = _About(bucket, names, keys, made, right_from)
    versions = {"model_version": model.version, "policy_version": one.version}
    days, level = np.full(rows.size, GAP_DAYS), config.interval_level
    share = shares_with_interval(now.sums, now.pupil, days, rows, model.arrays, level)
    return {
        "mastery_state": _states(about, config, now, share, versions),
        "attempt_day": _attempt_days(about),
        "mastery_decision": _decisions(about, moves, versions),
    }


@dataclass(frozen=True)
class _About:
    """A bucket with each pair's key."""

    bucket: Bucket
    names: Names
    keys: IntArray
    made: Made
    right_from: float

    def who(self, pair: IntArray) -> dict[str, pl.Series]:
        """Pupil, competency and key of the pairs that rows are of."""
        return {
            "student_key": self.names.students.gather(self.bucket.student[pair]),
            "competency_id": self.names.competencies.gather(self.bucket.competency[pair]),
            "pair_key": pl.Series(self.keys[pair]),
        }


def _sums(values: NumberArray, starts: IntArray) -> pl.Series:
    """Sums between starts, the last of which is the end."""
    running = np.r_[0, np.cumsum(values, dtype=np.int64)]
    return pl.Series(running[starts[1:]] - running[starts[:-1]])


def _instants(values: IntArray) -> pl.Series:
    return pl.Series(values).cast(INSTANT)


def _whole(frame: pl.DataFrame, made: Made, *, is_ledger: bool = False) -> pl.DataFrame:
    """With what every row of a table shares; counts as the contracts type them."""
    whole = COUNTS & set(frame.columns)
    frame = frame.with_columns(
        *(pl.col(name).cast(pl.Int32) for name in sorted(whole)),
        data_date=pl.lit(made.data_date),
        night=pl.lit(1, pl.Int64),
    )
    if is_ledger:
        return frame.with_columns(is_retraction=pl.lit(False), recorded_at=pl.lit(made.recorded_at).cast(INSTANT))
    return frame.with_columns(is_removed=pl.lit(False), is_base=pl.lit(True))


def _states(
    about: _About,
    config: MasteryConfig,
    now: Standing,
    share: tuple[FloatArray, FloatArray, FloatArray],
    versions: dict[str, str],
) -> pl.DataFrame:
    bucket = about.bucket
    begin, last = bucket.offsets[:-1], bucket.offsets[1:] - 1
    has_any = now.counted > 0
    expected, low, high = share
    frame = pl.DataFrame(
        {
            **about.who(np.arange(bucket.student.size)),
            "state": pl.Series(STATES).gather(now.state.astype(np.int64)),
            "expected_share": expected,
            "share_low": low,
            "share_high": high,
            "attempts": np.diff(bucket.offsets),
            **_sums_kept(now.sums, PAIR_COUNTS, PAIR_SUMS),
            **_sums_kept(now.pupil, PUPIL_COUNTS, PUPIL_SUMS),
            "opportunities_without_three": now.without_three,
            "first_event_at": _instants(bucket.time_us[begin]),
            "last_event_at": _instants(np.where(has_any, now.last_us, bucket.time_us[last])),
            "state_since_at": _instants(np.where(has_any, now.since_us, bucket.time_us[begin])),
            "next_transition_at": now.next_us,
            "evidence_hash": now.evidence.view(np.int64),
            "right_in_a_row": now.in_a_row,
            "wrong_since_mastered": now.wrong,
            "pupil_key": about.names.student_hash[bucket.student].view(np.int64),
            "counted_items": _lists(now.items),
            "counted_days": now.days,
            "last_work_date": pl.Series(bucket.day[last].astype(np.int32)).cast(pl.Date),
            "recent_attempts": _recent(bucket, int(config.evidence.spacing_seconds * 1e6)),
        }
    )
    upcoming = pl.col("next_transition_at")
    return _whole(frame, about.made).with_columns(
        pl.when(upcoming != NEVER).then(upcoming).cast(INSTANT),
        **{name: pl.lit(version) for name, version in versions.items()},
    )


def _sums_kept(states: FloatArray, counts: dict[int, str], sums: tuple[str, ...]) -> dict[str, NumberArray]:
    """The columns of the pairs' or pupils' states."""
    places = {**{name: place for place, name in counts.items()}, **{name: FIXED + i for i, name in enumerate(sums)}}
    return {name: np.ascontiguousarray(states[:, place]) for name, place in places.items()}


def _lists(items: IntArray) -> pl.Series:
    """The items of each pair, as far as there are any."""
    lists = pl.Series(items).cast(pl.List(pl.Int64))
    return lists.list.eval(pl.element().filter(pl.element() != NO_ITEM))


def _recent(bucket: Bucket, spacing_us: int) -> pl.Series:
    """For each pair hash and newest time, in turn, of the items worked on within the spacing before its last work."""
    pair = np.repeat(np.arange(bucket.student.size), np.diff(bucket.offsets))
    newest = bucket.time_us[bucket.offsets[1:] - 1]
    near = np.flatnonzero((bucket.item >= 0) & (bucket.time_us > newest[pair] - spacing_us))
    items = (
        pl.DataFrame({"pair": pair[near], "item": bucket.item[near], "at": bucket.time_us[near]})
        .group_by("pair", "item")
        .agg(pl.col("at").max())
        .sort("pair", "item")
    )
    lists = items.group_by("pair", maintain_order=True).agg(pl.concat_list("item", "at").explode().alias("recent"))
    pairs = pl.DataFrame({"pair": np.arange(bucket.student.size)})
    none = pl.lit(pl.Series([[]], dtype=pl.List(pl.Int64)))
    return (
        pairs.join(lists, on="pair", how="left", maintain_order="left")["recent"]
        .to_frame()
        .select(pl.col("recent").fill_null(none))["recent"]
    )


def _attempt_days(about: _About) -> pl.DataFrame:
    bucket = about.bucket
    starts = _days(bucket.offsets, bucket.day)
    begin, last = starts[:-1], starts[1:] - 1
    pair = np.searchsorted(bucket.offsets, begin, side="right") - 1
    frame = pl.DataFrame(
        {
            **about.who(pair),
            "work_date": pl.Series(bucket.day[begin].astype(np.int32)).cast(pl.Date),
            "org_id": _named(_most_frequent(bucket.org, starts), bucket.orgs),
            "class_id": _named(_most_frequent(bucket.class_id, starts), bucket.classes),
            "attempts": np.diff(starts),
            "counted_attempts": _sums(bucket.is_counted, starts),
            "correct": _sums(bucket.is_correct, starts),
            "counted_correct": _sums(bucket.is_counted & (bucket.correct >= about.right_from), starts),
            "hints": _sums(bucket.hints, starts),
            "duration_ms": _sums(bucket.duration_ms, starts),
            "first_event_at": _instants(bucket.time_us[begin]),
            "last_event_at": _instants(bucket.time_us[last]),
        }
    )
    return _whole(frame, about.made)


def _named(codes: IntArray, names: pl.Series) -> pl.Series:
    """The names of codes, null for -1."""
    return pl.concat([names, pl.Series([None], dtype=pl.String)]).gather(np.where(codes < 0, len(names), codes))


def _decisions(about: _About, moves: Transitions, versions: dict[str, str]) -> pl.DataFrame:
    pair, state_names = moves.pair, pl.Series(STATES)
    frame = pl.DataFrame(
        {
            **about.who(pair),
            "decision_id": pl.Series(_decision_ids(about, moves, versions)),
            "decided_at": _instants(moves.at_us),
            "from_state": state_names.gather(moves.from_state.astype(np.int64)),
            "to_state": state_names.gather(moves.to_state.astype(np.int64)),
            "counted_attempts": moves.counted,
            "evidence_hash": moves.evidence.view(np.int64),
        }
    )
    stamps = {name: pl.lit(text) for name, text in {**versions, "reason": "work"}.items()}
    return _whole(frame, about.made, is_ledger=True).with_columns(**stamps)


def _decision_ids(about: _About, moves: Transitions, versions: dict[str, str]) -> pl.Series:
    """Hash of pupil, competency, instant, states, counted evidence and versions, as the ledger defines it."""
    key = about.keys.view(np.uint64)[moves.pair]
    made_with = (np.repeat(one, key.size) for one in hash_texts(pl.Series(list(versions.values())).to_arrow()))
    states = (moves.from_state.astype(np.uint64) << np.uint64(8)) | moves.to_state.astype(np.uint64)
    instants, counted = (np.ascontiguousarray(part).view(np.uint64) for part in (moves.at_us, moves.counted))
    what = key
    for part in (instants, states, counted, *made_with, moves.evidence):
        what = mix(what, part)
    return pl.Series(hex_texts(key, what))
