-- Day totals of the last 120 days; the date is a literal so that it reaches the files.
select
    day.student_key,
    day.competency_id,
    day.work_date,
    day.org_id,
    day.class_id,
    day.attempts,
    day.counted_attempts,
    day.correct,
    day.last_event_at
from {{ source('gold', 'attempt_day') }} as day
where
    day.work_date > {{ data_date() }} - 120
    and day.work_date <= {{ data_date() }}
    and day.attempts > 0
