-- Last night's members, with the class and the state they have now.
select
    member.group_id,
    member.group_since_date,
    member.student_key,
    member.school_id,
    member.competency_id,
    member.joined_date,
    class.class_id as class_now,
    case when pair.override_state = 'mastered' then 'mastered' else pair.state end as state_now
from {{ ref('stg_group_member') }} as member
left join {{ ref('stg_competency') }} as competency on member.competency_id = competency.competency_id
left join {{ ref('int_pupil_subject_class') }} as class
    on
        member.student_key = class.student_key
        and competency.subject = class.subject
        and member.school_id = class.school_id
left join {{ ref('int_pupil_competency') }} as pair
    on
        member.student_key = pair.student_key
        and member.competency_id = pair.competency_id
