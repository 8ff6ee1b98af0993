-- What a pupil has not got yet and an adult with a few others could help with. Who is ready for something new moves on
-- by herself (mart_moves_on): a group is for what is not there yet.
select
    pair.school_id,
    pair.class_id,
    pair.student_key,
    pair.competency_id,
    pair.is_stuck,
    pair.expected_share
from {{ ref('int_pupil_competency') }} as pair
where
    coalesce(pair.override_state != 'mastered', true)
    and (
        pair.is_stuck
        or (pair.state = 'developing' and pair.counted_attempts >= 5)
    )
