"""Pupils folded whole: what the night left of them with what came since, by the night's own functions.

No rule is written here. Events become evidence by :func:`cairn.mastery.resolve.resolve`, evidence becomes states by
:func:`cairn.mastery.states.restate`, the fold that every order of nights is held to. So an event that comes late, twice
or is taken back leaves live where a night would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import arrow
from cairn.mastery.resolve import resolve
from cairn.mastery.states import COLUMNS, Night, restate
from live.base import Base, events_table
from live.store import NEVER_US, Folded, Store

GONE_STATE = "not_started"
_NO_DAY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Stand:
    """Pupils as they stand: all their states (columns of gold.mastery_state), and which pairs something new touched.

    touched: of each pair of pupil and competency with events since the night (come, or taken back) how many there are.
    first_day: of each pupil the first local day of such work. later: instants of events that are of later than now.
    """

    states: pa.Table
    touched: Mapping[tuple[str, str], int]
    first_day: Mapping[str, int]
    later: Mapping[str, int]


def stand(
    base: Base, store: Store, students: Sequence[str], as_of: datetime, upto: Mapping[int, int] | None = None
) -> Stand:
    """Where pupils stand at an instant; every pupil with all events that the base and the store have of them.

    ``upto``: events of the topic before these offsets alone.
    """
    since = events_table(store.contents(base.subjects_of(students), upto))
    before = base.standing_events(students)
    # Of an id the first stands, and what the night has came before.
    since = since.filter(pc.invert(pc.is_in(since["event_id"], value_set=before["event_id"].combine_chunks())))
    return _stand(base, store.voids(upto), students, before, since, as_of)


def _stand(
    base: Base,
    voids: Sequence[tuple[int, int]],
    students: Sequence[str],
    before: pa.Table,
    since: pa.Table,
    as_of: datetime,
) -> Stand:
    as_of_us = microseconds(as_of)
    everything = pa.concat_tables([before, since])
    wanted = pa.array(students, pa.string())
    evidence = _of_pupils(resolve(everything, base.known(as_of_us, voids)).evidence.rows(), wanted)
    night = Night(base.config, base.model, as_of_us, as_of.astimezone(base.settings.zone).date())
    states = arrow.plain(restate(evidence.select(COLUMNS), night).mastery_state)
    new_ids = pc.unique(since["event_id"].combine_chunks())
    came = evidence.filter(pc.is_in(evidence["event_id"], value_set=new_ids))
    went = _taken_back(base, voids, before, wanted, as_of_us)
    touched: dict[tuple[str, str], int] = {}
    first_day: dict[str, int] = {}
    for rows in (came, went):
        days = arrow.integers(rows["work_date"]).tolist()
        names = (rows[name].cast(pa.string()).to_pylist() for name in ("student_key", "competency_id"))
        for student, competency, work_day in zip(*names, days, strict=True):
            touched[student, competency] = touched.get((student, competency), 0) + 1
            first_day[student] = min(work_day, first_day.get(student, _NO_DAY))
    return Stand(states, touched, first_day, _later(base, everything, as_of_us))


def _of_pupils(rows: pa.Table, students: pa.Array) -> pa.Table:
    return arrow.plain(rows).filter(pc.is_in(rows["student_key"].cast(pa.string()), value_set=students))


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
    for subject, at_us in zip(
        events["subject_key"].take(pa.array(rows)).to_pylist(), times[rows].tolist(), strict=True
    ):
        for student in base.students_of([subject]):
            found[student] = min(at_us, found.get(student, NEVER_US))
    return found


def live_rows(found: Stand, students: Sequence[str], now: datetime) -> Folded:
    """Rows of the live table: pairs that something new touched, and those that late work may have moved."""
    now_us, states = microseconds(now), found.states
    last_day = arrow.integers(states["last_work_date"])
    next_us = arrow.integers(states["next_transition_at"], missing=NEVER_US)
    instants = states["last_event_at"].cast(pa.int64())
    states = states.set_column(states.column_names.index("last_event_at"), "last_event_at_us", instants)
    names = ("state", "expected_share", "share_low", "share_high", "attempts", "counted_attempts", "last_event_at_us")
    rows, seen, turns = [], set(), dict.fromkeys(students, NEVER_US)
    for place, row in enumerate(states.select(["student_key", "competency_id", *names]).to_pylist()):
        pair = row["student_key"], row["competency_id"]
        seen.add(pair)
        turns[pair[0]] = min(turns.get(pair[0], NEVER_US), int(next_us[place]))
        if pair in found.touched or last_day[place] >= found.first_day.get(pair[0], _NO_DAY):
            new = found.touched.get(pair, 0)
            rows.append({**row, "is_removed": 0, "new_events": new, "folded_at_us": now_us})
    nothing = dict.fromkeys(names) | {"state": GONE_STATE, "attempts": 0, "counted_attempts": 0}
    for pair in sorted(set(found.touched) - seen):
        key = {"student_key": pair[0], "competency_id": pair[1]}
        rows.append({**key, **nothing, "is_removed": 1, "new_events": found.touched[pair], "folded_at_us": now_us})
    for student, at_us in found.later.items():
        if student in turns:
            turns[student] = min(turns[student], at_us + 1)
    return Folded({student: turns[student] for student in students}, rows)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return int(instant.timestamp()) * 1_000_000 + instant.microsecond
