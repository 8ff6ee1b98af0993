-- Sources that sent for a school on enough days of the window and then fell silent (rule: gates/silence.py).
with sender as (
    select
        day.org_id as school_id,
        day.source_id,
        count(distinct day.work_date) as days,
        max(day.work_date) as last_work_date
    from {{ ref('stg_activity_day') }} as day
    where day.work_date >= {{ data_date() }} - {{ silence_window_days() }}
    group by all
)

select
    sender.school_id,
    cast(count(*) as integer) as silent_sources,
    string_agg(sender.source_id, ', ' order by sender.source_id) as silent_source_names
from sender
cross join {{ ref('stg_release') }} as release
where
    sender.days >= {{ silence_at_least_days() }}
    and sender.last_work_date < release.source_silent_since_date
group by sender.school_id
