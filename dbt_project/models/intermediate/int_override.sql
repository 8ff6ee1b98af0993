-- A teacher's word that stands on the data date: the last one said, unless it is a withdrawal or its last day is past.
with last_said as (
    select judgement.*
    from {{ ref('stg_teacher_judgement') }} as judgement
    qualify
        row_number() over (
            partition by judgement.student_key, judgement.competency_id
            order by judgement.said_date desc, judgement.recorded_at desc, judgement.judgement_id desc
        ) = 1
)

select
    last_said.student_key,
    last_said.competency_id,
    last_said.said as override_state,
    last_said.role as override_by_role,
    last_said.said_date as override_date,
    last_said.until_date as override_until_date,
    last_said.reason as override_reason,
    last_said.judgement_id as override_id,
    last_said.recorded_at
from last_said
cross join {{ ref('stg_release') }} as release
where
    last_said.said != 'withdrawn'
    and coalesce(last_said.until_date >= release.data_date, true)
