select
    fact.pilot_id,
    fact.school_id,
    fact.name as support_kind,
    cast(count(*) as integer) as visits,
    cast(sum(fact.value) as double) as hours,
    min(fact.fact_date) as first_date,
    max(fact.fact_date) as last_date
from {{ ref('stg_fact') }} as fact
cross join {{ ref('stg_release') }} as release
inner join {{ ref('mart_pilot_school') }} as school
    on
        fact.pilot_id = school.pilot_id
        and fact.school_id = school.school_id
where
    fact.fact_type = 'support'
    and school.arm = 'treatment'
    and fact.fact_date <= release.data_date
group by fact.pilot_id, fact.school_id, fact.name
