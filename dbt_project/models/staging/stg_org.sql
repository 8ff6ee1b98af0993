select
    org.org_id as school_id,
    org.name as school_name
from {{ source('silver', 'org') }} as org
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('org') }}
    and org.org_type = 'school'
    and org.status = 'active'
