select
    link.subject_key,
    link.student_key,
    link.valid_from,
    link.valid_to
from {{ source('silver', 'identity_link') }} as link
cross join {{ ref('stg_release') }} as release
where {{ known_at('link') }}
