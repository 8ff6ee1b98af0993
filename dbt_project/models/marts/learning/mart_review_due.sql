-- Reviews are short checks that a class can do together, so they stand apart from who needs an adult.
select
    pair.school_id,
    pair.class_id,
    pair.class_title,
    pair.student_key,
    pair.competency_id,
    pair.competency_code,
    pair.competency_title,
    pair.counted_attempts,
    pair.expected_share,
    pair.share_low,
    pair.share_high,
    pair.last_event_at,
    pair.state_since_at as due_since_at,
    pair.override_state,
    pair.override_date
from {{ ref('int_pupil_competency') }} as pair
where pair.state = 'review_due'
