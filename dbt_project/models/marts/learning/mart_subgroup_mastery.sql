-- Exact counts, of few pupils too: no page, file or mail shows them but through cairn/protection.
with planned as (
    -- A row a pupil and subject first: pupils have six subgroups each, and pairs are many.
    select
        plan.school_id,
        plan.student_key,
        plan.subject,
        count(*) as planned_pairs,
        count(*) filter (where pair.state = 'mastered') as mastered_pairs,
        count(*) filter (where pair.state = 'review_due') as review_due_pairs
    from {{ ref('mart_pupil_plan') }} as plan
    inner join {{ ref('mart_competency') }} as competency
        on {{ plan_holds('plan', 'competency') }}
    left join {{ ref('mart_student_competency') }} as pair
        on
            plan.student_key = pair.student_key
            and competency.competency_id = pair.competency_id
    group by plan.school_id, plan.student_key, plan.subject
)

select
    planned.school_id,
    planned.subject,
    pupil.subgroup_kind,
    pupil.subgroup,
    cast(count(distinct planned.student_key) as integer) as pupils,
    cast(sum(planned.planned_pairs) as bigint) as planned_pairs,
    cast(sum(planned.mastered_pairs) as bigint) as mastered_pairs,
    cast(sum(planned.review_due_pairs) as bigint) as review_due_pairs
from planned
inner join {{ ref('int_pupil_subgroup') }} as pupil on planned.student_key = pupil.student_key
group by planned.school_id, planned.subject, pupil.subgroup_kind, pupil.subgroup
