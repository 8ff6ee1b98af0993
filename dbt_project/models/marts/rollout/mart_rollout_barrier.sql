with barriers as (
    select
        plan.pilot_id,
        unnest(plan.barriers) as barrier,
        generate_subscripts(plan.barriers, 1) as place
    from {{ ref('stg_pilot_plan') }} as plan
)

select
    barriers.pilot_id,
    cast(barriers.place as integer) as place,
    barriers.barrier ->> '$.kind' as barrier_kind,
    barriers.barrier ->> '$.what' as what,
    barriers.barrier ->> '$.owner' as owner,
    cast(barriers.barrier ->> '$.opened_on' as date) as opened_date,
    cast(barriers.barrier ->> '$.closed_on' as date) as closed_date,
    cast(
        greatest(
            least(coalesce(cast(barriers.barrier ->> '$.closed_on' as date), release.data_date), release.data_date)
            - cast(barriers.barrier ->> '$.opened_on' as date),
            0
        ) as integer
    ) as days_open
from barriers
cross join {{ ref('stg_release') }} as release
where cast(barriers.barrier ->> '$.opened_on' as date) <= release.data_date
