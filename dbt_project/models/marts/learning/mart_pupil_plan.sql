-- Who is taught what: the pupils by whom shares of mastered competencies are divided. int_pupil_subject_class has one
-- class a pupil and subject, so whoever sits in two classes of a subject counts once.
with planned as (
    select
        class.student_key,
        class.subject,
        class.class_id,
        class.class_title,
        class.school_id,
        class.is_of_subject,
        bool_or(class.is_of_subject) over (partition by class.student_key) as has_subjects
    from {{ ref('int_pupil_subject_class') }} as class
),

worked as (
    select distinct
        pair.student_key,
        pair.subject
    from {{ ref('int_pupil_competency') }} as pair
)

select
    planned.school_id,
    planned.class_id,
    planned.class_title,
    planned.student_key,
    planned.subject,
    {{ grade_key('person.grade') }} as grade
from planned
left join worked
    on
        planned.student_key = worked.student_key
        and planned.subject = worked.subject
left join {{ ref('stg_person') }} as person on planned.student_key = person.student_key
where
    planned.is_of_subject
    -- A homeroom names no subject: all of them are taught there.
    or not planned.has_subjects
    or worked.student_key is not null
