with actions as (
    select
        fact.fact_id,
        coalesce(fact.school_id, pupil.school_id) as school_id,
        fact.fact_date as action_date,
        coalesce(fact.text_value, 'action') as action,
        fact.student_key,
        fact.name as competency_id
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    left join {{ ref('int_pupil') }} as pupil on fact.student_key = pupil.student_key
    where
        fact.fact_type = 'action'
        and fact.student_key is not null
        and fact.fact_date > release.data_date - 14
        and fact.fact_date <= release.data_date
    -- The same action noted twice on a day is one.
    qualify
        row_number() over (
            partition by fact.student_key, fact.name, fact.fact_date, coalesce(fact.text_value, 'action')
            order by fact.fact_id
        ) = 1
),

before_action as (
    select
        actions.fact_id,
        arg_max(decision.to_state, decision.decided_at) as state_before
    from actions
    inner join {{ ref('stg_mastery_decision') }} as decision
        on
            actions.student_key = decision.student_key
            and actions.competency_id = decision.competency_id
            and actions.action_date >= decision.decided_date
    group by actions.fact_id
),

worked as (
    select distinct actions.fact_id
    from actions
    inner join {{ ref('stg_attempt_day') }} as day
        on
            actions.student_key = day.student_key
            and actions.competency_id = day.competency_id
            and actions.action_date < day.work_date
),

states as (
    select ['not_started', 'not_enough_evidence', 'developing', 'review_due', 'mastered'] as in_order
),

followed as (
    select
        actions.school_id,
        actions.action_date,
        actions.action,
        actions.student_key,
        actions.competency_id,
        coalesce(competency.competency_code, actions.competency_id) as competency_code,
        coalesce(before_action.state_before, 'not_started') as state_before,
        coalesce(state.state, 'not_started') as state_after,
        worked.fact_id is not null as has_worked
    from actions
    left join {{ ref('stg_competency') }} as competency on actions.competency_id = competency.competency_id
    left join before_action on actions.fact_id = before_action.fact_id
    left join worked on actions.fact_id = worked.fact_id
    left join {{ ref('stg_mastery_state') }} as state
        on
            actions.student_key = state.student_key
            and actions.competency_id = state.competency_id
    where actions.school_id is not null
)

select
    followed.*,
    -- A state later in this list is a better one.
    case
        when not followed.has_worked then 'waiting'
        when
            followed.state_after = 'mastered'
            or list_position(states.in_order, followed.state_after)
            > list_position(states.in_order, followed.state_before)
            then 'worked'
        else 'not_yet'
    end as outcome
from followed
cross join states
