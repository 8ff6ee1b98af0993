-- Who is in which class on the data date; two periods of one enrolment that touch are one row.
select
    enrolment.student_key,
    enrolment.class_id,
    any_value(enrolment.class_title) as class_title,
    any_value(enrolment.subject) as subject,
    any_value(enrolment.school_id) as school_id,
    max(enrolment.valid_from_date) as joined_date
from {{ ref('int_student_enrollment') }} as enrolment
cross join {{ ref('stg_release') }} as release
where
    enrolment.is_active
    and release.data_date between enrolment.valid_from_date and enrolment.valid_to_date
group by enrolment.student_key, enrolment.class_id
