with planned as (
    select
        plan.pilot_id,
        unnest(plan.barriers) as barrier,
        generate_subscripts(plan.barriers, 1) as place
    from {{ ref('stg_pilot_plan') }} as plan
),

-- The newest word on each barrier since the plan was frozen.
told as (
    select
        fact.pilot_id,
        {{ same_name('fact.name') }} as barrier_key,
        arg_max(fact.text_value, fact.fact_date) as code,
        max(fact.fact_date) as on_date
    from {{ ref('stg_fact') }} as fact
    cross join {{ ref('stg_release') }} as release
    where
        fact.fact_type = 'barrier'
        and fact.fact_date <= release.data_date
    group by fact.pilot_id, {{ same_name('fact.name') }}
),

barriers as (
    select
        planned.pilot_id,
        cast(planned.place as integer) as place,
        planned.barrier ->> '$.kind' as barrier_kind,
        planned.barrier ->> '$.what' as what,
        planned.barrier ->> '$.owner' as owner,
        cast(planned.barrier ->> '$.opened_on' as date) as opened_date,
        case told.code
            when 'closed' then told.on_date
            when 'open' then null
            else cast(planned.barrier ->> '$.closed_on' as date)
        end as closed_date
    from planned
    left join told
        on
            planned.pilot_id = told.pilot_id
            and {{ same_name("planned.barrier ->> '$.what'") }} = told.barrier_key
)

select
    barriers.pilot_id,
    barriers.place,
    barriers.barrier_kind,
    barriers.what,
    barriers.owner,
    barriers.opened_date,
    barriers.closed_date,
    cast(
        greatest(
            least(coalesce(barriers.closed_date, release.data_date), release.data_date) - barriers.opened_date, 0
        ) as integer
    ) as days_open
from barriers
cross join {{ ref('stg_release') }} as release
where barriers.opened_date <= release.data_date
