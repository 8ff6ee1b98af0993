{%- set last_120_days = "work_date > " ~ data_date() ~ " - 120 and work_date <= " ~ data_date() -%}
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
from {{ current_rows(source('gold', 'attempt_day'), ['pair_key', 'work_date'], last_120_days) }} as day
where day.attempts > 0
