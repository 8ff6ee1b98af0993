-- What a night made of a pupil's topic, from where it stood before to where it stands: what went up and down within one
-- night is no news, nor that there is now some evidence.
with earliest_mastery as (
    select
        decision.student_key,
        decision.competency_id,
        min(decision.decided_at) as mastered_at
    from {{ ref('stg_mastery_decision') }} as decision
    where decision.to_state = 'mastered'
    group by decision.student_key, decision.competency_id
),

nights as (
    select
        decision.student_key,
        decision.competency_id,
        decision.data_date,
        min(decision.decided_at) as first_decided_at,
        max(decision.decided_at) as decided_at,
        {{ value_of_first('decision.from_state', '(decision.decided_at, decision.decision_id)') }} as from_state,
        {{ value_of_last('decision.to_state', '(decision.decided_at, decision.decision_id)') }} as to_state,
        {{ value_of_last('decision.decision_id', '(decision.decided_at, decision.decision_id)') }} as decision_id
    from {{ ref('stg_mastery_decision') }} as decision
    cross join {{ ref('stg_release') }} as release
    where
        decision.data_date > release.data_date - 14
        -- A first night records the whole past; what is older than four weeks is no news.
        and decision.decided_date > release.data_date - 28
    group by decision.student_key, decision.competency_id, decision.data_date
),

decided as (
    select
        nights.student_key,
        nights.competency_id,
        nights.data_date,
        nights.from_state,
        nights.to_state,
        nights.decided_at,
        nights.decision_id,
        case
            when nights.from_state = nights.to_state then null
            when
                nights.to_state = 'mastered'
                and (
                    nights.from_state = 'review_due'
                    or coalesce(earliest_mastery.mastered_at < nights.first_decided_at, false)
                ) then 'back'
            when nights.to_state = 'mastered' then 'mastered'
            when nights.from_state in ('mastered', 'review_due') and nights.to_state != 'review_due' then 'lost'
        end as kind
    from nights
    left join earliest_mastery
        on
            nights.student_key = earliest_mastery.student_key
            and nights.competency_id = earliest_mastery.competency_id
),

-- No decision says that a pupil got stuck: it is told from the tries of each day, back from where the pupil stands now.
tries as (
    select
        pair.student_key,
        pair.competency_id,
        day.work_date,
        day.last_event_at,
        day.counted_attempts,
        pair.state,
        pair.opportunities_without_three
        - coalesce(
            sum(day.counted_attempts) over (
                partition by pair.student_key, pair.competency_id
                order by day.work_date desc
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as tries_after
    from {{ ref('int_pupil_competency') }} as pair
    inner join {{ ref('stg_attempt_day') }} as day
        on
            pair.student_key = day.student_key
            and pair.competency_id = day.competency_id
    where pair.is_stuck
),

got_stuck as (
    select
        tries.student_key,
        tries.competency_id,
        tries.work_date as data_date,
        tries.state as from_state,
        tries.state as to_state,
        tries.last_event_at as decided_at,
        null as decision_id,
        'stuck' as kind
    from tries
    cross join {{ ref('stg_release') }} as release
    where
        tries.tries_after >= {{ wheel_spinning_opportunities() }}
        and tries.tries_after - tries.counted_attempts < {{ wheel_spinning_opportunities() }}
        and tries.work_date > release.data_date - 14
        and tries.work_date <= release.data_date
),

news as (
    select decided.*
    from decided
    where decided.kind is not null

    union all

    select got_stuck.*
    from got_stuck
)

select
    class.school_id,
    class.class_id,
    class.class_title,
    news.student_key,
    news.competency_id,
    competency.competency_code,
    competency.competency_title,
    news.from_state,
    news.to_state,
    news.decided_at,
    news.decision_id,
    news.data_date,
    news.kind
from news
inner join {{ ref('stg_competency') }} as competency on news.competency_id = competency.competency_id
inner join {{ ref('int_pupil_subject_class') }} as class
    on
        news.student_key = class.student_key
        and competency.subject = class.subject
