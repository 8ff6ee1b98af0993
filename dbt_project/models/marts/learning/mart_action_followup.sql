with actions as (
    select
        done.action_id,
        coalesce(done.school_id, pupil.school_id) as school_id,
        done.action_date,
        done.action,
        done.student_key,
        done.competency_id
    from {{ ref('stg_action') }} as done
    cross join {{ ref('stg_release') }} as release
    left join {{ ref('int_pupil') }} as pupil on done.student_key = pupil.student_key
    where done.action_date > release.data_date - {{ action_follow_up_days() }}
),

before_action as (
    select
        actions.action_id,
        {{ value_of_last('decision.to_state', 'decision.decided_at') }} as state_before
    from actions
    inner join {{ ref('stg_mastery_decision') }} as decision
        on
            actions.student_key = decision.student_key
            and actions.competency_id = decision.competency_id
            and actions.action_date >= decision.decided_date
    group by actions.action_id
),

worked as (
    select distinct actions.action_id
    from actions
    inner join {{ ref('stg_attempt_day') }} as day
        on
            actions.student_key = day.student_key
            and actions.competency_id = day.competency_id
            and actions.action_date < day.work_date
),

states as (
    select array['not_started', 'not_enough_evidence', 'developing', 'review_due', 'mastered'] as in_order
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
        worked.action_id is not null as has_worked,
        coalesce(follow_up.answers, 0) as next_answers,
        coalesce(follow_up.answers_right, 0) as next_right,
        follow_up.comparables,
        follow_up.comparable_share,
        follow_up.comparable_low,
        follow_up.comparable_high,
        follow_up.comparable_error
    from actions
    left join {{ ref('stg_competency') }} as competency on actions.competency_id = competency.competency_id
    left join before_action on actions.action_id = before_action.action_id
    left join worked on actions.action_id = worked.action_id
    left join {{ ref('stg_mastery_state') }} as state
        on
            actions.student_key = state.student_key
            and actions.competency_id = state.competency_id
    left join {{ ref('stg_action_follow_up') }} as follow_up
        on
            actions.student_key = follow_up.student_key
            and actions.competency_id = follow_up.competency_id
            and actions.action_date = follow_up.action_date
            and actions.action = follow_up.action
    where actions.school_id is not null
)

select
    followed.school_id,
    followed.action_date,
    followed.action,
    followed.student_key,
    followed.competency_id,
    followed.competency_code,
    followed.state_before,
    followed.state_after,
    followed.has_worked,
    -- A state later in this list is a better one.
    case
        when not followed.has_worked then 'waiting'
        when
            followed.state_after = 'mastered'
            or array_position(states.in_order, followed.state_after)
            > array_position(states.in_order, followed.state_before)
            then 'worked'
        else 'not_yet'
    end as outcome,
    followed.next_answers,
    followed.next_right,
    followed.comparables,
    followed.comparable_share,
    followed.comparable_low,
    followed.comparable_high,
    followed.comparable_error
from followed
cross join states
