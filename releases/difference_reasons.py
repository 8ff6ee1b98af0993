"""Why pupils' competencies differ between two learning releases: new work, late work, what was taken back, and so on.

Each pair of pupil and competency that differs is given the first reason that holds, of those that nights record with
their evidence and versions.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TypedDict

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.calendar import DistrictCalendar
from cairn.mastery.config import load_config
from cairn.settings import Settings
from releases import store
from spark_jobs.night_record import EVIDENCE, NIGHT

MART = "mart_student_competency"
# In this order; what each means for a person.
REASONS = {
    "taken back": "evidence was voided, or whose it is or what it shows is known otherwise now",
    "late evidence": "work of a day that the earlier release held already",
    "new evidence": "work of later days",
    "policy": "the rule of what counts or of what mastery is has changed",
    "model": "the model's parameters have changed",
    "roster": "the pupil came, left, or changed class or school",
    "time": "no work: the share fades from day to day, and a review may fall due",
    "other": "none of these: evidence that was compacted since, or a table that was rebuilt",
}
# What another data date alone can change of a pair.
BY_TIME = (
    *("expected_share", "share_low", "share_high", "state", "state_since_at", "policy_version"),
    *("is_stuck", "stuck_reason"),
)
# A review that fell due since the older release, and not as a policy began, did so by time.
FELL_DUE = """
    o.state = 'mastered' and n.state = 'review_due' and n.state_since_at >= cast($day_end as timestamptz)
    and not list_contains(cast($beginnings as timestamptz[]), n.state_since_at)
"""


class Reason(TypedDict):
    """A reason and how many pairs it holds for."""

    reason: str
    pairs: int


def why(
    settings: Settings, connection: duckdb.DuckDBPyConnection, before: store.Release, after: store.Release
) -> list[Reason]:
    """The reasons for which pairs differ, most pairs first; none where either release lacks the table.

    ``connection`` has both releases attached, as ``old`` and ``new``. Evidence is told by the nights that were on
    record when each release was built.
    """
    present = connection.execute(
        "select count(*) from duckdb_tables() where table_name = ? and database_name in ('old', 'new')", [MART]
    ).fetchall()
    if present != [(2,)]:
        return []
    columns = connection.execute(
        "select column_name from duckdb_columns() where table_name = ? and database_name in ('old', 'new')"
        " group by column_name having count(*) = 2 order by 1",
        [MART],
    ).fetchall()
    distinct = {name: f"o.{name} is distinct from n.{name}" for (name,) in columns}
    differs = " or ".join(distinct.values())
    lasting = " or ".join(said for name, said in distinct.items() if name not in BY_TIME)
    asked: dict[str, object] = {"is_other_date": before.data_date != after.data_date}
    if "state_since_at" in distinct:
        asked["day_end"] = DistrictCalendar.load(settings).day_bounds(before.data_date)[1]
        asked["beginnings"] = _beginnings(settings)
    changes = _evidence_between(settings, _night_of(settings, before), _night_of(settings, after), before.data_date)
    connection.register("evidence_change", changes)
    found = connection.execute(
        f"""
        with pair as (
            select
                coalesce(o.student_key, n.student_key) as student_key,
                coalesce(o.competency_id, n.competency_id) as competency_id,
                o.student_key is null or n.student_key is null as is_alone,
                o.policy_version is distinct from n.policy_version
                    and not ({FELL_DUE if "day_end" in asked else "false"}) as is_policy,
                o.model_version is distinct from n.model_version as is_model,
                not ({lasting}) and (o.state = n.state or n.state = 'review_due') as is_time,
                (o.school_id, o.class_id) is distinct from (n.school_id, n.class_id) as is_moved
            from (select *, true as is_here from old.main.{MART}) as o
            full outer join (select *, true as is_here from new.main.{MART}) as n
                on o.student_key = n.student_key and o.competency_id = n.competency_id
            where o.student_key is null or n.student_key is null or {differs}
        )
        select
            case
                when went > 0 then 'taken back'
                when late > 0 then 'late evidence'
                when fresh > 0 then 'new evidence'
                when not is_alone and is_policy then 'policy'
                when not is_alone and is_model then 'model'
                when is_alone or is_moved then 'roster'
                when is_time and $is_other_date then 'time'
                else 'other'
            end as reason,
            count(*) as pairs
        from pair left join evidence_change using (student_key, competency_id)
        group by reason order by pairs desc, reason
        """,
        asked,
    ).fetchall()
    return [Reason(reason=reason, pairs=int(pairs)) for reason, pairs in found]


def _beginnings(settings: Settings) -> list[datetime]:
    """The instants at which the district's policies come into force, those from the beginning apart."""
    begins = {one.begins_us for one in load_config(settings).policies if one.effective_from}
    return [datetime.fromtimestamp(at_us / 1_000_000, UTC) for at_us in sorted(begins)]


def _night_of(settings: Settings, release: store.Release) -> int:
    """Number of the newest night on record when the release was built; 0 where none was."""
    moment: datetime = release.read_at or release.built_at
    numbers = lake.read(settings, NIGHT, ["night"], pc.field("committed_at") <= moment)["night"]
    return int(pc.max(numbers).as_py() or 0)


def _evidence_between(settings: Settings, first: int, last: int, known_until: date) -> pa.Table:
    """By pair, how many rows of evidence the nights after ``first`` up to ``last`` took away, and how many came that
    are late (work of a day up to ``known_until``) and fresh."""
    of_nights = (pc.field("night") > first) & (pc.field("night") <= last)
    columns = ["student_key", "competency_id", "work_date", "is_removed"]
    rows = lake.read(settings, EVIDENCE, columns, of_nights, lake.EVERY)
    is_late = pc.less_equal(rows["work_date"], pa.scalar(known_until, pa.date32()))
    came = pc.invert(rows["is_removed"])
    flags = {"went": rows["is_removed"], "late": pc.and_(came, is_late), "fresh": pc.and_(came, pc.invert(is_late))}
    for name, flag in flags.items():
        rows = rows.append_column(name, flag.cast(pa.int64()))
    sums = rows.group_by(["student_key", "competency_id"]).aggregate([(name, "sum") for name in flags])
    return sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])
