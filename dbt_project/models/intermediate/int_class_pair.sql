-- The plan of each class: its pupils of a subject with the competencies of that subject that are meant for them.
select
    plan.school_id,
    plan.class_id,
    plan.class_title,
    plan.subject,
    plan.student_key,
    competency.competency_id
from {{ ref('mart_pupil_plan') }} as plan
inner join {{ ref('mart_competency') }} as competency
    on {{ plan_holds('plan', 'competency') }}
