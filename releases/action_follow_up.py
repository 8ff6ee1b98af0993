"""What pupils answered after actions, beside comparable pupils: worked out before the marts of a day are built.

States and shares of the evening of an action are the nights' own fold of the evidence up to then, so that late evidence
and a rebuild give the same. The table is small (actions of four weeks) and written whole, each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.calendar import DistrictCalendar
from cairn.evidence.times import microseconds
from cairn.mastery import hashing
from cairn.mastery.action_follow_up import NEXT_ANSWERS, Evening, compare
from cairn.mastery.config import load_config
from cairn.mastery.share.columns import shares_at
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.model import ShareModel
from cairn.mastery.states import Night, counted_answers, restate
from cairn.privacy import smallest_group
from cairn.settings import Settings
from lake import sql
from loading.actions import FOLLOWED_DAYS, standing
from loading.actions import TABLE as LOGGED
from spark_jobs import mastery_model, night_record, policies
from spark_jobs.mastery_bucket import current_evidence
from spark_jobs.night_record import DAY, EVIDENCE, NightRecord

TABLE = "gold.action_follow_up"
# Pupils who may be comparable to one on one evening, before their states and shares are known: the first by a hash.
MOST_CANDIDATES = 200

Pair = tuple[str, str]


@dataclass(frozen=True, order=True)
class Done:
    """One action."""

    student_key: str
    competency_id: str
    action_date: date
    action: str


@dataclass(frozen=True)
class _Stood:
    """Where a pupil stood on one competency on one evening."""

    state: str
    share: float
    counted: int


def write(settings: Settings, data_date: date, as_of: datetime) -> int:
    """Work out what followed the actions of the last four weeks, as known at an instant; returns how many."""
    every = known_actions(settings, data_date, as_of)
    recent = sorted(one for one in every if one.action_date > data_date - timedelta(days=FOLLOWED_DAYS))
    last, model = night_record.newest(settings), mastery_model.model_in_use(settings)
    rows: list[dict[str, Any]] = []
    if recent and last is not None and model is not None:
        rows = _followed(settings, recent, {(one.student_key, one.competency_id) for one in every}, last, model)
    of_day = [row | {"data_date": data_date} for row in rows]
    lake.create(settings, TABLE)
    lake.overwrite(settings, TABLE, pa.Table.from_pylist(of_day, lake.file_schema(TABLE)))
    return len(of_day)


def known_actions(settings: Settings, data_date: date, as_of: datetime) -> set[Done]:
    """Actions by file and page up to a day, as known at an instant (stg_action.sql says the same)."""
    is_known = (pc.field("recorded_from") <= as_of) & (
        pc.field("recorded_to").is_null() | (pc.field("recorded_to") > as_of)
    )
    by_file = lake.read(settings, "silver.fact", filters=(pc.field("fact_type") == "action") & is_known).to_pylist()
    by_page = lake.read(settings, LOGGED, filters=pc.field("recorded_at") <= as_of).to_pylist()
    found = {
        Done(row["student_key"], row["name"], row["fact_date"], row["text_value"] or "action")
        for row in by_file
        if row["student_key"] is not None
    }
    found |= {
        Done(row["student_key"], row["competency_id"], row["action_date"], row["kind"]) for row in standing(by_page)
    }
    return {one for one in found if one.action_date <= data_date}


def _followed(
    settings: Settings, recent: list[Done], helped: set[Pair], last: NightRecord, model: ShareModel
) -> list[dict[str, Any]]:
    """One row an action: the pupil's next answers and those of comparable pupils."""
    candidates = _candidates(settings, recent, helped, last)
    stood: dict[tuple[str, date], dict[str, _Stood]] = defaultdict(dict)
    answers: dict[Pair, list[tuple[date, bool]]] = defaultdict(list)
    subjects = policies.subject_of(settings, last.versions.get(policies.COMPETENCY))
    now = Night(load_config(settings), model, microseconds(last.as_of), last.data_date, subjects)
    calendar = DistrictCalendar.load(settings)
    evenings_at = {day: calendar.day_bounds(day)[1] for day in sorted({day for _, day in candidates})}
    for evidence in _evidence_of(settings, {who for group in candidates.values() for who in group}, last):
        _read_bucket(evidence, candidates, now, evenings_at, stood, answers)
    smallest = smallest_group(settings)
    evenings: dict[tuple[str, date], Evening] = {}
    rows = []
    for one in recent:
        key = (one.competency_id, one.action_date)
        if key not in evenings:
            evenings[key] = _evening(key, stood[key], candidates.get(key, set()), answers, helped)
        evening = evenings[key]
        if one.student_key in evening.student:
            found = compare(evening, evening.student.index(one.student_key), smallest)
            values = vars(found) | {"answers_right": found.right}
            values.pop("right")
        else:
            values = {"answers": 0, "answers_right": 0}
        rows.append(vars(one) | values)
    return rows


# Pupils whose counted attempts up to the evening are as many as those of a pupil who was helped, and the helped ones.
# Day totals are read as they stand among the changes, as dbt's macro current_rows has them.
_CANDIDATES = """
with day as (
    select student_key, competency_id, work_date, counted_attempts
    from lake_day
    where competency_id in (select competency_id from asked)
    qualify
        row_number() over (partition by pair_key, work_date order by is_base, night desc) = 1
        and not is_removed
),
until_then as (
    select
        evening.competency_id, evening.action_date, day.student_key,
        coalesce(sum(day.counted_attempts) filter (where day.work_date <= evening.action_date), 0) as counted,
        coalesce(sum(day.counted_attempts) filter (where day.work_date > evening.action_date), 0) as later
    from (select distinct competency_id, action_date from asked) as evening
    inner join day using (competency_id)
    group by all
),
own as (
    select distinct competency_id, action_date, counted
    from asked inner join until_then using (student_key, competency_id, action_date)
)
select competency_id, action_date, student_key
from own inner join until_then using (competency_id, action_date, counted)
where later >= 2 and (student_key, competency_id) not in (select (student_key, competency_id) from helped)
qualify row_number() over (partition by competency_id, action_date, counted order by md5(student_key)) <= $most
union all
select distinct competency_id, action_date, student_key from asked
"""


def _candidates(
    settings: Settings, recent: list[Done], helped: set[Pair], last: NightRecord
) -> dict[tuple[str, date], set[str]]:
    """By competency and evening, the pupils who were helped and those who may be comparable."""
    if not lake.exists(settings, DAY):
        return {}
    asked = pa.table(
        {
            "student_key": [one.student_key for one in recent],
            "competency_id": [one.competency_id for one in recent],
            "action_date": pa.array([one.action_date for one in recent], pa.date32()),
        }
    )
    ever = sorted(helped)
    with sql.bounded(settings) as connection:
        connection.register("lake_day", lake.dataset(settings, DAY, lake.EVERY, last.versions[DAY]))
        connection.register("asked", asked)
        connection.register(
            "helped", pa.table({"student_key": [one[0] for one in ever], "competency_id": [one[1] for one in ever]})
        )
        found = connection.execute(_CANDIDATES, {"most": MOST_CANDIDATES}).fetchall()
    groups: dict[tuple[str, date], set[str]] = defaultdict(set)
    for competency_id, action_date, student_key in found:
        groups[competency_id, action_date].add(student_key)
    return groups


def _evidence_of(settings: Settings, students: set[str], last: NightRecord) -> Iterator[pa.Table]:
    """All evidence of the pupils that stands, one bucket of pupils after the other."""
    keys = pa.array(sorted(students), pa.string())
    buckets = hashing.buckets_of(keys, last.pupil_buckets)
    for bucket in sorted(set(buckets.tolist())):
        files = lake.table_files(settings, EVIDENCE, {"pupil_bucket": [bucket]}, last.versions[EVIDENCE])
        if files:
            yield current_evidence(settings, files, keys.filter(pa.array(buckets == bucket)))


def _read_bucket(
    evidence: pa.Table,
    candidates: dict[tuple[str, date], set[str]],
    now: Night,
    evenings_at: dict[date, datetime],
    stood: dict[tuple[str, date], dict[str, _Stood]],
    answers: dict[Pair, list[tuple[date, bool]]],
) -> None:
    """Add where the pupils of one bucket stood on each evening, and all their counted answers on what is asked.

    ``now``: the last night; ``evenings_at``: the instant at which each evening's day ends.
    """
    asked = sorted({competency for competency, _ in candidates})
    counted = counted_answers(evidence, now)
    counted = counted.filter(pc.is_in(counted["competency_id"].cast(pa.string()), value_set=pa.array(asked)))
    for row in counted.to_pylist():
        answers[row["student_key"], row["competency_id"]].append((row["work_date"], bool(row["is_right"])))
    students = evidence["student_key"].cast(pa.string())
    for day, end in evenings_at.items():
        of_day = {competency: who for (competency, on), who in candidates.items() if on == day}
        wanted = pa.array(sorted({student for who in of_day.values() for student in who}), pa.string())
        night = replace(now, as_of_us=microseconds(end), data_date=day)
        states = restate(evidence.filter(pc.is_in(students, value_set=wanted)), night).mastery_state
        states = states.filter(pc.is_in(states["competency_id"].cast(pa.string()), value_set=pa.array(sorted(of_day))))
        at = np.full(states.num_rows, end.timestamp())
        share = shares_at(states, now.model, at, now.config.interval_level, GAP_DAYS)[0].tolist()
        columns = states.select(["student_key", "competency_id", "state", "counted_attempts"]).to_pylist()
        for row, value in zip(columns, share, strict=True):
            if row["student_key"] in of_day[row["competency_id"]]:
                known = _Stood(row["state"], value, row["counted_attempts"])
                stood[row["competency_id"], day][row["student_key"]] = known


def _evening(
    key: tuple[str, date],
    stood: dict[str, _Stood],
    students: set[str],
    answers: dict[Pair, list[tuple[date, bool]]],
    helped: set[Pair],
) -> Evening:
    """The pupils of one competency and evening, by key; who had no work on it by then has no share."""
    competency_id, day = key
    who = sorted(students)
    nothing = _Stood("not_started", float("nan"), 0)
    places = [stood.get(student, nothing) for student in who]
    right = np.zeros((len(who), NEXT_ANSWERS), dtype=np.int64)
    known = np.zeros(len(who), dtype=np.int64)
    for place, student in enumerate(who):
        later = [is_right for on, is_right in answers[student, competency_id] if on > day][:NEXT_ANSWERS]
        known[place] = len(later)
        right[place, : len(later)] = later
    return Evening(
        student=who,
        state=[one.state for one in places],
        share=np.array([one.share for one in places]),
        counted=np.array([one.counted for one in places], dtype=np.int64),
        answers=known,
        right=right,
        is_helped=np.array([(student, competency_id) in helped for student in who], dtype=bool),
    )
