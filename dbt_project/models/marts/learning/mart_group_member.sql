with titled as (
    select
        class.student_key,
        class.class_id,
        class.class_title,
        class.school_id
    from {{ ref('int_current_class') }} as class
),

here as (
    -- Who has left the school as well is not named there any more.
    select distinct
        class.student_key,
        class.school_id
    from {{ ref('int_current_class') }} as class
)

select
    grouped.school_id,
    grouped.group_id,
    grouped.student_key,
    grouped.class_id,
    titled.class_title,
    grouped.competency_id,
    competency.competency_code,
    competency.competency_title,
    grouped.is_member,
    grouped.is_new,
    grouped.is_locked,
    grouped.left_reason,
    coalesce(pair.is_stuck, false) as is_stuck,
    pair.expected_share,
    grouped.group_since_date,
    grouped.joined_date
from {{ ref('int_group_member') }} as grouped
inner join {{ ref('stg_competency') }} as competency on grouped.competency_id = competency.competency_id
inner join here
    on
        grouped.student_key = here.student_key
        and grouped.school_id = here.school_id
left join titled
    on
        grouped.student_key = titled.student_key
        and grouped.class_id = titled.class_id
left join {{ ref('int_pupil_competency') }} as pair
    on
        grouped.student_key = pair.student_key
        and grouped.competency_id = pair.competency_id
