with mastered as (
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
    group by all
),

new_to_pupil as (
    -- Nobody moves on to what she is developing in, stuck on or grouped for already.
    select
        ready.student_key,
        ready.competency_id
    from {{ ref('int_ready_to_learn') }} as ready
    anti join {{ ref('int_pupil_competency') }} as own
        on
            ready.student_key = own.student_key
            and ready.competency_id = own.competency_id
            and (own.state = 'developing' or own.is_stuck)
    anti join {{ ref('int_group_member') }} as grouped
        on
            ready.student_key = grouped.student_key
            and ready.competency_id = grouped.competency_id
            and grouped.is_member
)

select
    pair.school_id,
    pair.class_id,
    pair.class_title,
    pair.student_key,
    pair.competency_id,
    pair.competency_code,
    pair.competency_title,
    mastered.mastered_at,
    pair.expected_share,
    pair.share_low,
    pair.share_high,
    following.competency_id as next_competency_id,
    following.competency_code as next_competency_code,
    following.competency_title as next_competency_title
from mastered
inner join {{ ref('int_pupil_competency') }} as pair
    on
        mastered.student_key = pair.student_key
        and mastered.competency_id = pair.competency_id
        and pair.state = 'mastered'
left join new_to_pupil as ready on mastered.student_key = ready.student_key
left join {{ ref('stg_competency') }} as following on ready.competency_id = following.competency_id
left join {{ ref('stg_prerequisite') }} as edge
    on
        mastered.competency_id = edge.prerequisite_id
        and ready.competency_id = edge.competency_id
qualify
    row_number() over (
        partition by mastered.student_key, mastered.competency_id
        order by
            following.competency_id is null,
            edge.competency_id is not null desc,
            coalesce(following.subject = pair.subject, false) desc,
            following.sequence,
            following.competency_id
    ) = 1
