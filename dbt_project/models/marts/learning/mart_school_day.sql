select
    placed.school_id,
    placed.work_date,
    cast(sum(placed.attempts) as bigint) as attempts,
    cast(sum(placed.correct) as bigint) as correct,
    cast(count(distinct placed.student_key) as integer) as active_pupils
from {{ ref('int_attempt_day_placed') }} as placed
where placed.school_id is not null
group by placed.school_id, placed.work_date
