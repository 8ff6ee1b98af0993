-- Each pair's strongest way in few steps: the discounts along it are multiplied. No competency is passed twice.
with recursive way as (
    select
        step.from_competency_id,
        step.to_competency_id,
        step.discount,
        1 as steps,
        step.relation,
        [step.from_competency_id, step.to_competency_id] as passed
    from {{ ref('stg_competency_carry') }} as step

    union all

    select
        way.from_competency_id,
        step.to_competency_id,
        way.discount * step.discount as discount,
        way.steps + 1 as steps,
        way.relation || ', ' || step.relation as relation,
        list_append(way.passed, step.to_competency_id) as passed
    from way
    inner join {{ ref('stg_competency_carry') }} as step on way.to_competency_id = step.from_competency_id
    where
        way.steps < {{ carry_steps() }}
        and not list_contains(way.passed, step.to_competency_id)
)

select
    way.from_competency_id,
    way.to_competency_id,
    way.discount,
    way.steps,
    way.relation
from way
qualify
    row_number() over (
        partition by way.from_competency_id, way.to_competency_id
        order by way.discount desc, way.steps, way.relation
    ) = 1
