select
    competency.competency_id,
    coalesce(competency.code, competency.competency_id) as competency_code,
    competency.title as competency_title,
    coalesce(competency.subject, '') as subject,
    coalesce(competency.sequence, 0) as sequence
from {{ source('silver', 'competency') }} as competency
cross join {{ ref('stg_release') }} as release
where {{ known_at('competency') }}
