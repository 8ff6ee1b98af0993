"""From a pupil's attempts, in any order of arrival, to everything that gold says about them.

Pure: Arrow tables in, Arrow tables out, in the columns of the contracts. :func:`restate` computes pairs from all their
evidence and is the oracle; :func:`advance` goes on from where they stand with what came after. Both are one fold, so
that nights in any grouping give what one rebuild gives. The same functions serve Spark's tasks and tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import arrow
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import MasteryConfig
from cairn.mastery.evidence import COUNTED, NO_ITEM, Attempts, BoolArray, judge
from cairn.mastery.hashing import HashArray, hash_texts, hex_texts, mix, pair_keys
from cairn.mastery.models import ModelTable
from cairn.mastery.policy import NEVER, STATES, Standing, Transitions, expected_share, nothing_yet, walk

IDENTITY_COLUMNS = ("student_key", "competency_id")
DAY_COLUMNS = ("work_date", "org_id", "class_id")
COLUMNS = (*IDENTITY_COLUMNS, *arrow.ATTEMPT_COLUMNS, *DAY_COLUMNS)
# What a night needs of a standing pair to go on from it, as gold.mastery_state names it.
STANDING_COLUMNS = (
    *IDENTITY_COLUMNS,
    "pair_key",
    "state",
    "p_known",
    "attempts",
    "counted_attempts",
    "counted_correct",
    "opportunities_without_three",
    "right_in_a_row",
    "first_event_at",
    "last_event_at",
    "last_work_date",
    "state_since_at",
    "evidence_hash",
    "recent_attempts",
)
STRETCH_COLUMNS = ("m00", "m01", "m10", "m11", "log_scale")


@dataclass(frozen=True)
class Night:
    """What a restatement is made with. as_of_us: work before this instant counts (microseconds since 1970 UTC)."""

    config: MasteryConfig
    models: ModelTable
    as_of_us: int
    data_date: date


@dataclass(frozen=True)
class Restated:
    """What a fold gives, in the columns of the contracts but for those that the writer adds."""

    attempt_day: pa.Table
    mastery_state: pa.Table
    mastery_decision: pa.Table


@dataclass(frozen=True)
class _Recent:
    """Attempts of earlier nights that a new one may follow, as parallel arrays (n): pair, item (hash), work time."""

    pair: IntArray
    item: IntArray
    time_us: IntArray


@dataclass(frozen=True)
class _Before:
    """Where pairs stood (pairs): the policy's standing, the model's state, counts and instants of any work."""

    policy: Standing
    model: FloatArray
    attempts: IntArray
    correct: IntArray
    first_us: IntArray
    last_us: IntArray
    last_day: IntArray
    recent: _Recent


@dataclass(frozen=True)
class _Work:
    """New attempts in order of pair and work (n), where pairs begin (pairs + 1), and their names (pairs)."""

    table: pa.Table
    students: pa.DictionaryArray
    competencies: pa.DictionaryArray
    keys: IntArray
    model_rows: IntArray
    offsets: IntArray
    pair: IntArray
    item: IntArray
    time_us: IntArray
    day: IntArray
    is_counted: BoolArray
    is_right: BoolArray
    is_correct: BoolArray
    recent: tuple[IntArray, IntArray]

    @property
    def pairs(self) -> int:
        """How many pairs."""
        return self.offsets.size - 1


def restate(table: pa.Table, night: Night) -> Restated:
    """Fold all evidence of some pairs, from nothing.

    ``table`` has columns COLUMNS, one row an event and competency, without those voided. Pairs without an attempt
    before the as-of instant get no rows.
    """
    return _fold(table, night, None)


def advance(table: pa.Table, standing: pa.Table, night: Night) -> Restated:
    """Fold new evidence on to pairs that stand (columns STANDING_COLUMNS), and let time pass for all of these.

    ``table`` as for :func:`restate`, of standing or new pairs; every attempt must be of a later local day than its
    pair's last work: what came late is for :func:`restate`.
    """
    return _fold(table, night, standing)


def _fold(table: pa.Table, night: Night, standing: pa.Table | None) -> Restated:
    work, before = _prepare(table, night, standing)
    counted = np.flatnonzero(work.is_counted)
    offsets = np.searchsorted(counted, work.offsets).astype(np.int64)
    correct = work.is_right[counted].astype(np.int8)
    known = night.models.advance(before.model, correct, offsets, work.model_rows)
    events = mix(hash_texts(work.table["event_id"].take(pa.array(counted))), correct.astype(np.uint64))
    transitions, now = walk(
        known,
        correct,
        work.time_us[counted],
        events,
        offsets,
        before.model,
        before.policy,
        night.config.policy,
        night.as_of_us,
    )
    return Restated(
        attempt_day=_attempt_days(work, counted, correct, night),
        mastery_state=_states(work, before, offsets, correct, known, now, night),
        mastery_decision=_decisions(work, transitions, night),
    )


def _prepare(table: pa.Table, night: Night, standing: pa.Table | None) -> tuple[_Work, _Before]:
    rule = night.config.evidence
    table = arrow.usable(table, rule)
    table = arrow.kept(table, arrow.integers(table["event_time"]) < night.as_of_us)
    stood = 0 if standing is None else standing.num_rows
    student, students = _coded_with(table, standing, "student_key")
    competency, competencies = _coded_with(table, standing, "competency_id")
    width = max(1, len(competencies))
    both, pair = np.unique(student * width + competency, return_inverse=True)
    pair = pair.reshape(-1).astype(np.int64)
    standing_pair, pair = pair[:stood], pair[stood:]
    before = _before(standing, standing_pair, both.size)
    attempts = arrow.attempts_from(table, pair, rule)
    attempts, new = _with_recent(attempts, before.recent)
    judged = judge(attempts, rule)
    # Attempts of earlier nights were there to be followed, and are left out again.
    is_new = new[judged.order] >= 0
    order = judged.order[is_new]
    place = new[order]
    of_student, of_competency = both // width, both % width
    rows = night.models.rows(competencies)[of_competency] if competencies else np.zeros(0, dtype=np.int64)
    names = pa.array(students, pa.string()), pa.array(competencies, pa.string())
    work = _Work(
        table=table.take(pa.array(place)),
        students=_named(of_student, names[0]),
        competencies=_named(of_competency, names[1]),
        keys=pair_keys(hash_texts(names[0])[of_student], hash_texts(names[1])[of_competency]),
        model_rows=rows,
        offsets=np.searchsorted(pair[place], np.arange(both.size + 1)).astype(np.int64),
        pair=pair[place],
        item=attempts.item[order],
        time_us=attempts.time_us[order],
        day=arrow.integers(table["work_date"])[place],
        is_counted=(judged.verdict == COUNTED)[is_new],
        is_right=judged.is_right[is_new],
        is_correct=attempts.is_correct[order],
        recent=_recent(attempts, both.size, before.last_us, int(rule.spacing_seconds * 1_000_000)),
    )
    return work, _started(before, work, night)


def _coded_with(table: pa.Table, standing: pa.Table | None, name: str) -> tuple[IntArray, list[str]]:
    """Codes of the standing rows' values and then of the new rows', and the values."""
    if standing is None:
        return arrow.coded(table[name])
    text = [one[name].cast(pa.string()) for one in (standing, table)]
    return arrow.coded(pa.chunked_array([chunk for column in text for chunk in column.chunks], pa.string()))


def _named(codes: IntArray, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)


def _before(standing: pa.Table | None, place: IntArray, pairs: int) -> _Before:
    """Where each of the pairs stood; nothing yet for those without a standing row."""
    policy, zero = nothing_yet(pairs), np.zeros(pairs, dtype=np.int64)
    if standing is None or standing.num_rows == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return _Before(policy, np.full(pairs, np.nan), zero, zero, zero, zero, zero, _Recent(nothing, nothing, nothing))

    def put(name: str) -> IntArray:
        values = np.zeros(pairs, dtype=np.int64)
        values[place] = arrow.integers(standing[name])
        return values

    state_codes, state_names = arrow.coded(standing["state"])
    state = np.zeros(pairs, dtype=np.int8)
    state[place] = np.array([STATES.index(name) for name in state_names], dtype=np.int8)[state_codes]
    counted, last_us = put("counted_attempts"), put("last_event_at")
    model = np.full(pairs, np.nan)
    model[place] = arrow.floats(standing["p_known"])
    policy = Standing(
        state=state,
        since_us=np.where(counted > 0, put("state_since_at"), 0),
        next_us=policy.next_us,
        in_a_row=put("right_in_a_row"),
        without_three=put("opportunities_without_three"),
        counted=counted,
        last_us=np.where(counted > 0, last_us, 0),
        evidence=put("evidence_hash").view(np.uint64),
    )
    lists = standing["recent_attempts"].combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    values = arrow.integers(lists.flatten())
    sizes = arrow.integers(pc.list_value_length(lists)) // 2
    return _Before(
        policy=policy,
        model=model,
        attempts=put("attempts"),
        correct=put("counted_correct"),
        first_us=put("first_event_at"),
        last_us=last_us,
        last_day=put("last_work_date"),
        recent=_Recent(np.repeat(place, sizes), values[0::2], values[1::2]),
    )


def _started(before: _Before, work: _Work, night: Night) -> _Before:
    """The model's prior where nothing stood."""
    model = np.where(np.isnan(before.model), night.models.start(work.model_rows), before.model)
    return replace(before, model=model)


def _with_recent(attempts: Attempts, recent: _Recent) -> tuple[Attempts, IntArray]:
    """The attempts with those of earlier nights that a new one may follow; place of each among the new ones, or -1."""
    new = np.arange(attempts.pair.size, dtype=np.int64)
    size = recent.pair.size
    if size == 0:
        return attempts, new
    no = np.zeros(size, dtype=bool)
    whole = Attempts(
        pair=np.r_[attempts.pair, recent.pair],
        item=np.r_[attempts.item, recent.item],
        time_us=np.r_[attempts.time_us, recent.time_us],
        event_rank=np.r_[attempts.event_rank, np.zeros(size, dtype=np.int64)],
        is_correct=np.r_[attempts.is_correct, no],
        has_hints=np.r_[attempts.has_hints, no],
        is_practice=np.r_[attempts.is_practice, no],
        is_rapid=np.r_[attempts.is_rapid, no],
    )
    return whole, np.r_[new, np.full(size, -1, dtype=np.int64)]


def _recent(attempts: Attempts, pairs: int, last_us: IntArray, spacing_us: int) -> tuple[IntArray, IntArray]:
    """Items worked on within the spacing before each pair's last work, each with its newest time: (offsets, values).

    ``values`` are hash and time in turn; ``offsets`` (pairs + 1) count values.
    """
    newest = last_us.copy()
    np.maximum.at(newest, attempts.pair, attempts.time_us)
    keep = np.flatnonzero((attempts.item != NO_ITEM) & (attempts.time_us > newest[attempts.pair] - spacing_us))
    keep = keep[np.lexsort((attempts.time_us[keep], attempts.item[keep], attempts.pair[keep]))]
    pair, item, time_us = attempts.pair[keep], attempts.item[keep], attempts.time_us[keep]
    is_last = np.ones(keep.size, dtype=bool)
    is_last[:-1] = (pair[1:] != pair[:-1]) | (item[1:] != item[:-1])
    pair, item, time_us = pair[is_last], item[is_last], time_us[is_last]
    values = np.empty(2 * pair.size, dtype=np.int64)
    values[0::2], values[1::2] = item, time_us
    return 2 * np.searchsorted(pair, np.arange(pairs + 1)).astype(np.int64), values


def _instants(values: IntArray, missing: BoolArray | None = None) -> pa.Array:
    return pa.array(values, pa.int64(), mask=missing).cast(pa.timestamp("us", tz="UTC"))


def _days(values: IntArray) -> pa.Array:
    return pa.array(values.astype(np.int32), pa.int32()).cast(pa.date32())


def _same_day(night: Night, size: int) -> pa.Array:
    return _days(np.full(size, (night.data_date - date(1970, 1, 1)).days, dtype=np.int64))


def _same_text(value: str, size: int) -> pa.DictionaryArray:
    return _named(np.zeros(size, dtype=np.int64), pa.array([value], pa.string()))


def _versions(work: _Work, night: Night, pair: IntArray) -> pa.DictionaryArray:
    return _named(work.model_rows[pair], pa.array(night.models.versions, pa.string()))


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


def _attempt_days(work: _Work, counted: IntArray, correct: ByteArray, night: Night) -> pa.Table:
    """One row a pair and day: counts, and the counted attempts as one stretch of the model."""
    starts = _starts(work.pair, work.day)
    begin, last = starts[:-1], starts[1:] - 1
    pair = work.pair[begin]
    within = np.searchsorted(counted, starts).astype(np.int64)
    stretches = night.models.stretches(correct, within, work.model_rows[pair])
    return pa.table(
        {
            "student_key": _taken(work.students, pair),
            "competency_id": _taken(work.competencies, pair),
            "work_date": _days(work.day[begin]),
            "org_id": _most_frequent(work.table["org_id"], starts),
            "class_id": _most_frequent(work.table["class_id"], starts),
            "attempts": pa.array(np.diff(starts).astype(np.int32)),
            "counted_attempts": pa.array(np.diff(within).astype(np.int32)),
            "correct": pa.array(_sums(work.is_correct, starts).astype(np.int32)),
            "counted_correct": pa.array(_sums(correct, within).astype(np.int32)),
            "hints": pa.array(_sums(arrow.integers(work.table["hints"]), starts).astype(np.int32)),
            "duration_ms": pa.array(_sums(arrow.integers(work.table["duration_ms"]), starts)),
            "first_event_at": _instants(work.time_us[begin]),
            "last_event_at": _instants(work.time_us[last]),
            "data_date": _same_day(night, begin.size),
            **{name: pa.array(stretches[:, i]) for i, name in enumerate(STRETCH_COLUMNS)},
            "model_version": _versions(work, night, pair),
            "pair_key": pa.array(work.keys[pair]),
        }
    )


def _states(
    work: _Work,
    before: _Before,
    offsets: IntArray,
    correct: ByteArray,
    known: FloatArray,
    now: Standing,
    night: Night,
) -> pa.Table:
    """One row a pair: where it stands now."""
    model = before.model.copy()
    has_new = np.diff(offsets) > 0
    model[has_new] = known[offsets[1:][has_new] - 1]
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
    parameters = night.models.parameters[work.model_rows]
    share, low, high = expected_share(model, now.counted, parameters, night.config.policy)
    return pa.table(
        {
            "student_key": work.students,
            "competency_id": work.competencies,
            "state": _named(now.state.astype(np.int64), pa.array(STATES, pa.string())),
            "p_known": pa.array(model),
            "expected_share": pa.array(share),
            "share_low": pa.array(low),
            "share_high": pa.array(high),
            "attempts": pa.array((before.attempts + new_attempts).astype(np.int32)),
            "counted_attempts": pa.array(now.counted.astype(np.int32)),
            "counted_correct": pa.array((before.correct + _sums(correct, offsets)).astype(np.int32)),
            "opportunities_without_three": pa.array(now.without_three.astype(np.int32)),
            "first_event_at": _instants(first_us),
            "last_event_at": _instants(np.where(has_evidence, now.last_us, last_us)),
            "state_since_at": _instants(np.where(has_evidence, now.since_us, first_us)),
            "next_transition_at": _instants(now.next_us, now.next_us == NEVER),
            "model_version": _versions(work, night, np.arange(work.pairs)),
            "policy_version": _same_text(night.config.policy_version, work.pairs),
            "data_date": _same_day(night, work.pairs),
            "evidence_hash": pa.array(now.evidence.view(np.int64)),
            "right_in_a_row": pa.array(now.in_a_row.astype(np.int32)),
            "last_work_date": _days(last_day),
            "recent_attempts": pa.ListArray.from_arrays(
                pa.array(work.recent[0].astype(np.int32)), pa.array(work.recent[1])
            ),
            "pair_key": pa.array(work.keys),
        }
    )


def _decisions(work: _Work, transitions: Transitions, night: Night) -> pa.Table:
    """One row a change of state."""
    pair = transitions.pair
    names = pa.array(STATES, pa.string())
    return pa.table(
        {
            "decision_id": _decision_ids(work, transitions, night),
            "is_retraction": pa.array(np.zeros(pair.size, dtype=bool)),
            "student_key": _taken(work.students, pair),
            "competency_id": _taken(work.competencies, pair),
            "decided_at": _instants(transitions.at_us),
            "from_state": _named(transitions.from_state.astype(np.int64), names),
            "to_state": _named(transitions.to_state.astype(np.int64), names),
            "p_known": pa.array(transitions.known),
            "counted_attempts": pa.array(transitions.counted.astype(np.int32)),
            "model_version": _versions(work, night, pair),
            "policy_version": _same_text(night.config.policy_version, pair.size),
            "data_date": _same_day(night, pair.size),
            "evidence_hash": pa.array(transitions.evidence.view(np.int64)),
            "pair_key": pa.array(work.keys[pair]),
        }
    )


def _decision_ids(work: _Work, transitions: Transitions, night: Night) -> pa.StringArray:
    """Hash of pupil, competency, instant, states, counted evidence and versions: the same in any order of arrival."""
    pair = transitions.pair
    states = (transitions.from_state.astype(np.uint64) << np.uint64(8)) | transitions.to_state.astype(np.uint64)
    models = hash_texts(pa.array(night.models.versions, pa.string()))[work.model_rows[pair]]
    policy = hash_texts(pa.array([night.config.policy_version]))
    what: HashArray = work.keys.view(np.uint64)[pair]
    for part in (transitions.at_us.view(np.uint64), states, transitions.counted.view(np.uint64)):
        what = mix(what, np.ascontiguousarray(part))
    for part in (models, np.broadcast_to(policy, pair.shape), transitions.evidence):
        what = mix(what, np.ascontiguousarray(part))
    return hex_texts(work.keys.view(np.uint64)[pair], what)
