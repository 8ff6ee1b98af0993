{%- set last_120_days = "work_date > " ~ data_date() ~ " - 120 and work_date <= " ~ data_date() -%}
-- Attempts of a day, to the unit: what stands in the lake is with a school in mart_school_day, or was placed in none.
with counted as (
    select
        day.work_date,
        sum(day.attempts) as in_lake,
        0 as in_mart,
        0 as without_school
    from {{ current_rows(source('gold', 'attempt_day'), ['pair_key', 'work_date'], last_120_days) }} as day
    group by day.work_date
    union all
    select
        school_day.work_date,
        0 as in_lake,
        sum(school_day.attempts) as in_mart,
        0 as without_school
    from {{ ref('mart_school_day') }} as school_day
    group by school_day.work_date
    union all
    select
        placed.work_date,
        0 as in_lake,
        0 as in_mart,
        sum(placed.attempts) as without_school
    from {{ ref('int_attempt_day_placed') }} as placed
    where placed.school_id is null
    group by placed.work_date
)

select
    counted.work_date,
    sum(counted.in_lake) as in_lake,
    sum(counted.in_mart) as in_mart,
    sum(counted.without_school) as without_school
from counted
group by counted.work_date
having sum(counted.in_lake) <> sum(counted.in_mart) + sum(counted.without_school)
