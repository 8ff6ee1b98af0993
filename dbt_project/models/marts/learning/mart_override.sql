-- Also where no work on the competency was ever counted: what a pupil shows on paper needs no app.
select
    class.school_id,
    class.class_id,
    class.class_title,
    override.student_key,
    override.competency_id,
    competency.competency_code,
    competency.competency_title,
    override.override_state,
    override.override_by_role,
    override.override_date,
    override.override_until_date,
    override.override_reason,
    override.override_id,
    coalesce(pair.state, 'not_started') as computed_state,
    pair.expected_share,
    pair.share_low,
    pair.share_high,
    override.override_state = 'mastered'
    and coalesce(pair.is_computed_stuck or (pair.state = 'developing' and slipped.slipped_date is not null), false)
        as is_set_aside
from {{ ref('int_override') }} as override
inner join {{ ref('stg_competency') }} as competency on override.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        override.student_key = class.student_key
        and competency.subject = class.subject
left join {{ ref('int_pupil_competency') }} as pair
    on
        override.student_key = pair.student_key
        and override.competency_id = pair.competency_id
left join {{ ref('int_slipped') }} as slipped
    on
        override.student_key = slipped.student_key
        and override.competency_id = slipped.competency_id
