-- The class that answers for a pupil's work in a subject: one of that subject first, else any.
with subjects as (
    select distinct competency.subject
    from {{ ref('stg_competency') }} as competency
)

select
    class.student_key,
    subjects.subject,
    class.class_id,
    class.class_title,
    class.school_id,
    lower(trim(coalesce(class.subject, ''))) = lower(trim(subjects.subject)) as is_of_subject
from {{ ref('int_current_class') }} as class
cross join subjects
qualify
    row_number() over (
        partition by class.student_key, subjects.subject
        order by
            lower(trim(coalesce(class.subject, ''))) = lower(trim(subjects.subject)) desc,
            class.joined_date desc,
            class.class_id
    ) = 1
