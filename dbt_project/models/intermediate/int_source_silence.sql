-- Sources that sent for a school on at least three days of the last four weeks and then fell silent.
with sender as (
    select
        day.org_id as school_id,
        day.source_id,
        count(distinct day.work_date) as days,
        max(day.work_date) as last_work_date
    from {{ ref('stg_activity_day') }} as day
    group by all
)

select
    sender.school_id,
    cast(count(*) as integer) as silent_sources,
    string_agg(sender.source_id, ', ' order by sender.source_id) as silent_source_names
from sender
cross join {{ ref('stg_release') }} as release
where
    sender.days >= 3
    and sender.last_work_date < release.source_silent_since_date
group by sender.school_id
