with planned as (
    select
        plan.pilot_id,
        unnest(plan.barriers) as barrier,
        generate_subscripts(plan.barriers, 1) as place
    from {{ ref('stg_pilot_plan') }} as plan
),

named as (
    select
        planned.pilot_id,
        planned.place,
        planned.barrier ->> 'kind' as barrier_kind,
        planned.barrier ->> 'what' as what,
        planned.barrier ->> 'owner' as owner,
        cast(planned.barrier ->> 'opened_on' as date) as opened_date,
        cast(planned.barrier ->> 'closed_on' as date) as planned_closed_date
    from planned
),

-- What the file says of each barrier since it was opened, or closed as the plan says: what is older the plan knew.
told as (
    select
        named.pilot_id,
        named.place,
        fact.text_value as code,
        fact.fact_date as on_date,
        max(fact.fact_date) filter (where fact.text_value = 'open') over (
            partition by named.pilot_id, named.place
        ) as last_open_date
    from named
    cross join {{ ref('stg_release') }} as release
    inner join {{ ref('stg_fact') }} as fact
        on
            named.pilot_id = fact.pilot_id
            and {{ same_name('named.what') }} = {{ same_name('fact.name') }}
    where
        fact.fact_type = 'barrier'
        and fact.fact_date between coalesce(named.planned_closed_date, named.opened_date) and release.data_date
),

-- Closed on the first day that says so after the last that said open: a file may say it again each week.
newest as (
    select
        told.pilot_id,
        told.place,
        max(told.last_open_date) as last_open_date,
        min(told.on_date) filter (
            where told.code = 'closed' and (told.last_open_date is null or told.on_date > told.last_open_date)
        ) as closed_date
    from told
    group by told.pilot_id, told.place
),

barriers as (
    select
        named.pilot_id,
        cast(named.place as integer) as place,
        named.barrier_kind,
        named.what,
        named.owner,
        named.opened_date,
        -- Opened again: the plan's day holds no more. Else the plan's day is the first that says it.
        case
            when newest.last_open_date is null then coalesce(named.planned_closed_date, newest.closed_date)
            else newest.closed_date
        end as closed_date
    from named
    left join newest
        on
            named.pilot_id = newest.pilot_id
            and named.place = newest.place
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
