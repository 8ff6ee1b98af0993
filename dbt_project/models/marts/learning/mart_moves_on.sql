with decided as (
    select
        decision.student_key,
        decision.competency_id,
        max(decision.decided_at) as mastered_at
    from {{ ref('stg_mastery_decision') }} as decision
    cross join {{ ref('stg_release') }} as release
    where
        decision.to_state = 'mastered'
        and decision.decided_date > release.data_date - 7
        and decision.decided_date <= release.data_date
    group by decision.student_key, decision.competency_id
),

-- Mastered by number, and no teacher says not yet; or by a teacher's word of the week, where the number says less.
mastered as (
    select
        pair.school_id,
        pair.class_id,
        pair.class_title,
        pair.student_key,
        pair.competency_id,
        pair.competency_code,
        pair.competency_title,
        pair.subject,
        decided.mastered_at,
        pair.expected_share,
        pair.share_low,
        pair.share_high,
        false as is_by_teacher,
        null as said_date
    from decided
    inner join {{ ref('int_pupil_competency') }} as pair
        on
            decided.student_key = pair.student_key
            and decided.competency_id = pair.competency_id
            and pair.state = 'mastered'
            and pair.override_state is distinct from 'not_yet'

    union all

    select
        class.school_id,
        class.class_id,
        class.class_title,
        override.student_key,
        override.competency_id,
        competency.competency_code,
        competency.competency_title,
        competency.subject,
        cast(override.override_date as timestamp) at time zone release.timezone as mastered_at,
        pair.expected_share,
        pair.share_low,
        pair.share_high,
        true as is_by_teacher,
        override.override_date as said_date
    from {{ ref('int_override') }} as override
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('stg_competency') }} as competency on override.competency_id = competency.competency_id
    inner join {{ ref('int_pupil_subject_class') }} as class
        on
            override.student_key = class.student_key
            and competency.subject = class.subject
    left join {{ ref('int_pupil_competency') }} as pair
        on
            override.student_key = pair.student_key
            and override.competency_id = pair.competency_id
    where
        override.override_state = 'mastered'
        and override.override_date > release.data_date - 7
        and pair.state is distinct from 'mastered'
),

new_to_pupil as (
    -- Nobody moves on to what she is developing in, stuck on or grouped for already.
    select
        ready.student_key,
        ready.competency_id
    from {{ ref('int_ready_to_learn') }} as ready
    left join {{ ref('int_pupil_competency') }} as own
        on
            ready.student_key = own.student_key
            and ready.competency_id = own.competency_id
            and (own.state = 'developing' or own.is_stuck or own.override_state = 'not_yet')
    left join {{ ref('int_group_member') }} as grouped
        on
            ready.student_key = grouped.student_key
            and ready.competency_id = grouped.competency_id
            and grouped.is_member
    where
        own.student_key is null
        and grouped.student_key is null
),

ranked as (
    select
        mastered.*,
        following.competency_id as next_competency_id,
        following.competency_code as next_competency_code,
        following.competency_title as next_competency_title,
        row_number() over (
            partition by mastered.student_key, mastered.competency_id
            order by
                following.competency_id is null,
                edge.competency_id is not null desc,
                coalesce(following.subject = mastered.subject, false) desc,
                following.sequence,
                following.competency_id
        ) as place
    from mastered
    left join new_to_pupil as ready on mastered.student_key = ready.student_key
    left join {{ ref('stg_competency') }} as following on ready.competency_id = following.competency_id
    left join {{ ref('stg_prerequisite') }} as edge
        on
            mastered.competency_id = edge.prerequisite_id
            and ready.competency_id = edge.competency_id
)

select
    ranked.school_id,
    ranked.class_id,
    ranked.class_title,
    ranked.student_key,
    ranked.competency_id,
    ranked.competency_code,
    ranked.competency_title,
    ranked.mastered_at,
    ranked.expected_share,
    ranked.share_low,
    ranked.share_high,
    ranked.next_competency_id,
    ranked.next_competency_code,
    ranked.next_competency_title,
    ranked.is_by_teacher,
    ranked.said_date
from ranked
where ranked.place = 1
