select
    resource.competency_id,
    resource.sequence,
    resource.resource_title,
    resource.resource_url,
    resource.kind,
    resource.minutes
from {{ source('silver', 'competency_resource') }} as resource
cross join {{ ref('stg_release') }} as release
where {{ known_at('resource') }}
