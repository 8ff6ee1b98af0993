-- Events of a day and source, to the unit: each that silver holds is counted once under some school's roster.
with counted as (
    select
        activity.work_date,
        activity.source_id,
        count(*) as in_lake,
        0 as in_mart
    from {{ source('silver', 'learner_activity') }} as activity
    where
        activity.work_date >= {{ data_date() }} - {{ books_days() }}
        and activity.work_date <= {{ data_date() }}
    group by activity.work_date, activity.source_id
    union all
    select
        attribution.work_date,
        attribution.source_id,
        0 as in_lake,
        sum(attribution.events) as in_mart
    from {{ ref('mart_intake_attribution') }} as attribution
    group by attribution.work_date, attribution.source_id
)

select
    counted.work_date,
    counted.source_id,
    sum(counted.in_lake) as in_lake,
    sum(counted.in_mart) as in_mart
from counted
group by counted.work_date, counted.source_id
having sum(counted.in_lake) <> sum(counted.in_mart)
