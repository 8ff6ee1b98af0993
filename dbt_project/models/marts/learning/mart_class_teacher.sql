-- A class that two teach has two rows; two periods of one enrolment that touch are one.
with classes as (
    select distinct
        class.school_id,
        class.class_id
    from {{ ref('int_current_class') }} as class
)

select
    classes.school_id,
    classes.class_id,
    enrolment.student_key as teacher_key,
    min(enrolment.valid_from_date) as teaching_since_date
from classes
inner join {{ ref('stg_enrollment') }} as enrolment
    on classes.class_id = enrolment.class_id
cross join {{ ref('stg_release') }} as release
where
    enrolment.role = 'teacher'
    and release.data_date between enrolment.valid_from_date and enrolment.valid_to_date
group by classes.school_id, classes.class_id, enrolment.student_key
