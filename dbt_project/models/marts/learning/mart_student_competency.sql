select
    pair.school_id,
    pair.class_id,
    pair.class_title,
    pair.student_key,
    pair.competency_id,
    pair.competency_code,
    pair.competency_title,
    pair.subject,
    pair.state,
    pair.expected_share,
    pair.share_low,
    pair.share_high,
    pair.counted_attempts,
    pair.last_event_at,
    pair.state_since_at,
    pair.is_stuck,
    case
        when pair.is_stuck then pair.opportunities_without_three || ' opportunities without three right in a row'
    end as stuck_reason,
    pair.model_version,
    pair.policy_version,
    pair.override_state,
    pair.override_by_role,
    pair.override_date,
    pair.override_until_date,
    pair.override_reason,
    pair.override_id
from {{ ref('int_pupil_competency') }} as pair
