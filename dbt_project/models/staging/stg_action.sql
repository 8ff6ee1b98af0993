-- What was done for pupils: by file, and as logged on a page. The note stays in the lake: it is free text.
with logged as (
    select action.*
    from {{ source('silver', 'teacher_action') }} as action
    cross join {{ ref('stg_release') }} as release
    where action.recorded_at <= release.as_of_at
    qualify row_number() over (partition by action.action_id order by action.recorded_at desc) = 1
),

every_action as (
    select
        fact.fact_id as action_id,
        fact.school_id,
        fact.student_key,
        fact.name as competency_id,
        fact.fact_date as action_date,
        coalesce(fact.text_value, 'action') as action,
        'file' as source
    from {{ ref('stg_fact') }} as fact
    where
        fact.fact_type = 'action'
        and fact.student_key is not null

    union all

    select
        logged.action_id,
        logged.school_id,
        logged.student_key,
        logged.competency_id,
        logged.action_date,
        logged.kind as action,
        'page' as source
    from logged
    where not logged.is_retraction
)

select every_action.*
from every_action
cross join {{ ref('stg_release') }} as release
where every_action.action_date <= release.data_date
-- The same action noted twice on a day is one, also where a file and a page say it.
qualify
    row_number() over (
        partition by
            every_action.student_key, every_action.competency_id, every_action.action_date, every_action.action
        order by every_action.source desc, every_action.action_id
    ) = 1
