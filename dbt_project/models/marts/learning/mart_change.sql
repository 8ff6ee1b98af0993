select
    class.school_id,
    class.class_id,
    class.class_title,
    decision.student_key,
    decision.competency_id,
    competency.competency_code,
    competency.competency_title,
    decision.from_state,
    decision.to_state,
    decision.decided_at,
    decision.decision_id,
    decision.data_date
from {{ ref('stg_mastery_decision') }} as decision
cross join {{ ref('stg_release') }} as release
inner join {{ ref('stg_competency') }} as competency on decision.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        decision.student_key = class.student_key
        and competency.subject = class.subject
where
    decision.data_date > release.data_date - 14
    -- A first night records the whole past; what is older than four weeks is no news.
    and decision.decided_date > release.data_date - 28
