select
    class.school_id,
    decision.student_key,
    decision.competency_id,
    decision.decision_id,
    decision.decided_at,
    decision.from_state,
    decision.to_state,
    decision.counted_attempts,
    decision.model_version,
    decision.policy_version,
    decision.data_date
from {{ ref('stg_mastery_decision') }} as decision
cross join {{ ref('stg_release') }} as release
inner join {{ ref('stg_competency') }} as competency on decision.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        decision.student_key = class.student_key
        and competency.subject = class.subject
where decision.decided_date > release.data_date - 120
