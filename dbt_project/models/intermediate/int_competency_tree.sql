-- How far each competency is above its farthest leaf, and how many different leaves are below it.
with recursive below as (
    select
        edge.parent_id as competency_id,
        edge.competency_id as below_id,
        1 as steps
    from {{ ref('stg_competency_parent') }} as edge

    union

    select
        below.competency_id,
        edge.competency_id as below_id,
        below.steps + 1 as steps
    from below
    inner join {{ ref('stg_competency_parent') }} as edge on below.below_id = edge.parent_id
    -- One step more than the roll-up goes is an error that the model's test names; a circle would end here too.
    where below.steps <= {{ rollup_levels() }}
),

inner_one as (
    select distinct edge.parent_id
    from {{ ref('stg_competency_parent') }} as edge
)

select
    below.competency_id,
    cast(max(below.steps) as integer) as height,
    cast(count(distinct below.below_id) filter (where inner_one.parent_id is null) as integer) as leaves
from below
left join inner_one on below.below_id = inner_one.parent_id
group by below.competency_id
