-- Five columns of events of four weeks. The dates are literals so that they reach the files.
select
    activity.source_id,
    coalesce(activity.org_id, 'unknown') as org_id,
    activity.subject_key,
    activity.work_date,
    cast(count(*) as integer) as events,
    max(activity.event_time) as last_event_at
from {{ source('silver', 'learner_activity') }} as activity
where
    activity.work_date >= {{ data_date() }} - {{ books_days() }}
    and activity.work_date <= {{ data_date() }}
group by all
