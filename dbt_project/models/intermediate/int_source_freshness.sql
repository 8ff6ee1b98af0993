-- The newest work that each source has sent for a school, and whether it fell silent (rule: gates/silence.py).
select
    day.org_id as school_id,
    day.source_id,
    cast(count(distinct day.work_date) as integer) as days_with_work,
    max(day.work_date) as last_work_date,
    max(day.last_event_at) as last_event_at,
    count(distinct case
        when day.work_date >= {{ data_date() }} - {{ silence_window_days() }} then day.work_date
    end) >= {{ silence_at_least_days() }}
    and max(day.work_date) < max(release.source_silent_since_date) as is_silent
from {{ ref('stg_activity_day') }} as day
cross join {{ ref('stg_release') }} as release
group by all
