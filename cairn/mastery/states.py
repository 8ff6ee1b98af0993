"""From a pupil's attempts, in any order of arrival, to everything that gold says about them.

Pure: Arrow tables in, Arrow tables out, in the columns of the contracts. :func:`restate` computes pupils from all their
evidence and is the oracle; :func:`advance` goes on from where they stand with what came after. Both are one fold, so
that nights in any grouping give what one rebuild gives. The same functions serve Spark's tasks and tests.

A pair's share rests on the pupil's work on other competencies too, as it stood at the pair's own last counted attempt.
So a fold needs whole pupils: all their evidence, or all that came since they stood as they did.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cairn.mastery import arrow, gold_rows
from cairn.mastery.bkt import IntArray
from cairn.mastery.evidence import COUNTED, TOTAL, Attempts, BoolArray, Judged, judge
from cairn.mastery.gold_rows import Before, Night, Recent, Restated, Work, named
from cairn.mastery.hashing import hash_texts, mix, pair_keys
from cairn.mastery.policy import NEVER, STATES, Standing, nothing_yet
from cairn.mastery.share import columns
from cairn.mastery.share.logistic import chances
from cairn.mastery.share.pupils import newest_of_pupils, states_behind
from cairn.mastery.share.walk import Answers, walk

__all__ = [
    "COLUMNS",
    "PUPIL_COLUMNS",
    "STANDING_COLUMNS",
    "Night",
    "Restated",
    "advance",
    "answers_of",
    "counted_answers",
    "restate",
]

IDENTITY_COLUMNS = ("student_key", "competency_id")
PLACE_COLUMNS = ("org_id", "class_id")
COLUMNS = (*IDENTITY_COLUMNS, *arrow.ATTEMPT_COLUMNS, *PLACE_COLUMNS)
# What a night needs of a standing pair to go on from it, as gold.mastery_state names it.
STANDING_COLUMNS = (
    *IDENTITY_COLUMNS,
    "pair_key",
    "state",
    "attempts",
    "opportunities_without_three",
    "right_in_a_row",
    "wrong_since_mastered",
    "next_transition_at",
    "first_event_at",
    "last_event_at",
    "last_work_date",
    "state_since_at",
    "evidence_hash",
    "counted_items",
    "counted_days",
    "recent_attempts",
    *columns.SHARE_COLUMNS,
)
# The newest row of a pupil is what the pupil's work goes on from.
PUPIL_COLUMNS = ("student_key", "last_event_at", *columns.PUPIL_COLUMNS)
# The day of attempts that an earlier night judged: before any day of the night's.
EARLIER_DAY = np.int64(-1)


def restate(table: pa.Table, night: Night) -> Restated:
    """Fold all evidence of some pupils, from nothing.

    ``table`` has columns COLUMNS, one row an event and competency, without those voided, of whole pupils. Pairs without
    an attempt before the as-of instant get no rows.
    """
    return _fold(table, night, None, None)


def advance(table: pa.Table, standing: pa.Table, pupils: pa.Table, night: Night) -> Restated:
    """Fold new evidence on to pairs that stand (columns STANDING_COLUMNS), and let time pass for all of these.

    ``table`` as for :func:`restate`, all new evidence of its pupils; every attempt must be of a later local day than
    any work of its pupil that stands: what came late is for :func:`restate`. ``pupils`` (columns PUPIL_COLUMNS) has, of
    each pupil in ``table`` with pairs that stand, at least the one with the most counted answers behind it.
    """
    return _fold(table, night, standing, pupils)


def answers_of(table: pa.Table, competency: str, night: Night) -> Answers:
    """The counted answers of one pupil on a competency; ``table`` as for :func:`restate`, of that pupil alone."""
    work, _ = _prepare(table, night, None)
    answers = _counted_answers(work, None, night)
    place = pa.compute.index(work.competencies.cast(pa.string()), competency).as_py()
    begin, end = (int(answers.offsets[place + i]) if place >= 0 else 0 for i in (0, 1))
    own = {name: getattr(answers, name)[begin:end] for name in Answers.__annotations__ if name != "offsets"}
    return Answers(offsets=np.array([0, end - begin], dtype=np.int64), **own)


def counted_answers(table: pa.Table, night: Night) -> pa.Table:
    """The counted answers of some whole pupils, of each pair in order of work; ``table`` as for :func:`restate`.

    Columns student_key, competency_id, work_date and is_right.
    """
    work, _ = _prepare(table, night, None)
    counted = pa.array(np.flatnonzero(work.is_counted))
    chosen = work.table.take(counted)
    columns = {name: chosen[name] for name in (*IDENTITY_COLUMNS, "work_date")}
    return pa.table(columns | {"is_right": pa.array(work.is_right).take(counted)})


def _fold(table: pa.Table, night: Night, standing: pa.Table | None, pupils: pa.Table | None) -> Restated:
    work, before = _prepare(table, night, standing)
    answers = _counted_answers(work, pupils, night)
    transitions, now = walk(
        answers,
        work.model_rows,
        before.policy,
        night.model.arrays,
        work.schedule,
        night.config.evidence.right_from,
        night.as_of_us,
    )
    return Restated(
        attempt_day=gold_rows.attempt_days(work, night),
        mastery_state=gold_rows.states(work, before, now, night),
        mastery_decision=gold_rows.decisions(work, transitions, night),
    )


def _counted_answers(work: Work, pupils: pa.Table | None, night: Night) -> Answers:
    """The new attempts that count, each with what was expected of it and the pupil's state behind it."""
    counted = np.flatnonzero(work.is_counted)
    pair, item, time_us = work.pair[counted], work.item[counted], work.time_us[counted]
    correct = work.correct[counted]
    easiness = night.model.easiness_of(item, work.model_rows[pair])
    event_id = work.table["event_id"].take(pa.array(counted))
    event, residual = hash_texts(event_id), correct - chances(easiness)
    # Pairs lie in order of their pupils.
    student, students = arrow.coded(work.students)
    start = newest_of_pupils(pupils, students)
    behind = states_behind(
        student[pair], time_us, event_id, event, correct, residual, start, night.config.evidence.right_from
    )
    return Answers(
        offsets=np.searchsorted(counted, work.offsets).astype(np.int64),
        correct=correct,
        time_us=time_us,
        day=work.day[counted],
        item=item,
        event=mix(event, correct.view(np.uint64)),
        residual=residual,
        pupil=behind,
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
    of_student, of_competency = both // width, both % width
    schedule = night.schedule(of_competency, competencies)
    before = _before(standing, standing_pair, both.size, schedule.items)
    attempts = arrow.attempts_from(table, pair, rule, night.limits)
    attempts, new = _with_recent(attempts, before.recent)
    judged = judge(attempts, rule)
    # Attempts of earlier nights were there to be followed, and are left out again.
    is_new = new[judged.order] >= 0
    order = judged.order[is_new]
    place = new[order]
    rows = night.model.rows(competencies)[of_competency] if competencies else np.zeros(0, dtype=np.int64)
    names = pa.array(students, pa.string()), pa.array(competencies, pa.string())
    work = Work(
        table=table.take(pa.array(place)),
        students=named(of_student, names[0]),
        competencies=named(of_competency, names[1]),
        keys=pair_keys(hash_texts(names[0])[of_student], hash_texts(names[1])[of_competency]),
        model_rows=rows,
        schedule=schedule,
        offsets=np.searchsorted(pair[place], np.arange(both.size + 1)).astype(np.int64),
        pair=pair[place],
        item=attempts.item[order],
        time_us=attempts.time_us[order],
        day=arrow.integers(table["work_date"])[place],
        is_counted=(judged.verdict == COUNTED)[is_new],
        correct=judged.correct[is_new],
        is_right=judged.correct[is_new] >= rule.right_from,
        is_correct=attempts.correct[order] >= rule.right_from,
        recent=_recent(attempts, _seen(judged), both.size, before.last_us, int(rule.spacing_seconds * 1_000_000)),
    )
    return work, before


def _coded_with(table: pa.Table, standing: pa.Table | None, name: str) -> tuple[IntArray, list[str]]:
    """Codes of the standing rows' values and then of the new rows', and the values."""
    if standing is None:
        return arrow.coded(table[name])
    text = [one[name].cast(pa.string()) for one in (standing, table)]
    return arrow.coded(pa.chunked_array([chunk for column in text for chunk in column.chunks], pa.string()))


def _before(standing: pa.Table | None, place: IntArray, pairs: int, items: int) -> Before:
    """Where each of the pairs stood, with room for ``items``; nothing yet for those without a standing row."""
    policy, zero = nothing_yet(pairs, items), np.zeros(pairs, dtype=np.int64)
    if standing is None or standing.num_rows == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return Before(policy, zero, zero, zero, zero, Recent(nothing, nothing, nothing))

    def put(name: str, missing: int = 0) -> IntArray:
        values = np.full(pairs, missing, dtype=np.int64)
        values[place] = arrow.integers(standing[name], missing)
        return values

    state_codes, state_names = arrow.coded(standing["state"])
    state = np.zeros(pairs, dtype=np.int8)
    state[place] = np.array([STATES.index(name) for name in state_names], dtype=np.int8)[state_codes]
    counted, last_us = put("counted_attempts"), put("last_event_at")
    policy.sums[place], policy.pupil[place] = columns.pair_states(standing), columns.pupil_states(standing)
    policy = Standing(
        state=state,
        since_us=np.where(counted > 0, put("state_since_at"), 0),
        next_us=put("next_transition_at", NEVER),
        in_a_row=put("right_in_a_row"),
        without_three=put("opportunities_without_three"),
        wrong=put("wrong_since_mastered"),
        counted=counted,
        last_us=np.where(counted > 0, last_us, 0),
        evidence=put("evidence_hash").view(np.uint64),
        items=_put_lists(standing["counted_items"], place, policy.items),
        days=put("counted_days"),
        sums=policy.sums,
        pupil=policy.pupil,
    )
    values, sizes = arrow.list_values(standing["recent_attempts"])
    sizes = sizes // 2
    return Before(
        policy=policy,
        attempts=put("attempts"),
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
        correct=np.r_[attempts.correct, np.zeros(size)],
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
