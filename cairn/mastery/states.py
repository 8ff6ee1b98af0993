"""From a pupil's attempts, in any order of arrival, to everything that gold says about them.

Pure: an Arrow table in, Arrow tables out, in the columns of the contracts. The same function serves Spark, where each
call gets the pupils of one bucket, and tests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from cairn.mastery import arrow, bkt
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import MasteryConfig
from cairn.mastery.evidence import COUNTED, BoolArray, judge
from cairn.mastery.models import ModelTable
from cairn.mastery.policy import NEVER, STATES, Standing, Transitions, expected_share, walk

# The newest counted events that a decision names.
EVIDENCE_EVENTS = 10
IDENTITY_COLUMNS = ("student_key", "competency_id")
DAY_COLUMNS = ("work_date", "org_id", "class_id")
COLUMNS = (*IDENTITY_COLUMNS, *arrow.ATTEMPT_COLUMNS, *DAY_COLUMNS)


@dataclass(frozen=True)
class Night:
    """What a restatement is made with. as_of_us: work before this instant counts (microseconds since 1970 UTC)."""

    config: MasteryConfig
    models: ModelTable
    as_of_us: int
    data_date: date


@dataclass(frozen=True)
class _Work:
    """Attempts in order of pair and work (n), and where pairs begin (pairs + 1)."""

    table: Any
    students: Any
    competencies: Any
    model_rows: IntArray
    offsets: IntArray
    pair: IntArray
    time_us: IntArray
    day: IntArray
    is_counted: BoolArray
    is_right: BoolArray
    is_correct: BoolArray

    @property
    def pairs(self) -> int:
        """How many pairs have attempts."""
        return self.offsets.size - 1


def restate(table: Any, night: Night) -> dict[str, Any]:
    """Tables by name: attempt_day, mastery_segment, mastery_state, mastery_decision (standing ones only).

    ``table`` holds all attempts of some pairs, columns COLUMNS, one row an event and competency, without those voided.
    Pairs without an attempt before the as-of instant get no rows. recorded_at and evidence_hash are left to the writer.
    """
    work = _prepare(table, night)
    counted = np.flatnonzero(work.is_counted)
    offsets = np.searchsorted(counted, work.offsets).astype(np.int64)
    correct = work.is_right[counted].astype(np.int8)
    _, _, known = bkt.forward(correct, offsets, work.model_rows, night.models.parameters)
    transitions, standing = walk(known, correct, work.time_us[counted], offsets, night.config.policy, night.as_of_us)
    return {
        "attempt_day": _attempt_days(work, night),
        "mastery_segment": _segments(work, counted, correct, night),
        "mastery_state": _states(work, counted, offsets, correct, known, standing, night),
        "mastery_decision": _decisions(work, counted, offsets, known, transitions, night),
    }


def _prepare(table: Any, night: Night) -> _Work:
    import pyarrow as pa
    import pyarrow.compute as pc

    rule = night.config.evidence
    table = arrow.usable(table, rule)
    table = table.filter(pa.array(arrow.integers(table["event_time"]) < night.as_of_us))
    student, students = arrow.coded(table["student_key"])
    competency, competencies = arrow.coded(table["competency_id"])
    both, pair = np.unique(student * max(1, len(competencies)) + competency, return_inverse=True)
    attempts = arrow.attempts_from(table, pair.astype(np.int64), rule)
    judged = judge(attempts, rule)
    ordered_pair = attempts.pair[judged.order]
    rows = night.models.rows(competencies)
    of_competency = (both % max(1, len(competencies))).astype(np.int64)
    return _Work(
        table=table.take(pa.array(judged.order)),
        students=pc.take(pa.array(students, pa.string()), pa.array(both // max(1, len(competencies)))),
        competencies=pc.take(pa.array(competencies, pa.string()), pa.array(of_competency)),
        model_rows=rows[of_competency],
        offsets=np.searchsorted(ordered_pair, np.arange(both.size + 1)).astype(np.int64),
        pair=ordered_pair,
        time_us=attempts.time_us[judged.order],
        day=arrow.integers(table["work_date"])[judged.order],
        is_counted=judged.verdict == COUNTED,
        is_right=judged.is_right,
        is_correct=attempts.is_correct[judged.order],
    )


def _instants(values: IntArray, missing: BoolArray | None = None) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.int64(), mask=missing).cast(pa.timestamp("us", tz="UTC"))


def _days(values: IntArray) -> Any:
    import pyarrow as pa

    return pa.array(values.astype(np.int32), pa.int32()).cast(pa.date32())


def _same_day(night: Night, size: int) -> Any:
    import pyarrow as pa

    return pa.array(np.full(size, (night.data_date - date(1970, 1, 1)).days, dtype=np.int32)).cast(pa.date32())


def _versions(work: _Work, night: Night, pair: IntArray) -> Any:
    import pyarrow as pa

    return pa.array(night.models.versions, pa.string()).take(pa.array(work.model_rows[pair]))


def _starts(pair: IntArray, day: IntArray) -> IntArray:
    """Where stretches of one pair and day begin, and the end."""
    if pair.size == 0:
        return np.zeros(1, dtype=np.int64)
    change = (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])
    starts: IntArray = np.r_[0, np.flatnonzero(change) + 1, pair.size].astype(np.int64)
    return starts


def _sums(values: Any, starts: IntArray) -> IntArray:
    """Sums between starts (the last of which is the end)."""
    running = np.r_[0, np.cumsum(values, dtype=np.int64)]
    totals: IntArray = running[starts[1:]] - running[starts[:-1]]
    return totals


def _most_frequent(column: Any, starts: IntArray) -> Any:
    """The most frequent value of each stretch, the first by order where two are; null where none is given."""
    import pyarrow as pa

    codes, values = arrow.coded(column)
    stretch = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    given = codes >= 0
    width = max(1, len(values))
    cells, counts = np.unique(stretch[given] * width + codes[given], return_counts=True)
    order = np.lexsort((cells % width, -counts, cells // width))
    owners, first = np.unique((cells // width)[order], return_index=True)
    chosen = np.full(starts.size - 1, -1, dtype=np.int64)
    chosen[owners] = (cells % width)[order][first]
    return pa.array(values, pa.string()).take(pa.array(chosen, mask=chosen < 0))


def _attempt_days(work: _Work, night: Night) -> Any:
    import pyarrow as pa

    starts = _starts(work.pair, work.day)
    begin, last = starts[:-1], starts[1:] - 1
    pair = pa.array(work.pair[begin])
    return pa.table(
        {
            "student_key": work.students.take(pair),
            "competency_id": work.competencies.take(pair),
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
        }
    )


def _segments(work: _Work, counted: IntArray, correct: ByteArray, night: Night) -> Any:
    import pyarrow as pa

    pairs, days = work.pair[counted], work.day[counted]
    starts = _starts(pairs, days)
    begin, last = starts[:-1], starts[1:] - 1
    pair = pairs[begin]
    matrices = bkt.segments(correct, starts, work.model_rows[pair], night.models.parameters)
    return pa.table(
        {
            "student_key": work.students.take(pa.array(pair)),
            "competency_id": work.competencies.take(pa.array(pair)),
            "work_date": _days(days[begin]),
            "data_date": _same_day(night, begin.size),
            "counted_attempts": pa.array(np.diff(starts).astype(np.int32)),
            "counted_correct": pa.array(_sums(correct, starts).astype(np.int32)),
            **{name: pa.array(matrices[:, i]) for i, name in enumerate(("m00", "m01", "m10", "m11", "log_scale"))},
            "last_event_at": _instants(work.time_us[counted][last]),
            "model_version": _versions(work, night, pair),
        }
    )


def _states(
    work: _Work,
    counted: IntArray,
    offsets: IntArray,
    correct: ByteArray,
    known: FloatArray,
    standing: Standing,
    night: Night,
) -> Any:
    import pyarrow as pa

    sizes = np.diff(offsets)
    has_evidence = sizes > 0
    parameters = night.models.parameters[work.model_rows]
    now = parameters[:, bkt.PRIOR].copy()
    now[has_evidence] = known[offsets[1:][has_evidence] - 1]
    # Where nothing has counted yet the last attempt of any kind stands for the last counted one.
    newest = work.offsets[1:] - 1
    newest[has_evidence] = counted[offsets[1:][has_evidence] - 1]
    first_us = work.time_us[work.offsets[:-1]]
    share, low, high = expected_share(now, sizes, parameters, night.config.policy)
    return pa.table(
        {
            "student_key": work.students,
            "competency_id": work.competencies,
            "state": pa.array(STATES, pa.string()).take(pa.array(standing.state)),
            "p_known": pa.array(now),
            "expected_share": pa.array(share),
            "share_low": pa.array(low),
            "share_high": pa.array(high),
            "attempts": pa.array(np.diff(work.offsets).astype(np.int32)),
            "counted_attempts": pa.array(sizes.astype(np.int32)),
            "counted_correct": pa.array(_sums(correct, offsets).astype(np.int32)),
            "opportunities_without_three": pa.array(standing.without_three.astype(np.int32)),
            "first_event_at": _instants(first_us),
            "last_event_at": _instants(work.time_us[newest]),
            "state_since_at": _instants(np.where(has_evidence, standing.since_us, first_us)),
            "next_transition_at": _instants(standing.next_us, standing.next_us == NEVER),
            "last_event_id": work.table["event_id"].combine_chunks().take(pa.array(newest)),
            "model_version": _versions(work, night, np.arange(work.pairs)),
            "policy_version": pa.array([night.config.policy_version] * work.pairs, pa.string()),
            "data_date": _same_day(night, work.pairs),
        }
    )


def _decisions(
    work: _Work, counted: IntArray, offsets: IntArray, known: FloatArray, transitions: Transitions, night: Night
) -> Any:
    import pyarrow as pa

    pair, event = transitions.pair, transitions.event
    number = event - offsets[pair] + 1
    sizes = np.minimum(number, EVIDENCE_EVENTS)
    ends = np.r_[0, np.cumsum(sizes)].astype(np.int32)
    # Positions of each decision's newest counted events, in order of work.
    positions = np.arange(ends[-1]) - np.repeat(ends[:-1] - (event - sizes + 1), sizes)
    event_ids = work.table["event_id"].combine_chunks().take(pa.array(counted[positions]))
    evidence = pa.ListArray.from_arrays(pa.array(ends), event_ids)
    names = pa.array(STATES, pa.string())
    columns = {
        "student_key": work.students.take(pa.array(pair)),
        "competency_id": work.competencies.take(pa.array(pair)),
        "decided_at": _instants(transitions.at_us),
        "from_state": names.take(pa.array(transitions.from_state)),
        "to_state": names.take(pa.array(transitions.to_state)),
        "p_known": pa.array(known[event]),
        "counted_attempts": pa.array(number.astype(np.int32)),
        "evidence_event_ids": evidence,
        "model_version": _versions(work, night, pair),
        "policy_version": pa.array([night.config.policy_version] * pair.size, pa.string()),
        "data_date": _same_day(night, pair.size),
    }
    return pa.table(
        {
            "decision_id": pa.array(_decision_ids(columns, transitions.at_us), pa.string()),
            "is_retraction": pa.array(np.zeros(pair.size, dtype=bool)),
            **columns,
        }
    )


def _decision_ids(columns: dict[str, Any], at_us: IntArray) -> list[str]:
    """Hash of pupil, competency, instant, states, count, evidence and versions: the same in any order of arrival."""
    named = ("student_key", "competency_id", "from_state", "to_state", "model_version", "policy_version")
    fields = [columns[name].to_pylist() for name in named]
    counts = columns["counted_attempts"].to_pylist()
    evidence = columns["evidence_event_ids"].to_pylist()
    return [
        hashlib.sha256("|".join((*keys, str(at), str(count), *events)).encode()).hexdigest()[:32]
        for *keys, at, count, events in zip(*fields, at_us.tolist(), counts, evidence, strict=True)
    ]
