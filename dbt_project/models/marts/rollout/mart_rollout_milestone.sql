select
    fact.pilot_id,
    fact.school_id,
    school.school_name,
    fact.name as milestone,
    plan.owner,
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
where
    fact.fact_type = 'milestone'
    and school.arm = 'treatment'
