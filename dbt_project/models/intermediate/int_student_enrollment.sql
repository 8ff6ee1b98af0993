select
    enrolment.student_key,
    enrolment.class_id,
    class.class_title,
    class.subject,
    class.is_active,
    class.school_id,
    school.school_name,
    enrolment.valid_from_date,
    enrolment.valid_to_date
from {{ ref('stg_enrollment') }} as enrolment
inner join {{ ref('stg_class') }} as class on enrolment.class_id = class.class_id
inner join {{ ref('stg_org') }} as school on class.school_id = school.school_id
where enrolment.role = 'student'
