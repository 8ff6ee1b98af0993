select
    score.pilot_id,
    pupil.plan_hash,
    score.window_number,
    score.part,
    test_window.window_name,
    test_window.from_date,
    test_window.until_date,
    pupil.school_id,
    score.student_key,
    cast(score.score as double precision) as score,
    score.is_only_outside
from {{ ref('int_pilot_score') }} as score
inner join {{ ref('int_pilot_window') }} as test_window
    on
        score.pilot_id = test_window.pilot_id
        and score.window_number = test_window.window_number
inner join {{ ref('int_pilot_pupil') }} as pupil
    on
        score.pilot_id = pupil.pilot_id
        and score.student_key = pupil.student_key
where not pupil.is_joiner
