select distinct link.subject_key
from {{ source('silver', 'identity_link') }} as link
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('link') }}
    and link.valid_from <= release.as_of_at
    and (link.valid_to is null or link.valid_to > release.as_of_at)
