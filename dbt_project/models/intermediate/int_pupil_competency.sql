-- Mastery of today's pupils, with the class that answers for it.
select
    class.school_id,
    class.class_id,
    class.class_title,
    state.student_key,
    state.competency_id,
    competency.competency_code,
    competency.competency_title,
    competency.subject,
    competency.sequence,
    state.state,
    state.expected_share,
    state.share_low,
    state.share_high,
    state.counted_attempts,
    state.opportunities_without_three,
    state.last_event_at,
    state.state_since_at,
    state.model_version,
    state.policy_version,
    override.override_state,
    override.override_by_role,
    override.override_date,
    override.override_until_date,
    override.override_reason,
    override.override_id,
    state.opportunities_without_three >= {{ wheel_spinning_opportunities() }}
    and state.state not in ('mastered', 'review_due')
    and state.expected_share < {{ stuck_below_share() }} as is_computed_stuck,
    is_computed_stuck and coalesce(override.override_state != 'mastered', true) as is_stuck
from {{ ref('stg_mastery_state') }} as state
inner join {{ ref('stg_competency') }} as competency on state.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        state.student_key = class.student_key
        and competency.subject = class.subject
left join {{ ref('int_override') }} as override
    on
        state.student_key = override.student_key
        and state.competency_id = override.competency_id
