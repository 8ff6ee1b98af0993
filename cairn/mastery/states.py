"""From a pupil's attempts, in any order of arrival, to everything that gold says about them.

Pure: Arrow tables in, Arrow tables out, in the columns of the contracts. :func:`restate` computes pairs from all their
evidence and is the oracle; :func:`advance` goes on from where they stand with what came after. Both are one fold, so
that nights in any grouping give what one rebuild gives. The same functions serve Spark's tasks and tests.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from cairn.mastery import arrow, gold_rows
from cairn.mastery.bkt import IntArray
from cairn.mastery.config import ThresholdPolicy
from cairn.mastery.evidence import COUNTED, TOTAL, Attempts, BoolArray, Judged, judge
from cairn.mastery.gold_rows import Before, Night, Recent, Restated, Work, named
from cairn.mastery.hashing import hash_texts, mix, pair_keys
from cairn.mastery.policy import STATES, Standing, nothing_yet, walk

__all__ = ["COLUMNS", "STANDING_COLUMNS", "Night", "Restated", "advance", "restate"]

IDENTITY_COLUMNS = ("student_key", "competency_id")
PLACE_COLUMNS = ("org_id", "class_id")
COLUMNS = (*IDENTITY_COLUMNS, *arrow.ATTEMPT_COLUMNS, *PLACE_COLUMNS)
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
    "counted_items",
    "counted_days",
    "recent_attempts",
)
# The day of attempts that an earlier night judged: before any day of the night's.
EARLIER_DAY = np.int64(-1)


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
        work.day[counted],
        work.item[counted],
        events,
        offsets,
        before.model,
        before.policy,
        night.config.policy,
        night.as_of_us,
    )
    return Restated(
        attempt_day=gold_rows.attempt_days(work, counted, correct, night),
        mastery_state=gold_rows.states(work, before, offsets, correct, known, now, night),
        mastery_decision=gold_rows.decisions(work, transitions, night),
    )


def _prepare(table: pa.Table, night: Night, standing: pa.Table | None) -> tuple[Work, Before]:
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
    before = _before(standing, standing_pair, both.size, night.config.policy)
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
    work = Work(
        table=table.take(pa.array(place)),
        students=named(of_student, names[0]),
        competencies=named(of_competency, names[1]),
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
        recent=_recent(attempts, _seen(judged), both.size, before.last_us, int(rule.spacing_seconds * 1_000_000)),
    )
    return work, _started(before, work, night)


def _coded_with(table: pa.Table, standing: pa.Table | None, name: str) -> tuple[IntArray, list[str]]:
    """Codes of the standing rows' values and then of the new rows', and the values."""
    if standing is None:
        return arrow.coded(table[name])
    text = [one[name].cast(pa.string()) for one in (standing, table)]
    return arrow.coded(pa.chunked_array([chunk for column in text for chunk in column.chunks], pa.string()))


def _before(standing: pa.Table | None, place: IntArray, pairs: int, rule: ThresholdPolicy) -> Before:
    """Where each of the pairs stood; nothing yet for those without a standing row."""
    policy, zero = nothing_yet(pairs, rule.minimum.items), np.zeros(pairs, dtype=np.int64)
    if standing is None or standing.num_rows == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return Before(policy, np.full(pairs, np.nan), zero, zero, zero, zero, zero, Recent(nothing, nothing, nothing))

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
        items=_put_lists(standing["counted_items"], place, policy.items),
        days=put("counted_days"),
    )
    values, sizes = arrow.list_values(standing["recent_attempts"])
    sizes = sizes // 2
    return Before(
        policy=policy,
        model=model,
        attempts=put("attempts"),
        correct=put("counted_correct"),
        first_us=put("first_event_at"),
        last_us=last_us,
        last_day=put("last_work_date"),
        recent=Recent(np.repeat(place, sizes), values[0::2], values[1::2]),
    )


def _put_lists(column: pa.ChunkedArray, place: IntArray, nothing: IntArray) -> IntArray:
    """Lists of the standing rows as rows of a matrix, behind what each row has of them: NO_ITEM."""
    values, sizes = arrow.list_values(column)
    found = nothing.copy()
    row = np.repeat(place, sizes)
    found[row, np.arange(values.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)] = values
    return found


def _started(before: Before, work: Work, night: Night) -> Before:
    """The model's prior where nothing stood."""
    model = np.where(np.isnan(before.model), night.models.start(work.model_rows), before.model)
    return replace(before, model=model)


def _with_recent(attempts: Attempts, recent: Recent) -> tuple[Attempts, IntArray]:
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
        day=np.r_[attempts.day, np.full(size, EARLIER_DAY)],
        event_rank=np.r_[attempts.event_rank, np.zeros(size, dtype=np.int64)],
        is_correct=np.r_[attempts.is_correct, no],
        has_hints=np.r_[attempts.has_hints, no],
        is_total=np.r_[attempts.is_total, no],
        is_practice=np.r_[attempts.is_practice, no],
        is_rapid=np.r_[attempts.is_rapid, no],
    )
    return whole, np.r_[new, np.full(size, -1, dtype=np.int64)]


def _seen(judged: Judged) -> BoolArray:
    """Which attempts (in their own order) a later one may follow: totals beside their answers take nobody's place."""
    seen = np.ones(judged.order.size, dtype=bool)
    seen[judged.order[judged.verdict == TOTAL]] = False
    return seen


def _recent(
    attempts: Attempts, is_seen: BoolArray, pairs: int, last_us: IntArray, spacing_us: int
) -> tuple[IntArray, IntArray]:
    """Items worked on within the spacing before each pair's last work, each with its newest time: (offsets, values).

    ``values`` are hash and time in turn; ``offsets`` (pairs + 1) count values. Unnamed items are of a day that is over.
    """
    newest = last_us.copy()
    np.maximum.at(newest, attempts.pair, attempts.time_us)
    keep = np.flatnonzero(is_seen & (attempts.item >= 0) & (attempts.time_us > newest[attempts.pair] - spacing_us))
    keep = keep[np.lexsort((attempts.time_us[keep], attempts.item[keep], attempts.pair[keep]))]
    pair, item, time_us = attempts.pair[keep], attempts.item[keep], attempts.time_us[keep]
    is_last = np.ones(keep.size, dtype=bool)
    is_last[:-1] = (pair[1:] != pair[:-1]) | (item[1:] != item[:-1])
    pair, item, time_us = pair[is_last], item[is_last], time_us[is_last]
    values = np.empty(2 * pair.size, dtype=np.int64)
    values[0::2], values[1::2] = item, time_us
    return 2 * np.searchsorted(pair, np.arange(pairs + 1)).astype(np.int64), values
