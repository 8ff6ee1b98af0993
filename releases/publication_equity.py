"""The true numbers behind the table of equity: how pupils of each group do, and each grade by school.

Groups are a pupil's grade, and what the roster says of her (``mart_pupil_subgroup``; a release built before there was
one has grades alone). A pupil of whom a grouping says nothing is in its group "not reported", and one is in one group
of each, so that every grouping divides the same pupils. By school there are grades only: of the roster's groups of one
school nothing could be told that held against all that is told beside (decision 33).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from cairn.protection.published import SHARE, Key
from cairn.protection.tables import Metric, RawTable
from releases.learning_marts import marts_of

GROUPS, SCHOOL_GROUPS = "mastery_group", "mastery_school_group"
ALL, NOT_REPORTED, GRADE = "*", "not reported", "grade"
METRICS = (
    Metric("pupils"),
    Metric("mastered_half", SHARE, "pupils"),
    Metric("need_adult", SHARE, "pupils"),
    Metric("moves_on", SHARE, "pupils"),
)
# A grade of a school is some pupils: of what it has mastered alone, for the audit grows with all that is told.
SCHOOL_METRICS = METRICS[:2]
_SENT = (
    "union all select plan.school_id, plan.student_key, sent.subgroup_kind, min(sent.subgroup)"
    " from plan inner join mart_pupil_subgroup sent using (student_key)"
    " where sent.subgroup_kind <> 'grade' group by all"
)
Rows = dict[Key, dict[str, int]]
# One row a pupil of a school and grouping; a pupil of two schools counts at both, as in mart_school.
_EQUITY = """
with plan as (
    select school_id, student_key, max(grade) as grade from mart_pupil_plan where school_id is not null group by all
),
told as (
    select school_id, student_key, '{grade}' as grouping_name, grade as group_name from plan where grade is not null
    {sent}
),
groupings as (select distinct grouping_name from told),
-- Of the topics of which there is enough evidence to say: half of them mastered, or mastered with a review due.
half as (
    select student_key
    from mart_student_competency
    group by student_key
    having 2 * count(*) filter (where state in ('mastered', 'review_due'))
        >= count(*) filter (where state in ('mastered', 'review_due', 'developing'))
        and count(*) filter (where state in ('mastered', 'review_due')) > 0
)
select plan.school_id, groupings.grouping_name, coalesce(told.group_name, '{unknown}') as group_name,
    count(*) as pupils,
    count(*) filter (where plan.student_key in (from half)) as mastered_half,
    count(*) filter (where (plan.school_id, plan.student_key) in
        (select (school_id, student_key) from mart_needs_adult)) as need_adult,
    count(*) filter (where (plan.school_id, plan.student_key) in
        (select (school_id, student_key) from mart_moves_on)) as moves_on
from plan
cross join groupings
left join told on plan.school_id = told.school_id and plan.student_key = told.student_key
    and groupings.grouping_name = told.grouping_name
group by all order by 2, 1, 3"""


def equity_tables(learning: duckdb.DuckDBPyConnection) -> list[RawTable]:
    """Of an open learning release ``mastery_group`` (grouping, group; ``*`` for all groups) and
    ``mastery_school_group`` (school, "grade", group; ``*`` for all groups of a school and for all schools)."""
    sent = _SENT if "mart_pupil_subgroup" in marts_of(learning) else ""
    found = learning.execute(_EQUITY.format(grade=GRADE, unknown=NOT_REPORTED, sent=sent)).fetchall()
    names = [metric.name for metric in METRICS]
    rows: Rows = {
        (str(school), str(grouping), str(group)): dict(zip(names, map(int, numbers), strict=True))
        for school, grouping, group, *numbers in found
    }
    groups: dict[Key, list[Key]] = {}
    for key in rows:
        groups.setdefault(key[1:], []).append(key)
    everybody: dict[Key, list[Key]] = {}
    for grouping, group in groups:
        everybody.setdefault((grouping, ALL), []).append((grouping, group))
    district = {key: _summed(rows, parts) for key, parts in groups.items()}
    district |= {key: _summed(district, parts) for key, parts in everybody.items()}
    by_grade = {key: row for key, row in rows.items() if key[1] == GRADE}
    return [
        RawTable(GROUPS, ("grouping_name", "group_name"), METRICS, district, everybody),
        _of_schools(by_grade),
    ]


def _of_schools(rows: Rows) -> RawTable:
    """The table of schools' grades with the sums of each school and of each grade."""
    totals: dict[Key, list[Key]] = {}
    for school, grouping, group in rows:
        totals.setdefault((school, grouping, ALL), []).append((school, grouping, group))
    for school, grouping, group in rows:
        totals.setdefault((ALL, grouping, group), []).append((school, grouping, group))
    summed = {key: _summed(rows, parts) for key, parts in totals.items()}
    dimensions = ("school_id", "grouping_name", "group_name")
    return RawTable(SCHOOL_GROUPS, dimensions, SCHOOL_METRICS, rows | summed, totals)


def _summed(rows: Rows, parts: Sequence[Key]) -> dict[str, int]:
    """The sum of rows."""
    return {metric.name: sum(rows[part][metric.name] for part in parts) for metric in METRICS}
