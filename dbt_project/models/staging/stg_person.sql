select
    person.student_key,
    person.role,
    person.school_id,
    person.grade
from {{ source('silver', 'person') }} as person
cross join {{ ref('stg_release') }} as release
where {{ known_at('person') }}
-- A person with several roles has one row here: the pupil's role first.
qualify
    row_number() over (
        partition by person.student_key order by person.role = 'student' desc, person.role asc, person.school_id asc
    ) = 1
