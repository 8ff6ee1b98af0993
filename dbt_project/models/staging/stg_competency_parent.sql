select distinct
    edge.from_competency_id as competency_id,
    edge.to_competency_id as parent_id
from {{ source('silver', 'competency_edge') }} as edge
inner join {{ ref('stg_competency') }} as child on edge.from_competency_id = child.competency_id
inner join {{ ref('stg_competency') }} as parent on edge.to_competency_id = parent.competency_id
cross join {{ ref('stg_release') }} as release
anti join {{ ref('stg_competency_replaced') }} as gone on edge.from_competency_id = gone.competency_id
where
    {{ known_at('edge') }}
    and edge.edge_type = 'isChildOf'
