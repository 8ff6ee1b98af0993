select
    course.course_id,
    course.subject
from {{ source('silver', 'course') }} as course
cross join {{ ref('stg_release') }} as release
where {{ known_at('course') }}
