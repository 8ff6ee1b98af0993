select
    section.class_id,
    section.title as class_title,
    section.school_id,
    coalesce(section.subject, course.subject) as subject,
    section.status = 'active' as is_active
from {{ source('silver', 'class_section') }} as section
cross join {{ ref('stg_release') }} as release
left join {{ ref('stg_course') }} as course on section.course_id = course.course_id
where {{ known_at('section') }}
