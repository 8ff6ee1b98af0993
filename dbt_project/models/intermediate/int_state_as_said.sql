-- Where a teacher's word stands it is read as the state it says; elsewhere the computed or carried state. For what
-- comes next only: no page shows it as the computed state, and nothing of the model reads it.
select
    coalesce(state.student_key, override.student_key) as student_key,
    coalesce(state.competency_id, override.competency_id) as competency_id,
    case override.override_state
        when 'mastered' then 'mastered'
        when 'not_yet' then 'developing'
        else state.state
    end as state,
    case when override.override_id is null then state.state_since_at else override.recorded_at end as state_since_at,
    override.override_id is not null as is_by_teacher
from {{ ref('int_pupil_standing') }} as state
full outer join {{ ref('int_override') }} as override
    on
        state.student_key = override.student_key
        and state.competency_id = override.competency_id
