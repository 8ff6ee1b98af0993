with planned as (
    select
        plan.pilot_id,
        unnest(plan.milestones) as milestone
    from {{ ref('stg_pilot_plan') }} as plan
),

owners as (
    select
        planned.pilot_id,
        {{ same_name("planned.milestone ->> 'name'") }} as milestone_key,
        min(planned.milestone ->> 'owner') as owner
    from planned
    group by
        planned.pilot_id,
        {{ same_name("planned.milestone ->> 'name'") }}
)

select
    fact.pilot_id,
    fact.school_id,
    school.school_name,
    fact.name as milestone,
    coalesce(owners.owner, plan.owner) as owner,
    fact.fact_date as due_date,
    case
        when coalesce(fact.text_value, 'open') <> 'open' then fact.text_value
        when fact.fact_date < release.data_date then 'overdue'
        else 'open'
    end as status,
    cast(
        case
            when fact.text_value = 'done_late' then fact.value
            when coalesce(fact.text_value, 'open') = 'open' and fact.fact_date < release.data_date
                then release.data_date - fact.fact_date
        end as integer
    ) as days_late
from {{ ref('stg_fact') }} as fact
cross join {{ ref('stg_release') }} as release
inner join {{ ref('mart_pilot_school') }} as school
    on
        fact.pilot_id = school.pilot_id
        and fact.school_id = school.school_id
inner join {{ ref('stg_pilot_plan') }} as plan on fact.pilot_id = plan.pilot_id
left join owners
    on
        fact.pilot_id = owners.pilot_id
        and {{ same_name('fact.name') }} = owners.milestone_key
where
    fact.fact_type = 'milestone'
    and school.arm = 'treatment'
