-- Three a competency: what a page shows beside it, in the district's own order.
with placed as (
    select
        resource.competency_id,
        cast(row_number() over (
            partition by resource.competency_id order by resource.sequence, resource.resource_url
        ) as integer) as place,
        resource.resource_title,
        resource.resource_url,
        resource.kind,
        resource.minutes
    from {{ ref('stg_competency_resource') }} as resource
    inner join {{ ref('mart_competency') }} as competency on resource.competency_id = competency.competency_id
)

select placed.*
from placed
where placed.place <= 3
