with slipped as (
    select
        decision.student_key,
        decision.competency_id,
        max(decision.decided_date) as slipped_date
    from {{ ref('stg_mastery_decision') }} as decision
    cross join {{ ref('stg_release') }} as release
    where
        decision.from_state in ('mastered', 'review_due')
        and decision.to_state = 'developing'
        and decision.decided_date > release.data_date - 14
        and decision.decided_date <= release.data_date
    group by all
),

last_work as (
    select
        day.student_key,
        max(day.work_date) as last_work_date
    from {{ ref('stg_attempt_day') }} as day
    group by day.student_key
),

working_schools as (
    select distinct placed.school_id
    from {{ ref('int_attempt_day_placed') }} as placed
    cross join {{ ref('stg_release') }} as release
    where placed.work_date >= release.pupil_silent_since_date
),

silent as (
    select
        pupil.student_key,
        pupil.school_id,
        release.pupil_silent_since_date,
        last_work.last_work_date
    from {{ ref('int_pupil') }} as pupil
    cross join {{ ref('stg_release') }} as release
    inner join working_schools on pupil.school_id = working_schools.school_id
    left join last_work on pupil.student_key = last_work.student_key
    where
        pupil.enrolled_since_date < release.pupil_silent_since_date
        and coalesce(last_work.last_work_date < release.pupil_silent_since_date, true)
),

last_pair as (
    select
        pair.student_key,
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        pair.counted_attempts,
        pair.expected_share,
        pair.last_event_at,
        pair.class_id,
        pair.class_title
    from {{ ref('int_pupil_competency') }} as pair
    qualify
        row_number() over (
            partition by pair.student_key order by pair.last_event_at desc, pair.competency_id
        ) = 1
),

any_class as (
    select
        class.student_key,
        class.school_id,
        class.class_id,
        class.class_title
    from {{ ref('int_current_class') }} as class
    qualify
        row_number() over (
            partition by class.student_key, class.school_id order by class.joined_date desc, class.class_id
        ) = 1
),

pairs as (
    select
        pair.school_id,
        pair.class_id,
        pair.class_title,
        pair.student_key,
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        case
            when pair.is_stuck then 'wheel_spinning'
            when pair.state = 'developing' and slipped.slipped_date is not null then 'slipping'
            when pair.state = 'review_due' then 'review_due'
        end as reason,
        case
            when pair.is_stuck
                then pair.opportunities_without_three || ' opportunities without three right in a row'
            when pair.state = 'developing' and slipped.slipped_date is not null
                then 'mastered until ' || strftime(slipped.slipped_date, '%Y-%m-%d') || ', now developing'
            when pair.state = 'review_due'
                then
                    'mastered before, last work '
                    || strftime(cast(pair.last_event_at at time zone release.timezone as date), '%Y-%m-%d')
        end as detail,
        pair.counted_attempts,
        pair.expected_share,
        pair.last_event_at
    from {{ ref('int_pupil_competency') }} as pair
    cross join {{ ref('stg_release') }} as release
    left join slipped
        on
            pair.student_key = slipped.student_key
            and pair.competency_id = slipped.competency_id
),

reasons as (
    select pairs.*
    from pairs
    where pairs.reason is not null

    union all

    select
        silent.school_id,
        coalesce(last_pair.class_id, any_class.class_id) as class_id,
        coalesce(last_pair.class_title, any_class.class_title) as class_title,
        silent.student_key,
        coalesce(last_pair.competency_id, '') as competency_id,
        coalesce(last_pair.competency_code, '') as competency_code,
        coalesce(last_pair.competency_title, '') as competency_title,
        'silent' as reason,
        coalesce('no work since ' || strftime(silent.last_work_date, '%Y-%m-%d'), 'no work yet') as detail,
        coalesce(last_pair.counted_attempts, 0) as counted_attempts,
        last_pair.expected_share,
        last_pair.last_event_at
    from silent
    left join last_pair on silent.student_key = last_pair.student_key
    left join any_class
        on
            silent.student_key = any_class.student_key
            and silent.school_id = any_class.school_id
)

select
    reasons.school_id,
    reasons.class_id,
    reasons.class_title,
    reasons.student_key,
    reasons.competency_id,
    reasons.competency_code,
    reasons.competency_title,
    reasons.reason,
    reasons.detail,
    reasons.counted_attempts,
    reasons.expected_share,
    reasons.last_event_at,
    cast(
        row_number() over (
            partition by reasons.school_id
            order by
                case reasons.reason
                    when 'wheel_spinning' then 1
                    when 'slipping' then 2
                    when 'silent' then 3
                    else 4
                end,
                reasons.counted_attempts desc,
                reasons.expected_share,
                reasons.student_key,
                reasons.competency_id
        ) as integer
    ) as priority
from reasons
