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
        decision.decided_date as decided_on_date,
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
        judgement.said_date as decided_on_date,
        'teacher' as decided_by,
        judgement.role as said_by_role,
        judgement.reason as said_reason,
        judgement.until_date as said_until_date
    from {{ ref('stg_teacher_judgement') }} as judgement
    cross join {{ ref('stg_release') }} as release
    left join {{ ref('stg_teacher_judgement') }} as earlier on judgement.previous_id = earlier.judgement_id
    where judgement.said_date > release.data_date - 120
),

placed as (
    select
        class.school_id,
        decided.*
    from decided
    inner join {{ ref('stg_competency') }} as competency on decided.competency_id = competency.competency_id
    inner join {{ ref('int_pupil_subject_class') }} as class
        on
            decided.student_key = class.student_key
            and competency.subject = class.subject
),

-- What was decided while a pupil was in class at another school, and not at this one, stays with that school.
elsewhere as (
    select placed.decision_id
    from placed
    inner join {{ ref('int_student_enrollment') }} as enrolment
        on
            placed.student_key = enrolment.student_key
            and placed.decided_on_date between enrolment.valid_from_date and enrolment.valid_to_date
    group by placed.decision_id
    having not bool_or(enrolment.school_id = placed.school_id)
)

select
    placed.school_id,
    placed.student_key,
    placed.competency_id,
    placed.decision_id,
    placed.decided_at,
    placed.from_state,
    placed.to_state,
    placed.counted_attempts,
    placed.model_version,
    placed.policy_version,
    placed.data_date,
    placed.decided_by,
    placed.said_by_role,
    placed.said_reason,
    placed.said_until_date
from placed
left join elsewhere on placed.decision_id = elsewhere.decision_id
where elsewhere.decision_id is null
