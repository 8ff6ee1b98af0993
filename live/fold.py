"""Pupils folded with what came since the night, by the night's own functions.

No rule is written here. Events become evidence by :func:`cairn.mastery.resolve.resolve`. Which pupils go on from where
they stand and which are restated whole is planned by :func:`spark_jobs.mastery_plan.plan`, as in a night: who worked on
later days only is advanced from gold's standing rows, who has late work or work that was taken back is folded from all
events. Both folds are those of :mod:`cairn.mastery.states`, to which every order of nights is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.evidence.times import microseconds
from cairn.mastery import arrow, hashing
from cairn.mastery.resolve import resolve
from cairn.mastery.states import COLUMNS, PUPIL_COLUMNS, STANDING_COLUMNS, Night, advance, restate
from live.base import Base, by_bucket, events_table
from live.store import NEVER_US, Folded, Store
from spark_jobs import mastery_plan

GONE_STATE = "not_started"
_NO_DAY = np.iinfo(np.int64).max
_SHOWN = ("state", "expected_share", "share_low", "share_high", "attempts", "counted_attempts", "last_event_at_us")


@dataclass(frozen=True)
class Stand:
    """Pupils as they stand: states (columns of gold.mastery_state), and what of them something new touched.

    touched: of each pair of pupil and competency with events since the night (come, or taken back) how many there are.
    first_day: of each pupil the first local day of such work. later: of each pupil the next instant of an event that is
    of later than now.
    """

    states: pa.Table
    touched: Mapping[tuple[str, str], int]
    first_day: Mapping[str, int]
    later: Mapping[str, int]


def fold(base: Base, store: Store, students: Sequence[str], now: datetime) -> Folded:
    """Rows of the live table of some pupils: pairs that something new touched or time or late work may have moved."""
    whole = store.whole(students) if base.is_under_its_rules else set(students)
    rows: list[dict[str, object]] = []
    turns = dict.fromkeys(students, NEVER_US)
    on_time = [student for student in students if student not in whole]
    if on_time:
        whole |= _go_on(base, store, on_time, now, rows, turns)
    if whole:
        found = stand(base, store, sorted(whole), now)
        last_day = arrow.integers(found.states["last_work_date"])
        students_of = found.states["student_key"].to_pylist()
        pairs = list(zip(students_of, found.states["competency_id"].to_pylist(), strict=True))
        is_shown = [
            pair in found.touched or day >= found.first_day.get(pair[0], _NO_DAY)
            for pair, day in zip(pairs, last_day.tolist(), strict=True)
        ]
        rows += _rows(found.states.filter(pa.array(is_shown, pa.bool_())), found.touched, now)
        rows += _gone(set(found.touched) - set(pairs), found.touched, now)
        _turn(turns, students_of, arrow.integers(found.states["next_transition_at"], missing=NEVER_US).tolist())
        _turn(turns, list(found.later), [at_us + 1 for at_us in found.later.values()])
    return Folded(turns, rows)


def _go_on(
    base: Base,
    store: Store,
    students: Sequence[str],
    now: datetime,
    rows: list[dict[str, object]],
    turns: dict[str, int],
) -> set[str]:
    """Advance pupils from where the night left them; returns those who must be folded whole."""
    now_us = microseconds(now)
    since = events_table(store.contents(base.subjects_of(students), None))
    wanted = pa.array(students, pa.string())
    new = _of_pupils(resolve(since, base.known(now_us, store.voids())).evidence.rows(), wanted)
    new = new.append_column("is_removed", pa.array(np.zeros(new.num_rows, dtype=bool)))
    buckets = hashing.buckets_of(new["student_key"], base.record.pupil_buckets)
    late: set[str] = set()
    forward, stood, pupils = [], [], []
    for bucket, some in by_bucket(students, base.record.pupil_buckets).items():
        standing = base.states.bucket(bucket)
        keys = hashing.hash_texts(pa.array(some, pa.string())).view(np.int64)
        index, ours = standing.of_pupils(keys), new.filter(pa.array(buckets == bucket))
        touched = mastery_plan.touched(ours)
        plan = mastery_plan.plan(index, touched, now_us)
        is_late = np.isin(keys, plan.late_pupils)
        late |= {student for student, is_whole in zip(some, is_late.tolist(), strict=True) if is_whole}
        forward.append(ours.filter(pa.array(arrow.places_in(plan.forward, touched.row_key) >= 0)))
        stood.append(standing.table.take(pa.array(index.row[plan.forward_rows])))
        pupils.append(standing.table.take(pa.array(index.row[plan.pupil_rows])).select(PUPIL_COLUMNS))
        rest = np.setdiff1d(np.arange(index.row.size), plan.forward_rows)
        names = dict(zip(keys.tolist(), some, strict=True))
        _turn(turns, [names[key] for key in index.pupil[rest].tolist()], index.next_us[rest].tolist())
    for student in late:  # told when they are folded whole
        turns[student] = NEVER_US
    evidence, standing_rows = (arrow.plain(pa.concat_tables(parts)) for parts in (forward, stood))
    night = Night(base.config, base.model, now_us, now.astimezone(base.settings.zone).date(), base.subject_of)
    pupil_rows = arrow.plain(pa.concat_tables(pupils))
    found = advance(evidence.select(COLUMNS), standing_rows.select(STANDING_COLUMNS), pupil_rows, night)
    states = arrow.plain(found.mastery_state)
    rows += _rows(states, _counts(evidence), now)
    owners = states["student_key"].to_pylist()
    _turn(turns, owners, arrow.integers(states["next_transition_at"], missing=NEVER_US).tolist())
    later = _later(base, since, now_us)
    _turn(turns, list(later), [at_us + 1 for at_us in later.values()])
    return late


def stand(
    base: Base, store: Store, students: Sequence[str], as_of: datetime, upto: Mapping[int, int] | None = None
) -> Stand:
    """Where pupils stand at an instant, each folded from all events that the base and the store have of him.

    ``upto``: events of the topic before these offsets alone.
    """
    as_of_us = microseconds(as_of)
    since = events_table(store.contents(base.subjects_of(students), upto))
    before = base.standing_events(students)
    # Of an id the first stands, and what the night has came before.
    since = since.filter(pc.invert(pc.is_in(since["event_id"], value_set=before["event_id"].combine_chunks())))
    everything, voids = pa.concat_tables([before, since]), store.voids(upto)
    wanted = pa.array(students, pa.string())
    evidence = _of_pupils(resolve(everything, base.known(as_of_us, voids)).evidence.rows(), wanted)
    night = Night(base.config, base.model, as_of_us, as_of.astimezone(base.settings.zone).date(), base.subject_of)
    states = arrow.plain(restate(evidence.select(COLUMNS), night).mastery_state)
    new_ids = pc.unique(since["event_id"].combine_chunks())
    came = evidence.filter(pc.is_in(evidence["event_id"], value_set=new_ids))
    touched_rows = pa.concat_tables([came, _taken_back(base, voids, before, wanted, as_of_us)])
    first_day: dict[str, int] = {}
    days = arrow.integers(touched_rows["work_date"]).tolist()
    for student, day in zip(touched_rows["student_key"].to_pylist(), days, strict=True):
        first_day[student] = min(day, first_day.get(student, _NO_DAY))
    return Stand(states, _counts(touched_rows), first_day, _later(base, everything, as_of_us))


def _of_pupils(rows: pa.Table, students: pa.Array) -> pa.Table:
    # As text: a pupil of two subjects is two codes of what was resolved.
    return arrow.plain(rows).filter(pc.is_in(rows["student_key"].cast(pa.string()), value_set=students))


def _counts(rows: pa.Table) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for pair in zip(rows["student_key"].to_pylist(), rows["competency_id"].to_pylist(), strict=True):
        found[pair] = found.get(pair, 0) + 1
    return found


def _taken_back(
    base: Base, voids: Sequence[tuple[int, int]], before: pa.Table, students: pa.Array, as_of_us: int
) -> pa.Table:
    """What stood and was taken back since the night."""
    keys = np.array([key for key, at_us in voids if at_us < as_of_us], dtype=np.int64)
    hit = before.filter(pa.array(np.isin(arrow.integers(before["statement_key"]), keys)))
    return _of_pupils(resolve(hit, base.known(as_of_us, ())).evidence.rows(), students)


def _later(base: Base, events: pa.Table, as_of_us: int) -> dict[str, int]:
    """Of each pupil the next instant of work that is of later than now: a device's clock may run ahead."""
    times = arrow.integers(events["event_time"])
    rows = np.flatnonzero(times >= as_of_us)
    found: dict[str, int] = {}
    subjects = events["subject_key"].take(pa.array(rows)).to_pylist()
    for subject, at_us in zip(subjects, times[rows].tolist(), strict=True):
        for student in base.students_of([subject]):
            found[student] = min(at_us, found.get(student, NEVER_US))
    return found


def _turn(turns: dict[str, int], students: Sequence[str], instants: Sequence[int]) -> None:
    """Note when time alone will change these pupils, the earliest instant of each."""
    for student, at_us in zip(students, instants, strict=True):
        if student in turns and at_us < turns[student]:
            turns[student] = at_us


def _rows(states: pa.Table, touched: Mapping[tuple[str, str], int], now: datetime) -> list[dict[str, object]]:
    instants = states["last_event_at"].cast(pa.int64())
    states = states.set_column(states.column_names.index("last_event_at"), "last_event_at_us", instants)
    added = {"is_removed": 0, "folded_at_us": microseconds(now)}
    return [
        {**row, **added, "new_events": touched.get((row["student_key"], row["competency_id"]), 0)}
        for row in states.select(["student_key", "competency_id", *_SHOWN]).to_pylist()
    ]


def _gone(
    pairs: set[tuple[str, str]], touched: Mapping[tuple[str, str], int], now: datetime
) -> list[dict[str, object]]:
    """Rows of pairs of which nothing is left."""
    nothing = dict.fromkeys(_SHOWN) | {"state": GONE_STATE, "attempts": 0, "counted_attempts": 0}
    added = {"is_removed": 1, "folded_at_us": microseconds(now)}
    return [
        {"student_key": pair[0], "competency_id": pair[1], **nothing, **added, "new_events": touched[pair]}
        for pair in sorted(pairs)
    ]
