select
    school.school_id,
    school.school_name,
    cast(count(distinct class.student_key) as integer) as pupils,
    cast(count(distinct class.class_id) as integer) as classes,
    coalesce(any_value(hold.is_held_back), false) as is_held_back,
    any_value(hold.held_reason) as held_reason
from {{ ref('stg_org') }} as school
left join {{ ref('int_current_class') }} as class on school.school_id = class.school_id
left join {{ ref('int_gate_hold') }} as hold on school.school_id = hold.school_id
group by school.school_id, school.school_name
