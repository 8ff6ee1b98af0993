-- The one school a pupil belongs to on the data date.
select
    class.student_key,
    class.school_id,
    person.grade,
    class.joined_date as enrolled_since_date
from {{ ref('int_current_class') }} as class
left join {{ ref('stg_person') }} as person on class.student_key = person.student_key
qualify
    row_number() over (
        partition by class.student_key
        order by
            coalesce(class.school_id = person.school_id, false) desc,
            class.joined_date desc,
            class.school_id,
            class.class_id
    ) = 1
