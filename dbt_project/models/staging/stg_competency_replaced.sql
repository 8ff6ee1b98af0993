select distinct edge.from_competency_id as competency_id
from {{ source('silver', 'competency_edge') }} as edge
cross join {{ ref('stg_release') }} as release
where
    edge.edge_type = 'replacedBy'
    and {{ known_at('edge') }}
