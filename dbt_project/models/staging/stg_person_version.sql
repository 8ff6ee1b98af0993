-- What was known of pupils, version after version: rosters tell grades as of now, not as of a day.
select
    person.student_key,
    person.grade,
    person.recorded_from
from {{ source('silver', 'person') }} as person
cross join {{ ref('stg_release') }} as release
where
    person.role = 'student'
    and person.recorded_from <= release.as_of_at
