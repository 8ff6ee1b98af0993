select distinct
    edge.from_competency_id as prerequisite_id,
    edge.to_competency_id as competency_id
from {{ source('silver', 'competency_edge') }} as edge
cross join {{ ref('stg_release') }} as release
where
    {{ known_at('edge') }}
    and edge.edge_type = 'precedes'
