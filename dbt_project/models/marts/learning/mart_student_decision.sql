-- The computed ledger and the teachers' own, side by side and labelled: neither changes the other.
with decided as (
    select
        decision.student_key,
        decision.competency_id,
        decision.decision_id,
        decision.decided_at,
        decision.from_state,
        decision.to_state,
        decision.counted_attempts,
        decision.model_version,
        decision.policy_version,
        decision.data_date,
        'computed' as decided_by,
        null as said_by_role,
        null as said_reason,
        null as said_until_date
    from {{ ref('stg_mastery_decision') }} as decision
    cross join {{ ref('stg_release') }} as release
    where decision.decided_date > release.data_date - 120

    union all

    select
        judgement.student_key,
        judgement.competency_id,
        judgement.judgement_id as decision_id,
        cast(judgement.said_date as timestamp) at time zone release.timezone as decided_at,
        coalesce(earlier.said, 'nothing_said') as from_state,
        judgement.said as to_state,
        null as counted_attempts,
        null as model_version,
        null as policy_version,
        judgement.said_date as data_date,
        'teacher' as decided_by,
        judgement.role as said_by_role,
        judgement.reason as said_reason,
        judgement.until_date as said_until_date
    from {{ ref('stg_teacher_judgement') }} as judgement
    cross join {{ ref('stg_release') }} as release
    left join {{ ref('stg_teacher_judgement') }} as earlier on judgement.previous_id = earlier.judgement_id
    where judgement.said_date > release.data_date - 120
)

select
    class.school_id,
    decided.*
from decided
inner join {{ ref('stg_competency') }} as competency on decided.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        decided.student_key = class.student_key
        and competency.subject = class.subject
