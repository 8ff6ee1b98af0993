-- Where a standing may be carried: to what replaces a competency, and both ways between what matches exactly.
with edge as (
    select
        edge.from_competency_id,
        edge.to_competency_id,
        edge.edge_type
    from {{ source('silver', 'competency_edge') }} as edge
    cross join {{ ref('stg_release') }} as release
    where
        {{ known_at('edge') }}
        and edge.edge_type in ('replacedBy', 'exactMatchOf')
        and edge.from_competency_id != edge.to_competency_id
),

both_ways as (
    select
        edge.from_competency_id,
        edge.to_competency_id,
        edge.edge_type as relation
    from edge

    union all

    select
        edge.to_competency_id as from_competency_id,
        edge.from_competency_id as to_competency_id,
        edge.edge_type as relation
    from edge
    where edge.edge_type = 'exactMatchOf'
)

select
    both_ways.from_competency_id,
    both_ways.to_competency_id,
    both_ways.relation,
    case both_ways.relation
        when 'replacedBy' then {{ replaced_discount() }}
        else {{ match_discount() }}
    end as discount
from both_ways
-- Of two relations between the same two the stronger one.
qualify
    row_number() over (
        partition by both_ways.from_competency_id, both_ways.to_competency_id
        order by discount desc, both_ways.relation
    ) = 1
