-- How far each class has come through its plan. It began with the first decision on a pair of it.
with began as (
    select
        decision.student_key,
        decision.competency_id,
        min(decision.decided_date) as began_date
    from {{ ref('stg_mastery_decision') }} as decision
    group by all
)

select
    pair.school_id,
    pair.class_id,
    any_value(pair.class_title) as class_title,
    pair.subject,
    count(distinct pair.student_key) as pupils,
    count(*) as planned_pairs,
    count(*) filter (where own.state = 'mastered') as mastered_pairs,
    count(*) filter (where own.state = 'review_due') as review_due_pairs,
    min(began.began_date) as began_date
from {{ ref('int_class_pair') }} as pair
left join {{ ref('int_pupil_competency') }} as own
    on
        pair.student_key = own.student_key
        and pair.competency_id = own.competency_id
left join began
    on
        pair.student_key = began.student_key
        and pair.competency_id = began.competency_id
group by pair.school_id, pair.class_id, pair.subject
